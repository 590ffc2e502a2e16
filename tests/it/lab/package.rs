use std::{fs, process::Command};

use super::lab;
use crate::support::{Finished, agent_path};

/// A package of this build under another version.
fn package(dir: &std::path::Path, version: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let mut build = Command::new(format!("{root}/scripts/package"));
    // The examples are built with the tests.
    build.args(["--binary", agent_path().to_str().unwrap(), "--manual"]);
    build.arg(agent_path().parent().unwrap().join("examples/manual"));
    build.args(["--output", dir.to_str().unwrap()]).env("ECE_AGENT_PACKAGE_VERSION", version);
    let made = Finished::of(&mut build).expect(0).stdout;
    made.lines().next().unwrap().to_owned()
}

#[test]
fn the_package_is_installed_upgraded_removed_and_purged_as_a_debian_package_should() {
    let Some(lab) = lab(
        "lab::package::the_package_is_installed_upgraded_removed_and_purged_as_a_debian_package_should",
    ) else {
        return;
    };
    let packages = ["0.1.0", "0.1.1"].map(|version| package(lab.dir.path(), version));
    let lint = Finished::of(Command::new("lintian").args(["--fail-on", "error"]).arg(&packages[0]));
    assert_eq!(lint.code, 0, "{lint:?}");
    let (mut first, mut second) = (lab.machine(11), lab.machine(12));
    for machine in [&mut first, &mut second] {
        machine.arguments = vec![format!("--bind-ro={}:/packages", lab.dir.path().display())];
        machine.boot();
        machine.run(&format!("dpkg -i /packages/{}", file_name(&packages[0]))).expect(0);
    }
    let unpacked = second.run("dpkg -L ece-agent").stdout;
    for file in [
        "/usr/bin/ece-agent",
        "man1/ece-agent-install.1.gz",
        "completions/ece-agent",
        "examples/config.toml",
        "joining-host.yaml",
    ] {
        assert!(unpacked.contains(file), "{file} is not in {unpacked}");
    }
    first.run("/usr/bin/ece-agent install").expect(0);
    let token = first.run("/usr/bin/ece-agent token create --json --roles allocator").json();
    let join = "/usr/bin/ece-agent install --roles allocator --roles-token-file -";
    second.run_with_input(join, token["token"].as_str().unwrap()).expect(0);
    first.sees_connected("10.77.0.12");
    second.run("test -e /etc/systemd/system/ece-agent.service").expect(1);
    second.run("/opt/provided/elastic-cloud-enterprise.sh upgrade").refused(3, "upgrade.packaged");

    let identity = "cat /var/lib/ece-agent/identity.json /var/lib/ece-agent/host.key | sha256sum";
    let (before, session) = (second.run(identity).stdout, second.status()["session"].clone());
    second.run(&format!("dpkg -i /packages/{}", file_name(&packages[1]))).expect(0);
    first.sees_connected("10.77.0.12");
    assert!(crate::support::within(std::time::Duration::from_secs(20), || {
        second.status()["connected"] == true && second.status()["session"] != session
    }));
    assert_eq!(second.run(identity).stdout, before);

    second.run("dpkg -r ece-agent").expect(0);
    assert_eq!(second.run(identity).stdout, before, "the identity is kept");
    second.run("pgrep -x ece-agent").expect(1);
    second
        .run(&format!("dpkg -i /packages/{} && systemctl start ece-agent", file_name(&packages[1])))
        .expect(0);
    first.sees_connected("10.77.0.12");
    second.run("dpkg -P ece-agent").expect(0);
    let left = second.run("ls -d /var/lib/ece-agent /etc/ece-agent /usr/bin/ece-agent /lib/systemd/system/ece-agent.service");
    assert_eq!(left.stdout, "", "{left:?}");
}

#[test]
fn without_a_service_manager_the_package_comes_and_goes_and_the_daemon_with_it() {
    let test =
        "lab::package::without_a_service_manager_the_package_comes_and_goes_and_the_daemon_with_it";
    let Some(lab) = lab(test) else { return };
    let packages = ["0.1.0", "0.1.1"].map(|version| package(lab.dir.path(), version));
    let [old, new] = packages.each_ref().map(|it| format!("/packages/{}", file_name(it)));
    let mut machine = lab.machine(11);
    machine.arguments = vec![format!("--bind-ro={}:/packages", lab.dir.path().display())];
    // Where no host is installed.
    let script = format!(
        "set -ex; test ! -d /run/systemd/system
         dpkg -i {old}; id ece-agent; stat -c '%U %a' /mnt/data/elastic/instances
         dpkg -i {new}; dpkg -r ece-agent; dpkg -i {old}; dpkg -P ece-agent
         ls -d /mnt/data/elastic/instances && exit 9; dpkg --audit; dpkg -i {old}"
    );
    let done = machine.run_unbooted(&script).expect(0);
    assert!(done.stdout.contains("ece-agent 700"), "{done:?}");
    // Where one is: its daemon is in the background.
    let script = format!(
        "set -ex; ece-agent install --force; ece-agent status
         stat -c 'instances of %U' /mnt/data/elastic/instances
         identity() {{ cat /var/lib/ece-agent/{{identity.json,host.key}} | sha256sum; }}
         daemon() {{ ece-agent status --json | sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'; }}
         before=$(identity); first=$(daemon)
         dpkg -i {new}; ece-agent status --wait; second=$(daemon)
         test $first != $second; test \"$(identity)\" = \"$before\"
         readlink /proc/$second/exe; dpkg -r ece-agent
         test ! -e /proc/$second; test \"$(identity)\" = \"$before\"
         dpkg -i {new}; ece-agent status && exit 9; ece-agent start; ece-agent status --wait
         touch /mnt/data/elastic/instances/data
         dpkg -P ece-agent; ls -d /var/lib/ece-agent /etc/ece-agent && exit 9
         ls /mnt/data/elastic/instances/data; pgrep -x ece-agent && exit 9; dpkg --audit"
    );
    let done = machine.run_unbooted(&script).expect(0);
    assert!(done.stdout.contains("instances of root"), "{done:?}");
    assert!(done.stdout.contains("/usr/bin/ece-agent\n"), "it runs the new program: {done:?}");
}

#[test]
fn one_file_has_script_and_program_and_notices_when_it_is_damaged() {
    let Some(lab) =
        lab("lab::package::one_file_has_script_and_program_and_notices_when_it_is_damaged")
    else {
        return;
    };
    package(lab.dir.path(), "0.1.0");
    let mut first = lab.machine(11);
    first.arguments = vec![format!("--bind-ro={}:/packages", lab.dir.path().display())];
    first.boot();
    let alone = "export PATH=/usr/sbin:/usr/bin:/sbin:/bin; cd /root && cp /packages/*installer*.sh install.sh";
    let damage = "printf x | dd of=install.sh bs=1 seek=100000 conv=notrunc status=none";
    let told = first.run(&format!("{alone} && {damage} && sh install.sh install")).expect(1);
    assert!(told.stderr.contains("damaged"), "{told:?}");
    first.run("ls /usr/bin/ece-agent").expect(2);
    first.run(&format!("{alone} && ./install.sh install --host-ip 10.77.0.11")).expect(0);
    first.sees_connected("10.77.0.11");
    first.run("systemctl is-active ece-agent; ls -d /tmp/tmp.*").expect(2);
    first.run(&format!("{alone} && ./install.sh dance")).expect(3);
    let told = first.run(&format!("{alone} && ./install.sh upgrade")).expect(0).stderr;
    assert!(told.contains("installed already"), "{told}");
}

fn file_name(path: &str) -> String {
    fs::canonicalize(path).unwrap().file_name().unwrap().to_string_lossy().into_owned()
}
