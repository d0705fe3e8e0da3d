//! The output of a process, cut into lines.

use std::io::{self, Read};

/// A line longer than this is handed on in pieces.
const LONGEST: usize = 64 << 10;

/// Hands on what `pipe` yields, line by line with the newline, until its end.
pub(super) fn pump(mut pipe: impl Read, mut line: impl FnMut(Vec<u8>)) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    let mut pending = Vec::new();
    loop {
        let count = match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        pending.extend_from_slice(&buffer[..count]);
        while let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
            let rest = pending.split_off(end + 1);
            line(std::mem::replace(&mut pending, rest));
        }
        if pending.len() >= LONGEST {
            line(std::mem::take(&mut pending));
        }
    }
    if !pending.is_empty() {
        line(pending);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_and_the_last_needs_no_newline() {
        let mut lines = Vec::new();
        pump(&b"one\ntwo\n\nrest"[..], |line| lines.push(String::from_utf8(line).unwrap()))
            .unwrap();
        assert_eq!(lines, ["one\n", "two\n", "\n", "rest"]);
    }
}
