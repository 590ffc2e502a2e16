use std::time::Duration;

use super::{first_and_blank, lab};
use crate::support::{PROVIDED, within};

/// Provisioning tools call the script as a user with sudo rights, whose storage path it is.
#[test]
fn by_script_a_user_with_sudo_rights_installs_and_owns_the_secrets() {
    let Some(lab) =
        lab("lab::script::by_script_a_user_with_sudo_rights_installs_and_owns_the_secrets")
    else {
        return;
    };
    let (mut first, mut second) = (lab.machine(11), lab.machine(12));
    for machine in [&mut first, &mut second] {
        machine.boot();
        machine
            .run(
                "useradd -m elastic && echo 'elastic ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/elastic
                 install -d -o elastic -g elastic -m 0700 /mnt/data/elastic",
            )
            .expect(0);
    }
    let script = format!("{PROVIDED}/elastic-cloud-enterprise.sh");
    let as_elastic = |command: &str| {
        let quoted = command.replace('\'', "'\\''");
        format!("su elastic -c 'cd; export PATH=$PATH:/usr/sbin; {quoted}'")
    };
    // No verb before the flags, a leading blank, and flags about containers.
    let flags =
        r#"--memory-settings ' {"runner":{"xms":"1G","xmx":"1G"}}' --podman --docker-registry x"#;
    let told = first.run(&as_elastic(&format!("bash {script} {flags}"))).expect(0).stderr;
    assert!(told.contains("no effect here") && told.contains("--memory-settings"), "{told}");
    let owner = "stat -c '%U %a' /mnt/data/elastic/bootstrap-state/bootstrap-secrets.json";
    assert_eq!(first.run(owner).stdout.trim(), "elastic 600");
    let lines =
        first.run(&as_elastic("wc -l < /mnt/data/elastic/bootstrap-state/bootstrap-secrets.json"));
    assert_eq!(lines.stdout.trim(), "1");
    let log = as_elastic("tail -n 5 /mnt/data/elastic/logs/bootstrap-logs/bootstrap.log");
    assert!(first.run(&log).stdout.contains("Application is exiting {}"));
    first.run("systemctl is-active ece-agent").expect(0);
    // Root itself may repeat it, with the daemon down too.
    first.run("systemctl stop ece-agent && ece-agent install").expect(0);
    assert_eq!(first.run(owner).stdout.trim(), "elastic 600");

    let token = first.token("--roles allocator,proxy");
    let join = as_elastic(&format!(
        "bash {script} install --coordinator-host {} --roles-token '\\''{token}'\\'' --roles \"allocator, proxy\"",
        first.address
    ).replace("'\\''", "'"));
    second.run(&join).expect(0);
    second.run(&join).expect(0);
    first.sees_connected("10.77.0.12");
    let journal = second.run("cat /var/log/auth.log 2>/dev/null; journalctl --no-pager").stdout;
    assert!(
        journal.contains("ece-agent") && !journal.contains(&token),
        "sudo has logged the token"
    );

    // A new password, with the daemon running.
    let before = first.admin();
    let reset = as_elastic(&format!(
        "bash {script} reset-adminconsole-password --user admin --pwd 'a-new-password'"
    ));
    first.run(&reset).expect(0);
    assert_eq!(first.admin(), "admin:a-new-password");
    assert_eq!(first.run(owner).stdout.trim(), "elastic 600");
    first.sees_connected("10.77.0.12");
    let url = format!("https://{}:12443/api/v1/platform/infrastructure/runners", first.address);
    let old = first.run(&format!("curl -sk -o /dev/null -w '%{{http_code}}' -u '{before}' {url}"));
    assert_eq!(old.stdout, "401");
    first.run(&as_elastic(&format!("bash {script} reset-adminconsole-password"))).expect(0);
    assert_ne!(first.admin(), "admin:a-new-password");

    let nothing = as_elastic(&format!("bash {script} add-stack-version --version 8.0"));
    assert!(second.run(&nothing).expect(0).stderr.contains("nothing to do"));
}

#[test]
fn an_upgrade_that_is_not_healthy_goes_back_to_what_ran_before() {
    let Some(lab) = lab("lab::script::an_upgrade_that_is_not_healthy_goes_back_to_what_ran_before")
    else {
        return;
    };
    let (first, second) = first_and_blank(&lab, "");
    let token = first.token("--roles allocator");
    second.join(&first, &token, "--roles allocator").expect(0);
    let script = format!("{PROVIDED}/elastic-cloud-enterprise.sh");

    // Says that it is ece-agent, and does nothing else.
    second
        .run("printf '#!/bin/sh\\n[ \"$1\" = --version ] && echo ece-agent 9.9.9 && exit 0\\nexit 7\\n' > /root/bad && chmod 755 /root/bad")
        .expect(0);
    let before = second.run("sha256sum < /usr/bin/ece-agent").stdout;
    let upgrade =
        format!("bash {script} upgrade --user admin --pass x --binary /root/bad --timeout 10");
    let told = second.run(&upgrade).refused(1, "upgrade.failed").stderr;
    assert!(told.contains("no effect here: --user --pass"), "{told}");
    assert!(told.contains("the one before it runs again"), "{told}");
    assert_eq!(second.run("sha256sum < /usr/bin/ece-agent").stdout, before);
    first.sees_connected("10.77.0.12");
    second.run("echo no program > /root/worse && chmod 755 /root/worse").expect(0);
    second.run(&format!("bash {script} upgrade --binary /root/worse")).refused(3, "config.invalid");

    // The same program with something behind it is another file, and good.
    second.run(&format!("cp {PROVIDED}/ece-agent /root/good && echo >> /root/good")).expect(0);
    let session = second.status()["session"].clone();
    second.run(&format!("ECE_AGENT_BINARY=/root/good bash {script} upgrade")).expect(0);
    assert_ne!(second.run("sha256sum < /usr/bin/ece-agent").stdout, before);
    first.sees_connected("10.77.0.12");
    assert_ne!(second.status()["session"], session);
    let told = second.run(&format!("ECE_AGENT_BINARY=/root/good bash {script} upgrade")).expect(0);
    assert!(told.stderr.contains("installed already"), "{}", told.stderr);
}

#[test]
fn leaving_tells_the_cluster_removes_what_install_made_and_is_harmless_twice() {
    let Some(lab) = lab(
        "lab::script::leaving_tells_the_cluster_removes_what_install_made_and_is_harmless_twice",
    ) else {
        return;
    };
    let (mut first, mut second, mut third) = (lab.machine(11), lab.machine(12), lab.machine(13));
    for machine in [&mut first, &mut second, &mut third] {
        machine.boot();
    }
    first.install_first_host();
    let token = first.token("--roles allocator");
    for machine in [&second, &third] {
        machine.join(&first, &token, "--roles allocator").expect(0);
    }
    first.run("ece-agent uninstall").refused(14, "uninstall.first_host");
    second.run("mkdir /mnt/data/elastic/instances/i-1").expect(0);
    second.run("ece-agent uninstall").refused(14, "uninstall.instances");
    second.run("rmdir /mnt/data/elastic/instances/i-1").expect(0);
    let told = second.run("ece-agent uninstall").expect(0).stderr;
    assert!(told.contains("left the cluster"), "{told}");
    let left = second.run("ls -d /var/lib/ece-agent /etc/ece-agent /usr/bin/ece-agent /etc/systemd/system/ece-agent.service /mnt/data/elastic; id ece-agent");
    assert_eq!(left.stdout, "", "{left:?}");
    second.run("ece-agent uninstall").refused(1, "install.not_done");
    assert_eq!(first.runner("10.77.0.12")["errors"][0]["code"], "runners.runner_not_found");
    // It can come back, as a new host.
    second.join(&first, &token, "--roles allocator").expect(0);
    first.sees_connected("10.77.0.12");

    first.crash();
    let told = third.run("ece-agent uninstall").expect(0).stderr;
    assert!(told.contains("the cluster was not told"), "{told}");
    assert!(told.contains("'ece-agent host list'"), "{told}");
    third.run("ls /var/lib/ece-agent").expect(2);
    first.boot();
    assert!(within(Duration::from_secs(60), || first.runner("10.77.0.13")["connected"] == false));
    let gone = first.run("ece-agent uninstall --force --json").expect(0).json();
    assert_eq!(gone["problems"].as_array().unwrap().len(), 0, "{gone}");
}

#[test]
fn a_script_alone_fetches_the_program_from_the_coordinator_that_the_token_pins() {
    let Some(lab) = lab(
        "lab::script::a_script_alone_fetches_the_program_from_the_coordinator_that_the_token_pins",
    ) else {
        return;
    };
    let (first, second) = first_and_blank(&lab, "");
    let token = first.token("--roles allocator");
    second.run(&format!("mkdir /root/alone && cp {PROVIDED}/*.sh /root/alone/")).expect(0);
    let alone = "PATH=/usr/sbin:/usr/bin:/sbin:/bin bash /root/alone/elastic-cloud-enterprise.sh";
    // A first host has nobody to ask.
    let told = second.run(&format!("{alone} install")).expect(1).stderr;
    assert!(told.contains("beside this script") && told.contains("installer file"), "{told}");
    let join = |flags: &str| {
        second.run(&format!(
            "{alone} install --coordinator-host 10.77.0.11 --roles-token '{token}' --roles allocator {flags}"
        ))
    };
    let other_pin = format!("--ca-fingerprint sha256:{}", "a".repeat(64));
    join(&other_pin).refused(12, "coordinator.unreachable");
    second
        .run("openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -out /root/other.pem -days 9 -subj /CN=x 2>/dev/null")
        .expect(0);
    join("--ca-cert /root/other.pem").expect(12);
    let pinless = second.run(&format!(
        "{alone} install --coordinator-host 10.77.0.11 --roles-token x.{}.y",
        "eyJyb2xlcyI6W119"
    ));
    pinless.refused(13, "trust.no_pin");
    second.run("ls /usr/bin/ece-agent /var/lib/ece-agent").expect(2);

    // By the token alone: it says where, too.
    second.run_with_input("umask 077; cat > /root/token", &token).expect(0);
    let by_token = format!("{alone} --roles-token-file /root/token --roles allocator");
    second.run(&by_token).expect(0);
    first.sees_connected("10.77.0.12");
    second
        .run("cmp /usr/bin/ece-agent <(curl -sk https://10.77.0.11:12443/downloads/ece-agent)")
        .expect(0);
    second.run("ls -d /tmp/tmp.*").expect(2);
    join("").expect(0);
    second.run("ece-agent uninstall").expect(0);
    join("").expect(0);
    first.sees_connected("10.77.0.12");
}
