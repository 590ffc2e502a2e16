//! Directories above ours that only their owner may pass, as ECE's Ansible role makes them.

use std::time::Duration;

use super::lab;
use crate::support::{Machine, PROVIDED, within};

const MAKE_USER: &str =
    "useradd -m elastic && echo 'elastic ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/elastic";
const CLOSE: &str = "install -d -o elastic -g elastic -m 0700 /mnt/data /mnt/data/elastic";

fn as_elastic(flags: &str) -> String {
    format!(
        "su elastic -c \"cd; PATH=$PATH:/usr/sbin bash {PROVIDED}/elastic-cloud-enterprise.sh {flags}\""
    )
}

fn allocator(first: &Machine, id: &str) -> serde_json::Value {
    first.api("GET", &format!("/infrastructure/allocators/{id}"), "").json()
}

#[track_caller]
fn healthy_and_closed(first: &Machine, machine: &Machine) {
    let id = &machine.address;
    first.sees_connected(id);
    let healthy =
        within(Duration::from_secs(20), || allocator(first, id)["status"]["healthy"] == true);
    assert!(healthy, "{}\n{}", allocator(first, id), machine.status());
    let role = || machine.status()["roles"]["allocator"].clone();
    assert!(within(Duration::from_secs(20), || role()["healthy"] == true), "{}", role());
    let modes = machine.run("stat -c '%U:%G %a' /mnt/data /mnt/data/elastic").stdout;
    assert_eq!(modes, "elastic:elastic 700\nelastic:elastic 700\n");
}

#[test]
fn the_service_works_below_directories_that_only_their_owner_may_pass() {
    let Some(lab) = lab(
        "lab::closed_directories::the_service_works_below_directories_that_only_their_owner_may_pass",
    ) else {
        return;
    };
    let (mut first, mut second) = (lab.machine(11), lab.machine(12));
    for machine in [&mut first, &mut second] {
        machine.boot();
        machine.run(&format!("{MAKE_USER} && {CLOSE}")).expect(0);
    }
    let install = as_elastic(
        "install --availability-zone zone-1 --host-storage-path /mnt/data/elastic --runner-id 10.77.0.11",
    );
    first.run(&install).expect(0);
    healthy_and_closed(&first, &first);
    let secrets = "cat /mnt/data/elastic/bootstrap-state/bootstrap-secrets.json";
    first.run(&format!("su elastic -c '{secrets}'")).expect(0);

    let token = first.token("--roles allocator,proxy");
    let join = as_elastic(&format!(
        "--coordinator-host 10.77.0.11 --roles-token '{token}' --roles allocator,proxy --host-storage-path /mnt/data/elastic"
    ));
    second.run(&join).expect(0);
    healthy_and_closed(&first, &second);

    // The role's next play makes the directories again, on a cluster that lives.
    for machine in [&first, &second] {
        machine.run(CLOSE).expect(0);
        machine.run("systemctl restart ece-agent").expect(0);
    }
    for machine in [&first, &second] {
        healthy_and_closed(&first, machine);
    }
    // As a package has it.
    let tmpfiles = include_str!("../../../systemd/ece-agent.tmpfiles");
    second.write_running("usr/lib/tmpfiles.d/ece-agent.conf", tmpfiles.as_bytes());
    first.reboot();
    second.reboot();
    for machine in [&first, &second] {
        healthy_and_closed(&first, machine);
    }
    first.run(&install).expect(0);
    second.run(&join).expect(0);
    for machine in [&first, &second] {
        healthy_and_closed(&first, machine);
        machine.run("ece-agent check --roles allocator --skip preflight.max_map_count").expect(0);
    }
    // The file system of the instances counts, not what hides the way to it.
    let disk = second.run("df --output=size -B1M /mnt/data/elastic/instances | tail -n 1").stdout;
    let shown = allocator(&first, "10.77.0.12")["capacity"]["storage"]["total"].as_u64().unwrap();
    assert!(shown.abs_diff(disk.trim().parse().unwrap()) <= 1, "{shown} {disk}");

    // Whoever is shut out hears by which directory.
    second.run("useradd -m other").expect(0);
    let as_other = |verb: &str| {
        let flags = "--foreground --state-dir /home/other/state --host-storage-path /mnt/data/elastic/other";
        second.run(&format!("su other -c '{PROVIDED}/ece-agent {verb} {flags}'"))
    };
    let told = as_other("check").expect(11).stdout;
    assert!(told.contains("/mnt/data is closed, it belongs to elastic"), "{told}");
    let told = as_other("install").refused(1, "storage.closed").stderr;
    assert!(told.contains("/mnt/data is closed, it belongs to elastic"), "{told}");
}

#[test]
fn a_storage_path_of_its_own_may_be_closed_too() {
    let Some(lab) = lab("lab::closed_directories::a_storage_path_of_its_own_may_be_closed_too")
    else {
        return;
    };
    let mut first = lab.machine(11);
    first.boot();
    let storage = "/srv/a vault/50%/elastic";
    let close = format!(
        "install -d -o elastic -g elastic -m 0700 '/srv/a vault' '/srv/a vault/50%' '{storage}'"
    );
    first.run(&format!("{MAKE_USER} && {close}")).expect(0);
    first.run(&format!("ece-agent install --host-storage-path '{storage}'")).expect(0);
    let role = || first.status()["roles"]["allocator"].clone();
    assert!(within(Duration::from_secs(20), || role()["healthy"] == true), "{}", role());
    first.run(&close).expect(0);
    first.run("systemctl restart ece-agent").expect(0);
    assert!(within(Duration::from_secs(20), || role()["healthy"] == true), "{}", role());
    first.run("ece-agent install").expect(0);
    // The service sees its own directory there, and nothing else.
    first.run(&format!("touch '{storage}/theirs'")).expect(0);
    let inside = "nsenter --mount --target $(systemctl show ece-agent -p MainPID --value)";
    let seen = first.run(&format!("{inside} ls '{storage}'")).stdout;
    assert_eq!(seen, "instances\n");
}
