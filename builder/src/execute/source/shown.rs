//! Paths as they are shown, and as keys have them.
use std::borrow::Cow;

const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// What is no UTF-8 is shown byte by byte, `�e9`, so no two paths are shown alike: a key has them by that.
pub(crate) fn shown(path: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(path) {
        Ok(text) if text.is_ascii() || !text.contains(REPLACEMENT) => Cow::Borrowed(text),
        _ => Cow::Owned(spelled(path)),
    }
}

fn spelled(path: &[u8]) -> String {
    let mut text = String::new();
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            text.push(character);
            if character == REPLACEMENT {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("{REPLACEMENT}{byte:02x}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_paths_are_shown_alike() {
        let replacement = REPLACEMENT.to_string();
        let paths: [&[u8]; 8] = [
            b"a/b",
            "caf\u{e9}".as_bytes(),
            b"caf\xe9",
            b"caf\xe8",
            replacement.as_bytes(),
            &[replacement.as_bytes(), b"e9"].concat(),
            b"\xe9",
            b"\xff\xfe",
        ];
        let all: std::collections::BTreeSet<_> = paths.iter().map(|path| shown(path)).collect();
        assert_eq!(all.len(), paths.len(), "{all:?}");
        assert_eq!((shown(paths[0]), shown(paths[2])), ("a/b".into(), "caf\u{fffd}e9".into()));
    }
}
