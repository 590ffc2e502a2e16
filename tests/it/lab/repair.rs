//! `install` on a service that is there: what it has made is made right again.

use std::time::Duration;

use super::{first_and_blank, lab};
use crate::support::within;

#[test]
fn install_repairs_what_it_has_made_takes_on_settings_and_is_a_success_only_if_all_is_well() {
    let Some(lab) = lab(
        "lab::repair::install_repairs_what_it_has_made_takes_on_settings_and_is_a_success_only_if_all_is_well",
    ) else {
        return;
    };
    let (first, second) = first_and_blank(&lab, "");
    let token = first.token("--roles allocator");
    let again = |flags: &str| second.join(&first, &token, flags);
    again("--roles allocator").expect(0);
    let runner = || first.runner("10.77.0.12");
    let healthy = |limit: u64| {
        assert!(within(Duration::from_secs(limit), || runner()["healthy"] == true), "{}", runner());
    };
    healthy(20);
    let pid = || second.status()["pid"].clone();

    // With nothing to repair the daemon runs on.
    let made = "/etc/systemd/system/ece-agent.service /etc/ece-agent/*";
    let files = || second.run(&format!("stat -c '%n %i %Y' {made}")).expect(0).stdout;
    let before = (pid(), files());
    again("--roles allocator").expect(0);
    assert_eq!((pid(), files()), before);
    let before = before.0;

    // A role that fails is shown, and comes back by itself when its directory does.
    let instances = "/mnt/data/elastic/instances";
    second.run(&format!("chown root:root {instances}")).expect(0);
    let problem = || runner()["problems"][0]["code"] == "state.not_writable";
    assert!(within(Duration::from_secs(30), problem), "{}", runner());
    let said = second.run("systemctl show ece-agent -p StatusText --value").stdout;
    assert!(said.contains("the role allocator is not healthy"), "{said}");
    let told = second.run("ece-agent check --roles allocator --json").expect(11).stdout;
    assert!(told.contains("is closed, it belongs to root"), "{told}");
    second.run("ece-agent status").expect(0);
    second.run(&format!("chown ece-agent:ece-agent {instances}")).expect(0);
    healthy(60);
    assert_eq!(pid(), before);

    second.run(&format!("rm -r {instances}")).expect(0);
    let told = second.run("ece-agent check --roles allocator").expect(11).stdout;
    assert!(told.contains(&format!("{instances}: it is not there")), "{told}");
    again("").expect(0);

    // Owner, mode, directory, unit: all that install has made.
    for damage in [
        format!("chown root:root {instances}"),
        format!("rm -r {instances}"),
        "chmod 755 /var/lib/ece-agent".to_owned(),
        "rm /etc/systemd/system/ece-agent.service && systemctl daemon-reload".to_owned(),
        "sed -i /^ProtectSystem/d /etc/systemd/system/ece-agent.service".to_owned(),
    ] {
        second.run(&damage).expect(0);
        again("").expect(0);
        healthy(20);
        let modes = second.run(&format!("stat -c '%U %a' {instances} /var/lib/ece-agent")).stdout;
        assert_eq!(modes, "ece-agent 700\nece-agent 700\n", "{damage}");
        let strict = second.run("systemctl show ece-agent -p ProtectSystem --value").stdout;
        assert_eq!(strict.trim(), "strict", "{damage}");
    }

    // What only looks says what would be changed.
    let dry = second.join(&first, &token, "--availability-zone zone-b --capacity 9000 --dry-run");
    let told = dry.expect(0).stdout;
    assert!(told.contains("would set availability-zone to zone-b, which is ece-zone-1"), "{told}");

    // Settings are taken on, in the config file too, and what cannot be is said.
    second
        .run("sed -i 's/^# capacity.*/capacity = \"9000\"/' /etc/ece-agent/config.toml")
        .expect(0);
    let told = again("--availability-zone zone-b --host-storage-path /srv/other").expect(0).stderr;
    assert!(told.contains("availability-zone is now zone-b, and was ece-zone-1"), "{told}");
    assert!(told.contains("/srv/other") && told.contains("[install.setting_kept]"), "{told}");
    second.run("ls /srv/other /etc/systemd/system/ece-agent.service.d").expect(2);
    let taken = || {
        let shown = first.api("GET", "/infrastructure/allocators/10.77.0.12", "").json();
        shown["zone_id"] == "zone-b" && shown["capacity"]["memory"]["total"] == 9000
    };
    assert!(within(Duration::from_secs(20), taken), "{}", runner());
    second.run("systemctl restart ece-agent").expect(0);
    first.sees_connected("10.77.0.12");
    assert!(within(Duration::from_secs(20), taken), "{}", runner());

    // What it cannot make right is no success.
    second.run(&format!("rm -r {instances} && touch {instances}")).expect(0);
    let told = again("").refused(1, "state.not_writable").stderr;
    assert!(!told.contains("all is well"), "{told}");
}

#[test]
fn why_a_service_does_not_start_is_said_at_once_and_what_no_start_mends_is_not_tried_again() {
    let Some(lab) = lab(
        "lab::repair::why_a_service_does_not_start_is_said_at_once_and_what_no_start_mends_is_not_tried_again",
    ) else {
        return;
    };
    let mut first = lab.machine(11);
    first.boot();
    first.install_first_host();
    let kept = "/var/lib/ece-agent/coordinator";
    let says = |code: &str| {
        let told = first.run("ece-agent start").refused(2, "service.failed").stderr;
        assert!(told.contains(code) && told.contains("Put right what the log says"), "{told}");
        let told = first.run("ece-agent status").refused(1, "daemon.not_running").stderr;
        assert!(told.contains(code), "{told}");
        first.run("systemctl show ece-agent -p ActiveState -p SubState -p NRestarts").stdout
    };
    first.run(&format!("ece-agent stop && mv {kept} /root/")).expect(0);
    let unit = says("store.missing");
    assert!(unit.contains("ActiveState=failed") && unit.contains("NRestarts=0"), "{unit}");
    // A disk may come back: this is tried again, and the reason is shown meanwhile.
    first
        .run(&format!(
            "cp -a /root/coordinator {kept} && rm -f {kept}/store.db-wal && head -c 200 /dev/zero | tr '\\0' x > {kept}/store.db"
        ))
        .expect(0);
    let unit = says("store.failed");
    assert!(!unit.contains("ActiveState=failed"), "{unit}");
    first.run(&format!("ece-agent stop; rm -r {kept} && mv /root/coordinator {kept}")).expect(0);
    first.run("ece-agent start && ece-agent status --wait").expect(0);
}
