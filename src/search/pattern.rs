use std::{cmp::Ordering, str::Chars};

use super::Value;

/// What a value may be like.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    Exact(String),
    Prefix(String),
    Wildcard(Vec<Piece>),
    /// Any of these words, or all of them, in any case.
    Words(Vec<String>, bool),
}

/// A part of a text with wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    Literal(char),
    /// `?`: any character.
    One,
    /// `*`: any text.
    Any,
}

/// A word of a query: what was escaped in it stands for itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Word(Vec<Piece>);

impl Word {
    /// Reads a text in which `\` escapes what follows; at the end it is itself.
    pub fn parse(text: &str) -> Self {
        let mut word = Self::default();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '\\' => word.push_literal(rest.next().unwrap_or('\\')),
                c => word.push(c),
            }
        }
        word
    }

    pub fn push(&mut self, c: char) {
        self.0.push(match c {
            '*' => Piece::Any,
            '?' => Piece::One,
            c => Piece::Literal(c),
        });
    }

    pub fn push_literal(&mut self, c: char) {
        self.0.push(Piece::Literal(c));
    }

    pub fn is_only_any(&self) -> bool {
        self.0 == [Piece::Any]
    }

    pub fn has_wildcards(&self) -> bool {
        self.0.iter().any(|piece| !matches!(piece, Piece::Literal(_)))
    }

    pub fn into_wildcard(self) -> Pattern {
        Pattern::Wildcard(self.0)
    }

    /// The word as a text, where wildcards mean nothing.
    pub fn text(&self) -> String {
        let written = |piece: &Piece| match piece {
            Piece::Literal(c) => *c,
            Piece::One => '?',
            Piece::Any => '*',
        };
        self.0.iter().map(written).collect()
    }
}

impl Pattern {
    pub(super) fn matches(&self, value: &Value<'_>) -> bool {
        match self {
            Pattern::Exact(text) => value.compare(text) == Some(Ordering::Equal),
            Pattern::Prefix(text) => value.as_text().starts_with(text.as_str()),
            Pattern::Wildcard(pieces) => wildcard(pieces, &value.as_text()),
            Pattern::Words(words, all) => {
                let text = match value.as_text() {
                    text if text.is_ascii() => text,
                    text => text.to_lowercase().into(),
                };
                let mut found = words.iter().map(|word| {
                    value.compare(word) == Some(Ordering::Equal)
                        || text.eq_ignore_ascii_case(word)
                        || text.split(char::is_whitespace).any(|it| it.eq_ignore_ascii_case(word))
                });
                if *all { found.all(|it| it) } else { found.any(|it| it) }
            }
        }
    }
}

/// Whether `text` is what the pieces describe. At worst each piece meets each character once.
pub(super) fn wildcard(pieces: &[Piece], text: &str) -> bool {
    let (mut at, mut rest) = (0, text.chars());
    let mut star: Option<(usize, Chars<'_>)> = None;
    loop {
        let mut ahead = rest.clone();
        let Some(c) = ahead.next() else {
            return pieces[at..].iter().all(|piece| *piece == Piece::Any);
        };
        match pieces.get(at) {
            Some(Piece::Any) => {
                at += 1;
                star = Some((at, rest.clone()));
            }
            Some(Piece::One) => {
                at += 1;
                rest = ahead;
            }
            Some(Piece::Literal(literal)) if *literal == c => {
                at += 1;
                rest = ahead;
            }
            _ => match &mut star {
                // What the last star took was too little.
                Some((after, taken)) => {
                    taken.next();
                    (at, rest) = (*after, taken.clone());
                }
                None => return false,
            },
        }
    }
}
