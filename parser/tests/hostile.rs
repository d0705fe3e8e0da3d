//! Input that nobody writes on purpose: it is refused clearly, and nothing panics.

use parser::{ErrorKind, ParseErrors};

fn errors(text: impl AsRef<[u8]>) -> Vec<ErrorKind> {
    match parser::parse(text) {
        Ok(_) => Vec::new(),
        Err(ParseErrors { errors }) => errors.into_iter().map(|error| error.kind).collect(),
    }
}

#[test]
fn a_line_may_have_65535_bytes_and_no_more() {
    let line = |length: usize| format!("FROM scratch\nRUN {}\n", "x".repeat(length - 4));
    assert_eq!(errors(line(65_535)), []);
    assert_eq!(errors(line(70_000)), [ErrorKind::LongLine { limit: 65_535, length: 70_000 }]);
}

#[test]
fn a_long_line_does_not_hide_other_errors() {
    let text = format!("FROM scratch\nRUN <<EOF\n{}\nEOF\nFOO\n", "x".repeat(65_536));
    let found = errors(text);
    assert!(
        matches!(found[..], [ErrorKind::LongLine { .. }, ErrorKind::UnknownInstruction { .. }]),
        "{found:?}"
    );
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    assert_eq!(errors(b"FROM a\nRUN \0\n"), [ErrorKind::Nul]);
    assert_eq!(errors(b"FROM a\nRUN \xff\n"), [ErrorKind::NotUtf8]);
    assert_eq!(errors(b"F\0R\0O\0M\0"), [ErrorKind::Nul]);
    assert_eq!(errors(b"FROM a\nRUN \xc3"), [ErrorKind::NotUtf8]);
    assert!(parser::sexpr::dump(b"\xff").is_err());
}

#[test]
fn line_ends_and_marks_of_other_systems_are_accepted() {
    let text = "\u{feff}# escape=`\r\nFROM a `\r\n AS b\r\nRUN <<E\r\nx\r\nE\r\n";
    let file = parser::parse(text).expect("a valid file");
    assert_eq!(file.directives.escape, '`');
    assert_eq!(file.stages[0].from.name.as_ref().map(|name| name.value.as_str()), Some("b"));
    assert_eq!(file.stages[0].instructions[0].heredocs[0].content, "x\r\n");
}

#[test]
fn depth_costs_no_stack() {
    for text in [
        "ONBUILD ".repeat(50_000),
        format!("RUN {}", "[".repeat(50_000)),
        format!("RUN {}", "[{\"a\":".repeat(10_000)),
        format!("ENV a={}", "${a:-".repeat(10_000)),
        format!("ENV a={}", "\"${a:-".repeat(10_000)),
        format!("RUN {}", "<<".repeat(30_000)),
        format!("RUN {}", "<< a ".repeat(10_000)),
        format!("LABEL {}", "'".repeat(65_000)),
    ] {
        let _ = parser::parse(format!("FROM a\n{text}\n"));
        let _ = parser::sexpr::dump(text);
    }
}

/// Values of variables as `${name}` sees them.
fn expand(word: &str, name: &str, value: String) -> Result<String, String> {
    let variables = std::collections::BTreeMap::from([(name.to_owned(), value)]);
    let span = parser::Span::new(0, word.len());
    let expanded = parser::expand::expand_word(word, span, '\\', &variables);
    expanded.map(|expanded| expanded.value).map_err(|error| error.kind.to_string())
}

#[test]
fn variables_add_no_more_than_a_megabyte() {
    const TOO_LONG: &str = "its variables make it longer by more than 1 MiB";
    let text = |length: usize| "x".repeat(length);
    let fits = expand("$A$A", "A", text(512 << 10)).expect("it fits");
    assert_eq!(fits.len(), 1 << 20);
    for word in ["$A$A$A", "\"$A$A$A\"", "${B:-$A$A}$A", "${A//?/xxx}", "${A/*/$A$A$A}"] {
        assert_eq!(expand(word, "A", text(512 << 10)), Err(TOO_LONG.to_owned()), "{word}");
    }
    let many = format!("${{A//*/{}}}", "\\$0".repeat(10_000));
    assert_eq!(expand(&many, "A", text(1000)), Err(TOO_LONG.to_owned()));
}

#[test]
fn long_patterns_are_not_compared_with_long_values() {
    let word = format!("${{A#{}}}", "*a".repeat(1000));
    let refused = expand(&word, "A", "a".repeat(1 << 20));
    assert_eq!(refused, Err("the pattern and the value are too long to be compared".to_owned()));
    assert_eq!(expand(&word, "A", "a".repeat(2000)), Ok("a".repeat(1000)));
}

/// Once each match looked at all that is left of the value for a line end.
#[test]
fn many_matches_take_one_pass() {
    let replaced = expand("${A//a/b}", "A", "a".repeat(1 << 18));
    assert_eq!(replaced, Ok("b".repeat(1 << 18)));
}
