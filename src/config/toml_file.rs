//! TOML files that a person writes: what is wrong with one is said with its line, its key, and what
//! is expected there.

use serde::de::DeserializeOwned;
use toml::{Table, Value, de::DeTable};

use crate::model::printable::cut;

const LONGEST_TOLD: usize = 120;

/// Reads a TOML text; all that is wrong with it, in words.
pub fn read_toml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let whole = match toml::from_str(text) {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    let (Ok(spanned), Ok(table)) = (DeTable::parse(text), text.parse::<Table>()) else {
        let line = whole.span().map(|span| format!("line {}: ", line_at(text, span.start)));
        return Err(format!("{}{}", line.unwrap_or_default(), whole.message()));
    };
    let mut keys: Vec<_> = spanned.get_ref().keys().collect();
    keys.sort_by_key(|key| key.span().start);
    let mistakes: Vec<String> = keys
        .into_iter()
        .filter_map(|key| {
            let name = &**key.get_ref();
            let wrong = what_is_wrong::<T>(name, table.get(name)?)?;
            Some(format!("line {}: {wrong}", line_at(text, key.span().start)))
        })
        .collect();
    Err(if mistakes.is_empty() { whole.message().to_owned() } else { mistakes.join("; ") })
}

/// A value as TOML.
pub fn toml_text(value: &impl serde::Serialize) -> String {
    toml::to_string(value).expect("plain data")
}

fn line_at(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

fn what_is_wrong<T: DeserializeOwned>(key: &str, value: &Value) -> Option<String> {
    let reads = |value: Value| {
        T::deserialize(Value::Table([(key.to_owned(), value)].into_iter().collect()))
    };
    let error = reads(value.clone()).err()?;
    let shown = cut(key, LONGEST_TOLD);
    if error.message().starts_with("unknown field") {
        return Some(format!("there is no key {shown:?}"));
    }
    let meant = other_forms(value).into_iter().find(|it| reads(it.clone()).is_ok());
    Some(match meant {
        Some(meant) => {
            let form = match &meant {
                Value::Array(_) => "a list of texts in quotes",
                Value::Boolean(_) => "true or false, without quotes",
                _ => "text in quotes",
            };
            let meant = cut(&meant.to_string(), LONGEST_TOLD);
            format!("{shown} is {form}; write '{shown} = {meant}'")
        }
        None => format!("{shown}: {}", error.message()),
    })
}

/// The same, as a file has to say it where another form is expected.
fn other_forms(value: &Value) -> Vec<Value> {
    match value {
        Value::String(text) => {
            let truth = text.parse().ok().map(Value::Boolean);
            truth.into_iter().chain([list(text.split(',').map(str::trim))]).collect()
        }
        Value::Array(parts) => {
            let parts: Vec<String> = parts.iter().map(in_words).collect();
            vec![Value::from(parts.join(",")), list(parts.iter().map(String::as_str))]
        }
        Value::Table(_) => Vec::new(),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {
            let text = in_words(value);
            vec![Value::from(&*text), list([&*text])]
        }
    }
}

fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    Value::Array(texts.into_iter().map(Value::from).collect())
}

fn in_words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::InstallArguments;

    #[test]
    fn each_mistake_is_named_with_its_line_its_key_and_the_form_that_is_expected() {
        let text = "# ours\ncapacity = 10_000\nrole = 'x'\ncoordinator-host = 'a, b'\nforce = 'true'\nallocator-tags = ['rack:7', 'disk:ssd']\nexternal-hostname = [1]\n";
        let told = read_toml::<InstallArguments>(text).err().expect("mistakes");
        let expected = [
            "line 2: capacity is text in quotes; write 'capacity = \"10000\"'",
            "line 3: there is no key \"role\"",
            "line 4: coordinator-host is a list of texts in quotes; write 'coordinator-host = [\"a\", \"b\"]'",
            "line 5: force is true or false, without quotes; write 'force = true'",
            "line 6: allocator-tags is text in quotes; write 'allocator-tags = \"rack:7,disk:ssd\"'",
            "line 7: external-hostname is a list of texts in quotes; write 'external-hostname = [\"1\"]'",
        ];
        assert_eq!(told.split("; line ").collect::<Vec<_>>().join("; line "), expected.join("; "));
        for (text, beginning) in [
            ("roles = 'a'\nroles = 'b'", "line 2: duplicate key"),
            ("\n\nroles = ", "line 3: "),
            ("[host]\nroles = 'a'", "line 1: there is no key \"host\""),
        ] {
            let told = read_toml::<InstallArguments>(text).err().expect(text);
            assert!(told.starts_with(beginning), "{told}");
        }
    }
}
