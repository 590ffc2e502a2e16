//! `ece-agent token inspect`: any ECE token, explained offline.

use crate::support::{Finished, agent};

const EPHEMERAL_2017: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0Njk3N2I3ZC1hM2U2LTQ2MDUtYjcwZC0xNzIzMTI5YWY4ZTQiLCJyb2xlcyI6WyJwcm94eSIsImFsbG9jYXRvciJdLCJpc3MiOiJib290c3RyYXAtaW5pdGlhbCIsImV4cCI6MTQ5MzY0NjIxM30.xsaRb72CsNMuXKy6Y-PJgqLc0qmjCljlB4Smcx_MRxg";
const PERSISTENT_OLD: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0Yzg5OTBkZi0xZmI3LTQ4MjAtYjg2OC02YmM5ZTg4NjA4MTQiLCJyb2xlcyI6WyJwcm94eSIsImFsbG9jYXRvciJdLCJpc3MiOiJib290c3RyYXAtaW5pdGlhbCJ9.mfTkO4j8uZJ-qwB2jmBuMScyYfLmcJpvKgSTLx2WV24";
const PERSISTENT_NEW: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3YTRkYjVhMC1kMDViLTQzZjctODRhMy1jZGRiODFmNTI1NGYiLCJyb2xlcyI6WyJhbGxvY2F0b3IiXSwiaXNzIjoiY3VycmVudCIsInBlcnNpc3RlbnQiOnRydWV9.L4jb_2U26IjvxLtVjlYYAjCZDrokd14o9dFOb--9wlQ";

#[test]
fn the_three_public_samples_are_explained() {
    let json = |token: &str| Finished::of(&mut agent(["token", "inspect", "--json", token])).json();
    let ephemeral = json(EPHEMERAL_2017);
    assert_eq!(ephemeral["token_id"], "46977b7d-a3e6-4605-b70d-1723129af8e4");
    assert_eq!(ephemeral["roles"], serde_json::json!(["proxy", "allocator"]));
    assert_eq!(ephemeral["issuer"], "bootstrap-initial");
    assert_eq!(ephemeral["persistent"], false);
    assert_eq!(ephemeral["expires_at"], "2017-05-01T13:43:33.000Z");
    assert_eq!(ephemeral["expired"], true);
    for (token, issuer) in [(PERSISTENT_OLD, "bootstrap-initial"), (PERSISTENT_NEW, "current")] {
        let persistent = json(token);
        assert_eq!(persistent["persistent"], true);
        assert_eq!(persistent["issuer"], issuer);
        assert_eq!(persistent["expires_at"], serde_json::Value::Null);
        assert_eq!(persistent["expired"], false);
    }
}

#[test]
fn a_token_is_read_from_standard_input_and_explained_in_words() {
    let finished =
        Finished::with_input(&mut agent(["token", "inspect", "-"]), &format!("{EPHEMERAL_2017}\n"));
    let text = finished.expect(0).stdout;
    assert!(text.contains("expired at 2017-05-01T13:43:33.000Z"), "{text}");
    assert!(text.contains("proxy,allocator"), "{text}");
}

#[test]
fn what_is_not_a_token_is_refused_with_its_code() {
    for (text, code) in [
        ("nonsense", "token.malformed"),
        (&EPHEMERAL_2017[..80], "token.malformed"),
        ("eyJhbGciOiJub25lIn0.e30.", "token.algorithm"),
    ] {
        Finished::of(&mut agent(["token", "inspect", text])).refused(10, code);
        Finished::of(&mut agent(["token", "inspect", "--json", text])).refused(10, code);
    }
}

/// What an attacker has put into the claims of a token reaches no terminal as it is.
#[test]
fn what_a_token_says_of_itself_is_shown_as_plain_text_and_not_at_any_length() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let issuer =
        format!("\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\nuses  none\u{feff}{}", "x".repeat(6_000));
    let claims = serde_json::json!({
        "sub": "46977b7d-a3e6-4605-b70d-1723129af8e4",
        "roles": ["\u{1b}[8m", "proxy"],
        "iss": issuer,
        "exp": 1_493_646_213,
    });
    let header = part(serde_json::json!({ "typ": "JWT", "alg": "HS256" }));
    let token = format!("{header}.{}.{}", part(claims), URL_SAFE_NO_PAD.encode([0; 32]));
    let shown = Finished::of(&mut agent(["token", "inspect", &token])).expect(0).stdout;
    assert!(
        shown.contains("\\u{1b}]0;owned\\u{7}\\u{9b}2J\\u{202e}\\u{a}uses  none\\u{feff}"),
        "{shown}"
    );
    assert_eq!(shown.lines().count(), 7, "{shown}");
    assert!(shown.len() < 2_000 && shown.contains('…'), "{shown}");
    let odd = |c: char| c.is_control() && c != '\n' || "\u{202e}\u{feff}".contains(c);
    assert!(!shown.contains(odd), "{shown:?}");

    let json = Finished::of(&mut agent(["token", "inspect", "--json", &token]));
    assert!(!json.stdout.contains(odd), "{:?}", json.stdout);
    assert_eq!(json.json()["issuer"], issuer);
}

#[test]
fn an_error_is_told_as_plain_text_on_lines_of_the_program_alone() {
    let dir = "/nowhere\u{1b}[2J\n  fix: believe this";
    let refused = Finished::of(&mut agent(["status", "--state-dir", dir]));
    let lines: Vec<&str> = refused.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{refused:#?}");
    assert!(lines[0].contains(r"/nowhere\u{1b}[2J\u{a}  fix: believe this ["), "{refused:#?}");
    assert!(lines[1].starts_with("  fix: "), "{refused:#?}");
}
