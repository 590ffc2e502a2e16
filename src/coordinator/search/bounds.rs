//! How much one request may ask for: each clause is held against every document.

use super::{BadQuery, Pattern, Query, Range};

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
