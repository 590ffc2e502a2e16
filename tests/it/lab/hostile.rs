//! A service user that is somebody else's by now, and root who works on its host.

use std::time::Duration;

use super::{JOIN, first_and_member, lab};
use crate::support::{Machine, within};

const CLUSTER_FILE: &str = "/etc/ece-agent/cluster.json";
const SECRETS: &str = "/mnt/data/elastic/bootstrap-state/bootstrap-secrets.json";

/// Uninstalling takes the service user's line out, and nothing else.
const SHADOW: &str = "stat -c '%U %a' /etc/shadow; grep -v ece-agent /etc/shadow | sha256sum";

pub(super) fn as_service(machine: &Machine, script: &str) {
    machine.write_running("tmp/attack.sh", script.as_bytes());
    machine.run("runuser -u ece-agent -- sh -e /tmp/attack.sh").expect(0);
}

/// The service user writes this into the identity, which Python knows as `it`.
pub(super) fn rewrite_identity(machine: &Machine, change: &str) {
    let script = format!(
        "cd /var/lib/ece-agent && python3 - <<'END'
import json, os
it = json.load(open('identity.json'))
{change}
with open(os.open('rewritten', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'w') as file:
    json.dump(it, file)
os.rename('rewritten', 'identity.json')
END
"
    );
    as_service(machine, &script);
}

/// Notes each connection to the API's port in `/run/heard`.
fn listen(machine: &Machine) {
    machine.write_running(
        "tmp/listen.py",
        b"import socket\ns = socket.socket()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\ns.bind(('0.0.0.0', 12443))\ns.listen()\nopen('/tmp/listening', 'w').close()\nwhile True:\n    peer = s.accept()[0]\n    open('/run/heard', 'a').write('a connection\\n')\n    peer.close()\n",
    );
    machine
        .run("systemd-run --quiet --uid=ece-agent --unit=listener python3 /tmp/listen.py; until test -e /tmp/listening; do sleep 0.1; done")
        .expect(0);
}

#[test]
fn a_service_user_that_is_hostile_gains_nothing_from_what_root_does_on_a_member() {
    let Some(lab) = lab(
        "lab::hostile::a_service_user_that_is_hostile_gains_nothing_from_what_root_does_on_a_member",
    ) else {
        return;
    };
    let (first, second) = first_and_member(&lab);
    let (_, password) =
        first.admin().split_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    second.run_with_input("umask 077; cat > /root/password", &password).expect(0);
    let shadow = second.run(SHADOW).stdout;
    second.run(&format!("stat -c '%U %a' {CLUSTER_FILE} | grep -qx 'root 644'")).expect(0);

    // Somebody else's address and pin.
    listen(&second);
    rewrite_identity(
        &second,
        "it['dialled'] = ['10.77.0.12:12343']\nit['known'] = []\nit['pins'] = ['sha256:' + 64 * 'a']",
    );
    for verb in ["token list", "host list", "audit list"] {
        second.run(&format!("ece-agent {verb} --password-file /root/password")).expect(0);
    }
    let shown = second.run("ece-agent ca show --json").expect(0).json();
    assert_eq!(shown["fingerprints"], first.run("ece-agent ca show --json").json()["fingerprints"]);
    assert!(shown["certificate"].as_str().unwrap().contains("BEGIN CERTIFICATE"), "{shown}");
    second.run(&format!("mv {CLUSTER_FILE} /root/")).expect(0);
    let without = "ece-agent token list --password-file /root/password";
    let told = second.run(without).refused(3, "config.invalid").stderr;
    assert!(told.contains("--coordinator-host") && told.contains("install"), "{told}");
    let named = format!("{without} --coordinator-host 10.77.0.12");
    second.run(&named).refused(13, "trust.no_pin");
    second.run("ece-agent check --coordinator-host 10.77.0.12").refused(13, "trust.no_pin");
    let pin = shown["fingerprints"][0].as_str().unwrap();
    second
        .run(&format!(
            "cd /etc/ece-agent && cp config.toml /root/ && \
             printf 'coordinator-host = [\"10.77.0.11\"]\\nca-fingerprint = [\"{pin}\"]\\n' >> config.toml"
        ))
        .expect(0);
    second.run(without).expect(0);
    second.run("cp /root/config.toml /etc/ece-agent/config.toml").expect(0);
    // The same command again writes down what root was given, not what the service user says.
    second.run(JOIN).expect(0);
    second.run(without).expect(0);
    second.run("test -e /run/heard").expect(1);
    second.run("systemctl stop listener").expect(0);

    // Pipes and links where root looks.
    second.run("systemctl stop ece-agent").expect(0);
    as_service(
        &second,
        "cd /var/lib/ece-agent && rm -f lock agent.sock && mkfifo lock && ln -s /run/systemd/private agent.sock",
    );
    second.run("timeout 30 ece-agent stop").refused(1, "daemon.not_running");
    second.run("timeout 30 ece-agent status").refused(1, "daemon.not_running");
    as_service(&second, "cd /var/lib/ece-agent && rm -f agent.sock lock");
    for verb in [
        "run",
        "install --foreground --coordinator-host 10.77.0.11 --roles allocator --roles-token-file /root/token",
    ] {
        second.run(&format!("timeout 30 ece-agent {verb}")).refused(4, "state.of_another_user");
    }
    second.run("ece-agent stop; test -e /var/lib/ece-agent/lock").expect(1);

    // Somebody else's directories, while the cluster is told by the service user itself.
    second.run("mkdir -p /srv/theirs/instances").expect(0);
    rewrite_identity(
        &second,
        "it['dialled'] = ['10.77.0.11:12343']\nit['pins'] = json.load(open('/etc/ece-agent/cluster.json'))['pins']\nit['settings']['storage_path'] = '/srv/theirs'",
    );
    let gone = second.run("ece-agent uninstall --json").expect(0).json();
    assert_eq!(gone["left_cluster"], true, "{gone}");
    assert_eq!(gone["problems"], serde_json::json!([]), "{gone}");
    second.run("test -d /srv/theirs/instances").expect(0);
    second.run(&format!("test -e /mnt/data/elastic/instances -o -e {CLUSTER_FILE}")).expect(1);
    assert_eq!(second.run(SHADOW).stdout, shadow);
    let runners = first.api("GET", "/infrastructure/runners", "").json();
    assert!(!runners.to_string().contains("10.77.0.12"), "{runners}");
}

#[test]
fn a_service_user_that_is_hostile_gains_nothing_from_what_root_does_on_the_first_host() {
    let Some(lab) = lab(
        "lab::hostile::a_service_user_that_is_hostile_gains_nothing_from_what_root_does_on_the_first_host",
    ) else {
        return;
    };
    let mut first = lab.machine(11);
    first.boot();
    first.install_first_host();
    let shadow = first.run(SHADOW).stdout;
    let owner = format!("stat -c '%U %a' {SECRETS}");
    assert_eq!(first.run(&owner).stdout, "root 600\n");
    first.run("mkdir -p /srv/theirs/bootstrap-state /srv/theirs/instances && echo theirs > /srv/theirs/bootstrap-state/bootstrap-secrets.json").expect(0);

    // A place of its own for the new password.
    let own = "/var/lib/ece-agent/own";
    as_service(
        &first,
        &format!(
            "umask 077; mkdir -p {own}/bootstrap-state; echo '{{}}' > {own}/bootstrap-state/bootstrap-secrets.json"
        ),
    );
    rewrite_identity(
        &first,
        &format!(
            "it['settings']['storage_path'] = '{own}'\nit['dialled'] = ['10.77.0.99:12343']\nit['pins'] = ['sha256:' + 64 * 'a']"
        ),
    );
    let before = first.admin();
    first.run("ece-agent reset-password").expect(0);
    assert_eq!(
        first.run(&format!("cat {own}/bootstrap-state/bootstrap-secrets.json")).stdout,
        "{}\n"
    );
    assert_ne!(first.admin(), before);
    assert_eq!(first.run(&owner).stdout, "root 600\n");
    // One that root is sent to is not the service user's either.
    first
        .run(&format!("ece-agent reset-password --host-storage-path {own}"))
        .refused(1, "state.not_writable");
    as_service(
        &first,
        &format!("cd {own}/bootstrap-state && ln -sf /etc/shadow bootstrap-secrets.json"),
    );
    first
        .run(&format!("ece-agent reset-password --host-storage-path {own}"))
        .refused(1, "state.not_writable");
    first.run("ece-agent token list").expect(0);

    // Without root's own file what root holds is good enough, and it is made again from that.
    first.run(&format!("cp {CLUSTER_FILE} /root/ && rm {CLUSTER_FILE}")).expect(0);
    first.run("ece-agent token list").expect(0);
    first.run("ece-agent ca show --pem").expect(0);
    first.run("mv /mnt/data/elastic/bootstrap-state /root/").expect(0);
    first.run("ece-agent token list").refused(3, "config.invalid");
    first.run("mv /root/bootstrap-state /mnt/data/elastic/").expect(0);
    first.run("ece-agent reset-password").expect(0);
    first.run("ece-agent install").expect(0);
    first.run("ece-agent token list").expect(0);
    first
        .run(&format!(
            "diff <(grep -A9 pins {CLUSTER_FILE}) <(grep -A9 pins /root/cluster.json) | grep sha256"
        ))
        .expect(1);

    // Where the whole storage path was given away, the log cannot be led elsewhere.
    first.run("chown ece-agent /mnt/data/elastic").expect(0);
    as_service(&first, "cd /mnt/data/elastic && mv logs saved && ln -s /etc logs");
    first.run("ece-agent install").refused(1, "state.not_writable");
    first.run("test -e /etc/bootstrap-logs").expect(1);
    as_service(
        &first,
        "cd /mnt/data/elastic && mv bootstrap-state kept && ln -s /srv/theirs/bootstrap-state bootstrap-state",
    );
    first.run("ece-agent uninstall --force").expect(1);
    assert_eq!(
        first.run("cat /srv/theirs/bootstrap-state/bootstrap-secrets.json").stdout,
        "theirs\n"
    );
    first.run("test -d /srv/theirs/instances").expect(0);
    assert_eq!(first.run(SHADOW).stdout, shadow);
}

/// Answers at the daemon's socket, and, if it is to stay, puts its own there again and again.
const FALSE_SOCKET: &[u8] = b"import os, socket, sys
os.chdir('/var/lib/ece-agent')
ours = None
while True:
    there = os.stat('agent.sock').st_ino if os.path.exists('agent.sock') else None
    if there != ours and (ours is None or sys.argv[1] == 'stays'):
        s = socket.socket(socket.AF_UNIX)
        s.bind('false')
        ours = os.stat('false').st_ino
        s.listen(64)
        s.settimeout(0.05)
        os.rename('false', 'agent.sock')
    try:
        peer = s.accept()[0]
        peer.sendall(b'{}\\n')
        peer.close()
    except OSError:
        pass
";

/// Says, at the daemon's socket, all that a daemon says, until somebody asks for an end.
const SECOND_VOICE: &[u8] = b"import os, socket
os.chdir('/var/lib/ece-agent')
s = socket.socket(socket.AF_UNIX)
s.bind('false')
s.listen(64)
os.rename('false', 'agent.sock')
while True:
    peer = s.accept()[0]
    try:
        with open('/run/heard', 'ab') as heard:
            heard.write(peer.recv(4096))
        peer.sendall(open('/tmp/said', 'rb').read())
        peer.close()
    except OSError:
        pass
";

#[test]
fn who_says_all_that_the_service_says_and_is_not_its_process_is_not_asked() {
    let Some(lab) =
        lab("lab::hostile::who_says_all_that_the_service_says_and_is_not_its_process_is_not_asked")
    else {
        return;
    };
    let (first, _second) = first_and_member(&lab);
    let status = "runuser -u ece-agent -- ece-agent status --json --state-dir /var/lib/ece-agent";
    first
        .run(&format!("{status} > /tmp/said && touch /run/heard && chmod 666 /run/heard"))
        .expect(0);
    first.write_running("tmp/second.py", SECOND_VOICE);
    first.run("systemd-run --quiet --uid=ece-agent --unit=second python3 /tmp/second.py").expect(0);
    let code = "daemon.answer_unreadable";
    let named = || first.run("ece-agent status").stderr.contains("and the service is process");
    assert!(within(Duration::from_secs(20), named), "{:?}", first.run("ece-agent status"));
    first.run("systemctl is-active ece-agent second").expect(0);
    first.run("ece-agent status").refused(1, code);
    first.run("ece-agent status --wait --timeout 2").refused(1, code);
    first.run("ece-agent reset-password").refused(1, code);
    first.run("ece-agent start").refused(1, code);
    assert_eq!(first.run("cat /run/heard").stdout, "", "nothing is said to it");
    first.run("systemctl stop second && systemctl restart ece-agent").expect(0);
    first.run("ece-agent status --wait").expect(0);

    // A daemon of the same user is one, and not the service.
    first.run("systemctl stop ece-agent").expect(0);
    let run = "/usr/bin/ece-agent run --state-dir /var/lib/ece-agent";
    first.run(&format!("systemd-run --quiet --uid=ece-agent --unit=hand {run}")).expect(0);
    let code = "daemon.not_the_service";
    let named = || first.run("ece-agent status").stderr.contains(code);
    assert!(within(Duration::from_secs(20), named), "{:?}", first.run("ece-agent status"));
    for verb in ["status", "stop", "start", "install", "reset-password"] {
        first.run(&format!("ece-agent {verb}")).refused(1, code);
    }
    first.run(&format!("{status} | grep -q cluster_id")).expect(0);
    first.run("systemctl start ece-agent");
    let told = first.run("ece-agent status").refused(1, code).stderr;
    let kill = told.split('\'').find(|it| it.starts_with("kill ")).unwrap();
    first.run(kill).expect(0);
    first.run("systemctl start ece-agent && ece-agent status --wait").expect(0);
}

#[test]
fn a_socket_that_is_not_the_daemons_is_named_and_installing_again_makes_it_right() {
    let Some(lab) = lab(
        "lab::hostile::a_socket_that_is_not_the_daemons_is_named_and_installing_again_makes_it_right",
    ) else {
        return;
    };
    let (_first, second) = first_and_member(&lab);
    let code = "daemon.answer_unreadable";
    second.write_running("tmp/false.py", FALSE_SOCKET);
    let begin = |how: &str| {
        let run = "systemd-run --quiet --uid=ece-agent --unit=false python3 /tmp/false.py";
        second.run(&format!("{run} {how}")).expect(0);
        let answers = || second.run("ece-agent status").stderr.contains(code);
        assert!(within(Duration::from_secs(20), answers), "it does not answer");
    };
    begin("once");
    let told = second.run("ece-agent status").refused(1, code).stderr;
    assert!(told.contains("'systemctl restart ece-agent'"), "{told}");
    second.run("ece-agent start").refused(1, code);
    second.run(&format!("{JOIN} --dry-run")).expect(0);
    second.run("ece-agent install --roles proxy").refused(14, "join.roles_differ");
    second.run("systemctl is-active ece-agent").expect(0);
    second.run(JOIN).expect(0);
    second.run("ece-agent status").expect(0);
    second.run("systemctl stop false").expect(0);
    // One that comes back, before anybody else asks the new daemon, is waited out and named.
    let conf = "/etc/systemd/system/ece-agent.service.d/99-post.conf";
    second.run(&format!("mkdir -p $(dirname {conf})")).expect(0);
    let post = "while /usr/bin/ece-agent status; do sleep 0.1; done";
    second.write_running(
        conf.trim_start_matches('/'),
        format!("[Service]\nExecStartPost=+/bin/sh -c '{post}'\n").as_bytes(),
    );
    second.run("systemctl daemon-reload").expect(0);
    begin("stays");
    let told = second.run(&format!("timeout 60 {JOIN} --timeout 10")).refused(1, code).stderr;
    assert!(told.contains("'systemctl restart ece-agent'"), "{told}");
    second.run(&format!("rm {conf} && systemctl daemon-reload && systemctl stop false")).expect(0);
    second.run("systemctl restart ece-agent && ece-agent status --wait").expect(0);
    // Whatever answers there, the service is stopped and started by its manager.
    begin("once");
    second.run("ece-agent stop").expect(0);
    second.run("systemctl is-active ece-agent").expect(3);
    second.run("ece-agent start && ece-agent status --wait").expect(0);
}
