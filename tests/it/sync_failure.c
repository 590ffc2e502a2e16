/* Makes syncs of the disk fail: all of them once the file named by FAIL_SYNC_FILE exists, or the
   one with the number in FAIL_SYNC_AT, counted from 1, as if the disk were full at that moment. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int fails(void) {
    static int count;
    const char *file = getenv("FAIL_SYNC_FILE");
    const char *at = getenv("FAIL_SYNC_AT");
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
