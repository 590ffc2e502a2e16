use std::cell::Cell;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::search::bounds::*;

#[test]
fn a_request_that_asks_for_too_much_is_refused_before_it_is_carried_out() {
    let words = "w ".repeat(31_000);
    let deep = "a:".repeat(8_000) + "b";
    assert_eq!(
        query_from_text(&deep, false).expect_err("too deep").reason,
        "it is nested too deeply"
    );
    let fields: Vec<String> = (0..5_000).map(|number| format!("f{number}")).collect();
    for json in [
        json!({ "match": { "id": words } }),
        json!({ "match": { "id": { "query": words, "operator": "and" } } }),
        json!({ "simple_query_string": { "query": words } }),
        json!({ "simple_query_string": { "query": words, "fields": fields } }),
        json!({ "simple_query_string": { "query": "w", "fields": fields } }),
        json!({ "query_string": { "query": "id:a ".repeat(3_000) } }),
        json!({ "bool": { "should": vec![json!({ "match": { "id": "a b" } }); 200] } }),
        json!({ "bool": { "minimum_should_match": 1, "should": [{ "match": { "id": words } }] } }),
        json!({ "bool": { "must_not": [{ "bool": { "filter": { "match": { "id": words } } } }] } }),
        json!({ "nested": { "path": "metadata", "query": { "match": { "id": words } } } }),
        json!({ "bool": { "must": vec![json!({}); 1_000] } }),
        json!({ "term": { "id": "x".repeat(10_000) } }),
        json!({ "prefix": { "id": "x".repeat(10_000) } }),
        json!({ "range": { "id": { "gt": "x".repeat(10_000) } } }),
        json!({ "exists": { "field": "x".repeat(10_000) } }),
        json!({ "term": { "x".repeat(10_000): "y" } }),
        json!({ "query_string": { "query": format!("id:{}b", "*a".repeat(1_000)) } }),
    ] {
        let error = query_from_json(&json).expect_err("too much");
        assert!(error.to_string().len() < 600, "{error}");
    }
    let keys: Vec<_> = (0..9).map(|number| json!(format!("k{number}"))).collect();
    assert!(Order::from_json(&keys[..8]).is_ok());
    assert!(Order::from_json(&keys).is_err());
    let keys: serde_json::Map<_, _> = (0..9).map(|it| (format!("k{it}"), json!("asc"))).collect();
    assert!(Order::from_json(&[keys.into()]).is_err());
    assert!(Order::from_text("a,b,c,d,e,f,g,h,i").is_err());
    assert!(Order::from_text(&"a".repeat(10_000)).is_err());
}

#[test]
fn a_search_spends_what_it_compares_and_finds_nothing_when_that_is_used_up() {
    let long = "a".repeat(200) + "b";
    let document = Counting { id: &long, ..Counting::default() };
    let stars = query_from_text("*a*a*a*a*b", false).expect("a query");
    let effort = Effort::default();
    assert!(stars.matches(&document, &effort));
    assert!(!effort.is_used_up());
    let effort = Effort::of(1_000);
    assert!(!stars.matches(&document, &effort), "each piece may meet each character");
    assert!(effort.is_used_up());
    assert!(!query_from_text("*", false).expect("all").matches(&document, &effort));
}

/// A document that counts how often it is asked for values, and how many it gives.
#[derive(Default)]
struct Counting<'a> {
    id: &'a str,
    asked: Cell<usize>,
}

const FIELDS: [&str; 4] = ["id", "a", "b", "c"];
const VALUES: usize = 3;

impl Searchable for Counting<'_> {
    fn any(&self, field: &str, is_meant: IsMeant<'_>) -> bool {
        self.asked.set(self.asked.get() + 1);
        field != "none" && (0..VALUES).any(|_| is_meant(Value::text(self.id)))
    }

    fn text_fields(&self) -> &'static [&'static str] {
        &FIELDS
    }
}

fn any_query() -> impl Strategy<Value = serde_json::Value> {
    let words = || prop::collection::vec("[ab*?:]{1,6}", 0..20).prop_map(|words| words.join(" "));
    let field = || prop::sample::select(vec!["id", "a", "none"]);
    let simple = prop_oneof![
        (field(), words()).prop_map(|(field, words)| json!({ "match": { field: words } })),
        words().prop_map(|words| json!({ "simple_query_string": { "query": words } })),
        (words(), prop::collection::vec(field(), 0..20)).prop_map(|(words, fields)| {
            json!({ "simple_query_string": { "query": words, "fields": fields } })
        }),
        words().prop_map(|words| json!({ "query_string": { "query": words } })),
        field().prop_map(|field| json!({ "exists": { "field": field } })),
        (field(), "[ab]{0,9}").prop_map(|(field, text)| json!({ "prefix": { field: text } })),
    ];
    simple.prop_recursive(3, 60, 10, |inner| {
        let some = || prop::collection::vec(inner.clone(), 0..10);
        (some(), some(), some(), 0..50usize).prop_map(|(must, should, must_not, least)| {
            json!({ "bool": {
                "must": must, "should": should, "must_not": must_not,
                "minimum_should_match": least,
            } })
        })
    })
}

proptest! {
    #[test]
    fn a_query_within_bounds_asks_a_document_no_more_than_its_clauses_allow(query in any_query()) {
        if let Ok(query) = query_from_json(&query) {
            let document = Counting { id: "abab", ..Default::default() };
            query.matches(&document, &Effort::default());
            prop_assert!(query.clauses() <= MOST_CLAUSES);
            prop_assert!(document.asked.get() <= query.clauses() * FIELDS.len());
        }
    }
}

#[test]
fn sorting_asks_each_document_once_for_each_key() {
    let order = Order::from_text("id,a,b,c,-id,-a,-b,-c").expect("an order");
    let all: Vec<Counting<'_>> =
        (0..500).map(|_| Counting { id: "same", ..Default::default() }).collect();
    for document in page(all.into_iter(), &order, 0, usize::MAX) {
        assert_eq!(document.asked.get(), MOST_SORT_KEYS);
    }
}

#[test]
fn what_takes_long_to_read_as_a_number_is_none() {
    let one = Value::Number(1.into());
    assert_eq!(one.compare("1.0"), Some(std::cmp::Ordering::Equal));
    assert_eq!(one.compare(&format!("1.{}", "0".repeat(30))), Some(std::cmp::Ordering::Equal));
    assert_eq!(one.compare(&format!("1.{}", "0".repeat(31))), None);
}
