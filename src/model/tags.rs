use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::printable::{escaped, is_plain_text};

const MAX_TAGS: usize = 64;
const MAX_LENGTH: usize = 256;
const MAX_BYTES: usize = 4096;

/// Fields of hosts that exporters make labels of, beside those that they make of tags.
const FIELDS: [&str; 5] = ["connected", "healthy", "ip", "maintenance", "zone"];

/// Whether a tag of this name is taken for something else where tags become labels.
pub fn is_like_a_field(name: &str) -> bool {
    FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name))
}

/// Free-form labels of a host, `key:value`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(pub BTreeMap<String, String>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTag {
    #[error("'{0}' is not of the form key:value")]
    Form(String),
    #[error("there are more than {MAX_TAGS} tags")]
    TooMany,
    #[error("all tags together have more than {MAX_BYTES} bytes")]
    TooLong,
    #[error("a key or value is longer than {MAX_LENGTH} bytes or not plain text")]
    Text,
}

impl Tags {
    /// The names of tags that are like those of fields.
    pub fn like_fields(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| is_like_a_field(name))
    }

    /// The same with visible marks for what is not plain text. They are cut so that tags that kept to
    /// the limits before still do.
    #[must_use]
    pub fn escaped(&self) -> Self {
        let shown = self.escaped_within(|_| MAX_LENGTH);
        match shown.check() {
            Err(InvalidTag::TooLong) => self.escaped_within(|text| text.len().min(MAX_LENGTH)),
            _ => shown,
        }
    }

    /// The same with visible marks, where there are any cut to as many bytes as `longest` says.
    fn escaped_within(&self, longest: impl Fn(&str) -> usize) -> Self {
        let plain = |text: &String| match escaped(text) {
            Cow::Borrowed(plain) => plain.to_owned(),
            Cow::Owned(mut marked) => {
                marked.truncate(marked.floor_char_boundary(longest(text)));
                marked
            }
        };
        Self(self.0.iter().map(|(key, value)| (plain(key), plain(value))).collect())
    }

    /// Whether the tags keep to the limits that `--allocator-tags` has.
    pub fn check(&self) -> Result<(), InvalidTag> {
        let fits = |text: &String| text.len() <= MAX_LENGTH && is_plain_text(text);
        if self.0.len() > MAX_TAGS {
            return Err(InvalidTag::TooMany);
        }
        if !self.0.iter().all(|(key, value)| fits(key) && fits(value)) {
            return Err(InvalidTag::Text);
        }
        let bytes: usize = self.0.iter().map(|(key, value)| key.len() + value.len()).sum();
        match bytes {
            0..=MAX_BYTES => Ok(()),
            _ => Err(InvalidTag::TooLong),
        }
    }
}

impl FromStr for Tags {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        let mut tags = BTreeMap::new();
        for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            match tag.split_once(':') {
                Some((key, value)) if !key.is_empty() => {
                    tags.insert(key.to_owned(), value.to_owned());
                }
                _ => return Err(InvalidTag::Form(tag.chars().take(64).collect())),
            }
        }
        let tags = Tags(tags);
        tags.check()?;
        Ok(tags)
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            write!(f, "{}{key}:{value}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_read_back_what_they_print() {
        let tags: Tags = "rack:7, disk:nvme:2".parse().expect("two tags");
        assert_eq!(tags.to_string(), "disk:nvme:2,rack:7");
        assert_eq!("rack".parse::<Tags>(), Err(InvalidTag::Form("rack".into())));
    }

    #[test]
    fn what_moves_a_terminal_hides_or_reorders_text_is_no_tag() {
        for hidden in ["\u{1b}[2J", "\u{202e}", "\u{200b}", "\u{feff}"] {
            for tag in [format!("rack:{hidden}7"), format!("ra{hidden}ck:7")] {
                assert_eq!(tag.parse::<Tags>(), Err(InvalidTag::Text), "{tag:?}");
            }
        }
        "rack:größe 7".parse::<Tags>().expect("plain text");
    }
}
