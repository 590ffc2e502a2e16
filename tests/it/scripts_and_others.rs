//! The installer scripts on a machine with other users: what those see of them, and may change.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::support::{Finished, skip, within};

/// Who installs, where the test has to be nobody that matters.
const CALLER: u32 = 65_534;

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Processes among whose arguments every user can see this.
fn seen_in_argv(secret: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|it| Some(it.ok()?.path()));
    let lines = processes.filter_map(|it| fs::read(it.join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(secret)).collect()
}

fn is_hidden(secret: &str) {
    let hidden = || seen_in_argv(secret).is_empty();
    assert!(within(Duration::from_secs(20), hidden), "{:?}", seen_in_argv(secret));
}

#[test]
fn a_token_leaves_the_arguments_of_a_script_alone_before_anybody_is_asked() {
    // Its middle part names this coordinator and a pin.
    const ADDRESS: &str = "127.16.251.7";
    let token = "canary.eyJob3N0cyI6WyIxMjcuMTYuMjUxLjciXSwiY2EiOlsic2hhMjU2OjAwIl19.in-argv";
    let listener = TcpListener::bind((ADDRESS, 12443)).unwrap();
    let file = scripts().join("elastic-cloud-enterprise.sh");
    let dir = TempDir::new().unwrap();
    let text = fs::read_to_string(&file).unwrap();
    for through_pipe in [false, true] {
        let alone = dir.path().join("elastic-cloud-enterprise.sh");
        fs::copy(&file, &alone).unwrap();
        let mut bash = Command::new("bash");
        match through_pipe {
            true => bash.args(["-s", "--"]).stdin(Stdio::piped()),
            false => bash.arg(&alone).stdin(Stdio::null()),
        };
        bash.args(["install", "--roles-token", token, "--roles", "allocator"]);
        bash.env("PATH", "/usr/bin:/bin").env_remove("ECE_AGENT_BINARY");
        let mut script = bash.stderr(Stdio::piped()).spawn().unwrap();
        if let Some(mut stdin) = script.stdin.take() {
            stdin.write_all(text.as_bytes()).unwrap();
        }
        // For as long as the coordinator says nothing, it waits.
        let asked = listener.accept().unwrap();
        is_hidden(token);
        assert!(script.try_wait().unwrap().is_none());
        drop(asked);
        let told = script.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&told.stderr);
        assert!(said.contains("[coordinator.unreachable]"), "{said}");
    }
}

/// An installer in one file whose program tells what it got, and waits.
struct OneFile {
    dir: TempDir,
}

const STUB: &str =
    "#!/bin/sh\necho \"$@\" >\"$HOME/arguments\"\ncat >\"$HOME/input\"\ncat \"$HOME/wait\"\n";

impl OneFile {
    fn make() -> Self {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        mode(dir.path(), 0o755);
        fs::create_dir(at("home")).unwrap();
        fs::create_dir(at("both")).unwrap();
        fs::write(at("both/ece-agent"), STUB).unwrap();
        mode(&at("both/ece-agent"), 0o755);
        let script = "elastic-cloud-enterprise.sh";
        fs::copy(scripts().join(script), at("both").join(script)).unwrap();
        let text = fs::read_to_string(scripts().join("installer.sh")).unwrap();
        let lines = (text.lines().count() + 1).to_string();
        let shell = format!(
            "set -e; cd {}; tar -C both -czf archive .; mkfifo home/wait
             sum=$(sha256sum <archive); platform=$(uname -s)-$(uname -m)
             sed -e \"s/@SHA256@/${{sum%% *}}/\" -e \"s/@PLATFORM@/$platform/\" -e s/@LINES@/{lines}/ {} >one.sh
             cat archive >>one.sh",
            dir.path().display(),
            scripts().join("installer.sh").display()
        );
        Finished::of(Command::new("bash").args(["-c", &shell])).expect(0);
        if ece_agent::host::process::is_root() {
            for name in ["home", "home/wait"] {
                chown(at(name), Some(CALLER), Some(CALLER)).unwrap();
            }
        }
        Self { dir }
    }

    fn home(&self, name: &str) -> PathBuf {
        self.dir.path().join("home").join(name)
    }

    fn call(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new("sh");
        command.arg(self.dir.path().join("one.sh")).args(arguments).current_dir("/");
        command.env("HOME", self.home("")).env("PATH", "/usr/bin:/bin").env_remove("TMPDIR");
        if ece_agent::host::process::is_root() {
            command.uid(CALLER).gid(CALLER);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
    }
}

#[test]
fn a_secret_leaves_the_arguments_of_the_installer_in_one_file_and_reaches_the_program() {
    let one = OneFile::make();
    for (flags, secret, arguments) in [
        (
            &["install", "--roles-token", "'canary-1-in-argv'", "--roles", "proxy"][..],
            "canary-1-in-argv",
            "install --roles proxy --roles-token-file -",
        ),
        (&["--roles-token=canary-2-in-argv"], "canary-2-in-argv", "install --roles-token-file -"),
        (
            &["reset-adminconsole-password", "--pwd", "canary-3-in-argv", "--user", "bob"],
            "canary-3-in-argv",
            "reset-password --user bob --password-file /dev/stdin",
        ),
    ] {
        let mut installer = one.call(flags);
        let input = || fs::read_to_string(one.home("input")).unwrap_or_default();
        assert!(within(Duration::from_secs(20), || input().trim() == secret), "{}", input());
        is_hidden(secret);
        assert_eq!(fs::read_to_string(one.home("arguments")).unwrap().trim(), arguments);
        fs::write(one.home("wait"), "").unwrap();
        assert!(installer.wait().unwrap().success());
        fs::remove_file(one.home("input")).unwrap();
    }
}

#[test]
fn a_program_that_others_may_write_by_an_acl_or_as_their_own_group_is_not_run() {
    let test = "scripts_and_others::a_program_that_others_may_write_by_an_acl_or_as_their_own_group_is_not_run";
    let has_setfacl = Command::new("setfacl").arg("--version").stdout(Stdio::null()).status();
    if !ece_agent::host::process::is_root() || !has_setfacl.is_ok_and(|it| it.success()) {
        return skip(test, "it needs root and setfacl");
    }
    let dir = TempDir::new().unwrap();
    let binary = dir.path().join("ece-agent");
    let script = dir.path().join("elastic-cloud-enterprise.sh");
    fs::copy(scripts().join("elastic-cloud-enterprise.sh"), &script).unwrap();
    fs::write(&binary, "#!/bin/sh\necho it ran\n").unwrap();
    mode(&binary, 0o775);
    let call = |tools: &Path| {
        let mut command = Command::new("bash");
        command.arg(&script).arg("install").env_remove("ECE_AGENT_BINARY").env_remove("SUDO_UID");
        command.env("PATH", format!("{}:/usr/bin:/bin", tools.display()));
        Finished::of(command.stdin(Stdio::null()))
    };
    let none = Path::new("/nonexistent");
    assert_eq!(call(none).expect(0).stdout, "it ran\n");
    let acl = format!("u:{CALLER}:rwx");
    Finished::of(Command::new("setfacl").args(["-m", &acl]).arg(&binary)).expect(0);
    let told = call(none).refused(4, "program.of_another_user");
    assert_eq!(told.stdout, "");
    let command = told.stderr.lines().last().unwrap().trim().to_owned();
    Finished::of(Command::new("sh").args(["-c", &command])).expect(0);
    assert_eq!(call(none).expect(0).stdout, "it ran\n");

    // Somebody else whose own group is root's.
    Finished::of(Command::new("setfacl").arg("-b").arg(&binary)).expect(0);
    mode(&binary, 0o775);
    let tools = dir.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let passwd = "#!/bin/sh\n[ \"$1\" = passwd ] || exec /usr/bin/getent \"$@\"\necho bob:x:1234:0::/:/bin/sh\n";
    fs::write(tools.join("getent"), passwd).unwrap();
    mode(&tools.join("getent"), 0o755);
    assert_eq!(call(&tools).refused(4, "program.of_another_user").stdout, "");
}
