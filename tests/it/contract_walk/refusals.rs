use serde_json::{Value, json};

use super::{NOT_SERVED, Walk};
use crate::support::Reply;

/// The same operations asked wrongly.
pub(super) fn ask_wrongly(walk: &mut Walk) {
    let cases = [
        (
            "get",
            "/platform/infrastructure/allocators/nobody",
            Value::Null,
            404,
            "allocators.allocator_not_found",
        ),
        (
            "post",
            "/platform/infrastructure/allocators/nobody/maintenance-mode/_start",
            Value::Null,
            404,
            "allocators.allocator_not_found",
        ),
        (
            "put",
            "/platform/infrastructure/allocators/nobody/settings",
            json!({}),
            404,
            "allocators.allocator_not_found",
        ),
        (
            "put",
            "/platform/infrastructure/allocators/{allocator_id}/metadata/{key}",
            json!({ "value": "" }),
            400,
            "allocators.invalid_empty_metadata_item",
        ),
        (
            "put",
            "/platform/infrastructure/allocators/{allocator_id}/metadata?version=99",
            json!({ "items": [] }),
            409,
            "allocators.version_conflict",
        ),
        (
            "put",
            "/platform/infrastructure/allocators/{allocator_id}/settings?version=99",
            json!({}),
            409,
            "allocators.version_conflict",
        ),
        (
            "post",
            "/platform/infrastructure/allocators/_search",
            json!({ "query": { "moon": {} } }),
            400,
            "allocators.search_failed",
        ),
        (
            "get",
            "/platform/infrastructure/allocators?q=(",
            Value::Null,
            400,
            "root.invalid_parameter",
        ),
        (
            "post",
            "/platform/infrastructure/runners/_search",
            json!({ "query": 1 }),
            400,
            "runners.search_failed",
        ),
        (
            "post",
            "/platform/infrastructure/blueprinter/roles",
            json!({ "role": { "id": "proxy", "auto_blessed": false, "containers": [] } }),
            409,
            "roles.already_exists",
        ),
        (
            "get",
            "/platform/infrastructure/blueprinter/roles/moon",
            Value::Null,
            404,
            "roles.not_found",
        ),
        (
            "delete",
            "/platform/infrastructure/blueprinter/roles/proxy",
            Value::Null,
            400,
            "roles.in_use",
        ),
        (
            "put",
            "/platform/infrastructure/blueprinter/roles/proxy?version=9",
            json!({ "id": "proxy", "auto_blessed": false, "containers": [] }),
            409,
            "roles.version_conflict",
        ),
        (
            "put",
            "/platform/infrastructure/proxies/settings?version=99",
            json!({}),
            400,
            "root.invalid_body",
        ),
        (
            "patch",
            "/platform/infrastructure/proxies/settings?version=99",
            json!({}),
            409,
            "proxies.version_conflict",
        ),
        (
            "post",
            "/platform/infrastructure/proxies/filtered-groups",
            json!({ "filters": [], "expected_proxies_count": 1 }),
            400,
            "proxies.proxies_filtered_group_empty_id",
        ),
        (
            "get",
            "/platform/infrastructure/proxies/filtered-groups/moon",
            Value::Null,
            404,
            "proxies.proxies_filtered_group_not_found",
        ),
        (
            "get",
            "/platform/infrastructure/coordinators/candidates/{coordinator_candidate_id}",
            Value::Null,
            404,
            "coordinators.candidate_not_found",
        ),
        (
            "delete",
            "/platform/infrastructure/coordinators/candidates/{coordinator_candidate_id}",
            Value::Null,
            404,
            "coordinators.candidate_not_found",
        ),
        (
            "post",
            "/platform/infrastructure/coordinators/candidates/{coordinator_candidate_id}/_promote",
            Value::Null,
            404,
            "coordinators.candidate_not_found",
        ),
        (
            "post",
            "/platform/infrastructure/coordinators/{coordinator_id}/_demote",
            Value::Null,
            400,
            "coordinators.coordinator_demote_failed",
        ),
        (
            "post",
            "/platform/infrastructure/constructors/{constructor_id}/maintenance-mode/_start",
            Value::Null,
            403,
            "constructors.command_prohibited",
        ),
        (
            "post",
            "/platform/infrastructure/constructors/{constructor_id}/maintenance-mode/_stop",
            Value::Null,
            403,
            "constructors.command_prohibited",
        ),
        (
            "put",
            "/platform/configuration/api_base_url?version=x",
            json!({ "value": "https://a" }),
            400,
            "adminconsole.base_url.bad_version_format",
        ),
        (
            "put",
            "/platform/configuration/api_base_url?version=99",
            json!({ "value": "https://a" }),
            409,
            "adminconsole.base_url.version_conflict",
        ),
        ("get", "/users/moon", Value::Null, 404, "user.not_found"),
        ("patch", "/user", json!({ "security": { "roles": [] } }), 400, "user.cannot_modify"),
        ("patch", "/user", json!({ "user_name": "root" }), 400, "user.restricted_field"),
        (
            "patch",
            "/users/readonly",
            json!({ "security": { "password": "whatever-it-is" } }),
            400,
            "user.cannot_modify",
        ),
        (
            "patch",
            "/users/readonly",
            json!({ "security": { "roles": ["ece_everything"] } }),
            400,
            "user.roles.invalid",
        ),
        ("delete", "/users/readonly", Value::Null, 400, "user.cannot_modify"),
        ("delete", "/users/moon", Value::Null, 404, "user.not_found"),
        (
            "post",
            "/users",
            json!({ "user_name": "a/b", "security": { "password": "long-enough" } }),
            400,
            "user.user_name.invalid",
        ),
        (
            "post",
            "/users",
            json!({ "user_name": "admin", "security": { "password": "long-enough" } }),
            409,
            "user.user_name.conflict",
        ),
        (
            "post",
            "/users",
            json!({ "user_name": "bob", "security": { "password": "short" } }),
            400,
            "user.restricted_field",
        ),
        (
            "post",
            "/users/moon/role_assignments",
            json!({ "platform": [{ "role_id": "ece_platform_viewer" }] }),
            400,
            "role_assignments.invalid_target_user_id",
        ),
        (
            "delete",
            "/users/readonly/role_assignments",
            json!({ "platform": [{ "role_id": "ece_platform_viewer" }] }),
            403,
            "role_assignments.unauthorized_role_assignments",
        ),
        ("post", "/users/auth/keys", json!({ "description": "" }), 400, "api_keys.invalid_input"),
        (
            "post",
            "/users/auth/keys",
            json!({ "description": "x", "expiration": "soon" }),
            400,
            "api_keys.invalid_input",
        ),
        ("get", "/users/moon/auth/keys", Value::Null, 404, "api_keys.user_not_found"),
        (
            "post",
            "/users/auth/_login",
            json!({ "username": "admin", "password": "wrong" }),
            401,
            "root.unauthenticated",
        ),
        ("post", "/users/auth/_refresh", Value::Null, 401, "root.unauthorized"),
    ];
    for (method, template, body, status, code) in cases {
        let reply = walk.send(method, template, body);
        let shown = format!("{method} {template}");
        assert_eq!(reply.status, status, "{shown}: {reply:#?}");
        let body = reply.failed(status, code);
        assert!(!body["message"].as_str().unwrap().is_empty(), "{shown}");
        let template = template.split('?').next().unwrap().replace("nobody", "{allocator_id}");
        walk.asked.insert((method.to_owned(), template));
    }
    for (method, template) in NOT_SERVED {
        walk.send(method, template, json!({})).failed(501, "root.not_implemented");
    }
    // Of every operation: whoever is nobody is told so.
    for (method, template) in walk.contract.operations() {
        walk.values.push(("token", "x".into()));
        walk.values.push(("api_key_id", "x".into()));
        let url = walk.cluster.url(&walk.path(&template));
        if !["/users/auth/methods", "/users/auth/_login", "/users/auth/_refresh"]
            .contains(&&template[..])
        {
            Reply::to(&["-X", &method.to_uppercase(), &url]).failed(401, "root.unauthenticated");
        }
    }
}
