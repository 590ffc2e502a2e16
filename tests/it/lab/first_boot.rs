use std::{fs, time::Duration};

use super::lab;
use crate::support::{Lab, Machine, within};

fn repository(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What an image carries: program, unit, user and directories, as a package has them.
fn bake(lab: &Lab, machine: &Machine) {
    machine.install_program(lab);
    machine.write(
        "usr/lib/systemd/system/ece-agent.service",
        &repository("systemd/ece-agent.service"),
        0o644,
    );
    machine.write(
        "usr/lib/sysusers.d/ece-agent.conf",
        &repository("systemd/ece-agent.sysusers"),
        0o644,
    );
    machine.write(
        "usr/lib/tmpfiles.d/ece-agent.conf",
        &repository("systemd/ece-agent.tmpfiles"),
        0o644,
    );
    machine.enable("ece-agent.service");
}

#[test]
fn an_image_with_unit_and_config_joins_at_its_first_boot_with_a_credential() {
    let Some(lab) = lab(
        "lab::first_boot::an_image_with_unit_and_config_joins_at_its_first_boot_with_a_credential",
    ) else {
        return;
    };
    let mut first = lab.machine(11);
    first.boot();
    first.install_first_host();
    let token = first.token("--roles allocator");
    first.crash();

    let mut second = lab.machine(12);
    bake(&lab, &second);
    second.write(
        "etc/ece-agent/config.toml",
        "coordinator-host = ['10.77.0.11']\nroles = 'allocator'\n",
        0o644,
    );
    let credential = lab.dir.path().join("token");
    fs::write(&credential, &token).unwrap();
    second.arguments =
        vec![format!("--load-credential=ece-agent.roles-token:{}", credential.display())];
    // No coordinator is up: the boot does not wait for one, and it is said what is waited for.
    second.boot();
    second.run("systemctl is-active ece-agent").expect(0);
    let waits = || second.run("systemctl show ece-agent -p StatusText --value").stdout;
    assert!(
        within(Duration::from_secs(20), || waits().starts_with("waiting to join since ")),
        "{}",
        waits()
    );
    assert!(waits().contains("[coordinator."), "{}", waits());
    assert_eq!(second.status()["state"], "joining");
    // Who waits for it sees the join that comes.
    second
        .run("systemd-run --quiet --unit=waits -p RemainAfterExit=yes ece-agent status --wait --timeout 300")
        .expect(0);
    first.boot();
    first.sees_connected("10.77.0.12");
    let waited = || second.run("systemctl show waits -p SubState -p ExecMainStatus").stdout;
    let seen = within(Duration::from_secs(15), || waited().contains("SubState=exited"));
    assert!(seen && waited().contains("ExecMainStatus=0"), "{}", waited());
    let key = second.run("sha256sum < /var/lib/ece-agent/host.key").stdout;

    // Later boots have no credential, and need none.
    second.arguments.clear();
    second.reboot();
    first.sees_connected("10.77.0.12");
    assert_eq!(second.run("sha256sum < /var/lib/ece-agent/host.key").stdout, key);

    // Root believes no pin that the service user has, and says how it gets one of its own.
    let told = second.run("ece-agent ca show").refused(13, "trust.no_pin").stderr;
    assert!(told.contains("--ca-fingerprint") && told.contains("--roles-token-file"), "{told}");
    let shown = second.run("runuser -u ece-agent -- ece-agent ca show --json").expect(0).json();
    let pin = shown["fingerprints"][0].as_str().unwrap();
    assert_eq!(pin, first.run("ece-agent ca show --json").json()["fingerprints"][0]);
    second.run("runuser -u ece-agent -- ece-agent status").expect(0);
    let wrong = format!("ece-agent install --ca-fingerprint sha256:{}", "a".repeat(64));
    let told = second.run(&wrong).expect(0).stderr;
    assert!(told.contains("trust.pin_mismatch"), "{told}");
    second.run("test -e /etc/ece-agent/cluster.json").expect(1);
    second.run(&format!("ece-agent install --ca-fingerprint {pin}")).expect(0);
    assert_eq!(second.run("ece-agent ca show --json").expect(0).json()["fingerprints"][0], pin);

    // What the config file says counts at the next start.
    second.run("echo 'capacity = \"9000\"' >> /etc/ece-agent/config.toml && systemctl restart ece-agent").expect(0);
    let capacity = || {
        let shown = first.api("GET", "/infrastructure/allocators/10.77.0.12", "").json();
        shown["capacity"]["memory"]["total"].clone()
    };
    assert!(within(Duration::from_secs(30), || capacity() == 9000), "{}", capacity());
}

#[test]
fn without_token_an_image_has_nothing_to_run_and_a_refused_token_is_said_and_not_tried_again() {
    let Some(lab) = lab(
        "lab::first_boot::without_token_an_image_has_nothing_to_run_and_a_refused_token_is_said_and_not_tried_again",
    ) else {
        return;
    };
    let (mut blank, mut first, mut refused) = (lab.machine(13), lab.machine(11), lab.machine(12));
    bake(&lab, &blank);
    blank.boot();
    let unit = blank.run("systemctl show ece-agent -p ActiveState -p ConditionResult").stdout;
    assert!(unit.contains("ActiveState=inactive") && unit.contains("ConditionResult=no"), "{unit}");

    first.boot();
    first.install_first_host();
    let token = first.token("--persistent --roles proxy");
    bake(&lab, &refused);
    refused.write(
        "etc/ece-agent/config.toml",
        "coordinator-host = ['10.77.0.11']\nroles = 'allocator'\n",
        0o644,
    );
    let credential = lab.dir.path().join("token");
    fs::write(&credential, &token).unwrap();
    refused.arguments =
        vec![format!("--load-credential=ece-agent.roles-token:{}", credential.display())];
    refused.boot();
    let state = || refused.run("systemctl show ece-agent -p ActiveState -p NRestarts").stdout;
    assert!(
        within(Duration::from_secs(20), || state().contains("ActiveState=failed")),
        "{}",
        state()
    );
    assert!(state().contains("NRestarts=0"), "{}", state());
    let log = refused.run("journalctl -u ece-agent --no-pager -o cat").stdout;
    assert!(log.contains("token.roles_exceeded"), "{log}");
    assert!(!log.contains(&token));
    let waited = refused.run("timeout 20 ece-agent status --wait --timeout 300");
    waited.refused(1, "daemon.not_running");
    let told = refused.run("ece-agent status").refused(1, "daemon.not_running").stderr;
    for part in ["has failed", "token.roles_exceeded", "journalctl -u ece-agent"] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

/// cloud-init is through, and has nothing to complain about.
#[track_caller]
fn settled(machine: &Machine) {
    let waited = machine.run("cloud-init status --wait --long");
    let log = machine.run("cat /var/log/cloud-init-output.log").stdout;
    assert_eq!(waited.code, 0, "{waited:?}\n{log}");
}

fn with_token(user_data: &str, token: &str) -> String {
    user_data.replace("ROLES_TOKEN", token)
}

#[test]
fn by_cloud_init_hosts_are_set_up_and_join_at_their_first_boot() {
    let Some(lab) =
        lab("lab::first_boot::by_cloud_init_hosts_are_set_up_and_join_at_their_first_boot")
    else {
        return;
    };
    let mut first = lab.machine(11);
    first.install_program(&lab);
    first.seed(&repository("scripts/cloud-init/first-host.yaml"));
    first.boot();
    settled(&first);
    first.sees_connected("10.77.0.11");
    let (good, revoked) = (
        first.token("--persistent --roles allocator"),
        first.token("--persistent --roles allocator"),
    );
    first.run_with_input("ece-agent token revoke -", &revoked).expect(0);
    first.crash();

    // The coordinator comes up while the joining host waits for it.
    let joining = repository("scripts/cloud-init/joining-host.yaml");
    let mut second = lab.machine(12);
    second.install_program(&lab);
    second.seed(&with_token(&joining, &good));
    second.boot_without_waiting();
    assert!(within(Duration::from_secs(60), || second
        .run("cat /run/ece-agent-setup/log")
        .stdout
        .contains("waiting: ")));
    first.boot();
    settled(&second);
    first.sees_connected("10.77.0.12");
    second.run("test -e /run/ece-agent-setup/roles-token").expect(1);
    let logs = second
        .run("cat /var/log/cloud-init.log /var/log/cloud-init-output.log; journalctl --no-pager")
        .stdout;
    assert!(logs.contains("is connected") && !logs.contains(&good), "the token is in the logs");
    second.reboot();
    first.sees_connected("10.77.0.12");
    // All of it again, as if the instance were new.
    second.run("cloud-init clean --logs").expect(0);
    second.reboot();
    settled(&second);
    let log = second.run("cat /var/log/cloud-init-output.log").stdout;
    assert!(log.contains("all is well"), "{log}");

    let mut third = lab.machine(13);
    third.install_program(&lab);
    third.seed(&with_token(&joining, &revoked));
    third.boot();
    third.run("cloud-init status --wait");
    let told = || third.run("cloud-init status --long").stdout;
    assert!(within(Duration::from_secs(20), || told().contains("token.revoked")), "{}", told());
    assert!(told().contains("status: error"), "{}", told());
    assert!(third.console().contains("token.revoked"), "{}", third.console());
    let logs = third.run("cat /var/log/cloud-init*.log; journalctl --no-pager").stdout;
    assert!(!logs.contains(&revoked), "the token is in the logs");
}
