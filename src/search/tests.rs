use proptest::prelude::*;
use serde_json::json;

use super::{
    bounds::MOST_CLAUSES,
    pattern::{Word, wildcard},
    *,
};

mod escapes;
mod too_much;

struct Host {
    id: &'static str,
    memory: f64,
    connected: bool,
    tags: &'static [&'static str],
}

impl Searchable for Host {
    fn any(&self, field: &str, is_meant: IsMeant<'_>) -> bool {
        match field {
            "id" => is_meant(Value::text(self.id)),
            "capacity.memory.total" => is_meant(Value::Number(self.memory)),
            "status.connected" => is_meant(Value::Flag(self.connected)),
            "metadata.value" => self.tags.iter().any(|tag| is_meant(Value::text(tag))),
            _ => false,
        }
    }

    fn text_fields(&self) -> &'static [&'static str] {
        &["id", "metadata.value"]
    }
}

const HOSTS: [Host; 3] = [
    Host { id: "10.0.0.1", memory: 8192.0, connected: true, tags: &["rack7", "ssd"] },
    Host { id: "10.0.0.2", memory: 16384.0, connected: false, tags: &[] },
    Host { id: "host-3", memory: 32768.0, connected: true, tags: &["rack8"] },
];

fn found(query: &Query) -> Vec<usize> {
    (0..HOSTS.len()).filter(|index| query.matches(&HOSTS[*index], &Effort::default())).collect()
}

fn by_text(text: &str) -> Vec<usize> {
    found(&query_from_text(text, false).unwrap_or_else(|error| panic!("{text}: {error}")))
}

fn by_json(json: serde_json::Value) -> Vec<usize> {
    found(&query_from_json(&json).unwrap_or_else(|error| panic!("{json}: {error}")))
}

#[test]
fn texts_find_what_lucene_finds() {
    for (text, expected) in [
        ("", &[0, 1, 2][..]),
        ("*", &[0, 1, 2]),
        ("*:*", &[0, 1, 2]),
        ("status.connected:true", &[0, 2]),
        ("status.connected:false AND _exists_:id", &[1]),
        ("status.connected:false AND _exists_:metadata.value", &[]),
        (r"capacity.memory.total:\>10240", &[1, 2]),
        ("capacity.memory.total:>16384", &[2]),
        ("capacity.memory.total:>=16384", &[1, 2]),
        ("capacity.memory.total:<16384", &[0]),
        ("capacity.memory.total:<=16384", &[0, 1]),
        (r"capacity.memory.total:\<=16384 AND _exists_:id", &[0, 1]),
        ("capacity.memory.total:[8192 TO 16384]", &[0, 1]),
        ("capacity.memory.total:{8192 TO 16384]", &[1]),
        ("capacity.memory.total:[8192 TO 16384}", &[0]),
        ("capacity.memory.total:[16384 TO *]", &[1, 2]),
        ("id:[\"10.0.0.1\" TO \"10.0.0.2\"]", &[0, 1]),
        ("id:10.0.0.*", &[0, 1]),
        ("id:10.0.0.?", &[0, 1]),
        ("id:host\\-3", &[2]),
        ("id:\"host-3\"", &[2]),
        ("NOT status.connected:true", &[1]),
        ("!status.connected:true", &[1]),
        ("-status.connected:true", &[1]),
        ("id:10.0.0.1 OR id:host-3", &[0, 2]),
        ("id:(10.0.0.1 OR host-3)", &[0, 2]),
        ("(id:10.0.0.1 || id:10.0.0.2) && status.connected:true", &[0]),
        ("id:10.0.0.* -status.connected:false", &[0, 2]),
        ("+id:10.0.0.* rack8", &[0, 1]),
        ("id:10.0.0.1 AND +ssd OR rack8", &[0, 2]),
        ("id:*", &[0, 1, 2]),
        ("metadata.value:*", &[0, 2]),
        ("id:\"*\"", &[]),
        ("rack7", &[0]),
        ("RACK8 rack7", &[0, 2]),
        ("metadata.value:rack?", &[0, 2]),
        ("nothing:there", &[]),
    ] {
        let mut expected = expected.to_vec();
        // With a clause that must not be, those that should be are not needed.
        expected.dedup();
        assert_eq!(by_text(text), expected, "{text}");
    }
}

#[test]
fn objects_find_what_elasticsearch_finds() {
    for (json, expected) in [
        (json!({}), &[0, 1, 2][..]),
        (json!({ "match_all": {} }), &[0, 1, 2]),
        (json!({ "match_none": {} }), &[]),
        (json!({ "term": { "status.connected": { "value": "true" } } }), &[0, 2]),
        (json!({ "term": { "status.connected": { "value": true } }, "bool": null }), &[0, 2]),
        (json!({ "prefix": { "id": { "value": "10." } } }), &[0, 1]),
        (json!({ "match": { "metadata.value": { "query": "RACK7 rack8" } } }), &[0, 2]),
        (json!({ "match": { "metadata.value": { "query": "rack7 x", "operator": "AND" } } }), &[]),
        (json!({ "match": { "metadata.value": { "query": "rack7 x", "operator": "OR" } } }), &[0]),
        (json!({ "match": { "metadata.value": { "query": "rack7 x", "operator": "" } } }), &[0]),
        (json!({ "range": { "capacity.memory.total": { "gt": 8192, "lte": "16384" } } }), &[1]),
        (json!({ "range": { "capacity.memory.total": { "gte": 8192, "lt": 16384 } } }), &[0]),
        (json!({ "range": { "capacity.memory.total": { "gte": null, "lt": 16384 } } }), &[0]),
        (json!({ "exists": { "field": "metadata.value" } }), &[0, 2]),
        (json!({ "query_string": { "query": "status.connected:false" } }), &[1]),
        (json!({ "query_string": { "query": "10.0.0.1", "default_field": "id" } }), &[0]),
        (json!({ "query_string": { "query": "10.0.0.1", "default_field": "*" } }), &[0]),
        (json!({ "query_string": { "query": "10.0.0.1", "default_field": "" } }), &[0]),
        (json!({ "query_string": { "query": "rack7 rack8" } }), &[0, 2]),
        (json!({ "query_string": { "query": "rack7 rack8", "default_operator": "and" } }), &[]),
        (json!({ "query_string": { "query": "rack7 ssd", "default_operator": "and" } }), &[0]),
        (json!({ "simple_query_string": { "query": "rack7 | rack8" } }), &[0, 2]),
        (json!({ "simple_query_string": { "query": "rack7 rack8 +" } }), &[]),
        (json!({ "simple_query_string": { "query": "rack7 + ssd" } }), &[0]),
        (json!({ "simple_query_string": { "query": "+ rack7 | rack8" } }), &[0, 2]),
        (json!({ "simple_query_string": { "query": "(10.0.0.*) -\"rack7\"" } }), &[1]),
        (json!({ "simple_query_string": { "query": "-rack7 + -rack8" } }), &[1]),
        (json!({ "simple_query_string": { "query": "metadata.value:rack7 id:" } }), &[0]),
        (json!({ "simple_query_string": { "query": "id:x", "fields": ["id"] } }), &[]),
        (
            json!({ "simple_query_string": { "query": "host-3 ssd", "fields": ["id^2", "x"] } }),
            &[2],
        ),
        (json!({ "simple_query_string": { "query": "host*", "fields": ["id"] } }), &[2]),
        (
            json!({ "bool": {
            "must": [{ "term": { "status.connected": { "value": "true" } } }],
            "must_not": [{ "prefix": { "id": { "value": "host" } } }],
        } }),
            &[0],
        ),
        (
            json!({ "bool": {
            "should": [{ "term": { "id": "host-3" } }, { "term": { "id": "10.0.0.2" } }],
        } }),
            &[1, 2],
        ),
        (
            json!({ "bool": {
            "filter": { "term": { "status.connected": true } },
            "should": [{ "term": { "id": "host-3" } }],
        } }),
            &[0, 2],
        ),
        (
            json!({ "bool": {
            "should": [{ "exists": { "field": "id" } }, { "term": { "metadata.value": "ssd" } }],
            "minimum_should_match": 2,
        } }),
            &[0],
        ),
        (json!({ "bool": { "should": [] } }), &[0, 1, 2]),
        (
            json!({ "nested": { "path": "metadata", "query": { "term": { "metadata.value": "ssd" } } } }),
            &[0],
        ),
    ] {
        assert_eq!(by_json(json.clone()), expected, "{json}");
    }
}

#[test]
fn what_cannot_be_read_says_where_and_why() {
    let many = "a ".repeat(MOST_CLAUSES + 1);
    assert_eq!(query_from_text(&many, false).expect_err("too many").at, "the whole");
    for (text, at) in [
        ("(id:a", "the end"),
        ("id:a)", "character 5"),
        ("id:", "the end"),
        ("\"open", "character 1"),
        ("x:[1 2]", "character 3"),
        ("a AND", "the end"),
        ("a ] b", "character 3"),
        ("a AND OR", "character 7"),
        ("a \\", "character 3"),
        ("id:[a TO b", "character 4"),
        ("_exists_:(a)", "character 10"),
        ("> 7", "the end"),
        ("id:>", "the end"),
        ("[a TO b]", "the end"),
    ] {
        assert_eq!(query_from_text(text, false).expect_err(text).at, at, "{text}");
    }
    for (json, at) in [
        (json!({ "fuzzy": {} }), "query.fuzzy"),
        (json!({ "term": {} }), "query.term"),
        (json!({ "bool": { "must": [{ "moon": 1 }] } }), "query.bool.must[0].moon"),
        (json!([]), "query"),
        (json!({ "match_all": {}, "match_none": {} }), "query"),
        (json!({ "term": { "id": [] } }), "query.term.id"),
        (json!({ "term": { "id": "a", "x": "b" } }), "query.term"),
        (json!({ "match": { "id": { "query": "a", "operator": "xor" } } }), "query.match.id"),
        (json!({ "query_string": { "query": "id:" } }), "query.query_string.query, the end"),
        (json!({ "bool": { "minimum_should_match": -1 } }), "query.bool"),
    ] {
        assert_eq!(query_from_json(&json).expect_err("bad").at, at, "{json}");
    }
}

#[test]
fn lists_are_sorted_by_several_keys_and_cut_into_pages() {
    let ids = |order: &Order, from, size| {
        page(HOSTS.into_iter(), order, from, size, &Effort::default())
            .iter()
            .map(|host| host.id)
            .collect::<Vec<_>>()
    };
    let order = Order::from_text("status.connected,-capacity.memory.total").expect("an order");
    assert_eq!(ids(&order, 0, 10), ["10.0.0.2", "host-3", "10.0.0.1"]);
    assert_eq!(ids(&order, 1, 1), ["host-3"]);
    let order = Order::from_json(&[json!({ "id": { "order": "desc" } })]).expect("an order");
    assert_eq!(ids(&order, 0, 2), ["host-3", "10.0.0.2"]);
    let missing_last = Order::from_text("metadata.value").expect("an order");
    assert_eq!(ids(&missing_last, 2, 1), ["10.0.0.2"]);
    assert!(Order::from_json(&[json!(1)]).is_err());
    for (text, json) in [
        ("id:desc", json!({ "id": "desc" })),
        ("id:asc", json!({ "id": { "order": "asc" } })),
        (" id ,, ", json!("id")),
        ("-id", json!("-id")),
    ] {
        let order = Order::from_text(text).expect("an order");
        assert_eq!(Order::from_json(&[json]).expect("an order"), order, "{text}");
        let last_first = matches!(text, "id:desc" | "-id");
        assert_eq!(ids(&order, 0, 1) == ["host-3"], last_first, "{text}");
    }
    for bad in ["id:up", "id:"] {
        assert_eq!(Order::from_text(bad).expect_err(bad).at, "sort");
    }
    assert_eq!(Order::from_json(&[json!({ "id": "up" })]).expect_err("up").at, "sort[0]");
}

#[test]
fn a_page_of_a_list_in_its_own_order_looks_at_no_more_than_it_takes() {
    let looked_at = std::cell::Cell::new(0);
    let hosts = || HOSTS.into_iter().inspect(|_| looked_at.set(looked_at.get() + 1));
    assert_eq!(page(hosts(), &Order::default(), 0, 2, &Effort::default()).len(), 2);
    assert_eq!(looked_at.take(), 2);
    let order = Order::from_text("id").expect("an order");
    assert_eq!(page(hosts(), &order, 0, 2, &Effort::default()).len(), 2);
    assert_eq!(looked_at.take(), HOSTS.len(), "the first may come last");
}

/// A question that can be asked in both ways, and answered by hand.
#[derive(Debug, Clone)]
enum Question {
    Connected(bool),
    MemoryAbove(u32),
    IdBegins(&'static str),
    Tagged(&'static str),
    Not(Box<Question>),
    All(Vec<Question>),
    Any(Vec<Question>),
}

impl Question {
    fn holds(&self, host: &Host) -> bool {
        match self {
            Question::Connected(wanted) => host.connected == *wanted,
            Question::MemoryAbove(mb) => host.memory > f64::from(*mb),
            Question::IdBegins(text) => host.id.starts_with(text),
            Question::Tagged(tag) => host.tags.contains(tag),
            Question::Not(inner) => !inner.holds(host),
            Question::All(all) => all.iter().all(|it| it.holds(host)),
            Question::Any(any) => any.iter().any(|it| it.holds(host)),
        }
    }

    fn text(&self) -> String {
        let joined = |all: &[Question], with: &str| {
            let parts: Vec<String> = all.iter().map(Question::text).collect();
            format!("({})", parts.join(with))
        };
        match self {
            Question::Connected(wanted) => format!("status.connected:{wanted}"),
            Question::MemoryAbove(mb) => format!("capacity.memory.total:>{mb}"),
            Question::IdBegins(text) => format!("id:{text}*"),
            Question::Tagged(tag) => format!("metadata.value:{tag}"),
            Question::Not(inner) => format!("(NOT {})", inner.text()),
            Question::All(all) => joined(all, " AND "),
            Question::Any(any) => joined(any, " OR "),
        }
    }

    fn json(&self) -> serde_json::Value {
        let each = |all: &[Question]| all.iter().map(Question::json).collect::<Vec<_>>();
        match self {
            Question::Connected(wanted) => {
                json!({ "term": { "status.connected": { "value": wanted.to_string() } } })
            }
            Question::MemoryAbove(mb) => {
                json!({ "range": { "capacity.memory.total": { "gt": mb } } })
            }
            Question::IdBegins(text) => json!({ "prefix": { "id": { "value": text } } }),
            Question::Tagged(tag) => json!({ "term": { "metadata.value": { "value": tag } } }),
            Question::Not(inner) => json!({ "bool": { "must_not": [inner.json()] } }),
            Question::All(all) => json!({ "bool": { "must": each(all) } }),
            Question::Any(any) => json!({ "bool": { "should": each(any) } }),
        }
    }
}

fn questions() -> impl Strategy<Value = Question> {
    let simple = prop_oneof![
        any::<bool>().prop_map(Question::Connected),
        (8000u32..33_000).prop_map(Question::MemoryAbove),
        prop_oneof![Just("10."), Just("host"), Just("10.0.0.2")].prop_map(Question::IdBegins),
        prop_oneof![Just("rack7"), Just("ssd"), Just("moon")].prop_map(Question::Tagged),
    ];
    simple.prop_recursive(4, 24, 3, |inner| {
        let some = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            inner.prop_map(|it| Question::Not(Box::new(it))),
            some.clone().prop_map(Question::All),
            some.prop_map(Question::Any),
        ]
    })
}

proptest! {
    #[test]
    fn a_search_finds_what_a_plain_filter_finds(question in questions()) {
        let expected: Vec<usize> =
            (0..HOSTS.len()).filter(|index| question.holds(&HOSTS[*index])).collect();
        prop_assert_eq!(&by_text(&question.text()), &expected, "{}", question.text());
        prop_assert_eq!(&by_json(question.json()), &expected, "{}", question.json());
    }

    #[test]
    fn no_text_makes_the_reader_panic_or_hang(text in "[a-z:()\\[\\]{} \"\\\\*?!+><=&|-]{0,200}|(NOT |\\()*x") {
        let _ = query_from_text(&text, false).map(|query| found(&query));
        let _ = query_from_text(&text, true);
    }

    #[test]
    fn a_wildcard_matches_what_a_plain_search_matches(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
        fn slow(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern.split_first(), text.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), _) => {
                    slow(rest, text) || (!text.is_empty() && slow(pattern, &text[1..]))
                }
                (Some((p, rest)), Some((t, others))) if *p == b'?' || p == t => slow(rest, others),
                _ => false,
            }
        }
        let pieces = match Word::parse(&pattern).into_wildcard() {
            Pattern::Wildcard(pieces) => pieces,
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(wildcard(&pieces, &text), slow(pattern.as_bytes(), text.as_bytes()));
    }
}
