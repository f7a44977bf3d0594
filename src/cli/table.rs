//! Plain tables whose columns line up as terminals count them.

use unicode_width::UnicodeWidthStr;

/// Lines of a table with a head; the last column is not padded.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|text| text.width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut lines = vec![line(head.iter().copied(), &widths)];
    for row in rows {
        lines.push(line(row.iter().map(String::as_str), &widths));
    }
    lines.join("\n")
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, width) in cells.zip(widths) {
        text.push_str(cell);
        text.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_script() {
        let rows = vec![
            vec!["注文".to_owned(), "1".to_owned()],
            vec!["ab".to_owned(), "22".to_owned()],
        ];
        assert_eq!(table(&["NAME", "N"], &rows), "NAME  N\n注文  1\nab    22");
    }
}
