/* Makes syncs of the disk fail: all of them once the file named by FAIL_SYNC_FILE exists, or the
   one with the number in FAIL_SYNC_AT, counted from 1, as if the disk were full at that moment.
   As long as the file named by HANG_SYNC_FILE exists, none of them returns; one that waits for that
   makes the file of that name with ".waits" at its end.
   Once the file named by FAIL_WRITE_FILE exists, writes beside the datastore fail with the error
   whose number is in FAIL_WRITE_WITH. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void wait_while_there(const char *file) {
    char waits[PATH_MAX];
    if (access(file, F_OK) != 0) return;
    snprintf(waits, sizeof waits, "%s.waits", file);
    close(open(waits, O_WRONLY | O_CREAT, 0600));
    while (access(file, F_OK) == 0) usleep(10000);
}

static int fails(void) {
    static int count;
    const char *file = getenv("FAIL_SYNC_FILE");
    const char *at = getenv("FAIL_SYNC_AT");
    const char *hang = getenv("HANG_SYNC_FILE");
    if (hang) wait_while_there(hang);
    if (file && access(file, F_OK) == 0) {
        errno = EIO;
        return 1;
    }
    if (at && __sync_add_and_fetch(&count, 1) == atoi(at)) {
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return fails() ? -1 : real(fd);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return fails() ? -1 : real(fd);
}

static int refuses(int fd) {
    const char *file = getenv("FAIL_WRITE_FILE");
    char link[64], path[4096];
    if (!file || access(file, F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (!strstr(path, "/coordinator/store.")) return 0;
    errno = atoi(getenv("FAIL_WRITE_WITH"));
    return 1;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    return refuses(fd) ? -1 : real(fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    return refuses(fd) ? -1 : real(fd, bytes, count, offset);
}
