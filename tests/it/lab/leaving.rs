//! Leaving where the service user has become somebody else's, and what its number may own after.

use std::time::Duration;

use super::{JOIN, first_and_member, lab};
use crate::support::{Machine, within};

/// Runs in the background of the machine; its process is in `/tmp/NAME.pid`.
fn in_background(machine: &Machine, name: &str, command: &str) {
    let script = format!("{command} > /tmp/{name}.out 2>&1 & echo $! > /tmp/{name}.pid");
    machine.run(&format!("setsid sh -c '{script}'")).expect(0);
}

/// The process of root's child, once it is the service user's.
fn child_of_root(machine: &Machine) -> String {
    let mut found = String::new();
    let there = within(Duration::from_secs(20), || {
        found = machine.run("pgrep -u ece-agent -f become-member").stdout.trim().to_owned();
        !found.is_empty()
    });
    assert!(there, "{}", machine.run("cat /tmp/install.out; ps axu").stdout);
    found
}

#[test]
fn a_host_leaves_nothing_to_the_user_who_gets_its_number_next() {
    let Some(lab) = lab("lab::leaving::a_host_leaves_nothing_to_the_user_who_gets_its_number_next")
    else {
        return;
    };
    let (first, second) = first_and_member(&lab);
    let uid = second.run("id -u ece-agent").stdout.trim().to_owned();
    let gid = second.run("id -g ece-agent").stdout.trim().to_owned();
    // A daemon that takes its time, processes of its user beside it, and a socket that is none.
    second
        .run(
            "mkdir -p /etc/systemd/system/ece-agent.service.d && printf '[Service]\\nExecStop=/bin/sleep infinity\\nTimeoutStopSec=infinity\\n' > /etc/systemd/system/ece-agent.service.d/99-slow.conf && systemctl daemon-reload",
        )
        .expect(0);
    second.run("systemd-run --quiet --uid=ece-agent --unit=beside sh -c 'trap \"\" TERM; sleep infinity & wait; sleep infinity'").expect(0);
    second
        .run("cd /var/lib/ece-agent && runuser -u ece-agent -- sh -ec 'mkdir -p mine/deep; echo x > mine/deep/file; ln -s /etc/shadow mine/link; ln -sf /run/systemd/private agent.sock; mkdir /mnt/data/elastic/instances/i-1; echo data > /mnt/data/elastic/instances/i-1/file'")
        .expect(0);
    // Files with several names, programs that run as the user too.
    super::hostile::as_service(
        &second,
        "cd /var/lib/ece-agent/mine && cp /bin/true own && chmod 4755 own && ln own deep/again \
         && ln deep/file /mnt/data/elastic/instances/i-1/linked",
    );
    // It says of itself that it is what root knows it is not.
    super::hostile::rewrite_identity(&second, "it['first_host'] = True");
    let told = second.run("ece-agent uninstall").refused(14, "uninstall.instances").stderr;
    assert!(told.contains("1 instance keeps its data in"), "{told}");
    // A step that fails.
    second.run("mount --bind /etc/ece-agent/config.toml /etc/ece-agent/config.toml").expect(0);
    let gone = second.run("ece-agent uninstall --force --json").expect(1).json();
    assert_eq!(gone["left_cluster"], true, "{gone}");
    let names = |list: &str, what: &str| {
        gone[list].as_array().unwrap().iter().any(|it| it.as_str().unwrap().starts_with(what))
    };
    assert!(names("left", "/var/lib/ece-agent:"), "{gone}");
    assert!(names("left", "/mnt/data/elastic: instances: "), "{gone}");
    assert_eq!(second.run("stat -c '%U:%G' /mnt/data/elastic").stdout, "root:root\n");
    assert!(names("left", "/etc/ece-agent/made-by-install:"), "{gone}");
    assert!(names("problems", "/etc/ece-agent/config.toml"), "{gone}");
    assert!(!names("removed", "/var/lib/ece-agent") || names("left", "/var/lib/ece-agent"));
    second.run("id ece-agent").expect(1);
    assert_eq!(second.run(&format!("ps -o pid= -u {uid}")).stdout, "", "{gone}");
    let theirs = format!("find / -xdev \\( -uid {uid} -o -gid {gid} \\) -not -path '/proc/*'");
    assert_eq!(second.run(&theirs).stdout, "", "{gone}");
    assert_eq!(second.run("find /var/lib/ece-agent -perm /6000").stdout, "", "{gone}");
    assert_eq!(second.run("cat /mnt/data/elastic/instances/i-1/file").stdout, "data\n");
    second.run("stat -c '%U %a' /etc/shadow | grep -q '^root'").expect(0);
    assert_eq!(first.runner("10.77.0.12")["errors"][0]["code"], "runners.runner_not_found");
    assert_eq!(
        second.run("cat /etc/ece-agent/made-by-install").stdout,
        "/etc/ece-agent/config.toml\n/usr/bin/ece-agent\n"
    );
    // The program is there to go on with.
    assert!(names("left", "/usr/bin/ece-agent:"), "{gone}");
    // What stood in the way is gone: so is the rest.
    second.run("umount /etc/ece-agent/config.toml").expect(0);
    second.run("/usr/bin/ece-agent uninstall").expect(0);
    second.run("ls /etc/ece-agent").expect(2);
    second.run("ls /usr/bin/ece-agent").expect(2);
    second.run("ece-agent uninstall").refused(1, "install.not_done");
}

#[test]
fn a_child_of_root_that_stands_still_holds_nobody_up_and_ends_with_root() {
    let Some(lab) =
        lab("lab::leaving::a_child_of_root_that_stands_still_holds_nobody_up_and_ends_with_root")
    else {
        return;
    };
    let (first, second) = first_and_member(&lab);
    second.run("ece-agent uninstall").expect(0);
    second.run("ls -d /mnt/data").expect(2);
    first.link("down");
    in_background(&second, "install", &format!("{JOIN} --timeout 2 --wait-for-coordinator 4"));
    let child = child_of_root(&second);
    second.run(&format!("kill -STOP {child}")).expect(0);
    let ended = || second.run("kill -0 $(cat /tmp/install.pid)").code != 0;
    assert!(within(Duration::from_secs(60), ended), "it waits for ever");
    let told = second.run("cat /tmp/install.out").stdout;
    assert!(told.contains("[service.failed]") && told.contains("was killed"), "{told}");
    second.run(&format!("kill -0 {child}")).expect(1);
    // Root's own end is the child's, also where that one stands still.
    in_background(&second, "install", &format!("{JOIN} --wait-for-coordinator 600"));
    let child = child_of_root(&second);
    second.run(&format!("kill -STOP {child} && kill -KILL $(cat /tmp/install.pid)")).expect(0);
    let gone = || second.run(&format!("kill -0 {child}")).code != 0;
    assert!(within(Duration::from_secs(20), gone), "it outlives root");
}

#[test]
fn whoever_is_not_the_hosts_user_is_told_so_and_a_stopped_service_how_to_start() {
    let Some(lab) = lab(
        "lab::leaving::whoever_is_not_the_hosts_user_is_told_so_and_a_stopped_service_how_to_start",
    ) else {
        return;
    };
    let (first, second) = first_and_member(&lab);
    second.run("useradd -m bob").expect(0);
    let as_bob = |command: &str| {
        second.run(&format!("su bob -c 'PATH=$PATH:/opt/provided; cd; ece-agent {command}'"))
    };
    for verb in ["status", "stop", "start", "logs", "uninstall", "upgrade", "install"] {
        let told = as_bob(verb).refused(4, "privileges.missing").stderr;
        assert!(told.contains("sudo") && told.contains("/var/lib/ece-agent"), "{told}");
    }
    for verb in ["status", "stop", "start", "logs", "uninstall"] {
        let told = as_bob(&format!("{verb} --state-dir /var/lib/ece-agent"));
        assert!(told.refused(4, "privileges.missing").stderr.contains("sudo"));
    }
    // Bob's own daemon, and root.
    as_bob("install --state-dir own --host-storage-path data --host-ip 127.8.8.8 --force")
        .expect(0);
    for verb in ["start", "uninstall --force", "upgrade"] {
        let told = second.run(&format!("ece-agent {verb} --state-dir /home/bob/own"));
        told.refused(4, "state.of_another_user");
    }
    as_bob("uninstall --force --state-dir own").expect(0);

    second.run("ece-agent stop").expect(0);
    let told = second.run("ece-agent status").refused(1, "daemon.not_running").stderr;
    assert!(told.contains("systemctl start ece-agent"), "{told}");
    let told = second.run("timeout 30 ece-agent run").refused(4, "state.of_another_user").stderr;
    assert!(told.contains("systemctl start ece-agent") && !told.contains("--state-dir"), "{told}");
    // A config file that keeps it from starting is told by whoever is asked, and by its log.
    second.run("cp /etc/ece-agent/config.toml /root/ && echo 'proxy-tags = 7' >> /etc/ece-agent/config.toml").expect(0);
    second.run("systemctl start ece-agent").expect(1);
    let told = second.run("ece-agent status").refused(1, "daemon.not_running").stderr;
    assert!(
        told.contains("proxy-tags is text in quotes") && told.contains("Correct the file"),
        "{told}"
    );
    assert!(second.run("ece-agent logs").expect(0).stdout.contains("proxy-tags is text in quotes"));
    // A name in it changes nothing, and that is said.
    let named = "cp /root/config.toml /etc/ece-agent/ && echo 'runner-id = \"other\"' >> /etc/ece-agent/config.toml";
    second.run(&format!("{named} && systemctl reset-failed ece-agent")).expect(0);
    second.run("ece-agent start").expect(0);
    for verb in ["status", "ca show"] {
        second.run(&format!("runuser -u ece-agent -- ece-agent {verb}")).expect(0);
    }
    second.run("ece-agent status --wait").expect(0);
    let logged = second.run("ece-agent logs").expect(0).stdout;
    let told = "runner-id in /etc/ece-agent/config.toml says other, and a host keeps its name";
    assert!(logged.contains(told), "{logged}");
    let told = second.run(JOIN).refused(3, "install.runner_id_differs").stderr;
    assert!(told.contains("Take runner-id out of /etc/ece-agent/config.toml"), "{told}");
    second.run("mv /root/config.toml /etc/ece-agent/").expect(0);
    first.sees_connected("10.77.0.12");
    second.run("ece-agent reset-password").refused(14, "password.not_first_host");
    // Nothing of root's says what the host is, and its user says that it is the first.
    second.run("mv /etc/ece-agent/cluster.json /root/").expect(0);
    super::hostile::rewrite_identity(&second, "it['first_host'] = True");
    second.run("ece-agent reset-password").refused(14, "password.not_first_host");
    second.run("mv /root/cluster.json /etc/ece-agent/").expect(0);

    // A service sees neither homes nor what is not to outlive a boot.
    second.run("ece-agent uninstall --force").expect(0);
    for place in ["/root/data", "/home/bob/data", "/tmp/data"] {
        let told = second.run(&format!("{JOIN} --host-storage-path {place}"));
        told.refused(3, "storage.path_refused");
    }
    second.run("id ece-agent").expect(1);
}
