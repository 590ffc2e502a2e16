use serde_json::json;

use super::Browser;
use crate::support::{Cluster, Reply};

#[test]
fn whoever_signs_in_gets_a_cookie_of_this_host_and_whoever_signs_out_loses_it() {
    let cluster = Cluster::start();
    let mut browser = Browser::of(&cluster);
    let first = browser.get("/hosts?q=zone:a");
    assert_eq!(
        (first.status, first.headers["location"].as_str()),
        (303, "/sign-in?to=%2Fhosts%3Fq%3Dzone%3Aa")
    );
    let page = browser.get("/sign-in").body;
    let pin = cluster.first.status_json();
    assert!(page.contains("id=\"fingerprint\">sha256:"), "{page}\n{pin}");
    let wrong = browser.sign_in("admin", "a-guess");
    assert_eq!(wrong.status, 401);
    assert!(
        !wrong.headers.contains_key("www-authenticate")
            && !wrong.headers.contains_key("set-cookie")
    );
    assert!(wrong.body.contains("do not match"), "{}", wrong.body);

    let password = cluster.secret("adminconsole_root_password");
    let signed_in = browser.sign_in("admin", &password);
    assert_eq!((signed_in.status, signed_in.headers["location"].as_str()), (303, "/hosts"));
    let cookie = &signed_in.headers["set-cookie"];
    assert!(cookie.starts_with("__Host-ece-agent="), "{cookie}");
    for flag in ["; Path=/;", "; Secure;", "; HttpOnly;", "; SameSite=Strict;"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert_eq!(browser.get("/hosts").status, 200);
    let secret = browser.cookie().split('=').nth(1).unwrap().to_owned();
    assert!(!cluster.first.log().contains(&secret), "the secret is in no log");
    assert_eq!(browser.post("/sign-out", &[]).status, 303);
    assert_eq!(browser.get("/hosts").status, 303, "the cookie is worth nothing any more");
}

#[test]
fn a_session_outlives_a_restart_and_ends_with_the_password() {
    let mut cluster = Cluster::start();
    let admin = Browser::signed_in(&cluster, "admin");
    let body = json!({ "user_name": "bob", "security": { "password": "one-password", "roles": ["ece_platform_viewer"] } });
    cluster.api("POST", "/users", Some(body)).expect(200);
    let mut bob = Browser::of(&cluster);
    assert_eq!(bob.sign_in("bob", "one-password").status, 303);
    cluster.first.stop();
    cluster.first.run();
    cluster.first.wait_connected();
    assert_eq!(admin.get("/hosts").status, 200);
    assert_eq!(bob.get("/hosts").status, 200);
    let another = json!({ "security": { "password": "another-password" } });
    cluster.api("PATCH", "/users/bob", Some(another)).expect(200);
    assert_eq!(bob.get("/hosts").status, 303);
    assert_eq!(bob.sign_in("bob", "another-password").status, 303);
    for enabled in [false, true] {
        let body = json!({ "security": { "enabled": enabled } });
        cluster.api("PATCH", "/users/bob", Some(body)).expect(200);
        assert_eq!(bob.get("/hosts").status, 303);
    }
    assert_eq!(admin.get("/hosts").status, 200, "somebody else");
}

#[test]
fn a_form_of_another_page_is_refused() {
    let cluster = Cluster::start();
    let admin = Browser::signed_in(&cluster, "admin");
    let other = Browser::signed_in(&cluster, "admin");
    let form_token = admin.get("/tokens/new").value("form_token");
    let before = admin.get("/tokens").body;
    let count = |page: &str| page.matches("id=\"token-").count();
    let sent = [("form_token", form_token.as_str()), ("kind", "persistent"), ("nonce", "n")];
    let here = admin.url("");
    let port = here.replace("12443", "9243");
    for origin in [port.as_str(), "https://evil.example", "null", &here.replace("https", "http")] {
        let refused = admin.post_from(origin, "/tokens", &sent);
        assert_eq!(refused.status, 403, "{origin}");
        assert!(refused.body.contains("ui.foreign_form"), "{origin}");
    }
    let stolen = other.post_from(&here, "/tokens", &sent);
    assert_eq!(stolen.status, 403, "the form of another session");
    assert_eq!(admin.post_from(&here, "/tokens", &sent[1..]).status, 403, "without its token");
    assert_eq!(count(&admin.get("/tokens").body), count(&before));
    assert_eq!(admin.post_from(&here, "/tokens", &sent).status, 303);
    assert_eq!(count(&admin.get("/tokens").body), count(&before) + 1);
}

#[test]
fn what_was_typed_is_not_lost_with_the_session() {
    let cluster = Cluster::start();
    let mut admin = Browser::signed_in(&cluster, "admin");
    assert_eq!(admin.post("/sign-out", &[]).status, 303);
    let typed = [("kind", "persistent"), ("description", "rack 7 <b>"), ("role", "proxy")];
    let late = admin.post("/tokens", &typed);
    assert_eq!(late.status, 401, "{late:#?}");
    assert_eq!(late.value("kept.description"), "rack 7 &#60;b&#62;");
    let password = cluster.secret("adminconsole_root_password");
    let mut fields =
        vec![("user", "admin"), ("password", password.as_str()), ("action", "/tokens")];
    let kept: Vec<(String, &str)> =
        typed.iter().map(|(name, it)| (format!("kept.{name}"), *it)).collect();
    fields.extend(kept.iter().map(|(name, it)| (name.as_str(), *it)));
    let resumed = admin.post("/sign-in", &fields);
    assert_eq!(resumed.status, 200, "{resumed:#?}");
    assert!(resumed.body.contains("action=\"/tokens\"") && !resumed.body.contains(&password));
    admin.take_cookie(&resumed);
    let nonce = resumed.value("nonce");
    let mut again = vec![("nonce", nonce.as_str())];
    again.extend(typed);
    assert_eq!(admin.post("/tokens", &again).status, 303);
    assert!(admin.get("/tokens").body.contains("rack 7 &#60;b&#62;"));
}

#[test]
fn guesses_are_told_in_words_how_long_to_wait() {
    let cluster = Cluster::start();
    let browser = Browser::of(&cluster);
    let guess = &|number: usize| {
        let password = format!("guess-{number}");
        browser.post("/sign-in", &[("user", "admin"), ("password", &password)])
    };
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let guesses: Vec<_> = (0..24).map(|number| scope.spawn(move || guess(number))).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    let held_back = replies.iter().find(|reply| reply.status == 429);
    let reply = held_back.unwrap_or_else(|| panic!("{replies:#?}"));
    assert!(reply.headers.contains_key("retry-after"), "{reply:#?}");
    assert!(reply.body.contains("seconds and try again"), "{}", reply.body);
}
