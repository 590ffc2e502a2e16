//! What a terminal may be shown: text from hosts, tokens and other machines must not move its
//! cursor, change its title or reorder what stands beside it.

use std::{borrow::Cow, fmt::Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};

/// Marks on one character: more than any script puts there, and fewer than reach the next line.
const MOST_MARKS: usize = 4;

const EMPTY_BRAILLE: char = '\u{2800}';

/// Whether a terminal shows the character as itself: it is no control character, none that hides,
/// joins or reorders others, none that nobody can see, and none without a meaning that all share.
fn is_plain(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let has_no_shape = matches!(
        category(c),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Surrogate
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    );
    let is_unseen = CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c);
    !has_no_shape && !is_unseen && c != EMPTY_BRAILLE
}

fn is_mark(c: char) -> bool {
    !c.is_ascii()
        && matches!(category(c), GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark)
}

fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

/// The text's characters, and whether each is plain where it stands.
fn looked_at(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut marks = 0;
    text.chars().map(move |c| {
        marks = if is_mark(c) { marks + 1 } else { 0 };
        (c, is_plain(c) && marks <= MOST_MARKS)
    })
}

/// Whether the text is plain, line ends apart.
pub fn are_plain_lines(text: &str) -> bool {
    text.split('\n').all(is_plain_text)
}

/// Whether all of the text is plain.
pub fn is_plain_text(text: &str) -> bool {
    looked_at(text).all(|(_, plain)| plain)
}

/// The text with visible marks such as `\u{1b}` in place of all that is not plain, line ends too.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if is_plain_text(text) {
        return Cow::Borrowed(text);
    }
    let mark = |(c, plain): (char, bool)| match plain {
        true => c.to_string(),
        false => c.escape_unicode().to_string(),
    };
    Cow::Owned(looked_at(text).map(mark).collect())
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
    for (c, is_plain) in looked_at(json) {
        if is_plain {
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

/// The text without roles tokens and API keys: people give them where the name of a file belongs.
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    let is_between = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.');
    let is_secret = |word: &str| is_token(word) || is_api_key(word);
    if !text.split(is_between).any(is_secret) {
        return Cow::Borrowed(text);
    }
    let shown = |part: &str| {
        let word = part.trim_end_matches(is_between);
        match is_secret(word) {
            true => format!("[redacted]{}", &part[word.len()..]),
            false => part.to_owned(),
        }
    };
    Cow::Owned(text.split_inclusive(is_between).map(shown).collect())
}

/// Header and claims of a JWT are objects, and so begin alike; also of one that was cut.
fn is_token(word: &str) -> bool {
    word.split_once("eyJ").is_some_and(|(_, rest)| rest.contains(".eyJ"))
}

/// The Base64 of an id of 32 digits, a colon and the secret; also of one that was cut.
fn is_api_key(word: &str) -> bool {
    let id = word.get(..44).and_then(|id| STANDARD.decode(id).ok()).unwrap_or_default();
    id.strip_suffix(b":").is_some_and(|id| id.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_token_or_an_api_key_is_left_out() {
        let token = "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhIn0.c2lnbmF0dXJl-_x";
        let key = STANDARD.encode(format!("{}:Zm9vYmFyYmF6cXV", "0a".repeat(16)));
        for (text, shown) in [
            (format!("no file {token}"), "no file [redacted]"),
            (format!("'{token}': it is not there"), "'[redacted]': it is not there"),
            (format!("/tmp/{token}/x: {token}"), "/tmp/[redacted]/x: [redacted]"),
            (format!("--roles-token-file={token}"), "--roles-token-file=[redacted]"),
            (format!("{}…", &token[..30]), "[redacted]…"),
            (
                format!("no key in {key}, or {}…", &key[..50]),
                "no key in [redacted], or [redacted]…",
            ),
        ] {
            assert_eq!(without_secrets(&text), shown);
        }
        for plain in ["", "host-1.example", "/var/lib/eyJ/file.txt", &"ab".repeat(40)] {
            assert_eq!(without_secrets(plain), plain);
        }
    }

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
    fn what_nobody_sees_or_all_see_differently_is_not_plain() {
        let unseen = [
            '\u{ad}',
            '\u{61c}',
            '\u{180b}',
            '\u{180e}',
            '\u{17b4}',
            '\u{34f}',
            '\u{115f}',
            '\u{3164}',
            '\u{ffa0}',
            '\u{fe0f}',
            '\u{e01ef}',
            '\u{1bca0}',
            '\u{1d173}',
            '\u{2800}',
            '\u{2060}',
            '\u{fff9}',
            '\u{e0041}',
        ];
        let nobody_knows =
            ['\u{ffff}', '\u{fdd0}', '\u{10ffff}', '\u{e000}', '\u{f8ff}', '\u{378}'];
        for c in unseen.into_iter().chain(nobody_knows) {
            let text = format!("a{c}b");
            assert!(!is_plain_text(&text), "{text:?}");
            assert_eq!(escaped(&text), format!("a\\u{{{:x}}}b", u32::from(c)));
        }
        for text in ["größe 7", "e\u{301}", "日本", "שָׁלוֹם", "ไม่", "Ω — ½ €", "🚀"]
        {
            assert!(is_plain_text(text), "{text}");
        }
    }

    #[test]
    fn marks_do_not_pile_up() {
        let piled = |marks: usize| format!("a{}b", "\u{301}".repeat(marks));
        assert!(is_plain_text(&piled(MOST_MARKS)) && !is_plain_text(&piled(MOST_MARKS + 1)));
        let text = escaped(&piled(100)).into_owned();
        assert_eq!(text, format!("{}{}b", &piled(4)[..9], "\\u{301}".repeat(96)));
        assert!(is_plain_text(&text) && is_plain_text(&escaped_json(&piled(100))));
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
