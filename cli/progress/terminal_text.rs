//! Text from outside made safe to place on a terminal: no control characters, no wider than asked.

use unicode_width::UnicodeWidthChar;

/// A line of a program's output as text: escape sequences removed, a carriage return starts the
/// line again, tabs become spaces.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\n', '\r']);
    let text = text.rsplit('\r').next().unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => skip_escape(&mut chars),
            '\t' => out.push_str("    "),
            _ if char.is_control() => {}
            _ => out.push(char),
        }
    }
    out
}

/// Consumes the rest of an escape sequence: CSI up to its final byte, OSC up to its terminator,
/// else one character.
fn skip_escape(chars: &mut std::str::Chars<'_>) {
    match chars.next() {
        Some('[') => {
            chars.find(|char| ('@'..='~').contains(char));
        }
        Some(']') => {
            while let Some(char) = chars.next() {
                if char == '\u{7}' || (char == '\u{1b}' && chars.next().is_some()) {
                    return;
                }
            }
        }
        _ => {}
    }
}

/// Columns the text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|char| char.width().unwrap_or(0)).sum()
}

/// The text cut to `columns`, with `…` where something is missing.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for char in text.chars() {
        used += char.width().unwrap_or(0);
        if used >= columns {
            break;
        }
        out.push(char);
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_controls_are_removed() {
        assert_eq!(printable(b"\x1b[1;31mred\x1b[0m\x07 text\n"), "red text");
        assert_eq!(printable(b"\x1b]0;title\x07body"), "body");
        assert_eq!(printable(b" 10%\r 50%\r100%\r\n"), "100%");
        assert_eq!(printable(b"a\tb\xff"), "a    b\u{fffd}");
    }

    #[test]
    fn long_text_is_cut_by_columns() {
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(width(&fit("漢字漢字", 5)), 5);
        assert_eq!(fit("abcd", 0), "");
    }
}
