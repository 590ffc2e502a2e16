//! `elastic-cloud-enterprise.sh`, called as ECE's documentation says, for two hosts in two
//! network namespaces.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Finished, agent_path, skip, within};

const COORDINATOR: &str = "10.99.0.1";
const JOINING: &str = "10.99.0.2";

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/elastic-cloud-enterprise.sh")
}

fn sh(command: &str) -> Finished {
    Finished::of(Command::new("bash").args(["-c", command]).stdin(Stdio::null()))
}

/// Two machines as far as network and the usual directories go.
struct Lab {
    dir: TempDir,
    names: [String; 2],
}

impl Lab {
    /// `None` where this user may not make network namespaces.
    fn build() -> Option<Self> {
        let id = std::process::id();
        let names = [format!("ece{id}a"), format!("ece{id}b")];
        let lab = Self { dir: TempDir::new().unwrap(), names };
        let [a, b] = &lab.names;
        let built = sh(&format!(
            "set -e; ip netns add {a}; ip netns add {b}
             ip link add v0 netns {a} type veth peer name v0 netns {b}
             for host in {a}:{COORDINATOR} {b}:{JOINING}; do
               ip -n ${{host%%:*}} address add ${{host#*:}}/24 dev v0
               ip -n ${{host%%:*}} link set v0 up; ip -n ${{host%%:*}} link set lo up
             done
             ip -n {a} route add default via {JOINING}; ip -n {b} route add default via {COORDINATOR}"
        ));
        (built.code == 0).then_some(lab)
    }

    /// Runs a command on one of the machines, with directories of its own in the usual places.
    fn on(&self, host: usize, command: &str) -> Finished {
        let own = self.dir.path().join(&self.names[host]);
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", own.join("bin").display());
        let mounts = ["var/lib/ece-agent", "mnt/data"].map(|dir| {
            fs::create_dir_all(own.join(dir)).unwrap();
            fs::create_dir_all(Path::new("/").join(dir)).unwrap();
            format!("mount --bind {} /{dir}", own.join(dir).display())
        });
        let script = format!("{} && {command}", mounts.join(" && "));
        let mut unshare = Command::new("ip");
        unshare.args(["netns", "exec", &self.names[host], "unshare", "-m", "bash", "-c", &script]);
        Finished::of(unshare.env("PATH", path).env_remove("ECE_AGENT_BINARY").stdin(Stdio::null()))
    }

    fn provide(&self, host: usize) {
        let bin = self.dir.path().join(&self.names[host]).join("bin");
        fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink(agent_path(), bin.join("ece-agent")).unwrap();
        std::os::unix::fs::symlink(script(), bin.join("elastic-cloud-enterprise.sh")).unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for host in 0..2 {
            self.on(host, "ece-agent stop");
        }
        let [a, b] = &self.names;
        sh(&format!("ip netns del {a}; ip netns del {b}"));
        // Mount points that were made for this, if nothing else uses them.
        sh("rmdir /var/lib/ece-agent /mnt/data");
    }
}

#[test]
fn the_calls_of_eces_documentation_work_as_they_stand() {
    let test = "installer_script::the_calls_of_eces_documentation_work_as_they_stand";
    let Some(lab) = Lab::build() else {
        return skip(test, "it needs root and the commands ip and unshare");
    };
    lab.provide(0);
    lab.provide(1);
    let install = "bash $(dirname $(command -v ece-agent))/elastic-cloud-enterprise.sh install";
    lab.on(0, install).expect(0);
    let secrets: Value = serde_json::from_str(
        &lab.on(0, "cat /mnt/data/elastic/bootstrap-state/bootstrap-secrets.json").stdout,
    )
    .unwrap();
    let environment = format!(
        "USER=admin; PASSWORD={}; COORDINATOR_HOST={COORDINATOR};",
        secrets["adminconsole_root_password"].as_str().unwrap()
    );

    let token = lab.on(1, &format!(
        "{environment} curl -s -k -H 'Content-Type: application/json' -u $USER:$PASSWORD https://$COORDINATOR_HOST:12443/api/v1/platform/configuration/security/enrollment-tokens -d '{{ \"persistent\": true, \"roles\": [ \"allocator\"] }}'"
    ));
    let token = token.json()["token"].as_str().unwrap().to_owned();

    let join = format!(
        "{install} --coordinator-host {COORDINATOR} --roles-token '{token}' --roles \"allocator\""
    );
    lab.on(1, &join).expect(0);
    lab.on(1, &join).expect(0);

    let allocators = || {
        let list = lab.on(0, &format!(
            "{environment} curl -s -k -X GET -u $USER:$PASSWORD https://$COORDINATOR_HOST:12443/api/v1/platform/infrastructure/allocators"
        ));
        list.json()["zones"][0]["allocators"].as_array().unwrap().clone()
    };
    let joined = || {
        let found = allocators().into_iter().find(|it| it["allocator_id"] == JOINING);
        found.unwrap_or_else(|| panic!("{:#?}", allocators()))
    };
    assert_eq!(joined()["host_ip"], JOINING);
    assert_eq!(joined()["status"]["connected"], true);

    // By name: the host's own is in the certificate, any other is not.
    let by_name = |name: &str, number: usize| {
        let dir = lab.dir.path().join(format!("by-name-{number}"));
        let dir = dir.display();
        lab.on(1, &format!(
            "echo '{COORDINATOR} {name}' > {dir}.hosts && mount --bind {dir}.hosts /etc/hosts && \
             ece-agent install --state-dir {dir} --host-storage-path {dir}.data --runner-id by-name-{number} \
             --coordinator-host {name} --roles-token '{token}'; code=$?; \
             ece-agent stop --state-dir {dir}; exit $code"
        ))
    };
    let own_name = sh("uname -n").stdout.trim().to_owned();
    by_name(&own_name, 1).expect(0);
    by_name("somebody.else", 2).refused(13, "trust.name_mismatch");

    // Of two addresses of a name one is dead: nobody answers there, not even with a refusal.
    let dead = "10.99.0.77";
    sh(&format!("ip -n {} neigh add {dead} lladdr 02:00:00:00:00:77 dev v0", lab.names[1]))
        .expect(0);
    let two_addresses = lab.dir.path().join("two-addresses.hosts");
    fs::write(&two_addresses, format!("{dead} {own_name}\n{COORDINATOR} {own_name}\n")).unwrap();
    let join_at = |host: &str, name: &str| {
        let dir = lab.dir.path().join(name);
        let (dir, hosts) = (dir.display(), two_addresses.display());
        lab.on(
            1,
            &format!(
                "mount --bind {hosts} /etc/hosts && ece-agent install --state-dir {dir} \
             --host-storage-path {dir}.data --runner-id {name} --coordinator-host {host} --roles-token '{token}'; code=$?; \
             ece-agent stop --state-dir {dir}; exit $code"
            ),
        )
    };
    join_at(&own_name, "two-addresses").expect(0);
    join_at(dead, "nobody-answers").refused(12, "coordinator.timeout");

    // Cut off, and back again.
    let link = |state: &str| sh(&format!("ip -n {} link set v0 {state}", lab.names[1])).expect(0);
    let connected = |wanted: bool| {
        within(Duration::from_secs(15), || joined()["status"]["connected"] == wanted)
    };
    link("down");
    assert!(connected(false));
    link("up");
    sh(&format!("ip -n {} route replace default via {COORDINATOR}", lab.names[1])).expect(0);
    assert!(connected(true));
}

#[test]
fn what_somebody_else_can_write_is_not_run_through_sudo() {
    use std::os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    };
    let test = "installer_script::what_somebody_else_can_write_is_not_run_through_sudo";
    if !ece_agent::host::process::is_root() {
        return skip(test, "it needs root");
    }
    const CALLER: u32 = 65_534;
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(dir.path(), 0o755);
    fs::create_dir(path("tools")).unwrap();
    fs::create_dir(path("bin")).unwrap();
    let (beside, binary) = (path("bin/elastic-cloud-enterprise.sh"), path("bin/ece-agent"));
    fs::copy(script(), &beside).unwrap();
    let sudo = "#!/bin/sh\n[ \"$2\" = true ] || echo \"as root: $*\"\n";
    for (file, text) in [(path("tools/sudo"), sudo), (binary.clone(), "#!/bin/sh\necho it ran\n")] {
        fs::write(&file, text).unwrap();
        mode(&file, 0o755);
    }
    let call = |arguments: &[&str]| {
        let mut command = Command::new("bash");
        command.arg(&beside).args(arguments).uid(CALLER).gid(CALLER).current_dir("/");
        let tools = format!("{}:/usr/bin:/bin", path("tools").display());
        Finished::of(command.env_remove("ECE_AGENT_BINARY").env("PATH", tools).stdin(Stdio::null()))
    };
    let runs = || {
        let told = call(&["install"]).expect(0).stdout;
        assert!(told.starts_with("as root:"), "{told}");
    };
    let refused = |named: &Path| {
        let told = call(&["install"]).expect(4);
        assert!(!told.stdout.contains("as root"), "{told:?}");
        assert!(told.stderr.contains(named.to_str().unwrap()), "{told:?}");
        assert!(told.stderr.contains("fix: "), "{told:?}");
        told.refused(4, "program.of_another_user");
    };
    runs();
    for (changed, open) in [(&binary, 0o757), (&binary, 0o775), (&path("bin"), 0o777)] {
        chown(changed, None, Some(12_345)).unwrap();
        mode(changed, open);
        refused(changed);
        mode(changed, 0o755);
        runs();
    }
    for changed in [&binary, &path("bin")] {
        chown(changed, Some(12_345), None).unwrap();
        refused(changed);
        chown(changed, Some(CALLER), None).unwrap();
        runs();
        chown(changed, Some(0), None).unwrap();
    }
    // A link leads to what is run.
    fs::create_dir(path("theirs")).unwrap();
    fs::rename(&binary, path("theirs/ece-agent")).unwrap();
    std::os::unix::fs::symlink(path("theirs/ece-agent"), &binary).unwrap();
    runs();
    mode(&path("theirs"), 0o777);
    refused(&path("theirs"));
    // And one that leads there by another of theirs, which they can lead elsewhere at any moment.
    fs::remove_file(&binary).unwrap();
    fs::rename(path("theirs/ece-agent"), path("bin/real")).unwrap();
    std::os::unix::fs::symlink(path("bin/real"), path("theirs/ece-agent")).unwrap();
    std::os::unix::fs::symlink(path("theirs/ece-agent"), &binary).unwrap();
    refused(&path("theirs"));
    mode(&path("theirs"), 0o755);
    let told = call(&["install"]).expect(0).stdout;
    let real = path("bin/real").display().to_string();
    assert!(told.contains(&real) && !told.contains("theirs"), "{told}");
    mode(&path("theirs"), 0o777);
    fs::remove_file(path("theirs/ece-agent")).unwrap();
    fs::rename(path("bin/real"), path("theirs/ece-agent")).unwrap();
    fs::remove_file(&binary).unwrap();
    fs::write(&binary, "#!/bin/sh\n").unwrap();
    mode(&binary, 0o755);
    let other = path("theirs/ece-agent");
    let told = call(&["upgrade", "--binary", other.to_str().unwrap()]).expect(4);
    assert!(!told.stdout.contains("as root"), "{told:?}");
}

#[test]
fn root_runs_nothing_beside_the_script_that_somebody_else_can_write() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let test = "installer_script::root_runs_nothing_beside_the_script_that_somebody_else_can_write";
    if !ece_agent::host::process::is_root() {
        return skip(test, "it needs root");
    }
    const OTHER: u32 = 12_345;
    let dir = TempDir::new().unwrap();
    let beside = dir.path().join("elastic-cloud-enterprise.sh");
    let binary = dir.path().join("ece-agent");
    fs::copy(script(), &beside).unwrap();
    fs::write(&binary, "#!/bin/sh\necho it ran\n").unwrap();
    let mode = |path: &Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&binary, 0o755);
    let call = |verb: &str, sudo: Option<u32>| {
        let mut command = Command::new("bash");
        command.arg(&beside).arg(verb).env_remove("ECE_AGENT_BINARY").env_remove("SUDO_UID");
        command.env("PATH", "/usr/bin:/bin").envs(sudo.map(|uid| ("SUDO_UID", uid.to_string())));
        Finished::of(command.stdin(Stdio::null()))
    };
    assert_eq!(call("install", None).expect(0).stdout, "it ran\n");
    chown(&binary, Some(OTHER), None).unwrap();
    for verb in ["install", "upgrade", "reset-adminconsole-password"] {
        assert_eq!(call(verb, None).refused(4, "program.of_another_user").stdout, "");
    }
    call("install", Some(OTHER)).expect(0);
    chown(&binary, Some(0), None).unwrap();
    mode(dir.path(), 0o777);
    let told = call("install", None).refused(4, "program.of_another_user").stderr;
    // Who does what it says gets on.
    let command = told.lines().last().unwrap().trim().to_owned();
    sh(&command).expect(0);
    call("install", None).expect(0);
}

#[test]
fn read_from_a_pipe_it_runs_nothing_of_the_directory_it_is_called_in() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let there = dir.path().join("ece-agent");
    fs::write(&there, "#!/bin/sh\necho it ran\n").unwrap();
    fs::set_permissions(&there, fs::Permissions::from_mode(0o755)).unwrap();
    let text = fs::read_to_string(script()).unwrap();
    for verb in ["install", "upgrade", "reset-adminconsole-password"] {
        let mut bash = Command::new("bash");
        bash.args(["-s", "--", verb]).current_dir(dir.path());
        bash.env("PATH", "/usr/bin:/bin").env_remove("ECE_AGENT_BINARY");
        let told = Finished::with_input(&mut bash, &text).refused(1, "program.missing");
        assert!(told.stdout.is_empty() && !told.stderr.contains("unbound"), "{told:?}");
        assert!(told.stderr.lines().all(|line| line.chars().count() <= 80), "{told:?}");
    }
}

#[test]
fn the_codes_that_the_script_names_are_those_of_the_program() {
    let text = fs::read_to_string(script()).unwrap();
    let named: Vec<&str> = text
        .split('[')
        .filter_map(|part| part.split_once("]\"").map(|(name, _)| name))
        .filter(|name| {
            name.contains('.')
                && name.chars().all(|it| it.is_ascii_lowercase() || "._".contains(it))
        })
        .collect();
    assert!(named.len() > 8, "{named:?}");
    for name in named {
        assert!(ece_agent::model::Code::from_name(name).is_some(), "{name}");
    }
}

#[test]
fn the_binary_is_found_beside_the_script_in_path_or_where_the_variable_says() {
    let dir = TempDir::new().unwrap();
    let call = |script: &Path, environment: &[(&str, &str)], arguments: &[&str]| {
        let mut command = Command::new("bash");
        command
            .arg(script)
            .args(arguments)
            .env_remove("ECE_AGENT_BINARY")
            .env("PATH", "/usr/bin:/bin");
        Finished::of(command.envs(environment.iter().copied()).stdin(Stdio::null()))
    };
    call(&script(), &[], &["install"]).refused(1, "program.missing");
    let agent = agent_path().to_str().unwrap();
    let bad = ["--coordinator-host", "10.0.0.1"];
    call(&script(), &[("ECE_AGENT_BINARY", agent)], &bad).refused(3, "token.missing");
    let path = format!("{}:/usr/bin:/bin", agent_path().parent().unwrap().display());
    call(&script(), &[("PATH", &path)], &bad).refused(3, "token.missing");
    let beside = dir.path().join("elastic-cloud-enterprise.sh");
    fs::copy(script(), &beside).unwrap();
    std::os::unix::fs::symlink(agent_path(), dir.path().join("ece-agent")).unwrap();
    call(&beside, &[], &["install", "--coordinator-host", "10.0.0.1"]).refused(3, "token.missing");
    call(&beside, &[], &["--coordinator-host", "10.0.0.1"]).refused(3, "token.missing");
    call(&beside, &[], &["dance"]).refused(3, "config.invalid");
    call(&beside, &[], &["upgrade", "--dance"]).refused(3, "config.invalid");
    let version = call(&beside, &[], &["--version"]).expect(0).stdout;
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    let help = call(&beside, &[], &["--help"]).expect(0).stdout;
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
    let named = help.split("'ece-agent ").skip(1).map(|rest| rest.split_once('\'').unwrap().0);
    for line in named {
        Finished::of(&mut crate::support::agent(line.split(' '))).expect(0);
    }
    for verb in ["add-stack-version", "configure-selinux-settings"] {
        let told = call(&beside, &[], &[verb]).expect(0).stderr;
        assert!(told.contains("nothing to do"), "{told}");
    }
}

#[test]
fn alone_with_a_token_that_is_not_one_it_says_what_to_do() {
    let dir = TempDir::new().unwrap();
    let alone = dir.path().join("elastic-cloud-enterprise.sh");
    fs::copy(script(), &alone).unwrap();
    let missing = "/nonexistent/token";
    // Its middle part is {"roles":[]}.
    let without_pin = "x.eyJyb2xlcyI6W119.y";
    for (flags, code, name, fix) in [
        (&[][..], 3, "token.missing", "--roles-token-file"),
        (&["--roles-token-file", missing], 3, "token.unreadable", "give a file"),
        (&["--roles-token", "nonsense"], 10, "token.malformed", "copy the whole token"),
        (&["--roles-token", without_pin], 13, "trust.no_pin", "--ca-fingerprint"),
        (&["--ca-fingerprint", "sha256:12"], 3, "config.invalid", "64 hexadecimal digits"),
    ] {
        let mut command = Command::new("bash");
        command.arg(&alone).args(["install", "--coordinator-host", "127.0.0.1"]).args(flags);
        command.env("PATH", "/usr/bin:/bin").env_remove("ECE_AGENT_BINARY");
        let told = Finished::of(command.stdin(Stdio::null())).refused(code, name).stderr;
        let said = told.lines().find(|line| line.starts_with("  fix: ")).unwrap_or_default();
        assert!(said.contains(fix), "{told}");
    }
}
