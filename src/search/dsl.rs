//! The query objects of `_search`.

use serde::Deserialize;
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

use super::{
    BadQuery, Pattern, Query, Range,
    bounds::{MOST_CLAUSES, MOST_FIELDS, check_field, too_many_clauses},
    pattern::Word,
    query_string::{query_of_field, value},
};

/// No query that a tool makes is nested so deeply.
const DEEPEST: usize = 32;

/// The body of a search.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct SearchRequest {
    /// A query object; all without it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub query: Option<Json>,
    /// At most this many; all without it.
    #[serde(default)]
    pub size: Option<i32>,
    /// Skip this many.
    #[serde(default)]
    pub from: Option<i32>,
    /// Names of fields, or objects `{"field": {"order": "desc"}}`.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub sort: Option<Vec<Json>>,
}

/// Reads a query object.
pub fn query_from_json(json: &Json) -> Result<Query, BadQuery> {
    container(json, "query", 0)?.within_bounds()
}

type Fields = Map<String, Json>;

fn object<'a>(json: &'a Json, at: &str) -> Result<&'a Fields, BadQuery> {
    json.as_object().ok_or_else(|| BadQuery::new(at, "an object is expected"))
}

fn container(json: &Json, at: &str, depth: usize) -> Result<Query, BadQuery> {
    if depth > DEEPEST {
        return Err(BadQuery::new(at, "it is nested too deeply"));
    }
    let mut all = Vec::new();
    // Clients in Go send what is not set as null.
    for (kind, inner) in object(json, at)?.iter().filter(|(_, inner)| !inner.is_null()) {
        all.push(query(kind, inner, &format!("{at}.{kind}"), depth)?);
    }
    match all.len() {
        0 => Ok(Query::All),
        1 => Ok(all.remove(0)),
        _ => Err(BadQuery::new(at, "it has more than one kind of query")),
    }
}

fn query(kind: &str, json: &Json, at: &str, depth: usize) -> Result<Query, BadQuery> {
    match kind {
        "match_all" => Ok(Query::All),
        "match_none" => Ok(Query::None),
        "term" => one_field(json, at, "value", |field, value| {
            Ok(Query::Is(Some(field), Pattern::Exact(value)))
        }),
        "prefix" => one_field(json, at, "value", |field, value| {
            Ok(Query::Is(Some(field), Pattern::Prefix(value)))
        }),
        "match" => matched(json, at),
        "range" => range(json, at),
        "exists" => text(object(json, at)?, "field", at).map(Query::Exists),
        "bool" => boolean(object(json, at)?, at, depth),
        "query_string" => {
            let fields = object(json, at)?;
            let all = operator_is_and(fields, "default_operator", at)?;
            let query = text(fields, "query", at)?;
            let field = fields.get("default_field").and_then(Json::as_str);
            let field = field.filter(|field| !matches!(*field, "" | "*"));
            query_of_field(field, &query, all)
                .map_err(|error| BadQuery::new(format!("{at}.query, {}", error.at), error.reason))
        }
        "simple_query_string" => simple(object(json, at)?, at),
        "nested" => {
            // Fields here are reached by their whole names, inside lists too.
            let fields = object(json, at)?;
            text(fields, "path", at)?;
            let inner = fields.get("query").unwrap_or(&Json::Null);
            container(inner, &format!("{at}.query"), depth + 1)
        }
        other => Err(BadQuery::new(at, format!("{other:?} is not a kind of query served here"))),
    }
}

fn text(fields: &Fields, name: &str, at: &str) -> Result<String, BadQuery> {
    let found = fields.get(name).and_then(Json::as_str);
    found.map(str::to_owned).ok_or_else(|| BadQuery::new(at, format!("{name:?} is a text")))
}

/// A value of a query, as text: clients give booleans and numbers so too.
fn scalar(json: &Json, at: &str) -> Result<String, BadQuery> {
    match json {
        Json::String(text) => Ok(text.clone()),
        Json::Number(number) => Ok(number.to_string()),
        Json::Bool(flag) => Ok(flag.to_string()),
        _ => Err(BadQuery::new(at, "a text, a number or a boolean is expected")),
    }
}

/// `{"field": "value"}` or `{"field": {"value": "value"}}`.
fn one_field(
    json: &Json,
    at: &str,
    name: &str,
    make: impl Fn(String, String) -> Result<Query, BadQuery>,
) -> Result<Query, BadQuery> {
    let (field, inner) = the_field(json, at)?;
    let at = format!("{at}.{field}");
    let value = match inner {
        Json::Object(fields) => {
            let value =
                fields.get(name).ok_or_else(|| BadQuery::new(&at, format!("no {name:?}")))?;
            scalar(value, &at)?
        }
        other => scalar(other, &at)?,
    };
    make(field, value)
}

fn the_field<'a>(json: &'a Json, at: &str) -> Result<(String, &'a Json), BadQuery> {
    let fields = object(json, at)?;
    match (fields.len(), fields.iter().next()) {
        (1, Some((field, inner))) => {
            check_field(field, at)?;
            Ok((field.clone(), inner))
        }
        _ => Err(BadQuery::new(at, "exactly one field is expected")),
    }
}

fn operator_is_and(fields: &Fields, name: &str, at: &str) -> Result<bool, BadQuery> {
    match fields.get(name) {
        None | Some(Json::Null) => Ok(false),
        Some(Json::String(text)) if text.eq_ignore_ascii_case("or") || text.is_empty() => Ok(false),
        Some(Json::String(text)) if text.eq_ignore_ascii_case("and") => Ok(true),
        Some(_) => Err(BadQuery::new(at, format!("{name:?} is \"and\" or \"or\""))),
    }
}

fn matched(json: &Json, at: &str) -> Result<Query, BadQuery> {
    let (field, inner) = the_field(json, at)?;
    let at = format!("{at}.{field}");
    let (value, all) = match inner {
        Json::Object(fields) => {
            let value = fields.get("query").ok_or_else(|| BadQuery::new(&at, "no \"query\""))?;
            (scalar(value, &at)?, operator_is_and(fields, "operator", &at)?)
        }
        other => (scalar(other, &at)?, false),
    };
    // One more than is allowed is enough to be refused.
    let words = value.split_whitespace().take(MOST_CLAUSES + 1).map(str::to_lowercase).collect();
    Ok(Query::Is(Some(field), Pattern::Words(words, all)))
}

fn range(json: &Json, at: &str) -> Result<Query, BadQuery> {
    let (field, inner) = the_field(json, at)?;
    let at = format!("{at}.{field}");
    let fields = object(inner, &at)?;
    let bound = |name: &str| match fields.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => scalar(value, &at).map(Some),
    };
    let range =
        Range { above: bound("gt")?, from: bound("gte")?, below: bound("lt")?, to: bound("lte")? };
    Ok(Query::Range(field, range))
}

fn boolean(fields: &Fields, at: &str, depth: usize) -> Result<Query, BadQuery> {
    let clauses = |name: &str| -> Result<Vec<Query>, BadQuery> {
        let at = format!("{at}.{name}");
        match fields.get(name) {
            None | Some(Json::Null) => Ok(Vec::new()),
            Some(Json::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| container(item, &format!("{at}[{index}]"), depth + 1))
                .collect(),
            Some(one) => Ok(vec![container(one, &at, depth + 1)?]),
        }
    };
    let mut all = clauses("must")?;
    all.extend(clauses("filter")?);
    let should = clauses("should")?;
    let least = match fields.get("minimum_should_match") {
        None | Some(Json::Null) => usize::from(all.is_empty() && !should.is_empty()),
        Some(number) => number
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| BadQuery::new(at, "\"minimum_should_match\" is a whole number"))?,
    };
    if least > 0 {
        all.push(Query::Some(least, should));
    }
    all.extend(clauses("must_not")?.into_iter().map(|query| Query::Not(Box::new(query))));
    Ok(Query::And(all))
}

/// Words, with `+` for and, `|` for or, `-` for not, quotes and a `*` at the end. It never fails
/// for what it is asked, so that people can type into it.
fn simple(fields: &Fields, at: &str) -> Result<Query, BadQuery> {
    let mut all = operator_is_and(fields, "default_operator", at)?;
    let query = text(fields, "query", at)?;
    let names: Vec<String> = match fields.get("fields") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(names)) if names.len() > MOST_FIELDS => {
            return Err(BadQuery::new(at, format!("it names more than {MOST_FIELDS} fields")));
        }
        Some(Json::Array(names)) => {
            names.iter().map(|name| scalar(name, at)).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(BadQuery::new(at, "\"fields\" is a list")),
    };
    // A boost says how much a field counts; here all count the same.
    let names: Vec<&str> =
        names.iter().map(|name| name.split('^').next().unwrap_or_default()).collect();
    let mut clauses = Vec::new();
    for word in query.split_whitespace() {
        match word {
            "+" => all = true,
            "|" => all = false,
            word => {
                // Without a field only, what looks like one says so.
                let negated = word.strip_prefix('-');
                let word = negated.unwrap_or(word).trim_matches(['"', '+', '(', ')']);
                if word.is_empty() {
                    continue;
                }
                if clauses.len() == MOST_CLAUSES {
                    return Err(too_many_clauses());
                }
                let clause = match (names.is_empty(), word.split_once(':')) {
                    (true, Some((field, text))) if !text.is_empty() => {
                        value(Some(field), Word::parse(text), false)
                    }
                    (true, _) => value(None, Word::parse(word), false),
                    (false, _) => {
                        let one = |name: &&str| value(Some(name), Word::parse(word), false);
                        Query::Some(1, names.iter().map(one).collect())
                    }
                };
                clauses.push((clause, negated.is_some()));
            }
        }
    }
    let (negated, wanted): (Vec<_>, Vec<_>) = clauses.into_iter().partition(|(_, not)| *not);
    let wanted: Vec<Query> = wanted.into_iter().map(|(query, _)| query).collect();
    let mut query = match (wanted.is_empty(), all) {
        (true, _) => vec![Query::All],
        (false, true) => wanted,
        (false, false) => vec![Query::Some(1, wanted)],
    };
    query.extend(negated.into_iter().map(|(query, _)| Query::Not(Box::new(query))));
    Ok(Query::And(query))
}
