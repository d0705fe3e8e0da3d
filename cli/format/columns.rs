//! Columns as docker aligns them: Go's elastic tab stops, at least ten wide, three spaces between.

const NARROWEST: usize = 10;
const BETWEEN: usize = 3;

/// Lines with tabs to lines with spaces. A column is a run of lines that have a tab there; what stands
/// behind the last tab of a line is not padded.
pub fn align(text: &str) -> String {
    align_within(text, NARROWEST, BETWEEN)
}

/// The same with other numbers of characters: of the narrowest column, and between columns.
pub fn align_within(text: &str, narrowest: usize, between: usize) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = vec![Vec::new(); lines.len()];
    measure(&lines, &mut widths, 0, (narrowest, between));
    let aligned = lines.iter().zip(&widths).map(|(cells, widths)| padded(cells, widths));
    aligned.collect::<Vec<String>>().join("\n")
}

/// Finds the blocks of lines that have a column `column`, and its width in each.
fn measure(
    lines: &[Vec<&str>],
    widths: &mut [Vec<usize>],
    column: usize,
    (narrowest, between): (usize, usize),
) {
    let has_column = |line: &Vec<&str>| column + 1 < line.len();
    let mut start = 0;
    while start < lines.len() {
        if !has_column(&lines[start]) {
            start += 1;
            continue;
        }
        let length = lines[start..].iter().take_while(|line| has_column(line)).count();
        let block = start..start + length;
        let width = |line: &Vec<&str>| line[column].chars().count() + between;
        let widest = lines[block.clone()].iter().map(width).fold(narrowest, usize::max);
        widths[block.clone()].iter_mut().for_each(|widths| widths.push(widest));
        let block_widths = &mut widths[block.clone()];
        measure(&lines[block.clone()], block_widths, column + 1, (narrowest, between));
        start = block.end;
    }
}

fn padded(cells: &[&str], widths: &[usize]) -> String {
    let mut line = String::new();
    for (at, cell) in cells.iter().enumerate() {
        line.push_str(cell);
        if let Some(width) = widths.get(at) {
            line.push_str(&" ".repeat(width - cell.chars().count()));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::align;

    #[test]
    fn columns_are_as_gos_tabwriter_makes_them() {
        let table = [
            ("A\tB\n", "A         B\n"),
            ("REPOSITORY\tTAG\nbusybox\tlatest\n", "REPOSITORY   TAG\nbusybox      latest\n"),
            ("a\t\nb\t\n", "a         \nb         \n"),
            // A line without the column ends its block.
            ("aaaaaaaaaaaa\tx\nplain\nb\ty\n", "aaaaaaaaaaaa   x\nplain\nb         y\n"),
            ("é\tx\tz\neeeeeeeee\ty\n", "é           x         z\neeeeeeeee   y\n"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(align(text), expected, "{text:?}");
        }
    }
}
