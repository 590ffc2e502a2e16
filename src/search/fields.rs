//! The fields that one kind of host can be asked for. A name that is none of them is a slip: a
//! query with it would find nothing, or everything, without a word.

use super::{BadQuery, Query};

pub struct Fields {
    pub names: &'static [&'static str],
    /// Fields below which any name can stand.
    pub open: &'static [&'static str],
}

impl Query {
    /// The query itself, if all fields that it names are among these.
    pub fn of_known_fields(self, fields: &Fields) -> Result<Self, BadQuery> {
        self.check_fields(fields)?;
        Ok(self)
    }

    fn check_fields(&self, fields: &Fields) -> Result<(), BadQuery> {
        match self {
            Query::All | Query::None | Query::Is(None, _) => Ok(()),
            Query::Not(inner) => inner.check_fields(fields),
            Query::And(all) | Query::Some(_, all) => {
                all.iter().try_for_each(|query| query.check_fields(fields))
            }
            Query::Exists(field) | Query::Is(Some(field), _) | Query::Range(field, _) => {
                fields.check(field)
            }
        }
    }
}

impl Fields {
    fn check(&self, field: &str) -> Result<(), BadQuery> {
        let below = |open: &&str| field.strip_prefix(*open).is_some_and(|it| it.starts_with('.'));
        if self.names.contains(&field) || self.open.iter().any(below) {
            return Ok(());
        }
        let shown: String = field.chars().take(40).collect();
        let reason = match self.nearest(field) {
            Some(nearest) => format!("there is no field {shown:?}; did you mean {nearest:?}?"),
            None => format!("there is no field {shown:?}"),
        };
        Err(BadQuery::new("the name of a field", reason))
    }

    /// What was probably meant: the same at the end of a longer name, or a slip away.
    fn nearest(&self, field: &str) -> Option<&'static str> {
        let ends =
            |name: &&&str| name.strip_suffix(field).is_some_and(|it| it.ends_with(['.', '_']));
        self.names.iter().find(ends).copied().or_else(|| {
            let near = self.names.iter().map(|name| (slips(field, name), *name)).min()?;
            (near.0 <= 2).then_some(near.1)
        })
    }
}

/// Characters to be put in, left out or replaced (Levenshtein); for names of a bounded length.
fn slips(one: &str, other: &str) -> usize {
    if one.len() > 64 {
        return usize::MAX;
    }
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, c) in one.chars().enumerate() {
        let mut corner = index;
        row[0] = index + 1;
        for (at, d) in other.iter().enumerate() {
            let replaced = corner + usize::from(c != *d);
            corner = row[at + 1];
            row[at + 1] = replaced.min(corner + 1).min(row[at] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::query_from_text;

    const FIELDS: Fields =
        Fields { names: &["connected", "roles.role_name", "zone"], open: &["tags"] };

    fn told(text: &str) -> Result<(), String> {
        let query = query_from_text(text, false).expect("readable");
        query.of_known_fields(&FIELDS).map(|_| ()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_misspelt_field_is_told_with_what_was_meant() {
        for good in ["", "*", "word", "connected:true", "tags.rack:7", "NOT (zone:a OR zone:b)"] {
            assert_eq!(told(good), Ok(()), "{good}");
        }
        for (bad, meant) in [
            ("conected:true", "connected"),
            ("zone:a AND NOT role_name:proxy", "roles.role_name"),
            ("_exists_:zoen", "zone"),
            ("zones:[a TO b]", "zone"),
        ] {
            let error = told(bad).expect_err(bad);
            assert!(error.contains(&format!("did you mean {meant:?}?")), "{bad}: {error}");
        }
        // Three slips away nothing is meant.
        for none in ["moon", "zonesss", "onnectedd_"] {
            let error = told(&format!("{none}:full")).expect_err("none");
            assert!(error.ends_with(&format!("there is no field {none:?}")), "{error}");
        }
        for near in ["connetced", "cconnected", "onnecte"] {
            let error = told(&format!("{near}:true")).expect_err("none");
            assert!(error.ends_with("did you mean \"connected\"?"), "{error}");
        }
        assert!(told("tagsrack:7").is_err());
    }
}
