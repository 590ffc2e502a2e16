use std::fmt;

use super::PageFrom;

/// The name of a record: `/segment/segment…`, each of `[A-Za-z0-9._:-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath(String);

impl StorePath {
    /// A path of one segment.
    ///
    /// # Panics
    /// If a segment is empty or holds another character: what comes from outside has been
    /// checked against the grammar of ids before.
    pub fn root(segment: &str) -> Self {
        Self(String::new()).child(segment)
    }

    pub fn child(&self, segment: &str) -> Self {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        assert!(!segment.is_empty() && segment.chars().all(allowed), "not a path segment");
        Self(format!("{}/{segment}", self.0))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments after `prefix`, if this path is below it.
    pub fn below(&self, prefix: &StorePath) -> Option<&str> {
        self.0.strip_prefix(&prefix.0)?.strip_prefix('/')
    }

    /// The range of texts that holds exactly the paths below this one.
    pub(super) fn range_below(&self) -> (String, String) {
        (format!("{}/", self.0), format!("{}0", self.0)) // '0' follows '/'
    }

    /// The part of it in which a page lies.
    pub(super) fn page_below(&self, from: PageFrom<'_>) -> (String, String) {
        let (first, end) = self.range_below();
        match from {
            PageFrom::Start | PageFrom::End => (first, end),
            // No path lies between one and the same with the lowest character behind it.
            PageFrom::After(path) => (format!("{}\0", path.0).max(first).min(end.clone()), end),
            PageFrom::Before(path) => (first.clone(), path.0.clone().min(end).max(first)),
        }
    }

    pub(super) fn from_stored(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
