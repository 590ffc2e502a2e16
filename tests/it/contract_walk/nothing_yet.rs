use serde_json::{Value, json};

use super::Walk;

/// Lists of what there is none of.
pub(super) fn ask_for_it(walk: &mut Walk) {
    let deployments = json!({ "deployments": [] });
    let lists = [
        ("/deployments", deployments),
        ("/deployments/extensions", json!({ "extensions": [] })),
        ("/deployments/templates", json!([])),
        ("/deployments/traffic-filter/rulesets", json!({ "rulesets": [] })),
        ("/platform/configuration/instances", json!([])),
        ("/platform/configuration/snapshots/repositories", json!({ "configs": [] })),
        ("/platform/configuration/templates/deployments/global", json!([])),
        ("/stack/versions", json!({ "stacks": [] })),
    ];
    for (path, empty) in lists {
        assert_eq!(walk.ok("get", path, 200, Value::Null).json(), empty, "{path}");
    }
    for query in [Value::Null, json!({ "query": { "match_all": {} }, "size": 100 })] {
        let found = walk.ok("post", "/deployments/_search", 200, query).json();
        assert_eq!([&found["return_count"], &found["match_count"]], [0, 0]);
        assert_eq!(found["cursor"], "");
    }
    let things = [
        ("/deployments/{deployment_id}", "deployments.deployment_not_found"),
        ("/deployments/extensions/{extension_id}", "extensions.not_found"),
        ("/deployments/templates/{template_id}", "templates.template_not_found"),
        ("/deployments/traffic-filter/rulesets/{ruleset_id}", "traffic_filter.not_found"),
        (
            "/platform/configuration/instances/{id}",
            "configuration.instance_configuration_not_found",
        ),
        (
            "/platform/configuration/snapshots/repositories/{repository_name}",
            "root.resource_not_found",
        ),
        ("/stack/versions/{version}", "stackpack.version_not_found"),
    ];
    for (path, code) in things {
        walk.send("get", path, Value::Null).failed(404, code);
        walk.asked.insert(("get".into(), path.into()));
    }
    let below = "/deployments/{deployment_id}/elasticsearch/main/_restart";
    walk.send("get", below, Value::Null).failed(404, "deployments.deployment_not_found");
    let refused = walk.send("post", below, json!({})).failed(501, "root.not_implemented");
    assert!(refused["message"].as_str().unwrap().contains("deployments"), "{refused}");
    let elsewhere = "/deployments/templates?region=moon";
    walk.send("get", elsewhere, Value::Null).failed(400, "templates.region_not_found");
}
