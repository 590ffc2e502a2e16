//! Searching: queries as ECE's tools send them, held against fields of what is listed.
//!
//! - `dsl` reads the query objects of `_search`, `query_string` the text of `q`.
//! - A [`Document`] gives the values of its fields by their dotted names.

mod dsl;
mod order;
mod query_string;

use std::{borrow::Cow, cmp::Ordering};

pub use dsl::{SearchRequest, query_from_json};
pub use order::{Order, page};
pub use query_string::query_from_text;

/// Something that can be searched.
pub trait Document {
    /// The values of a field, by the dotted name that it has in a reply; none if there is none.
    fn values(&self, field: &str) -> Vec<Value<'_>>;

    /// Fields that a text without a field is looked for in.
    fn text_fields(&self) -> &'static [&'static str];
}

/// A value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    Flag(bool),
}

/// Why a query is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the query cannot be read at {at}: {reason}")]
pub struct BadQuery {
    pub at: String,
    pub reason: String,
}

impl BadQuery {
    fn new(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { at: at.into(), reason: reason.into() }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    All,
    None,
    Not(Box<Query>),
    And(Vec<Query>),
    /// At least so many of them.
    Some(usize, Vec<Query>),
    /// A field is there.
    Exists(String),
    /// A field, or any field of text, has a value like this.
    Is(Option<String>, Pattern),
    Range(String, Range),
}

/// What a value may be like.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    Exact(String),
    Prefix(String),
    /// With `*` for any text and `?` for any character.
    Wildcard(String),
    /// Any of these words, in any case.
    Words(Vec<String>, bool),
}

/// Bounds of a value; numbers are compared as numbers, all else as text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Range {
    pub above: Option<String>,
    pub from: Option<String>,
    pub below: Option<String>,
    pub to: Option<String>,
}

/// Clauses that a query may have: each is held against every document.
const MOST_CLAUSES: usize = 256;

impl Query {
    fn clauses(&self) -> usize {
        match self {
            Query::Not(inner) => inner.clauses(),
            Query::And(all) | Query::Some(_, all) => all.iter().map(Query::clauses).sum(),
            _ => 1,
        }
    }

    /// The query itself, if it does not ask for too much.
    fn within_bounds(self) -> Result<Self, BadQuery> {
        match self.clauses() {
            0..=MOST_CLAUSES => Ok(self),
            _ => {
                Err(BadQuery::new("the whole", format!("it has more than {MOST_CLAUSES} clauses")))
            }
        }
    }

    pub fn matches(&self, document: &dyn Document) -> bool {
        match self {
            Query::All => true,
            Query::None => false,
            Query::Not(inner) => !inner.matches(document),
            Query::And(all) => all.iter().all(|query| query.matches(document)),
            Query::Some(least, any) => {
                any.iter().filter(|query| query.matches(document)).take(*least).count() >= *least
            }
            Query::Exists(field) => !document.values(field).is_empty(),
            Query::Is(Some(field), pattern) => {
                document.values(field).iter().any(|value| pattern.matches(value))
            }
            Query::Is(None, pattern) => document
                .text_fields()
                .iter()
                .any(|field| document.values(field).iter().any(|value| pattern.matches(value))),
            Query::Range(field, range) => {
                document.values(field).iter().any(|value| range.holds(value))
            }
        }
    }
}

impl Value<'_> {
    pub fn text(text: &str) -> Value<'_> {
        Value::Text(text.into())
    }

    fn as_text(&self) -> Cow<'_, str> {
        match self {
            Value::Text(text) => Cow::Borrowed(text),
            Value::Number(number) => Cow::Owned(number.to_string()),
            Value::Flag(flag) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        }
    }

    /// `None` where `text` cannot be compared with it.
    fn compare(&self, text: &str) -> Option<Ordering> {
        match self {
            Value::Number(number) => number.partial_cmp(&text.parse().ok()?),
            other => Some(other.as_text().as_ref().cmp(text)),
        }
    }
}

impl Pattern {
    fn matches(&self, value: &Value<'_>) -> bool {
        match self {
            Pattern::Exact(text) => value.compare(text) == Some(Ordering::Equal),
            Pattern::Prefix(text) => value.as_text().starts_with(text.as_str()),
            Pattern::Wildcard(pattern) => wildcard(pattern.as_bytes(), value.as_text().as_bytes()),
            Pattern::Words(words, all) => {
                let text = value.as_text().to_lowercase();
                let mut found = words.iter().map(|word| {
                    value.compare(word) == Some(Ordering::Equal)
                        || text == *word
                        || text.split(|c: char| c.is_whitespace()).any(|part| part == word)
                });
                if *all { found.all(|it| it) } else { found.any(|it| it) }
            }
        }
    }
}

impl Range {
    fn holds(&self, value: &Value<'_>) -> bool {
        let check = |bound: &Option<String>, allowed: &[Ordering]| {
            bound.as_ref().is_none_or(|bound| {
                value.compare(bound).is_some_and(|order| allowed.contains(&order))
            })
        };
        check(&self.above, &[Ordering::Greater])
            && check(&self.from, &[Ordering::Greater, Ordering::Equal])
            && check(&self.below, &[Ordering::Less])
            && check(&self.to, &[Ordering::Less, Ordering::Equal])
    }
}

/// Whether `text` is what `pattern` describes; linear in both, whatever the pattern.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                // What the last star took was too little.
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests;
