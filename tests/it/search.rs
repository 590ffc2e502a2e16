//! Searches: what they may ask for, and that nobody waits for those of others.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{Cluster, Host, StopAtEnd, within};

const INFRASTRUCTURE: &str = "/platform/infrastructure";

/// The largest search that is carried out: 256 words, and 8 keys to sort by.
fn at_the_bounds() -> Value {
    let keys: Vec<String> = (0..8).map(|number| format!("metadata.key-{number}")).collect();
    json!({ "query": { "match": { "zone_id": "w ".repeat(256) } }, "sort": keys })
}

#[test]
fn a_search_that_asks_for_too_much_is_refused_with_its_operations_code() {
    let cluster = Cluster::start();
    let keys: Vec<String> = (0..9_000).map(|number| format!("k{number}")).collect();
    let fields: Vec<String> = keys[..5_000].to_vec();
    for (kind, code) in
        [("allocators", "allocators.search_failed"), ("runners", "runners.search_failed")]
    {
        let path = format!("{INFRASTRUCTURE}/{kind}/_search");
        let search = |body: Value| cluster.api_as(&cluster.readonly(), "POST", &path, Some(body));
        for body in [
            json!({ "sort": &keys[..5_000] }),
            json!({ "query": { "match": { "zone_id": "w ".repeat(31_000) } } }),
            json!({ "query": { "simple_query_string": { "query": "w ".repeat(9_000), "fields": fields } } }),
            json!({ "query": { "query_string": { "query": "a:".repeat(7_000) + "b" } } }),
            json!({ "query": { "match": { "zone_id": "w ".repeat(257) } } }),
            json!({ "query": { "prefix": { "zone_id": "w".repeat(9_000) } } }),
            json!({ "from": -1 }),
        ] {
            search(body).failed(400, code);
        }
        search(at_the_bounds()).expect(200);
        let list = |query: &str| {
            let path = format!("{INFRASTRUCTURE}/{kind}?{query}");
            cluster.api_as(&cluster.readonly(), "GET", &path, None)
        };
        let deep = format!("q={}b", "a:".repeat(3_000));
        list(&deep).failed(400, "root.invalid_parameter");
    }
    let list = format!("{INFRASTRUCTURE}/allocators?sort=a,b,c,d,e,f,g,h,i");
    cluster.api("GET", &list, None).failed(400, "root.invalid_parameter");
}

#[test]
fn searches_at_the_bounds_disturb_neither_hosts_nor_users_nor_changes() {
    let cluster = Cluster::start();
    let hosts = [cluster.joined(2, "allocator"), cluster.joined(3, "allocator")];
    let connected_since = |host: &Host| host.status_json()["since"].clone();
    let since: Vec<Value> = hosts.iter().map(connected_since).collect();
    let bearer = cluster.login();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = StopAtEnd(&stop);
        for kind in ["allocators", "runners", "allocators", "runners"] {
            let (cluster, stop) = (&cluster, &stop);
            scope.spawn(move || {
                let path = format!("{INFRASTRUCTURE}/{kind}/_search");
                while !stop.load(Ordering::SeqCst) {
                    let reply = cluster.api("POST", &path, Some(at_the_bounds()));
                    assert!([200, 429].contains(&reply.status), "{reply:#?}");
                }
            });
        }
        for number in 0..10 {
            let names: &[&str] =
                if number % 2 == 0 { &["allocator", "proxy"] } else { &["allocator"] };
            let roles: Vec<Value> = names.iter().map(|name| json!({ "role_name": name })).collect();
            let path = format!("{INFRASTRUCTURE}/runners/{}/roles", hosts[0].address);
            cluster.api("PUT", &path, Some(json!({ "roles": roles }))).expect(200);
            let taken = || {
                let status = hosts[0].status_json();
                status["roles"].as_object().map(serde_json::Map::len) == Some(names.len())
            };
            let took_it = within(Duration::from_secs(5), taken);
            assert!(took_it, "{:#}", hosts[0].status_json());
            cluster.with_bearer(&bearer, "GET", "/user").expect(200);
        }
    });
    for host in &hosts {
        assert!(cluster.is_connected(&host.address));
    }
    assert_eq!(hosts.iter().map(connected_since).collect::<Vec<_>>(), since);
}
