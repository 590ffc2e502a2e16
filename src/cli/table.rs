use crate::model::printable::cut;

/// Characters of a cell; a fingerprint is shorter.
const LONGEST_CELL: usize = 80;

/// Lines of columns as wide as what is in them, with two blanks between.
pub fn table<const N: usize>(
    heads: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Vec<String> {
    let heads = heads.map(str::to_owned);
    let shown = |row: [String; N]| row.map(|cell| cut(&cell, LONGEST_CELL));
    let rows: Vec<[String; N]> = std::iter::once(heads).chain(rows).map(shown).collect();
    let widths: [usize; N] =
        std::array::from_fn(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_blanks_at_their_end() {
        let shown = table(["A", "LONGER"], [["abc".to_owned(), "x".to_owned()]]);
        assert_eq!(shown, ["A    LONGER", "abc  x"]);
    }

    #[test]
    fn a_cell_is_one_line_of_plain_text_and_not_endless() {
        let hostile = ["\u{1b}[2J\n".to_owned() + &"x".repeat(60_000), "b".to_owned()];
        let shown = table(["A", "B"], [hostile]);
        assert_eq!(shown.len(), 2);
        assert!(shown[1].starts_with("\\u{1b}[2J\\u{a}xxx") && shown[1].ends_with("x…  b"));
    }
}
