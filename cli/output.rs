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

/// A size as docker prints it: three significant digits, powers of 1000 (`4.42MB`).
pub fn size(bytes: u64) -> String {
    in_units(bytes, 1000.0, 3, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// The same with four digits, as docker prints it where it counts space (`3.217MB`).
pub fn long_size(bytes: u64) -> String {
    in_units(bytes, 1000.0, 4, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// A size of memory as docker prints it: four significant digits, powers of 1024 (`7.752GiB`).
pub fn memory(bytes: u64) -> String {
    in_units(bytes, 1024.0, 4, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

fn in_units(bytes: u64, base: f64, digits: usize, units: &[&str]) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    let whole = format!("{value:.0}").len();
    let number = format!("{value:.*}", digits.saturating_sub(whole));
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => &number,
    };
    format!("{number}{}", units[unit])
}

/// A text that is shown again and again, `over` what was there before. False when nobody reads it any more.
pub fn again(text: &str, over: bool) -> io::Result<bool> {
    let text = match over {
        true => format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n")),
        false => text.to_owned(),
    };
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        other => other.map(|()| true),
    }
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
        assert_eq!(size(1_005_000), "1MB");
        assert_eq!(size(99_960), "100kB");
        assert_eq!(size(9_996), "10kB");
        assert_eq!(memory(8_323_596_288), "7.752GiB");
        assert_eq!(long_size(3_216_830), "3.217MB");
        assert_eq!(memory(1 << 30), "1GiB");
    }
}
