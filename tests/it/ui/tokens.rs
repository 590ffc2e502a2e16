use super::Browser;
use crate::support::Cluster;

fn token_of(page: &str) -> String {
    let (_, rest) = page.split_once("id=\"token-text\">").unwrap_or_else(|| panic!("{page}"));
    rest.split('<').next().unwrap().to_owned()
}

#[test]
fn a_token_is_shown_once_and_lets_a_host_in() {
    let cluster = Cluster::start();
    let admin = Browser::signed_in(&cluster, "admin");
    let nonce = admin.get("/tokens/new").value("nonce");
    let typed = [
        ("nonce", nonce.as_str()),
        ("role", "allocator"),
        ("kind", "ephemeral"),
        ("validity", "3600"),
        ("max_uses", "1"),
        ("description", "one host"),
    ];
    let made = admin.post("/tokens", &typed);
    assert_eq!(made.status, 303, "{made:#?}");
    let place = &made.headers["location"];
    assert_eq!(admin.asked(&["--head"], place).status, 200);
    let page = admin.get(place);
    let token = token_of(&page.body);
    for command in ["command-curl", "command-agent", "command-script", "command-cloud-init"] {
        let (_, text) = page.body.split_once(&format!("id=\"{command}\">")).expect(command);
        assert!(text.split("</code>").next().unwrap().contains(&token), "{command}");
    }
    let again = admin.get(place);
    assert_eq!(again.status, 303, "{again:#?}");
    let own = admin.get(&again.headers["location"]);
    assert!(own.body.contains("shown already") && !own.body.contains(&token), "{}", own.body);
    assert!(!cluster.first.log().contains(&token));

    let mut second = cluster.host(2);
    cluster.install(&mut second, &token, &["--roles", "allocator"]);
    second.wait_connected();
    let id = place.split('/').nth(2).unwrap();
    let ledger = admin.get(&format!("/tokens/{id}")).body;
    assert!(ledger.contains(&format!("id=\"comer-{}\"", second.address)), "{ledger}");
    assert!(ledger.contains("1 of 1") && ledger.contains("Used up"), "{ledger}");
}

#[test]
fn a_double_click_makes_one_token_and_shows_it() {
    let cluster = Cluster::start();
    let admin = Browser::signed_in(&cluster, "admin");
    let count = || admin.get("/tokens").body.matches("id=\"token-").count();
    let before = count();
    let nonce = admin.get("/tokens/new").value("nonce");
    let typed = [("nonce", nonce.as_str()), ("kind", "persistent")];
    let places: Vec<String> = std::thread::scope(|scope| {
        let click = || admin.post("/tokens", &typed).headers["location"].clone();
        let clicks = [scope.spawn(click), scope.spawn(click)];
        clicks.map(|click| click.join().unwrap()).into()
    });
    assert_eq!(places[0], places[1]);
    assert_eq!(count(), before + 1);
    let texts = [0, 1].map(|at| token_of(&admin.get(&places[at]).body));
    assert_eq!(texts[0], texts[1], "the answer to either click shows it");
    assert_eq!(admin.get(&places[0]).status, 303);
}

#[test]
fn a_mistake_is_told_beside_what_was_typed() {
    let cluster = Cluster::start();
    let admin = Browser::signed_in(&cluster, "admin");
    let typed = [
        ("nonce", "n"),
        ("kind", "persistent"),
        ("role", "proxy"),
        ("max_uses", "none"),
        ("description", "rack 7"),
    ];
    let refused = admin.post("/tokens", &typed);
    assert_eq!(refused.status, 400, "{refused:#?}");
    assert!(refused.body.contains("role=\"alert\"") && refused.body.contains("value=\"rack 7\""));
    assert!(refused.body.contains("id=\"role-proxy\" checked"), "{}", refused.body);
}

#[test]
fn a_token_is_revoked_and_its_hosts_go_if_that_is_wanted() {
    let cluster = Cluster::start();
    let admin = Browser::signed_in(&cluster, "admin");
    let second = cluster.joined(2, "proxy");
    let page = admin.get("/tokens").body;
    let id = cluster.runner(&second.address)["joined"]["token_id"].as_str().unwrap().to_owned();
    assert!(page.contains(&format!("/tokens/{id}/revoke")), "{page}");
    let path = format!("/tokens/{id}/revoke");
    let confirm = admin.get(&path).body;
    assert!(confirm.contains(&second.address) && confirm.contains("cannot be undone"), "{confirm}");
    assert_eq!(admin.post(&path, &[("hosts", "stay")]).status, 303);
    assert!(cluster.is_connected(&second.address));
    assert!(admin.get(&format!("/tokens/{id}")).body.contains("Revoked"));
    assert_eq!(admin.post(&path, &[("hosts", "evict")]).status, 303);
    assert_eq!(admin.get(&format!("/hosts/{}", second.address)).status, 404);
}
