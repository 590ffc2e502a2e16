use proptest::prelude::*;
use serde_json::json;

use super::*;

struct Named(String);

impl Searchable for Named {
    fn any(&self, field: &str, is_meant: IsMeant<'_>) -> bool {
        field == "id" && is_meant(Value::text(&self.0))
    }

    fn text_fields(&self) -> &'static [&'static str] {
        &["id"]
    }
}

fn finds(text: &str, named: &str) -> bool {
    let query = query_from_text(text, false).unwrap_or_else(|error| panic!("{text}: {error}"));
    query.matches(&Named(named.into()), &Effort::default())
}

#[test]
fn what_is_escaped_stands_for_itself() {
    for (text, named, expected) in [
        (r"id:a\*b*", "a*bc", true),
        (r"id:a\*b*", "axbc", false),
        (r"id:a\*b*", r"a\xbc", false),
        (r"id:a\?b*", "a?bc", true),
        (r"id:a\?b*", "axbc", false),
        (r"id:a\\b", r"a\b", true),
        (r"id:a\\*", r"a\b", true),
        (r"id:a\\*", "ab", false),
        (r"id:a\\\*", r"a\*", true),
        (r"id:a\\\*", r"a\b", false),
        (r"id:a\*", "a*", true),
        (r"id:a\*", "ab", false),
        (r"id:\*", "*", true),
        (r"id:\*", "a", false),
        (r#"id:"a*""#, "a*", true),
        (r#"id:"a*""#, "ab", false),
        (r"id:a\ b*", "a bc", true),
        (r"id:\(a\)", "(a)", true),
        ("id:ä?ü", "äöü", true),
        (r"\AND", "and", true),
        (r"O\R", "or", true),
        (r"NO\T", "not", true),
    ] {
        assert_eq!(finds(text, named), expected, "{text} {named}");
    }
    let by = |json: serde_json::Value, named: &str| {
        query_from_json(&json).expect("a query").matches(&Named(named.into()), &Effort::default())
    };
    assert!(by(json!({ "term": { "id": r"a*\?" } }), r"a*\?"));
    assert!(!by(json!({ "term": { "id": "a*" } }), "ab"));
    assert!(by(json!({ "prefix": { "id": "a*" } }), "a*b"));
    assert!(!by(json!({ "prefix": { "id": "a*" } }), "abb"));
    assert!(by(json!({ "prefix": { "id": r"a\" } }), r"a\b"));
    assert!(by(json!({ "simple_query_string": { "query": r"a\**", "fields": ["id"] } }), "a*b"));
    assert!(!by(json!({ "simple_query_string": { "query": r"a\**", "fields": ["id"] } }), "abb"));
    let injected = json!({ "query_string": { "query": "a", "default_field": "x:y) OR (id" } });
    assert!(!by(injected, "a"), "the name of a field is no part of the query");
}

proptest! {
    #[test]
    fn any_text_that_is_escaped_finds_exactly_itself(text in "\\PC{1,12}", other in "\\PC{1,12}") {
        let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
        // An escaped `<` or `>` at the beginning compares, as tools write it.
        let (bare, quoted) = (format!("id:{escaped}"), format!("id:\"{escaped}\""));
        if !text.starts_with(['<', '>']) {
            prop_assert!(finds(&bare, &text));
            prop_assert_eq!(finds(&bare, &other), text == other);
            let (wild, longer) = (format!("{bare}*"), format!("{text}{other}"));
            prop_assert!(finds(&wild, &longer));
        }
        prop_assert!(finds(&quoted, &text));
        prop_assert_eq!(finds(&quoted, &other), text == other);
    }
}
