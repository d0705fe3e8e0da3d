//! The syntax of a file as s-expressions: the dump format BuildKit's parser tests record.

use std::fmt::Write as _;

use crate::ParseErrors;
use crate::syntax::{self, Arguments, Node};

/// One line per instruction: lower-case name, flags in brackets, quoted arguments. Ends with a newline.
pub fn dump(text: impl AsRef<[u8]>) -> Result<String, ParseErrors> {
    let text = crate::decode(text.as_ref())?;
    let syntax = syntax::read(text);
    ParseErrors::check(syntax.errors)?;
    Ok(syntax.nodes.iter().map(|node| format!("({})\n", expression(node))).collect())
}

fn expression(node: &Node) -> String {
    let mut text = node.keyword.value.to_lowercase();
    if !node.flags.is_empty() {
        let flags: Vec<String> = node.flags.iter().map(|flag| quote(&flag.text)).collect();
        text.push_str(&format!(" [{}]", flags.join(" ")));
    }
    match &node.arguments {
        Arguments::Trigger(trigger) => text.push_str(&format!(" ({})", expression(trigger))),
        arguments => arguments
            .texts()
            .iter()
            .for_each(|argument| text.push_str(&format!(" {}", quote(argument)))),
    }
    text
}

/// Quotes a text as Go's `strconv.Quote` does.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            c if is_printable(c) => quoted.push(c),
            c => escape_code(&mut quoted, c as u32),
        }
    }
    quoted.push('"');
    quoted
}

fn escape_code(quoted: &mut String, code: u32) {
    // Writing to a string cannot fail.
    let _ = match code {
        0..0x80 => write!(quoted, "\\x{code:02x}"),
        0x80..0x1_0000 => write!(quoted, "\\u{code:04x}"),
        _ => write!(quoted, "\\U{code:08x}"),
    };
}

/// Letters, marks, numbers, punctuation, symbols and the ASCII space.
fn is_printable(c: char) -> bool {
    let is_format = matches!(c, '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    let is_private = matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..);
    c == ' ' || !(c.is_control() || c.is_whitespace() || is_format || is_private)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting_is_that_of_go() {
        assert_eq!(
            quote("a\"\\\n\u{1b}\u{7f}é\u{a0}\u{200b}😀\u{f0000}"),
            r#""a\"\\\n\x1b\x7fé\u00a0\u200b😀\U000f0000""#
        );
    }

    #[test]
    fn instructions_are_lines() {
        let dump = dump("FROM a as b\nONBUILD RUN --x=y z\nENV a b c\nFOO x\n").expect("a dump");
        assert_eq!(
            dump,
            "(from \"a\" \"as\" \"b\")\n(onbuild (run [\"--x=y\"] \"z\"))\n(env \"a\" \"b c\" \"\")\n(foo \"\")\n"
        );
    }
}
