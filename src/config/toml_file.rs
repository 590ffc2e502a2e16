//! TOML files that a person writes: what is wrong with one is said with its line, its key, and what
//! is expected there.

use serde::de::DeserializeOwned;
use toml::{Table, Value, de::DeTable};

use crate::model::printable::cut;

const LONGEST_TOLD: usize = 120;

/// Reads a TOML text; all that is wrong with it, in words. What is said in another form than a key
/// has, and can mean one thing only, is taken: one text for a list of them, a number for its text.
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
    let (mut meant, mut mistakes) = (Table::new(), Vec::new());
    for key in keys {
        let name = &**key.get_ref();
        let Some(value) = table.get(name) else { continue };
        match as_meant::<T>(name, value) {
            Ok(value) => drop(meant.insert(name.to_owned(), value)),
            Err(wrong) => {
                mistakes.push(format!("line {}: {wrong}", line_at(text, key.span().start)))
            }
        }
    }
    match mistakes.is_empty() {
        true => T::deserialize(Value::Table(meant)).map_err(|error| error.message().to_owned()),
        false => Err(mistakes.join("; ")),
    }
}

/// A value as TOML.
pub fn toml_text(value: &impl serde::Serialize) -> String {
    toml::to_string(value).expect("plain data")
}

fn line_at(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// The value in the form that the key has, or what is wrong with it.
fn as_meant<T: DeserializeOwned>(key: &str, value: &Value) -> Result<Value, String> {
    let reads = |value: &Value| {
        T::deserialize(Value::Table([(key.to_owned(), value.clone())].into_iter().collect()))
    };
    let Err(error) = reads(value) else { return Ok(value.clone()) };
    let shown = cut(key, LONGEST_TOLD);
    if error.message().starts_with("unknown field") {
        return Err(format!("there is no key {shown:?}"));
    }
    let meant = other_forms(value).into_iter().find(|it| reads(it).is_ok());
    meant.ok_or_else(|| format!("{shown}: {}", error.message()))
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
    fn what_can_be_meant_in_one_way_only_is_taken_in_any_form() {
        let text = "capacity = 10_000\ncoordinator-host = 'a, b'\nforce = 'true'\nallocator-tags = ['rack:7', 'disk:ssd']\nexternal-hostname = 'c'\nroles = ['allocator', 'proxy']\n";
        let read = read_toml::<InstallArguments>(text).expect("read");
        assert_eq!(read.settings.capacity.as_deref(), Some("10000"));
        assert_eq!(read.coordinator_host, ["a", "b"]);
        assert!(read.force);
        assert_eq!(read.settings.allocator_tags.as_deref(), Some("rack:7,disk:ssd"));
        assert_eq!(read.settings.external_hostname, ["c"]);
        assert_eq!(read.roles.as_deref(), Some("allocator,proxy"));
    }

    #[test]
    fn each_mistake_is_named_with_its_line_and_its_key() {
        let text = "# ours\ncapacity = 10_000\nrole = 'x'\nforce = 'perhaps'\n";
        let told = read_toml::<InstallArguments>(text).err().expect("mistakes");
        assert!(told.starts_with("line 3: there is no key \"role\"; line 4: force: "), "{told}");
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
