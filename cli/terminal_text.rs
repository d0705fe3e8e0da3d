//! Text from outside made safe to place on a terminal: nothing that steers it, no wider than asked.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// A line of a program's output as text: escape sequences removed, a carriage return starts the
/// line again, tabs become spaces.
pub(crate) fn printable(bytes: &[u8]) -> String {
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

/// Text of an image or archive on one line: what would steer the terminal is shown as a picture (`␛`), what
/// would end the line or the column is a space.
pub fn line(text: &str) -> Cow<'_, str> {
    replaced(text, |char| if matches!(char, '\t' | '\n') { Some(' ') } else { picture(char) })
}

/// The same, but lines and tabs stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    replaced(text, |char| if matches!(char, '\t' | '\n') { None } else { picture(char) })
}

fn replaced(text: &str, other: impl Fn(char) -> Option<char>) -> Cow<'_, str> {
    if text.chars().all(|char| other(char).is_none()) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|char| other(char).unwrap_or(char)).collect()
}

/// What stands for a character that steers: Unicode's picture of it if there is one.
fn picture(char: char) -> Option<char> {
    match char {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(char)),
        '\x7f' => Some('\u{2421}'),
        _ => steers(char).then_some(char::REPLACEMENT_CHARACTER),
    }
}

/// Controls, and the marks that turn the direction of what follows them.
pub(crate) fn steers(char: char) -> bool {
    char.is_control() || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Columns the text takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(|char| char.width().unwrap_or(0)).sum()
}

/// The text cut to `columns`, with `…` where something is missing.
pub(crate) fn fit(text: &str, columns: usize) -> String {
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
    fn what_steers_is_shown() {
        assert_eq!(line("a\x1b[2J\u{7f}\r\n\tb\u{9b}1m\u{202e}"), "a␛[2J␡␍  b\u{fffd}1m\u{fffd}");
        assert_eq!(lines("a\x07\n\tb"), "a␇\n\tb");
        assert!(matches!(line("é 漢 {\"a\"}"), Cow::Borrowed(_)));
    }

    #[test]
    fn long_text_is_cut_by_columns() {
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(width(&fit("漢字漢字", 5)), 5);
        assert_eq!(fit("abcd", 0), "");
    }
}
