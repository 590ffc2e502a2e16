//! What a terminal may be shown: text from hosts, tokens and other machines must not move its
//! cursor, change its title or reorder what stands beside it.

use std::{borrow::Cow, fmt::Write};

/// Whether a terminal shows the character as itself: it is no control character (C0, DEL, C1), and
/// none that hides, joins or reorders others.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Whether the text is plain, line ends apart.
pub fn are_plain_lines(text: &str) -> bool {
    text.split('\n').all(is_plain_text)
}

/// Whether all of the text is plain.
pub fn is_plain_text(text: &str) -> bool {
    text.chars().all(is_plain)
}

/// The text with visible marks such as `\u{1b}` in place of all that is not plain, line ends too.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if is_plain_text(text) {
        return Cow::Borrowed(text);
    }
    let mark = |c: char| match is_plain(c) {
        true => c.to_string(),
        false => c.escape_unicode().to_string(),
    };
    Cow::Owned(text.chars().map(mark).collect())
}

/// The same with the line ends that stand in it.
pub fn escaped_lines(text: &str) -> String {
    text.split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}

/// A JSON text that means the same and is plain. What is not plain stands inside of strings only.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    if is_plain_text(json) {
        return Cow::Borrowed(json);
    }
    let mut plain = String::with_capacity(json.len());
    for c in json.chars() {
        if is_plain(c) {
            plain.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // A string takes all that is written to it.
            let _ = write!(plain, "\\u{unit:04x}");
        }
    }
    Cow::Owned(plain)
}

/// The escaped text, cut after `longest` characters with a mark that says so.
pub fn cut(text: &str, longest: usize) -> String {
    let text = escaped(text);
    match text.char_indices().nth(longest) {
        None => text.into_owned(),
        Some(_) => text.chars().take(longest.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str =
        "a\u{1b}[2J\u{7}\r\n\t\u{7f}\u{9b}\u{202e}\u{2066}\u{200b}\u{2028}\u{feff}\u{e0041}ü…\\";

    #[test]
    fn nothing_that_moves_a_terminal_or_reorders_text_is_left() {
        let text = escaped(HOSTILE);
        assert!(
            text.starts_with("a\\u{1b}[2J\\u{7}\\u{d}\\u{a}\\u{9}\\u{7f}\\u{9b}\\u{202e}"),
            "{text}"
        );
        assert!(text.chars().all(is_plain) && text.ends_with("ü…\\"), "{text}");
        assert_eq!(escaped_lines("a\n\u{1b}"), "a\n\\u{1b}");
        assert_eq!(escaped(&text), text, "what is plain stays as it is");
    }

    #[test]
    fn json_stays_the_same_value() {
        let json = serde_json::json!({ HOSTILE: [HOSTILE] });
        let text = json.to_string();
        let plain = escaped_json(&text);
        assert!(plain.chars().all(is_plain), "{plain}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&plain).expect("JSON"), json);
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut(&"\u{1b}".repeat(9), 8), "\\u{1b}\\…");
    }
}
