//! Aligned columns for a person. Must never cut a number or a name: a column is as wide as what stands in it.

/// How many rows are shown unless all are asked for.
pub const ROWS: usize = 20;

/// The first column to the left, all others to the right, two blanks between and before.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let wide = |text: &str| text.chars().count();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| wide(cell));
        cells
            .chain(head.get(at).map(|cell| wide(cell)))
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (at, (cell, width)) in cells.zip(&widths).enumerate() {
            line += "  ";
            line += &match at {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            };
        }
        line.trim_end().to_owned()
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines
}

/// A number, or `-` for none.
pub fn number(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that columns stand below each other, whichever cell is the widest.
    #[test]
    fn columns_are_aligned() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let lines = table(
            &["key", "slot", "target"],
            &[row(["0xab…ab", "1234567", "9"]), row(["0xa", "-", "10"])],
        );
        assert_eq!(
            lines,
            [
                "  key         slot  target",
                "  0xab…ab  1234567       9",
                "  0xa            -      10"
            ]
        );
    }
}
