//! How text is laid out on a terminal: lines break between words, tables that are too wide become
//! blocks.

use crate::model::printable::cut;

/// Characters of a cell; a fingerprint is shorter.
const LONGEST_CELL: usize = 80;

/// Narrower terminals break the lines themselves.
const NARROWEST: usize = 20;

/// The text in lines of at most `width` columns, broken at blanks. What follows stands below the
/// last column of the first line, or below its beginning. A word that is too long for that begins
/// further left, and stays whole.
pub fn wrapped(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width.filter(|width| *width >= NARROWEST) else {
        return vec![text.to_owned()];
    };
    if text.chars().count() <= width {
        return vec![text.to_owned()];
    }
    let indent = indent(text, width / 2);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut blank = true;
    for word in text.split_inclusive(' ') {
        let length = line.chars().count() + word.trim_end().chars().count();
        if !blank && length > width {
            lines.push(line.trim_end().to_owned());
            line = " ".repeat(indent.min(width.saturating_sub(word.trim_end().chars().count())));
            blank = true;
        }
        line.push_str(word);
        blank &= word.trim().is_empty();
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// What to do about something, `indent` columns in. Commands that are joined in it get lines of
/// their own where they do not fit into one, so that each can be copied.
pub fn fix(text: &str, indent: usize, width: Option<usize>) -> Vec<String> {
    let whole = format!("{:indent$}fix: {text}", "");
    if width.is_none_or(|width| whole.chars().count() <= width) {
        return vec![whole];
    }
    let mut lines = Vec::new();
    for (index, part) in text.split(" && ").enumerate() {
        let head = if index == 0 { "fix:" } else { "" };
        lines.extend(wrapped(&format!("{:indent$}{head:<5}{part}", ""), width));
    }
    lines
}

/// Where the last column of a line begins, if that is before `most`.
fn indent(text: &str, most: usize) -> usize {
    let chars: Vec<char> = text.chars().collect();
    let begins = |at: &usize| chars[at - 2..*at] == [' ', ' '] && chars[*at] != ' ';
    let leading = chars.iter().take_while(|it| **it == ' ').count();
    (2..chars.len().min(most)).rev().find(begins).unwrap_or(leading)
}

/// Lines of columns as wide as what is in them, with two blanks between; where they do not fit,
/// a block of lines for each row.
pub fn table<const N: usize>(
    heads: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    width: Option<usize>,
) -> Vec<String> {
    let shown = |row: [String; N]| row.map(|cell| cut(&cell, LONGEST_CELL));
    let rows: Vec<[String; N]> = rows.into_iter().map(shown).collect();
    let heads = heads.map(str::to_owned);
    let widths: [usize; N] = std::array::from_fn(|at| {
        let cells = std::iter::once(&heads).chain(&rows).map(|row| row[at].chars().count());
        cells.max().unwrap_or(0)
    });
    let whole = widths.iter().sum::<usize>() + 2 * (N - 1);
    if width.is_some_and(|width| whole > width) {
        return blocks(&heads, &rows, width);
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&heads).chain(&rows).map(line).collect()
}

fn blocks<const N: usize>(
    heads: &[String; N],
    rows: &[[String; N]],
    width: Option<usize>,
) -> Vec<String> {
    let longest = heads.iter().map(|head| head.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for row in rows {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        for (head, cell) in heads.iter().zip(row).filter(|(_, cell)| !cell.is_empty()) {
            lines.extend(wrapped(&format!("{head:<longest$}  {cell}"), width));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_blanks_at_their_end() {
        let shown = table(["A", "LONGER"], [["abc".to_owned(), "x".to_owned()]], None);
        assert_eq!(shown, ["A    LONGER", "abc  x"]);
    }

    #[test]
    fn a_cell_is_one_line_of_plain_text_and_not_endless() {
        let hostile = ["\u{1b}[2J\n".to_owned() + &"x".repeat(60_000), "b".to_owned()];
        let shown = table(["A", "B"], [hostile], None);
        assert_eq!(shown.len(), 2);
        assert!(shown[1].starts_with("\\u{1b}[2J\\u{a}xxx") && shown[1].ends_with("x…  b"));
    }

    #[test]
    fn a_table_that_does_not_fit_is_a_block_for_each_row() {
        let rows =
            [["a b c d e f g h i j".to_owned(), "x".to_owned()], [String::new(), "y".into()]];
        let shown = table(["A", "LONGER"], rows, Some(20));
        assert_eq!(shown, ["A       a b c d e f", "        g h i j", "LONGER  x", "", "LONGER  y"]);
    }

    #[test]
    fn commands_of_a_fix_that_is_too_long_stand_below_each_other() {
        let text = "sysctl -w a=1 && echo a=1";
        assert_eq!(fix(text, 2, Some(80)), ["  fix: sysctl -w a=1 && echo a=1"]);
        assert_eq!(fix(text, 2, Some(22)), ["  fix: sysctl -w a=1", "       echo a=1"]);
    }

    #[test]
    fn lines_break_between_words_and_go_on_below_their_last_column() {
        let text = "error  one two three four five";
        assert_eq!(wrapped(text, None), [text]);
        assert_eq!(wrapped(text, Some(22)), ["error  one two three", "       four five"]);
        let pin = "x".repeat(20);
        let shown = wrapped(&format!("a pin  {pin}"), Some(22));
        assert_eq!(shown, ["a pin", &format!("  {pin}")]);
        let word = "x".repeat(40);
        let shown = wrapped(&format!("a {word} b"), Some(20));
        assert_eq!(shown, ["a", &word, "b"]);
    }
}
