//! What pages show is escaped by the templates, and nothing goes around that.

use std::{fs, path::Path};

use crate::structure::source_files;

/// Ways to tell the templates that something needs no escaping.
const WAYS_AROUND: [&str; 6] =
    ["|safe", "| safe", "MarkupDisplay", "HtmlSafe", "escape = \"none\"", "Safe("];

/// What a page would do by itself, which its policy forbids.
const INLINE: [&str; 5] = ["<style", " style=", "javascript:", "<script>", " on"];

fn templates() -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui/templates");
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn nothing_goes_around_the_escaping_of_templates() {
    let sources = source_files()
        .into_iter()
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()));
    let ui = sources.filter(|(name, _)| name.contains("/src/ui/"));
    for (name, text) in ui.chain(templates()) {
        for way in WAYS_AROUND {
            assert!(!text.contains(way), "{name} has {way}");
        }
        assert!(!text.contains("source ="), "{name} has a template that is no file");
    }
}

#[test]
fn templates_are_html_and_have_nothing_inline() {
    let all = templates();
    assert!(all.len() > 10, "{}", all.len());
    for (name, text) in all {
        assert!(name.ends_with(".html"), "{name} is not escaped as HTML");
        for inline in INLINE {
            let handler = inline == " on";
            let found = text.match_indices(inline).any(|(at, _)| {
                !handler
                    || text[at..].split(['=', ' ', '>']).nth(1).is_some_and(|it| {
                        it.starts_with("on") && text[at + 1 + it.len()..].starts_with('=')
                    })
            });
            assert!(!found, "{name} has {inline}");
        }
    }
}
