//! The first host from its backup, by the procedure of `docs/operations.md`, word for word.

use std::{fs, time::Duration};

use super::{first_and_member, lab};
use crate::support::{Machine, within};

/// The commands of the procedure.
fn procedure() -> String {
    let page = format!("{}/docs/operations.md", env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(page).unwrap();
    let (_, restoring) = page.split_once("To restore it").unwrap();
    let lines = restoring.lines().skip_while(|line| !line.starts_with("    "));
    let lines = lines.take_while(|line| line.starts_with("    ")).map(str::trim);
    let lines = lines.map(|line| line.replace("BACKUP", "/root/backup")).collect::<Vec<_>>();
    format!("umask 022 && {}", lines.join(" && "))
}

fn back_up(first: &Machine) {
    let told = first.run("ece-agent backup /root/backup").expect(0).stderr;
    assert!(told.contains("the key that opens it") && !told.contains("warning"), "{told}");
    first.run("ece-agent status --wait").expect(0);
    let others = "find /root/backup -not -user root -o -perm /077";
    assert_eq!(first.run(others).stdout, "");
    first.run("ece-agent backup /root/backup").refused(3, "backup.exists");
}

/// Everything is as it was: cluster, name, users, members, and what only root may read.
fn is_back(first: &Machine, cluster: &str, password: &str) {
    assert_eq!(first.status()["cluster_id"], cluster);
    assert_eq!(first.status()["runner_id"], "10.77.0.11");
    assert_eq!(first.admin(), password);
    for id in ["10.77.0.11", "10.77.0.12"] {
        first.sees_connected(id);
    }
    let healthy = || first.runner("10.77.0.11")["healthy"] == true;
    assert!(within(Duration::from_secs(20), healthy), "{}", first.runner("10.77.0.11"));
    let secrets = "/mnt/data/elastic/bootstrap-state/bootstrap-secrets.json";
    let modes = first.run(&format!("stat -c '%U %a' {secrets} $(dirname {secrets})")).stdout;
    assert_eq!(modes, "root 600\nroot 700\n");
    let theirs = "find /var/lib/ece-agent -not -user ece-agent -o -perm /077";
    assert_eq!(first.run(theirs).stdout, "");
    first.run("systemctl is-active ece-agent && systemctl is-enabled ece-agent").expect(0);
}

#[test]
fn a_first_host_comes_back_from_its_backup_in_its_place_and_on_another_machine() {
    let Some(lab) = lab(
        "lab::restore::a_first_host_comes_back_from_its_backup_in_its_place_and_on_another_machine",
    ) else {
        return;
    };
    let (mut first, second) = first_and_member(&lab);
    back_up(&first);
    let (cluster, admin) = (first.status()["cluster_id"].clone(), first.admin());
    let cluster = cluster.as_str().unwrap();
    // What was made after it is not in it, and what is in it is not lost.
    first.token("--persistent");

    first.run(&procedure()).expect(0);
    is_back(&first, cluster, &admin);
    let renewed = "ece-agent audit list --action host.renew_key --json";
    assert!(!first.run(renewed).expect(0).stdout.contains("10.77.0.11"));

    // The host has another key since the backup.
    first.run("ece-agent stop && rm /var/lib/ece-agent/host.key").expect(0);
    first.run("ece-agent install --new-identity").expect(0);
    first.run(&procedure()).expect(0);
    is_back(&first, cluster, &admin);
    second.run("ece-agent backup /root/backup").refused(3, "backup.not_first_host");
    assert!(first.run(renewed).expect(0).stdout.contains("10.77.0.11"));

    // All that the service had is lost; what root knows of it is not.
    first.run("systemctl stop ece-agent && find /var/lib/ece-agent -mindepth 1 -delete").expect(0);
    first.run("ece-agent install").refused(1, "store.missing");
    first.run("ece-agent start").refused(1, "install.not_done");
    first.run(&procedure()).expect(0);
    is_back(&first, cluster, &admin);

    // Another machine with the same address, which has nothing but the backup.
    let backup = first.run("tar -C /root -cz backup | base64 -w0").stdout;
    first.crash();
    first.link("down");
    let mut other = lab.machine(13);
    other.boot();
    other.readdress("10.77.0.11");
    other.write_running("root/backup.base64", backup.as_bytes());
    other.run("base64 -d < /root/backup.base64 | tar -C /root -xz").expect(0);
    other.run(&procedure()).expect(0);
    is_back(&other, cluster, &admin);
    assert!(other.run(renewed).expect(0).stdout.contains("10.77.0.11"));
    // The verbs of root know the cluster, and its secrets.
    other.run("ece-agent reset-password").expect(0);
    assert_ne!(other.admin(), admin);
    other.run("ece-agent token list").expect(0);
    second.run("ece-agent status --wait").expect(0);
    let again = other.run("ece-agent install").expect(0).stderr;
    assert!(!again.contains("warning"), "{again}");
}
