use std::time::Duration;

use super::lab;
use crate::support::within;

#[test]
fn by_hand_as_root_hosts_become_services_that_survive_a_crash_of_their_machine() {
    let Some(lab) = lab(
        "lab::by_hand::by_hand_as_root_hosts_become_services_that_survive_a_crash_of_their_machine",
    ) else {
        return;
    };
    let (mut first, mut second, mut third) = (lab.machine(11), lab.machine(12), lab.machine(13));
    for machine in [&mut first, &mut second, &mut third] {
        machine.boot();
    }
    let plan = first.run("ece-agent install --dry-run").expect(0).stdout;
    for part in [
        "would make the user ece-agent",
        "would write /etc/systemd/system/ece-agent.service",
        "preflight.memory",
    ] {
        assert!(plan.contains(part), "{part} is not in\n{plan}");
    }
    first.run("id ece-agent").expect(1);

    let told = first.run("ece-agent install").expect(0).stderr;
    assert!(told.contains("is connected") && told.contains("journalctl -u ece-agent"), "{told}");
    first.sees_connected("10.77.0.11");
    let log = first.run("tail -n 5 /mnt/data/elastic/logs/bootstrap-logs/bootstrap.log").stdout;
    assert!(log.contains("[no.found.util.LogApplicationExit$] Application is exiting {}"), "{log}");

    let token = first.token("--roles allocator");
    let told = second.join(&first, &token, "--roles allocator").expect(0).stderr;
    assert!(told.contains("the host 10.77.0.12 is connected"), "{told}");
    let again = second.join(&first, &token, "--roles allocator").expect(0).stderr;
    assert!(again.contains("all is well"), "{again}");
    first.sees_connected("10.77.0.12");
    let owners = second.run("stat -c '%U %a %n' /var/lib/ece-agent /var/lib/ece-agent/* /mnt/data/elastic/instances").stdout;
    for line in owners.lines() {
        assert!(
            line.starts_with("ece-agent 700 ") || line.starts_with("ece-agent 600 "),
            "{owners}"
        );
    }
    let unit = second
        .run("systemctl show ece-agent -p User -p SubState -p StatusText -p UnitFileState")
        .stdout;
    for part in [
        "User=ece-agent",
        "SubState=running",
        "UnitFileState=enabled",
        "StatusText=connected to 10.77.0.11:12343 since ",
    ] {
        assert!(unit.contains(part), "{unit}");
    }
    second.run("systemd-analyze security --no-pager --threshold=15 ece-agent.service").expect(0);
    let entry = second
        .run("journalctl -u ece-agent -o json --no-pager | grep '\"connected to ' | head -n 1")
        .json();
    assert_eq!(entry["PRIORITY"], "5", "{entry}");
    assert!(entry["COORDINATOR"].as_str().unwrap().starts_with("10.77.0.11"), "{entry}");

    // With nothing but curl, by the command that 'token create' prints.
    let made = first.run("ece-agent token create --json --roles allocator,proxy").json();
    let command = made["join_command_with_curl"].as_str().unwrap();
    let wrong = command.replacen("sha256//", "sha256//AAAA", 1);
    let curl_only = "export PATH=/usr/sbin:/usr/bin;";
    third.run(&format!("{curl_only} {wrong}")).expect(90);
    third.run("test -e /usr/bin/ece-agent").expect(1);
    third.run(&format!("{curl_only} {command}")).expect(0);
    first.sees_connected("10.77.0.13");
    third.run("systemctl is-active ece-agent").expect(0);

    // A daemon that dies, or that hangs, is started anew.
    let restarts =
        || second.run("systemctl show ece-agent -p NRestarts --value").stdout.trim().to_owned();
    second.run("kill -KILL $(systemctl show ece-agent -p MainPID --value)").expect(0);
    assert!(within(Duration::from_secs(30), || restarts() == "1"));
    first.sees_connected("10.77.0.12");
    second
        .run(
            "mkdir -p /run/systemd/system/ece-agent.service.d
             printf '[Service]\\nWatchdogSec=2\\n' > /run/systemd/system/ece-agent.service.d/dog.conf
             systemctl daemon-reload && systemctl restart ece-agent && sleep 1
             kill -STOP $(systemctl show ece-agent -p MainPID --value)",
        )
        .expect(0);
    assert!(within(Duration::from_secs(30), || {
        second.run("journalctl -u ece-agent --no-pager").stdout.contains("Watchdog timeout")
    }));
    first.sees_connected("10.77.0.12");

    // A machine that crashes comes back by itself, and so does the first host.
    second.reboot();
    first.sees_connected("10.77.0.12");
    assert!(first.runner("10.77.0.12")["clones"].as_array().unwrap().is_empty());
    first.reboot();
    first.sees_connected("10.77.0.11");
    first.sees_connected("10.77.0.12");
    first.sees_connected("10.77.0.13");

    // The cluster's roles reach a service as they reach any host.
    let roles = r#"{"roles":[{"role_name":"proxy"}]}"#;
    first.api("PUT", "/infrastructure/runners/10.77.0.12/roles", roles).expect(0);
    assert!(within(Duration::from_secs(10), || {
        second.status()["roles"].as_object().is_some_and(|roles| roles.contains_key("proxy"))
    }));
}
