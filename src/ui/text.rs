//! What others say, as a page shows it: hosts, tokens and people choose their own names.

use std::fmt;

use crate::{model::printable::cut, rt::Timestamp};

const SHORT: usize = 80;
const LONG: usize = 2_000;

/// Text with visible marks in place of what hides, moves or reorders it. A template escapes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// As one of many.
    pub fn short(text: &str) -> Self {
        Self(cut(text, SHORT))
    }

    /// Where it is what the page is about.
    pub fn long(text: &str) -> Self {
        Self(cut(text, LONG))
    }

    /// For an attribute or a title, where no markup keeps its direction apart from what is around
    /// it (Unicode's FSI and PDI).
    pub fn isolated(&self) -> String {
        format!("\u{2068}{}\u{2069}", self.0)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A moment, which the browser shows in its own time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    pub iso: String,
    pub words: String,
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        let utc = at.utc();
        let month = utc.month().to_string();
        let words = format!(
            "{} {} {}, {:02}:{:02} UTC",
            utc.day(),
            month.get(..3).unwrap_or(&month),
            utc.year(),
            utc.hour(),
            utc.minute()
        );
        Self { iso: at.rfc3339(), words }
    }
}

/// Memory, of which a part is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    pub percent: u64,
    pub words: String,
}

impl Bar {
    pub fn of(used_mb: u64, total_mb: u64) -> Self {
        let percent = (used_mb * 100).checked_div(total_mb).unwrap_or(0).min(100);
        Self { percent, words: format!("{} of {}", gigabytes(used_mb), gigabytes(total_mb)) }
    }
}

pub fn gigabytes(mb: u64) -> String {
    match mb {
        0..1024 => format!("{mb} MB"),
        _ => format!("{:.1} GB", mb as f64 / 1024.0),
    }
}

/// `1 host`, `2 hosts`.
pub fn counted(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_or_reorders_is_shown_as_marks_and_what_is_long_is_cut() {
        let hostile = "a\u{202e}b\u{2066}\u{200b}\u{2028}\u{85}\u{1b}\n";
        let shown = Shown::short(hostile).to_string();
        assert_eq!(shown, "a\\u{202e}b\\u{2066}\\u{200b}\\u{2028}\\u{85}\\u{1b}\\u{a}");
        let long = "x".repeat(10_000);
        assert_eq!(Shown::short(&long).to_string().chars().count(), SHORT);
        assert_eq!(Shown::long(&long).to_string().chars().count(), LONG);
        assert_eq!(Shown::short("a").isolated(), "\u{2068}a\u{2069}");
    }

    #[test]
    fn numbers_are_in_words_that_people_use() {
        assert_eq!(Bar::of(512, 2048), Bar { percent: 25, words: "512 MB of 2.0 GB".into() });
        assert_eq!(Bar::of(0, 0).percent, 0);
        assert_eq!((counted(1, "host"), counted(0, "host")), ("1 host".into(), "0 hosts".into()));
        let at = Moment::from(Timestamp::from_unix_millis(1_493_646_213_007));
        assert_eq!(
            (at.words.as_str(), at.iso.as_str()),
            ("1 May 2017, 13:43 UTC", "2017-05-01T13:43:33.007Z")
        );
    }
}
