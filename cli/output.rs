//! What a command prints as its result, on stdout. Everything else goes to stderr by way of
//! `report` and `progress`.

use std::io::{self, Write};

/// Writes a result to stdout. A reader that went away (`rbuild images | head`) is no failure.
pub fn write(text: &str) -> io::Result<()> {
    quiet_when_unread(|| {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    })
}

/// As [`write`], with a newline at the end.
pub fn line(text: &str) -> io::Result<()> {
    write(&format!("{text}\n"))
}

fn quiet_when_unread(act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    match act() {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Columns as docker prints them: each as wide as its widest cell, three spaces between.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    table_row(&mut text, header.iter().copied(), &widths);
    for row in rows {
        table_row(&mut text, row.iter().map(String::as_str), &widths);
    }
    text
}

fn table_row<'a>(text: &mut String, cells: impl Iterator<Item = &'a str>, widths: &[usize]) {
    let mut line = String::new();
    for (cell, width) in cells.zip(widths) {
        line.push_str(&format!("{cell:<width$}   "));
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// A size as docker prints it: three significant digits, powers of 1000 (`4.42MB`).
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = if unit == 0 || value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    let number = format!("{value:.decimals$}");
    let number = if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        &number
    };
    format!("{number}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_dockers() {
        assert_eq!(size(0), "0B");
        assert_eq!(size(999), "999B");
        assert_eq!(size(1000), "1kB");
        assert_eq!(size(4_420_000), "4.42MB");
        assert_eq!(size(74_800_000), "74.8MB");
        assert_eq!(size(1_130_000_000), "1.13GB");
    }

    #[test]
    fn columns_align() {
        let rows = vec![vec!["busybox".to_owned(), "latest".to_owned()]];
        assert_eq!(table(&["REPOSITORY", "TAG"], &rows), "REPOSITORY   TAG\nbusybox      latest\n");
    }
}
