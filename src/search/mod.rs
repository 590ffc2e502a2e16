//! Searching: queries as ECE's tools send them, held against fields of what is listed.
//!
//! - `dsl` reads the query objects of `_search`, `query_string` the text of `q`; `bounds` says how
//!   much they may ask for.
//! - `fields` tells those of a text that there is no such field; queries of tools may name what only
//!   other versions have.
//! - A [`Searchable`] shows the values of its fields by their dotted names, one after the other.

mod bounds;
mod dsl;
mod fields;
mod order;
mod pattern;
mod query_string;

use std::{borrow::Cow, cmp::Ordering};

pub use bounds::Effort;
pub use dsl::{SearchRequest, query_from_json};
pub use fields::Fields;
pub use order::{Order, page};
pub use pattern::Pattern;
pub use query_string::query_from_text;

/// Asked of one value of a field after the other, until it says so of one.
pub type IsMeant<'a> = &'a mut dyn FnMut(Value<'_>) -> bool;

/// Something that can be searched.
pub trait Searchable {
    /// Whether any value of a field, by the dotted name that it has in a reply, is one that is meant.
    fn any(&self, field: &str, is_meant: IsMeant<'_>) -> bool;

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

/// Characters of a request that are told back.
const LONGEST_TOLD: usize = 120;

/// Why a query is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the query cannot be read at {at}: {reason}")]
pub struct BadQuery {
    pub at: String,
    pub reason: String,
}

impl BadQuery {
    fn new(at: impl Into<String>, reason: impl Into<String>) -> Self {
        let short = |text: String| match text.char_indices().nth(LONGEST_TOLD) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        };
        Self { at: short(at.into()), reason: short(reason.into()) }
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

/// Bounds of a value; numbers are compared as numbers, all else as text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Range {
    pub above: Option<String>,
    pub from: Option<String>,
    pub below: Option<String>,
    pub to: Option<String>,
}

impl Query {
    /// Whether it finds the document, as long as there is effort left.
    pub fn matches(&self, document: &dyn Searchable, effort: &Effort) -> bool {
        if effort.is_used_up() {
            return false;
        }
        match self {
            Query::All => true,
            Query::None => false,
            Query::Not(inner) => !inner.matches(document, effort),
            Query::And(all) => all.iter().all(|query| query.matches(document, effort)),
            Query::Some(least, any) => {
                let found = any.iter().filter(|query| query.matches(document, effort));
                found.take(*least).count() >= *least
            }
            Query::Exists(field) => {
                effort.look() && document.any(field, &mut |value| effort.see(&value))
            }
            Query::Is(Some(field), pattern) => has(document, field, pattern, effort),
            Query::Is(None, pattern) => {
                document.text_fields().iter().any(|field| has(document, field, pattern, effort))
            }
            Query::Range(field, range) => {
                let mut is_within =
                    |value: Value<'_>| effort.compare_bounds(&value, range) && range.holds(&value);
                effort.look() && document.any(field, &mut is_within)
            }
        }
    }
}

/// Whether a value of this field is like this.
fn has(document: &dyn Searchable, field: &str, pattern: &Pattern, effort: &Effort) -> bool {
    let mut is_like = |value: Value<'_>| effort.compare(&value, pattern) && pattern.matches(&value);
    effort.look() && document.any(field, &mut is_like)
}

/// To read a longer one takes as long as somebody wants, and none that is shown is as long.
const LONGEST_NUMBER: usize = 32;

impl Value<'_> {
    pub fn text(text: &str) -> Value<'_> {
        Value::Text(text.into())
    }

    fn owned(self) -> Value<'static> {
        match self {
            Value::Text(text) => Value::Text(text.into_owned().into()),
            Value::Number(number) => Value::Number(number),
            Value::Flag(flag) => Value::Flag(flag),
        }
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
            Value::Number(number) if text.len() <= LONGEST_NUMBER => {
                number.partial_cmp(&text.parse().ok()?)
            }
            Value::Number(_) => None,
            other => Some(other.as_text().as_ref().cmp(text)),
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

#[cfg(test)]
mod tests;
