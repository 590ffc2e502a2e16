//! What people say of hosts.

use serde_json::{Value, json};

use crate::support::{Cluster, Reply};

fn on(kind: &str, id: &str) -> String {
    format!("/comments/{kind}/{id}")
}

fn messages(cluster: &Cluster, path: &str) -> Vec<String> {
    let listed = cluster.api("GET", path, None).expect(200).json();
    let values = listed["values"].as_array().unwrap().clone();
    values.iter().map(|it| it["comment"]["message"].as_str().unwrap().to_owned()).collect()
}

fn say(cluster: &Cluster, path: &str, message: &str) -> Value {
    cluster.api("POST", path, Some(json!({ "message": message }))).expect(201).json()
}

#[test]
fn a_comment_belongs_to_who_wrote_it_and_any_admin_may_delete_it() {
    let cluster = Cluster::start();
    let path = on("runner", &cluster.first.address);
    let security = json!({ "password": "a-password", "roles": ["ece_platform_admin"] });
    let bob = json!({ "user_name": "bob", "security": security });
    cluster.api("POST", "/users", Some(bob)).expect(200);
    let bob = |method: &str, path: &str, body: Option<Value>| -> Reply {
        cluster.api_as("bob:a-password", method, path, body)
    };
    let made = say(&cluster, &path, "fans are loud");
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    let other = Some(json!({ "message": "they are not" }));
    bob("PUT", &one, other.clone()).failed(401, "comments.unauthorised");
    let readonly = cluster.readonly();
    cluster.api_as(&readonly, "GET", &one, None).expect(200);
    cluster.api_as(&readonly, "POST", &path, other.clone()).failed(403, "root.unauthorized.rbac");
    cluster
        .api("PUT", &format!("{one}?version=7"), other.clone())
        .failed(409, "comments.version_conflict");
    cluster.api("PUT", &format!("{one}?version="), other).expect(200);
    assert_eq!(messages(&cluster, &path), ["they are not"]);
    bob("DELETE", &one, None).expect(200);
    assert!(messages(&cluster, &path).is_empty());
    let subject = format!("runner/{}", cluster.first.address);
    let audit = format!("/platform/configuration/audit?subject={subject}");
    let audit = cluster.api("GET", &audit, None).expect(200).json();
    let records = audit["records"].as_array().unwrap();
    let actions: Vec<_> = records.iter().map(|it| it["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["comment.delete", "comment.update", "comment.create"]);
    assert_eq!(records[0]["before"]["message"], "they are not");
    assert_eq!(records[1]["before"], json!({ "message": "fans are loud" }));
}

#[test]
fn comments_are_bounded_in_number_and_length_and_go_with_their_host() {
    let cluster = Cluster::start();
    let mut host = cluster.joined(2, "allocator");
    let path = on("allocator", &host.address);
    for message in ["", &"x".repeat(2049)] {
        let refused = cluster.api("POST", &path, Some(json!({ "message": message })));
        assert_eq!(refused.failed(400, "root.invalid_parameter")["fields"], json!(["message"]));
    }
    for number in 0..100 {
        say(&cluster, &path, &number.to_string());
    }
    let one_more = json!({ "message": "100" });
    cluster.api("POST", &path, Some(one_more)).failed(400, "comments.too_many");
    assert_eq!(messages(&cluster, &path).len(), 100);
    // Another part of the same host has its own.
    let runner = on("runner", &host.address);
    assert!(messages(&cluster, &runner).is_empty());
    say(&cluster, &runner, "old");
    cluster
        .api("GET", &on("proxy", &host.address), None)
        .failed(404, "comments.resource_does_not_exist");
    host.stop();
    let host_path = format!("/platform/infrastructure/runners/{}", host.address);
    cluster.api("DELETE", &host_path, None).expect(200);
    cluster.api("GET", &runner, None).failed(404, "comments.resource_does_not_exist");
    // Whoever comes by that name has no past.
    let mut again = cluster.host(2);
    std::fs::remove_dir_all(&again.state).unwrap();
    cluster.install(&mut again, &cluster.token("allocator"), &["--roles", "allocator"]);
    again.wait_connected();
    assert!(messages(&cluster, &runner).is_empty() && messages(&cluster, &path).is_empty());
    let in_region = format!("/regions/ece-region{runner}");
    assert!(messages(&cluster, &in_region).is_empty());
}
