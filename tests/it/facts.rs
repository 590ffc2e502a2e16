//! What a host says about itself, and what the coordinator makes of it.

use ece_agent::host::{LinuxMachine, Machine};
use serde_json::json;

use crate::{roles::put_roles, support::Cluster};

#[test]
fn zone_tags_and_capacity_are_what_the_flags_say() {
    let cluster = Cluster::start();
    let mut host = cluster.host(2);
    let flags = [
        "--roles",
        "allocator,proxy",
        "--availability-zone",
        "ece-region-1b",
        "--capacity",
        "8192",
        "--allocator-tags",
        "rack:7,disk:nvme",
        "--proxy-tags",
        "edge:yes",
        "--runner-id",
        "host-2",
    ];
    cluster.install(&mut host, &cluster.token("allocator,proxy"), &flags);
    host.wait_connected();
    let allocator = cluster.allocator("host-2").unwrap();
    assert_eq!(allocator["zone_id"], "ece-region-1b");
    assert_eq!(allocator["host_ip"], host.address);
    assert_eq!(allocator["capacity"]["memory"]["total"], 8192);
    assert_eq!(allocator["capacity"]["memory"]["source"], "flag");
    assert_eq!(allocator["settings"]["capacity"], 8192);
    let tags = json!([{ "key": "disk", "value": "nvme" }, { "key": "rack", "value": "7" }]);
    assert_eq!(allocator["metadata"], tags);
    let runner = cluster.runner("host-2");
    assert_eq!(runner["tags"], json!({ "disk": "nvme", "edge": "yes", "rack": "7" }));
    let path = "/platform/infrastructure/proxies/host-2";
    let proxy = cluster.api("GET", path, None).expect(200).json();
    assert_eq!(proxy["metadata"], json!({ "edge": "yes" }));
}

#[test]
fn without_flags_capacity_follows_from_memory_by_the_rule_and_changes_with_the_roles() {
    let cluster = Cluster::start();
    let host = cluster.joined(2, "allocator");
    let machine = LinuxMachine.memory().unwrap();
    let mb = machine.bytes >> 20;
    // So much is kept back at most by a host that is an allocator only, and by others.
    for (roles, kept_back) in [(["allocator"].as_slice(), 12), (&["allocator", "proxy"], 28)] {
        put_roles(&cluster, &host.address, roles).expect(200);
        let allocator = cluster.allocator(&host.address).unwrap();
        let memory = &allocator["capacity"]["memory"];
        assert_eq!(memory["source"], json!(machine.source));
        let offered = (mb * 85 / 100).max(mb.saturating_sub(kept_back * 1024));
        assert_eq!(memory["total"], offered, "{roles:?}");
    }
}

#[test]
fn a_capacity_above_the_hosts_memory_is_refused_before_the_join() {
    let cluster = Cluster::start();
    let host = cluster.host(2);
    cluster
        .try_install(&host, &cluster.token(""), &["--capacity", "99999999"])
        .refused(11, "preflight.capacity");
    let list = cluster.api("GET", "/platform/infrastructure/runners", None).expect(200).json();
    assert_eq!(list["runners"].as_array().unwrap().len(), 1);
}
