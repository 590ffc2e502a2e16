//! `install --new-identity`: hosts that were removed, or whose files are damaged.

use std::{fs, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::support::{Cluster, Finished, Host, agent, within};

fn install(cluster: &Cluster, host: &Host, token: &str, flags: &[&str]) -> Finished {
    let mut command = agent(["install", "--roles", "allocator", "--force", "--state-dir"]);
    command.arg(&host.state).args(["--coordinator-host", &cluster.first.address]);
    command.args(["--roles-token", token]).args(flags);
    Finished::of(&mut command)
}

fn identity(host: &Host) -> Value {
    serde_json::from_slice(&fs::read(host.state.join("identity.json")).unwrap()).unwrap()
}

#[test]
fn a_removed_host_comes_back_with_the_settings_that_it_had() {
    let cluster = Cluster::start();
    let mut host = cluster.host(2);
    let token = cluster.token("allocator");
    let settings = [
        "--roles",
        "allocator",
        "--availability-zone",
        "zone-7",
        "--allocator-tags",
        "rack:7",
        "--capacity",
        "9000",
    ];
    cluster.install(&mut host, &token, &settings);
    host.wait_connected();
    let before = identity(&host)["settings"].clone();
    let path = format!("/platform/infrastructure/runners/{}", host.address);
    host.stop();
    cluster.api("DELETE", &path, None).expect(200);
    install(&cluster, &host, &token, &["--new-identity", "--capacity", "10000"]).expect(0);
    let mut expected = before;
    expected["capacity_mb"] = 10_000.into();
    assert_eq!(identity(&host)["settings"], expected);
    assert_eq!(cluster.allocator(&host.address).unwrap()["zone_id"], "zone-7");
    host.stop_background();
}

#[test]
fn a_removed_host_that_somebody_has_named_keeps_its_name() {
    let cluster = Cluster::start();
    let mut host = cluster.host(2);
    let token = cluster.token("allocator");
    cluster.install(&mut host, &token, &["--roles", "allocator", "--runner-id", "rack-7"]);
    host.wait_connected();
    let remove = || {
        let path = "/platform/infrastructure/runners/rack-7";
        let removed = || cluster.api("DELETE", path, None).status == 200;
        assert!(within(Duration::from_secs(20), removed));
    };
    host.stop();
    remove();
    install(&cluster, &host, &token, &["--new-identity"]).expect(0);
    assert_eq!(identity(&host)["runner_id"], "rack-7");
    assert!(cluster.is_connected("rack-7"));
    // Unless another one is given.
    host.stop_background();
    remove();
    install(&cluster, &host, &token, &["--new-identity", "--runner-id", "rack-8"]).expect(0);
    assert_eq!(identity(&host)["runner_id"], "rack-8");
    host.stop_background();
}

#[test]
fn a_host_with_a_new_identity_begins_with_no_role_of_its_former_one() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    let heard = || fs::read_to_string(host.state.join("desired.json")).unwrap_or_default();
    assert!(within(Duration::from_secs(10), || heard().contains("allocator")), "{}", heard());
    host.stop();
    let path = format!("/platform/infrastructure/runners/{}", host.address);
    cluster.api("DELETE", &path, None).expect(200);
    let mut command = host.install_command(&["--new-identity", "--force", "--roles", "proxy"]);
    command.args(["--coordinator-host", &cluster.first.address]);
    command.args(["--roles-token", &cluster.token("allocator,proxy")]);
    Finished::of(&mut command).expect(0);
    let has_roles = || host.status_json()["roles"]["proxy"]["healthy"] == true;
    assert!(within(Duration::from_secs(10), has_roles));
    let log = fs::read_to_string(host.state.join("agent.log")).unwrap();
    assert!(log.contains("starting role proxy"), "{log}");
    assert!(!log.contains("starting role allocator"), "{log}");
    host.stop_background();
}

#[test]
fn a_damaged_identity_is_told_again_by_the_cluster_as_the_fix_says() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    host.stop();
    let token = cluster.token("allocator");
    let key = fs::read(host.state.join("host.key")).unwrap();
    fs::write(host.state.join("identity.json"), "{").unwrap();
    let storage = host.storage.to_str().unwrap();
    let place = ["--host-storage-path", storage, "--host-ip", &host.address];
    let told = install(&cluster, &host, &token, &place).refused(1, "identity.unreadable").stderr;
    assert!(told.contains("--new-identity"), "{told}");
    let with = [&["--new-identity"][..], &place].concat();
    let plan = [&["--dry-run"][..], &with].concat();
    let told = install(&cluster, &host, &token, &plan).expect(0).stdout;
    assert!(told.contains("would join the cluster with the role allocator"), "{told}");
    assert_eq!(fs::read(host.state.join("identity.json")).unwrap(), b"{");
    install(&cluster, &host, &token, &with).expect(0);
    assert_eq!(identity(&host)["runner_id"], host.address.as_str());
    assert_eq!(fs::read(host.state.join("host.key")).unwrap(), key, "it is the same host");
    assert_eq!(fs::read(host.state.join("identity.json.damaged")).unwrap(), b"{");
    assert!(cluster.is_connected(&host.address));
    host.stop_background();

    // A key that is damaged is of no use: the cluster has to let it in as another.
    fs::write(host.state.join("host.key"), "x").unwrap();
    let told = install(&cluster, &host, &token, &with).refused(14, "join.runner_id_taken").stderr;
    let delete = format!("on the first host run 'ece-agent host delete {}'", host.address);
    assert!(told.contains(&delete) && told.contains("--replace"), "{told}");
    let path = format!("/platform/infrastructure/runners/{}", host.address);
    cluster.api("DELETE", &path, None).expect(200);
    install(&cluster, &host, &token, &with).expect(0);
    assert!(cluster.is_connected(&host.address));
    host.stop_background();
}

#[test]
fn a_member_needs_no_token_that_is_good_by_its_own_clock() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "allocator");
    let token = cluster.token("allocator");
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let mut claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&parts[1]).unwrap()).unwrap();
    claims.as_object_mut().unwrap().remove("persistent");
    claims["exp"] = 1_000_000_000.into();
    parts[1] = URL_SAFE_NO_PAD.encode(claims.to_string());
    let expired = parts.join(".");
    let flags =
        |host: &Host| vec!["--host-storage-path".to_owned(), host.storage.display().to_string()];
    for dry in [true, false] {
        let mut given = flags(&host);
        given.extend(dry.then(|| "--dry-run".to_owned()));
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        install(&cluster, &host, &expired, &given).expect(0);
        let stranger = cluster.host(3);
        install(&cluster, &stranger, &expired, &given[2..]).refused(10, "token.expired");
    }
}
