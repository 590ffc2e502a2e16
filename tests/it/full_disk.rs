//! A coordinator whose datastore may not grow.

use std::{process::Command, time::Duration};

use serde_json::json;

use crate::support::{
    Cluster, Finished, Reply, SmallDisk, agent, disk_failure_library, skip, within,
};

const TOKENS: &str = "/platform/configuration/security/enrollment-tokens";

fn make_token(cluster: &Cluster) -> Reply {
    cluster.api("POST", TOKENS, Some(json!({ "persistent": true })))
}

fn becomes_full(cluster: &Cluster) {
    let full = within(Duration::from_secs(10), || make_token(cluster).status == 507);
    assert!(full, "{}", cluster.first.log());
    let told = make_token(cluster).failed(507, "root.datastore_full");
    assert!(told["fix"].as_str().unwrap().starts_with("Make room on the disk"), "{told}");
}

fn full_by_metrics(cluster: &Cluster) -> bool {
    let url = format!("http://{}:12346/metrics", cluster.first.address);
    let metrics = Reply::to(&[&url]).body;
    metrics.lines().any(|line| line == "ece_agent_datastore_full 1")
}

#[test]
fn a_coordinator_on_a_full_disk_refuses_changes_and_keeps_its_hosts() {
    let test = "full_disk::a_coordinator_on_a_full_disk_refuses_changes_and_keeps_its_hosts";
    let prepared = Cluster::prepare();
    let state = prepared.first.state.clone();
    let Some(disk) = SmallDisk::mount(&state, 4096) else {
        return skip(test, "it needs root, to mount a small file system");
    };
    let cluster = prepared.boot(&[]);
    let host = cluster.joined(2, "allocator");
    disk.fill();
    becomes_full(&cluster);
    assert!(cluster.is_connected(&host.address));
    let first = &cluster.first.address;
    let problem = cluster.runner(first)["problems"][0].clone();
    assert_eq!(problem["code"], "store.failed");
    assert_eq!(problem["message"], "the disk that holds the datastore is full");
    assert!(full_by_metrics(&cluster));
    // The role whose disk it is says so on the host itself, for as long as it lasts.
    let director = || cluster.first.status_json()["roles"]["director"].clone();
    let says_so = || director()["code"] == "store.failed";
    assert!(within(Duration::from_secs(20), says_so), "{}", director());
    assert!(director()["fix"].as_str().unwrap().contains("Make room"), "{}", director());
    // What the role tries is small, and may fit.
    let forgotten = || director()["healthy"] == true || !full_by_metrics(&cluster);
    assert!(!within(Duration::from_secs(15), forgotten), "{}", cluster.first.log());
    make_token(&cluster).failed(507, "root.datastore_full");
    let unhealthy = || cluster.runner(first)["healthy"] == false;
    assert!(within(Duration::from_secs(10), unhealthy), "{}", cluster.runner(first));
    assert_eq!(cluster.runner(first)["problems"].as_array().unwrap().len(), 1);
    let mut create = agent(["token", "create", "--roles", "allocator", "--state-dir"]);
    let told = Finished::of(create.arg(&state)).refused(1, "store.failed").stderr;
    assert!(told.contains("the disk that holds the datastore is full"), "{told}");
    disk.empty();
    let made = cluster.token("allocator");
    cluster.try_install(&cluster.host(3), &made, &["--force"]).expect(0);
    assert!(!full_by_metrics(&cluster));
    // The role looks now and then.
    let is_well = || director()["healthy"] == true;
    assert!(within(Duration::from_secs(45), is_well), "{}", director());
    let no_problem = || cluster.runner(first)["problems"] == json!([]);
    assert!(within(Duration::from_secs(10), no_problem), "{}", cluster.runner(first));
}

/// Starts a first host again with a file whose existence makes writes of its datastore fail.
fn with_failing_writes(cluster: &mut Cluster, errno: i32) -> Option<std::path::PathBuf> {
    cluster.first.stop();
    let dir = cluster.first.state.parent().unwrap().to_owned();
    let library = disk_failure_library(&dir)?;
    let flag = dir.join("fail-now");
    cluster.first.run_with(&[
        ("LD_PRELOAD", &library),
        ("FAIL_WRITE_FILE", flag.to_str().unwrap()),
        ("FAIL_WRITE_WITH", &errno.to_string()),
    ]);
    cluster.first.wait_connected();
    Some(flag)
}

#[test]
fn a_quota_that_is_used_up_is_a_full_disk() {
    let mut cluster = Cluster::start();
    let Some(flag) = with_failing_writes(&mut cluster, nix::libc::EDQUOT) else {
        let test = "full_disk::a_quota_that_is_used_up_is_a_full_disk";
        return skip(test, "it needs a C compiler");
    };
    std::fs::write(&flag, "").unwrap();
    becomes_full(&cluster);
    cluster.api("GET", "/platform/infrastructure/runners", None).expect(200);
    std::fs::remove_file(&flag).unwrap();
    make_token(&cluster).expect(200);
    assert_eq!(
        cluster.first.log().matches("holds the datastore is full").count(),
        1,
        "{}",
        cluster.first.log()
    );
}

#[test]
fn a_disk_that_does_not_write_ends_the_process() {
    let mut cluster = Cluster::start();
    let Some(flag) = with_failing_writes(&mut cluster, nix::libc::EIO) else {
        let test = "full_disk::a_disk_that_does_not_write_ends_the_process";
        return skip(test, "it needs a C compiler");
    };
    std::fs::write(&flag, "").unwrap();
    let url = cluster.url(TOKENS);
    let json = "Content-Type: application/json";
    let curl = ["-sk", "-u", &cluster.admin(), "-H", json, "-d", "{\"persistent\":true}", &url];
    Command::new("curl").args(curl).output().unwrap();
    assert_ne!(cluster.first.wait(), Some(0));
    assert!(cluster.first.log().contains("store.failed"), "{}", cluster.first.log());
}

#[test]
fn a_limit_of_file_sizes_is_a_full_disk() {
    let cluster = Cluster::start();
    let limit = |size: &str| {
        let pid = cluster.first.pid().to_string();
        let fsize = format!("--fsize={size}:");
        let done = Command::new("prlimit").args(["--pid", &pid, &fsize]).status();
        assert!(done.unwrap().success());
    };
    limit("16384");
    becomes_full(&cluster);
    cluster.api("GET", "/platform/infrastructure/runners", None).expect(200);
    limit("unlimited");
    make_token(&cluster).expect(200);
}
