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
    for document in page(all.into_iter(), &order, 0, usize::MAX, &Effort::default()) {
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

#[test]
fn what_is_just_within_a_bound_is_carried_out_and_what_is_just_beyond_is_not() {
    let text = |text: String| query_from_text(&text, false).map(|_| ());
    let json = |json: serde_json::Value| query_from_json(&json).map(|_| ());
    let nested = |levels: usize| {
        (0..levels).fold(json!({}), |inner, _| json!({ "bool": { "must": inner } }))
    };
    let names = |count: usize| vec!["id"; count];
    type Asked<'a> = (usize, &'a dyn Fn(usize) -> Result<(), BadQuery>);
    let bounds: [Asked<'_>; 14] = [
        (16 * 1024, &|bytes| text(format!("{:bytes$}", "id:a"))),
        (64, &|depth| text(format!("{}a{}", "(".repeat(depth), ")".repeat(depth)))),
        (64, &|depth| text("NOT ".repeat(depth) + "a")),
        (64, &|depth| text("+".repeat(depth) + "a")),
        (64, &|depth| text("a:".repeat(depth) + "b")),
        (256, &|clauses| text("w ".repeat(clauses))),
        (512, &|bytes| text(format!("{}:a", "f".repeat(bytes)))),
        (1024, &|bytes| text(format!("id:{}", "a".repeat(bytes)))),
        (256, &|pieces| text(format!("id:*{}", "a".repeat(pieces - 1)))),
        (32, &|levels| json(nested(levels))),
        (256, &|words| json(json!({ "match": { "id": "w ".repeat(words) } }))),
        (256, &|words| json(json!({ "simple_query_string": { "query": "w ".repeat(words) } }))),
        (16, &|count| {
            json(json!({ "simple_query_string": { "query": "w", "fields": names(count) } }))
        }),
        (1024, &|bytes| json(json!({ "range": { "id": { "lte": "x".repeat(bytes) } } }))),
    ];
    for (number, (bound, ask)) in bounds.into_iter().enumerate() {
        assert_eq!(ask(bound), Ok(()), "{number}: {bound}");
        assert!(ask(bound + 1).is_err(), "{number}: one more than {bound}");
    }
}

#[test]
fn a_query_costs_its_words_and_the_length_of_its_wildcards() {
    for (text, clauses) in [
        ("", 1),
        ("id:a", 1),
        ("NOT id:a", 1),
        ("a b id:c", 3),
        ("id:a OR (id:b AND id:c)", 3),
        ("id:aaaaaa*", 1),
        ("id:aaaaaaa*", 2),
        ("id:aaaaaaaaaaaaaaa*", 3),
    ] {
        let query = query_from_text(text, false).expect(text);
        assert_eq!(query.clauses(), clauses, "{text}");
    }
    for (json, clauses) in [
        (json!({ "match": { "id": "" } }), 1),
        (json!({ "match": { "id": "a b c" } }), 3),
        (json!({ "bool": {} }), 1),
    ] {
        assert_eq!(query_from_json(&json).expect("a query").clauses(), clauses, "{json}");
    }
}

#[test]
fn a_query_that_looks_at_few_short_values_is_simple() {
    for (text, simple) in [
        ("", true),
        ("id:a", true),
        ("NOT id:a", true),
        ("id:a OR zone:b", true),
        ("_exists_:id", true),
        ("id:[a TO b]", true),
        ("word", false),
        ("id:a*", false),
        ("NOT word", false),
        ("id:a AND word", false),
        ("metadata.value:a", false),
        ("_exists_:tags.rack", false),
        ("tags.rack:[a TO b]", false),
    ] {
        assert_eq!(query_from_text(text, false).expect(text).is_simple(), simple, "{text}");
    }
    let prefix = json!({ "bool": { "must": [{ "match_none": {} }, { "prefix": { "id": "a" } }] } });
    assert!(query_from_json(&prefix).expect("a query").is_simple());
}

#[test]
fn a_search_pays_for_each_look_and_for_the_bytes_that_are_compared() {
    const LOOK: usize = 16;
    let document = Counting { id: "abc", ..Counting::default() };
    for (json, cost) in [
        (json!({ "exists": { "field": "id" } }), LOOK + 1),
        (json!({ "range": { "id": {} } }), LOOK + 1),
        (json!({ "range": { "id": { "gte": "abc" } } }), LOOK + 4 + 1),
        (json!({ "range": { "id": { "gte": "abc", "lt": "b" } } }), LOOK + 4 * 2 + 1),
        (json!({ "term": { "id": "abc" } }), LOOK + 4),
        (json!({ "prefix": { "id": "ab" } }), LOOK + 4),
        (json!({ "match": { "id": "x abc" } }), LOOK + 4 * 3),
        (json!({ "query_string": { "query": "id:a*c" } }), LOOK + 4 * 3),
        (
            json!({ "bool": { "must": vec![json!({ "exists": { "field": "id" } }); 2] } }),
            LOOK * 2 + 2,
        ),
    ] {
        let query = query_from_json(&json).expect("a query");
        assert!(query.matches(&document, &Effort::of(cost + 1)), "{json}");
        assert!(!query.matches(&document, &Effort::of(cost)), "{json}");
    }
}

/// A document whose only value is written when it is asked for.
struct Written;

impl Searchable for Written {
    fn any(&self, _field: &str, is_meant: IsMeant<'_>) -> bool {
        is_meant(Value::Text(String::from("abc").into()))
    }

    fn text_fields(&self) -> &'static [&'static str] {
        &FIELDS
    }
}

#[test]
fn a_search_pays_for_values_that_are_written_for_it() {
    const LOOK: usize = 16;
    let written = LOOK + 3;
    for (json, cost) in [
        (json!({ "exists": { "field": "id" } }), LOOK + written + 1),
        (json!({ "range": { "id": { "gte": "abc" } } }), LOOK + written + 4 + 1),
        (json!({ "term": { "id": "abc" } }), LOOK + written + 4),
    ] {
        let query = query_from_json(&json).expect("a query");
        assert!(query.matches(&Written, &Effort::of(cost + 1)), "{json}");
        assert!(!query.matches(&Written, &Effort::of(cost)), "{json}");
    }
    // What is not ASCII is written in small letters first.
    let (words, document) =
        (json!({ "match": { "id": "ä" } }), Counting { id: "Ä", ..Counting::default() });
    let (query, cost) = (query_from_json(&words).expect("a query"), LOOK + LOOK + 3 * 2);
    assert!(query.matches(&document, &Effort::of(cost + 1)));
    assert!(!query.matches(&document, &Effort::of(cost)));
}

#[test]
fn a_search_pays_for_its_order() {
    const LOOK: usize = 16;
    let order = Order::from_text("id,-a").expect("an order");
    let shown = |effort: usize| {
        let all = (0..16).map(|_| Counting { id: "abc", ..Counting::default() });
        let effort = Effort::of(effort);
        let shown = page(all, &order, 0, usize::MAX, &effort).len();
        (shown, effort.is_used_up())
    };
    let (looks, bytes, comparisons) = (16 * 2, 16 * 2 * 4, 4);
    let cost = looks * (LOOK + 1) + bytes * comparisons;
    assert_eq!(shown(cost + 1), (16, false));
    assert_eq!(shown(cost), (0, true));
}

#[test]
fn the_most_that_can_be_looked_up_in_a_large_fleet_is_too_much() {
    const HOSTS: usize = 15_000;
    let clauses = vec![json!({ "exists": { "field": "id" } }); MOST_CLAUSES];
    let query = query_from_json(&json!({ "bool": { "must": clauses } })).expect("a query");
    let (document, effort) = (Counting { id: "abc", ..Counting::default() }, Effort::default());
    let found = (0..HOSTS).filter(|_| query.matches(&document, &effort)).count();
    assert!(effort.is_used_up(), "{found}");
}
