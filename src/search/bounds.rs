//! How much one request may ask for: each clause is held against every document.

use std::{borrow::Cow, cell::Cell};

use super::{BadQuery, Pattern, Query, Range, Value};

/// Clauses of a query. A word counts as one, and a wildcard as one for each [`PIECES`] of it.
pub const MOST_CLAUSES: usize = 256;

/// Characters of a wildcard that cost as much as a word.
const PIECES: usize = 8;

/// Bytes of a value or of a field's name, and pieces of a wildcard.
pub const LONGEST_TEXT: usize = 1024;
pub const LONGEST_FIELD: usize = 512;
pub const LONGEST_WILDCARD: usize = 256;

/// Keys that a list is sorted by.
pub const MOST_SORT_KEYS: usize = 8;

/// Fields that a simple query string is looked for in.
pub const MOST_FIELDS: usize = 16;

/// What one search may cost, with its order, in bytes that are compared: some tenths of a second.
const MOST_EFFORT: usize = 64_000_000;

/// What it costs to look a field up, or to write a value.
const LOOK: usize = 16;

/// What a search has left to spend. Whoever asks for too much is told so, and holds nobody up.
pub struct Effort(Cell<usize>);

impl Default for Effort {
    fn default() -> Self {
        Self(Cell::new(MOST_EFFORT))
    }
}

impl Effort {
    #[cfg(test)]
    pub(super) fn of(effort: usize) -> Self {
        Self(Cell::new(effort))
    }

    /// Nothing is found any more.
    pub fn is_used_up(&self) -> bool {
        self.0.get() == 0
    }

    /// Whether there was so much left.
    fn spend(&self, effort: usize) -> bool {
        self.0.set(self.0.get().saturating_sub(effort));
        !self.is_used_up()
    }

    pub(super) fn look(&self) -> bool {
        self.spend(LOOK)
    }

    /// Looks at a value, whatever it is.
    pub(super) fn see(&self, value: &Value<'_>) -> bool {
        self.spend(made(value) + 1)
    }

    /// Puts so many documents in order, whose keys have so many bytes. Each is compared with some of
    /// the others.
    pub(super) fn sort(&self, documents: usize, bytes: usize) -> bool {
        self.spend(bytes.saturating_mul(documents.max(1).ilog2() as usize))
    }

    pub(super) fn compare_bounds(&self, value: &Value<'_>, range: &Range) -> bool {
        let Range { above, from, below, to } = range;
        let bounds = [above, from, below, to].into_iter().flatten().count();
        self.spend(made(value) + compared(value) * bounds + 1)
    }

    pub(super) fn compare(&self, value: &Value<'_>, pattern: &Pattern) -> bool {
        let times = match pattern {
            Pattern::Exact(_) | Pattern::Prefix(_) => 1,
            Pattern::Wildcard(pieces) => pieces.len(),
            Pattern::Words(words, _) => words.len() + 1,
        };
        let lowered = match (pattern, value) {
            (Pattern::Words(..), Value::Text(text)) if !text.is_ascii() => LOOK,
            _ => 0,
        };
        self.spend(made(value) + lowered + compared(value) * times)
    }
}

/// What it costs to compare a value once.
pub(super) fn compared(value: &Value<'_>) -> usize {
    match value {
        Value::Text(text) => text.len() + 1,
        Value::Number(_) | Value::Flag(_) => LOOK,
    }
}

/// What it has cost to make a value: an address or a date is written, all else lies there.
fn made(value: &Value<'_>) -> usize {
    match value {
        Value::Text(Cow::Owned(text)) => LOOK + text.len(),
        Value::Text(Cow::Borrowed(_)) | Value::Number(_) | Value::Flag(_) => 0,
    }
}

pub(super) fn too_many_clauses() -> BadQuery {
    BadQuery::new("the whole", format!("it has more than {MOST_CLAUSES} clauses and words"))
}

pub(super) fn check_field(field: &str, at: &str) -> Result<(), BadQuery> {
    match field.len() {
        0..=LONGEST_FIELD => Ok(()),
        _ => Err(BadQuery::new(at, format!("a field's name is longer than {LONGEST_FIELD} bytes"))),
    }
}

impl Query {
    /// What it costs to hold the query against one document, in clauses.
    pub fn clauses(&self) -> usize {
        match self {
            Query::Not(inner) => inner.clauses(),
            // An empty one costs something too.
            Query::And(all) | Query::Some(_, all) => {
                all.iter().map(Query::clauses).sum::<usize>().max(1)
            }
            Query::Is(_, Pattern::Words(words, _)) => words.len().max(1),
            Query::Is(_, Pattern::Wildcard(pieces)) => 1 + pieces.len() / PIECES,
            _ => 1,
        }
    }

    /// Whether it looks at few short values, whatever they are.
    pub fn is_simple(&self) -> bool {
        let short = |field: &str| !field.starts_with("metadata") && !field.starts_with("tags");
        match self {
            Query::All | Query::None => true,
            Query::Not(inner) => inner.is_simple(),
            Query::And(all) | Query::Some(_, all) => all.iter().all(Query::is_simple),
            Query::Exists(field) | Query::Range(field, _) => short(field),
            Query::Is(Some(field), Pattern::Exact(_) | Pattern::Prefix(_)) => short(field),
            Query::Is(..) => false,
        }
    }

    /// The query itself, if it does not ask for too much.
    pub(super) fn within_bounds(self) -> Result<Self, BadQuery> {
        if self.clauses() > MOST_CLAUSES {
            return Err(too_many_clauses());
        }
        self.check_texts()?;
        Ok(self)
    }

    fn check_texts(&self) -> Result<(), BadQuery> {
        match self {
            Query::All | Query::None => Ok(()),
            Query::Not(inner) => inner.check_texts(),
            Query::And(all) | Query::Some(_, all) => all.iter().try_for_each(Query::check_texts),
            Query::Exists(field) => check_field(field, "a field"),
            Query::Is(field, pattern) => {
                check_field(field.as_deref().unwrap_or_default(), "a field")?;
                pattern.check_texts()
            }
            Query::Range(field, Range { above, from, below, to }) => {
                check_field(field, "a field")?;
                [above, from, below, to].into_iter().flatten().try_for_each(|text| check_text(text))
            }
        }
    }
}

impl Pattern {
    fn check_texts(&self) -> Result<(), BadQuery> {
        match self {
            Pattern::Exact(text) | Pattern::Prefix(text) => check_text(text),
            Pattern::Words(words, _) => words.iter().try_for_each(|word| check_text(word)),
            Pattern::Wildcard(pieces) if pieces.len() > LONGEST_WILDCARD => {
                let reason = format!("it is longer than {LONGEST_WILDCARD} characters");
                Err(BadQuery::new("a text with wildcards", reason))
            }
            Pattern::Wildcard(_) => Ok(()),
        }
    }
}

fn check_text(text: &str) -> Result<(), BadQuery> {
    match text.len() {
        0..=LONGEST_TEXT => Ok(()),
        _ => Err(BadQuery::new("a value", format!("it is longer than {LONGEST_TEXT} bytes"))),
    }
}
