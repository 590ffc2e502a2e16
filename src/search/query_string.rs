//! The text form of queries, as Lucene has it: `field:value`, `AND`, `OR`, `NOT`, grouping,
//! wildcards, ranges, `_exists_:field`.

use super::{BadQuery, Pattern, Query, Range, pattern::Word};

/// Nothing that people write is deeper or longer.
const DEEPEST: usize = 64;
const LONGEST: usize = 16 * 1024;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A word, and whether it was in quotes.
    Word(Word, bool),
    Colon,
    Open,
    Close,
    And,
    Or,
    Not,
    Must,
    Range(Range),
    /// `>`, `>=`, `<` or `<=`.
    Compare(&'static str),
}

/// Reads a query. Words beside each other are all asked for if `all`, else any of them.
pub fn query_from_text(text: &str, all: bool) -> Result<Query, BadQuery> {
    query_of_field(None, text, all)
}

/// The same where words without a field are looked for in `field`.
pub(super) fn query_of_field(
    field: Option<&str>,
    text: &str,
    all: bool,
) -> Result<Query, BadQuery> {
    if text.len() > LONGEST {
        return Err(BadQuery::new("the beginning", "it is longer than 16384 bytes"));
    }
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(Query::All);
    }
    let mut parser = Parser { tokens, at: 0, all };
    let query = parser.alternatives(field, 0)?;
    match parser.tokens.get(parser.at) {
        None => query.within_bounds(),
        Some((place, _)) => Err(BadQuery::new(format!("character {place}"), "a ')' too many")),
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, BadQuery> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let place = at + 1;
        let next = chars.get(at + 1).copied();
        let (token, used) = match chars[at] {
            c if c.is_whitespace() => {
                at += 1;
                continue;
            }
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ':' => (Token::Colon, 1),
            '!' => (Token::Not, 1),
            '+' => (Token::Must, 1),
            '-' => (Token::Not, 1),
            '&' if next == Some('&') => (Token::And, 2),
            '|' if next == Some('|') => (Token::Or, 2),
            '"' => quoted(&chars, at)?,
            '[' | '{' => range(&chars, at)?,
            // Tools escape what a shell or Lucene could take for something else.
            '\\' if matches!(next, Some('>' | '<')) => {
                let (token, used) = compare(&chars, at + 1);
                (token, used + 1)
            }
            '>' | '<' => compare(&chars, at),
            _ => word(&chars, at)?,
        };
        found.push((place, token));
        at += used;
    }
    Ok(found)
}

fn compare(chars: &[char], at: usize) -> (Token, usize) {
    let equal = chars.get(at + 1) == Some(&'=');
    match (chars[at], equal) {
        ('>', true) => (Token::Compare(">="), 2),
        ('>', false) => (Token::Compare(">"), 1),
        (_, true) => (Token::Compare("<="), 2),
        (_, false) => (Token::Compare("<"), 1),
    }
}

fn quoted(chars: &[char], at: usize) -> Result<(Token, usize), BadQuery> {
    let mut word = Word::default();
    let mut rest = chars[at + 1..].iter();
    let mut used = 1;
    while let Some(c) = rest.next() {
        used += 1;
        match c {
            '"' => return Ok((Token::Word(word, true), used)),
            '\\' => {
                used += 1;
                if let Some(c) = rest.next() {
                    word.push_literal(*c);
                }
            }
            c => word.push_literal(*c),
        }
    }
    Err(BadQuery::new(format!("character {}", at + 1), "the quotes are not closed"))
}

fn range(chars: &[char], at: usize) -> Result<(Token, usize), BadQuery> {
    let bad = |reason| BadQuery::new(format!("character {}", at + 1), reason);
    let end = chars[at..].iter().position(|c| matches!(c, ']' | '}'));
    let end = end.ok_or_else(|| bad("the range is not closed"))? + at;
    let inside: String = chars[at + 1..end].iter().collect();
    let (from, to) =
        inside.split_once(" TO ").ok_or_else(|| bad("a range is [FROM TO TO] or {FROM TO TO}"))?;
    let bound = |text: &str| {
        let text = text.trim().trim_matches('"');
        (text != "*").then(|| text.to_owned())
    };
    let mut range = Range::default();
    match chars[at] {
        '[' => range.from = bound(from),
        _ => range.above = bound(from),
    }
    match chars[end] {
        ']' => range.to = bound(to),
        _ => range.below = bound(to),
    }
    Ok((Token::Range(range), end - at + 1))
}

fn word(chars: &[char], at: usize) -> Result<(Token, usize), BadQuery> {
    let mut word = Word::default();
    let (mut used, mut escapes) = (0, false);
    while let Some(c) = chars.get(at + used) {
        match c {
            '\\' => {
                let escaped = chars.get(at + used + 1).ok_or_else(|| {
                    BadQuery::new(format!("character {}", at + used + 1), "a '\\' at the end")
                })?;
                word.push_literal(*escaped);
                escapes = true;
                used += 2;
            }
            c if c.is_whitespace() || "():\"[]{}".contains(*c) => break,
            c => {
                word.push(*c);
                used += 1;
            }
        }
    }
    if used == 0 {
        return Err(BadQuery::new(
            format!("character {}", at + 1),
            format!("{:?} is not expected here", chars[at]),
        ));
    }
    let token = match &word.text()[..] {
        "AND" if !escapes => Token::And,
        "OR" if !escapes => Token::Or,
        "NOT" if !escapes => Token::Not,
        _ => Token::Word(word, false),
    };
    Ok((token, used))
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    all: bool,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn take(&mut self, token: &Token) -> bool {
        let there = self.peek() == Some(token);
        self.at += usize::from(there);
        there
    }

    fn bad(&self, reason: impl Into<String>) -> BadQuery {
        let at = match self.tokens.get(self.at) {
            Some((place, _)) => format!("character {place}"),
            None => "the end".to_owned(),
        };
        BadQuery::new(at, reason)
    }

    /// `a OR b`, and words beside each other where any of them is enough.
    fn alternatives(&mut self, field: Option<&str>, depth: usize) -> Result<Query, BadQuery> {
        if depth > DEEPEST {
            return Err(self.bad("it is nested too deeply"));
        }
        let mut any = vec![self.conjunction(field, depth)?];
        loop {
            let beside = !self.all && !matches!(self.peek(), None | Some(Token::Close | Token::Or));
            if !self.take(&Token::Or) && !beside {
                break;
            }
            any.push(self.conjunction(field, depth)?);
        }
        // `+a b` and `a -b`: what must be, and must not be, holds for all of them.
        let (bound, free): (Vec<_>, Vec<_>) = any.into_iter().partition(|(_, bound)| *bound);
        let bound: Vec<Query> = bound.into_iter().map(|(query, _)| query).collect();
        let mut free: Vec<Query> = free.into_iter().map(|(query, _)| query).collect();
        Ok(match (bound.is_empty(), free.len()) {
            (true, 1) => free.remove(0),
            (true, _) => Query::Some(1, free),
            (false, _) => Query::And(bound),
        })
    }

    /// `a AND b`; whether it is bound to hold whatever is beside it.
    fn conjunction(
        &mut self,
        field: Option<&str>,
        depth: usize,
    ) -> Result<(Query, bool), BadQuery> {
        let (first, bound) = self.negation(field, depth)?;
        let mut all = vec![first];
        loop {
            let beside = self.all && !matches!(self.peek(), None | Some(Token::Close | Token::Or));
            if !self.take(&Token::And) && !beside {
                break;
            }
            all.push(self.negation(field, depth)?.0);
        }
        let alone = all.len() == 1;
        let query = if alone { all.remove(0) } else { Query::And(all) };
        Ok((query, bound && alone))
    }

    fn negation(&mut self, field: Option<&str>, depth: usize) -> Result<(Query, bool), BadQuery> {
        if depth > DEEPEST {
            return Err(self.bad("it is nested too deeply"));
        }
        if self.take(&Token::Not) {
            let (inner, _) = self.negation(field, depth + 1)?;
            return Ok((Query::Not(Box::new(inner)), true));
        }
        if self.take(&Token::Must) {
            return Ok((self.negation(field, depth + 1)?.0, true));
        }
        Ok((self.clause(field, depth)?, false))
    }

    fn clause(&mut self, field: Option<&str>, depth: usize) -> Result<Query, BadQuery> {
        if depth > DEEPEST {
            return Err(self.bad("it is nested too deeply"));
        }
        let Some((_, token)) = self.tokens.get(self.at).cloned() else {
            return Err(self.bad("something is missing"));
        };
        self.at += 1;
        match token {
            Token::Open => {
                let inner = self.alternatives(field, depth + 1)?;
                match self.take(&Token::Close) {
                    true => Ok(inner),
                    false => Err(self.bad("a ')' is missing")),
                }
            }
            Token::Word(name, false) if self.take(&Token::Colon) => match &name.text()[..] {
                "_exists_" => match self.tokens.get(self.at).cloned() {
                    Some((_, Token::Word(field, _))) => {
                        self.at += 1;
                        Ok(Query::Exists(field.text()))
                    }
                    _ => Err(self.bad("_exists_ is followed by the name of a field")),
                },
                "*" if self.peek() == Some(&Token::Word(Word::parse("*"), false)) => {
                    self.at += 1;
                    Ok(Query::All)
                }
                name => self.clause(Some(name), depth + 1),
            },
            Token::Word(word, quoted) => Ok(value(field, word, quoted)),
            Token::Range(range) => match field {
                Some(field) => Ok(Query::Range(field.to_owned(), range)),
                None => Err(self.bad("a range needs a field")),
            },
            Token::Compare(operator) => self.comparison(field, operator),
            _ => {
                self.at -= 1;
                Err(self.bad("a value or a field is expected here"))
            }
        }
    }

    fn comparison(&mut self, field: Option<&str>, operator: &str) -> Result<Query, BadQuery> {
        let Some((_, Token::Word(word, _))) = self.tokens.get(self.at) else {
            return Err(self.bad("a comparison needs a value"));
        };
        let text = word.text();
        self.at += 1;
        let field = field.ok_or_else(|| self.bad("a comparison needs a field"))?;
        let mut range = Range::default();
        match operator {
            ">" => range.above = Some(text),
            ">=" => range.from = Some(text),
            "<" => range.below = Some(text),
            _ => range.to = Some(text),
        }
        Ok(Query::Range(field.to_owned(), range))
    }
}

/// A value, of a field or of any.
pub(super) fn value(field: Option<&str>, word: Word, quoted: bool) -> Query {
    if word.is_only_any() && !quoted {
        return match field {
            Some(field) => Query::Exists(field.to_owned()),
            None => Query::All,
        };
    }
    let pattern = if word.has_wildcards() {
        word.into_wildcard()
    } else if field.is_some() {
        Pattern::Exact(word.text())
    } else {
        Pattern::Words(vec![word.text().to_lowercase()], true)
    };
    Query::Is(field.map(str::to_owned), pattern)
}
