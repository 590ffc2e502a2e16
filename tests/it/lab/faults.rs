use std::time::{Duration, Instant};

use super::{JOIN, first_and_blank, give_token, lab};
use crate::support::{Lab, Machine, some_moment, within};

/// A first host that has a name too, and a blank machine that has been given a token.
fn pair(lab: &Lab, token_flags: &str) -> (Machine, Machine) {
    let (first, second) = first_and_blank(lab, "--external-hostname coordinator.example");
    give_token(&first, &second, token_flags);
    (first, second)
}

#[test]
fn a_machine_that_dies_at_any_moment_of_install_ends_joined_once_with_the_same_command() {
    let Some(lab) = lab(
        "lab::faults::a_machine_that_dies_at_any_moment_of_install_ends_joined_once_with_the_same_command",
    ) else {
        return;
    };
    let (first, mut second) = pair(&lab, "--roles allocator --max-uses 1");
    for round in 0..20 {
        let mut installing = second.command(JOIN).spawn().unwrap();
        some_moment(round, 0..400);
        second.crash();
        installing.wait().unwrap();
        second.boot();
    }
    second.run(JOIN).expect(0);
    first.sees_connected("10.77.0.12");
    second.run("systemctl is-enabled ece-agent").expect(0);
    let mut third = lab.machine(13);
    third.boot();
    let token = second.run("cat /root/token").stdout;
    third.join(&first, &token, "--roles allocator").refused(14, "token.used_up");
}

#[test]
fn what_a_network_and_an_environment_can_do_to_a_join_is_said_or_survived() {
    let Some(lab) =
        lab("lab::faults::what_a_network_and_an_environment_can_do_to_a_join_is_said_or_survived")
    else {
        return;
    };
    let (first, mut second) = pair(&lab, "--roles allocator");
    let by_name = "ece-agent install --coordinator-host coordinator.example --roles allocator --roles-token-file /root/token";
    // Nobody answers for names.
    second.run("echo 'nameserver 10.77.0.250' > /etc/resolv.conf").expect(0);
    let started = Instant::now();
    second.run(by_name).refused(12, "coordinator.name_not_resolved");
    assert!(started.elapsed() < Duration::from_secs(30));
    let checked = second.run(&format!("{} --json", by_name.replace("install", "check")));
    let reach = checked.expect(11).json()["checks"].clone();
    let reach = reach.as_array().unwrap().iter().find(|it| it["code"] == "preflight.coordinator");
    let reach = reach.unwrap();
    assert!(reach["found"].as_str().unwrap().contains("at the step 'resolve'"), "{reach}");
    assert_eq!(reach["cause_code"], "coordinator.name_not_resolved");

    // An answer that comes late.
    second.run("cat > /root/dns.py <<'END'\nimport socket, struct, time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('127.0.0.1', 53))\nwhile True:\n    query, peer = s.recvfrom(512)\n    kind = struct.unpack('>H', query[query.index(b'\\0', 12) + 1:][:2])[0]\n    time.sleep(1.5)\n    answer = b'\\xc0\\x0c' + struct.pack('>HHIH', 1, 1, 9, 4) + bytes([10, 77, 0, 11]) if kind == 1 else b''\n    head = query[:2] + b'\\x81\\x80' + query[4:6] + struct.pack('>HHH', 1 if answer else 0, 0, 0)\n    end = query.index(b'\\0', 12) + 5\n    s.sendto(head + query[12:end] + answer, peer)\nEND
        systemd-run --quiet python3 /root/dns.py; echo 'nameserver 127.0.0.1' > /etc/resolv.conf").expect(0);

    let with_proxy = format!("https_proxy=http://10.77.0.250:3128 {by_name}");
    let told = second.run(&with_proxy).expect(0).stderr;
    assert!(told.contains("preflight.proxy_variables"), "{told}");
    first.sees_connected("10.77.0.12");

    // From here on names are not what is looked at.
    second.run("echo '10.77.0.11 coordinator.example' >> /etc/hosts").expect(0);

    // Another address: the name stays, the address is shown.
    second.readdress("10.77.0.99");
    assert!(
        within(Duration::from_secs(90), || {
            let shown = first.runner("10.77.0.12");
            shown["connected"] == true && shown["host_ip"] == "10.77.0.99"
        }),
        "{:#}",
        first.runner("10.77.0.12")
    );
    // Cut off, and back.
    second.link("down");
    assert!(within(Duration::from_secs(30), || first.runner("10.77.0.12")["connected"] == false));
    assert!(
        second
            .run("systemctl show ece-agent -p StatusText --value")
            .stdout
            .starts_with("waiting for ")
    );
    second.link("up");
    first.sees_connected("10.77.0.12");

    // A configuration directory that cannot be written: the same command goes on afterwards.
    second.run("ece-agent uninstall").expect(0);
    second.run("mount --bind /etc /etc && mount -o remount,ro,bind /etc").expect(0);
    let told = second.run(by_name).refused(1, "state.not_writable").stderr;
    assert!(told.contains("/etc/ece-agent") && told.contains("Read-only"), "{told}");
    second.run("umount /etc").expect(0);
    second.run(by_name).expect(0);
    first.sees_connected("10.77.0.99");
    // And a disk that is full.
    second.run("ece-agent uninstall").expect(0);
    let full = "mkdir -p /var/lib/ece-agent && mount -t tmpfs -o size=16k tmpfs /var/lib/ece-agent";
    second.run(&format!("{full} && head -c 100000 /dev/zero > /var/lib/ece-agent/filler; true"));
    second.run(by_name).refused(1, "state.not_writable");
    second.run("umount /var/lib/ece-agent").expect(0);
    second.run(by_name).expect(0);
    first.sees_connected("10.77.0.99");
}

#[test]
fn a_clock_that_is_a_year_off_keeps_a_newcomer_out_and_a_member_in() {
    let Some(lab) =
        lab("lab::faults::a_clock_that_is_a_year_off_keeps_a_newcomer_out_and_a_member_in")
    else {
        return;
    };
    let (first, second) = pair(&lab, "--persistent --roles allocator");
    let Ok(library) = std::fs::read("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1") else {
        let test = "lab::faults::a_clock_that_is_a_year_off_keeps_a_newcomer_out_and_a_member_in";
        return crate::support::skip(test, "it needs libfaketime");
    };
    second.write_running("usr/lib/libfaketime.so.1", &library);
    let faked = |offset: &str| {
        format!(
            "LD_PRELOAD=/usr/lib/libfaketime.so.1 FAKETIME={offset} FAKETIME_DONT_FAKE_MONOTONIC=1"
        )
    };
    for offset in ["-365d", "+365d"] {
        second.run(&format!("{} {JOIN}", faked(offset))).refused(13, "trust.certificate_date");
    }
    let told = second.run(&format!("{} {JOIN}", faked("+40m"))).expect(0).stderr;
    assert!(told.contains("preflight.clock_skew") && told.contains("40 minutes ahead"), "{told}");
    for offset in ["-365d", "+365d"] {
        let environment = faked(offset).replace(' ', "\nEnvironment=");
        second
            .run(&format!(
                "mkdir -p /run/systemd/system/ece-agent.service.d
                 printf '[Service]\\nEnvironment={environment}\\n' > /run/systemd/system/ece-agent.service.d/clock.conf
                 systemctl daemon-reload && systemctl restart ece-agent"
            ))
            .expect(0);
        let warned = within(Duration::from_secs(30), || {
            let status = second.status();
            status["connected"] == true && status["warnings"][0]["code"] == "trust.certificate_date"
        });
        assert!(warned, "{offset}: {:#}", second.status());
    }
    first.sees_connected("10.77.0.12");
}

/// Uninstalling takes the service user's line out, and nothing else.
const SHADOW: &str = "stat -c '%U %a' /etc/shadow; grep -v ece-agent /etc/shadow | sha256sum";

#[test]
fn what_the_service_user_puts_in_roots_way_gains_nothing() {
    let Some(lab) = lab("lab::faults::what_the_service_user_puts_in_roots_way_gains_nothing")
    else {
        return;
    };
    let (first, second) = pair(&lab, "--persistent --roles allocator");
    second.run(JOIN).expect(0);
    second.run("systemctl stop ece-agent").expect(0);
    let shadow = second.run(SHADOW).stdout;
    // As the daemon's user, who can do this to its own directories.
    second
        .run("runuser -u ece-agent -- sh -c 'cd /var/lib/ece-agent && rm -rf lock install.json .install.json.new agent.log coordinator \\
              && ln -s /etc/made-by-root lock && ln -s /etc/shadow install.json && ln -s /etc/shadow .identity.json.new \\
              && ln -s /etc/made-by-root agent.log && ln -s /etc coordinator \\
              && cd /mnt/data/elastic/instances && ln -s /etc/shadow .ece-agent-probe'")
        .expect(0);
    second.run(JOIN);
    second.run("ece-agent status; ece-agent stop");
    // An identity that is a link to somebody else's file is not read.
    second.run("systemctl stop ece-agent; runuser -u ece-agent -- sh -c 'cd /var/lib/ece-agent && rm -f lock && mv identity.json saved && ln -s /etc/shadow identity.json'").expect(0);
    let told = second.run(JOIN).refused(1, "identity.unreadable").stderr;
    assert!(!told.contains("root:"), "{told}");
    second.run("ece-agent uninstall --force").expect(0);
    assert_eq!(second.run(SHADOW).stdout, shadow);
    second.run("test -e /etc/made-by-root").expect(1);
    second.run("test -e /etc/passwd").expect(0);
    first.sees_connected("10.77.0.11");
}
