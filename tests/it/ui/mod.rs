//! The pages on 12443, asked for as a browser does.

mod browser;
mod live;
mod session;
mod tokens;

use serde_json::json;

use self::browser::Browser;
use crate::support::Cluster;

const HOSTILE: &str = "<script>alert(1)</script>";

#[test]
fn every_page_has_a_policy_and_is_not_kept() {
    let cluster = Cluster::start();
    let admin = Browser::signed_in(&cluster, "admin");
    let first = &cluster.first.address;
    let pages = [
        "/sign-in".to_owned(),
        "/hosts".into(),
        "/hosts?q=zone:a&sort=-zone".into(),
        format!("/hosts/{first}"),
        format!("/hosts/{first}/roles"),
        format!("/hosts/{first}/delete"),
        "/hosts/nothing".into(),
        "/tokens".into(),
        "/tokens/new".into(),
        "/tokens/nothing".into(),
    ];
    for path in &pages {
        let page = admin.get(path);
        assert!([200, 303, 404].contains(&page.status), "{path}: {page:#?}");
        let policy = &page.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(page.headers[name], value, "{path}");
        }
        assert!(!page.headers.contains_key("strict-transport-security"), "{path}");
        for inline in ["<script>", "<style", " style=\"", " onclick", "javascript:"] {
            assert!(!page.body.contains(inline), "{path}: {inline}");
        }
    }
    let missing = admin.get("/hosts/nothing");
    assert_eq!(missing.status, 404);
    assert!(missing.body.contains("runners.runner_not_found"), "{}", missing.body);
}

#[test]
fn the_api_stays_where_it_is_and_the_assets_may_be_kept() {
    let cluster = Cluster::start();
    cluster.api("GET", "/platform", None).expect(200);
    cluster.api("GET", "/nothing", None).failed(404, "root.resource_not_found");
    let browser = Browser::of(&cluster);
    let page = browser.get("/sign-in").body;
    let style = page.split("href=\"").find(|part| part.contains(".css\"")).expect("a style");
    let style = style.split('"').next().unwrap();
    let kept = browser.get(style);
    assert_eq!(
        (kept.status, kept.headers["content-type"].as_str()),
        (200, "text/css; charset=utf-8")
    );
    assert!(kept.headers["cache-control"].contains("immutable"));
    let etag = format!("If-None-Match: {}", kept.headers["etag"]);
    assert_eq!(browser.asked(&["-H", &etag], style).status, 304);
    assert_eq!(
        browser.asked(&["--head", "-H", "Accept-Encoding: gzip"], style).headers["content-encoding"],
        "gzip"
    );
    let authority = browser.get("/ca.pem");
    assert!(authority.body.starts_with("-----BEGIN CERTIFICATE-----"), "{authority:#?}");
    let moved = browser.plain("http", 12400, "/hosts");
    assert_eq!(moved.status, 308);
    assert!(moved.headers["location"].ends_with(":12443/hosts"), "{moved:#?}");
}

#[test]
fn hosts_are_listed_filtered_and_given_roles() {
    let cluster = Cluster::start();
    let second = cluster.joined(2, "allocator");
    let (one, two) = (&cluster.first.address, &second.address);
    let admin = Browser::signed_in(&cluster, "admin");
    let has = |page: &str, id: &str| page.contains(&format!("id=\"host-{id}\""));
    let all = admin.get("/hosts").body;
    assert!(has(&all, one) && has(&all, two), "{all}");
    let found = admin.get("/hosts?q=NOT+roles:coordinator").body;
    assert!(!has(&found, one) && has(&found, two), "{found}");
    let slip = admin.get("/hosts?q=conected:true").body;
    assert!(slip.contains("did you mean"), "{slip}");

    let form = admin.get(&format!("/hosts/{two}/roles"));
    let version = form.value("version");
    let change = |version: &str, roles: &[&str]| {
        let mut fields = vec![("version", version)];
        fields.extend(roles.iter().map(|role| ("role", *role)));
        admin.post(&format!("/hosts/{two}/roles"), &fields)
    };
    let changed = change(&version, &["allocator", "proxy"]);
    assert_eq!(changed.status, 303, "{changed:#?}");
    let page = admin.get(&changed.headers["location"]).body;
    assert!(page.contains("The roles were changed"), "{page}");
    assert_eq!(
        cluster.runner(two)["roles"],
        json!([{ "role_name": "allocator" }, { "role_name": "proxy" }])
    );
    // Somebody who saw the roles before that.
    let late = change(&version, &["allocator"]);
    assert_eq!(late.status, 409, "{late:#?}");
    assert!(late.body.contains("id=\"conflict\"") && late.body.contains("<strong>proxy</strong>"));
    assert_eq!(cluster.runner(two)["roles"].as_array().unwrap().len(), 2);
    assert_eq!(change(&late.value("version"), &["allocator"]).status, 303);
    assert_eq!(cluster.runner(two)["roles"].as_array().unwrap().len(), 1);
}

#[test]
fn a_host_is_deleted_and_the_page_says_why_not_yet() {
    let cluster = Cluster::start();
    let mut second = cluster.joined(2, "allocator");
    let two = second.address.clone();
    let admin = Browser::signed_in(&cluster, "admin");
    let path = format!("/hosts/{two}/delete");
    let page = admin.get(&path).body;
    assert!(page.contains("Not yet") && page.contains("ece-agent uninstall"), "{page}");
    let refused = admin.post(&path, &[]);
    assert_eq!(refused.status, 400, "{refused:#?}");
    assert!(refused.body.contains("runners.runner_deletion_failed"), "{}", refused.body);
    second.stop();
    assert!(!admin.get(&path).body.contains("Not yet"));
    assert_eq!(admin.post(&path, &[]).status, 303);
    assert_eq!(admin.get(&format!("/hosts/{two}")).status, 404);
    let first = format!("/hosts/{}/delete", cluster.first.address);
    assert!(admin.get(&first).body.contains("cannot be removed"));
    assert_eq!(admin.post(&first, &[("connected", "evict")]).status, 400);
}

#[test]
fn readonly_sees_no_button_that_it_may_not_press() {
    let cluster = Cluster::start();
    let viewer = Browser::signed_in(&cluster, "readonly");
    let host = format!("/hosts/{}", cluster.first.address);
    for path in ["/hosts", &host] {
        let page = viewer.get(path);
        assert_eq!(page.status, 200, "{page:#?}");
        for button in ["/tokens", "manage-roles", "delete-host", "add-host"] {
            assert!(!page.body.contains(button), "{path}: {button}");
        }
    }
    for path in ["/tokens", "/tokens/new", &format!("{host}/roles"), &format!("{host}/delete")] {
        let refused = viewer.get(path);
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.body.contains("root.unauthorized.rbac"), "{path}");
    }
    for path in ["/tokens", &format!("{host}/roles"), &format!("{host}/delete")] {
        assert_eq!(viewer.post(path, &[]).status, 403, "{path}");
    }
}

#[test]
fn what_others_say_is_text_and_nothing_else() {
    let cluster = Cluster::start();
    let description = format!("{HOSTILE} \"'& ");
    cluster.create_token(json!({ "persistent": true, "description": description }));
    let admin = Browser::signed_in(&cluster, "admin");
    let page = admin.get("/tokens").body;
    assert!(!page.contains(HOSTILE) && page.contains("alert(1)"), "{page}");
    let query = "/hosts?q=%3Cscript%3Ealert(1)%3C/script%3E%22%20autofocus%3D%22";
    let page = admin.get(query).body;
    assert!(!page.contains(HOSTILE) && !page.contains("\" autofocus=\""), "{page}");
}
