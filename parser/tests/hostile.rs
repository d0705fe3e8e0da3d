//! Input that nobody writes on purpose: it is refused clearly, and nothing panics.

use parser::{ErrorKind, ParseErrors, Source};

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

/// Pieces that matter to the grammar.
const PIECES: [&str; 32] = [
    "\n",
    "\\\n",
    "\\",
    "`",
    "#",
    "# escape=`\n",
    " ",
    "\t",
    "\r\n",
    "\"",
    "'",
    "[",
    "]",
    "[\"a\"]",
    "$",
    "${",
    "}",
    ":-",
    "<<EOF",
    "<<-'E'\n",
    "EOF\n",
    "--",
    "--mount=",
    "--from=",
    "=",
    ",",
    "ONBUILD ",
    "FROM ",
    "COPY ",
    "ENV ",
    "é",
    "\u{feff}",
];

/// A small generator of numbers: the same ones in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).expect("below a usize")
    }

    /// A place between two characters.
    fn place(&mut self, text: &str) -> usize {
        let mut at = self.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

fn mutate(text: &str, numbers: &mut Numbers) -> String {
    let mut text = text.to_owned();
    for _ in 0..=numbers.below(4) {
        let (a, b) = (numbers.place(&text), numbers.place(&text));
        let (from, to) = (a.min(b), a.max(b).min(a.min(b) + 40));
        let to = (from..=to).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(from);
        match numbers.below(4) {
            0 => text.replace_range(from..to, ""),
            1 => {
                let copy = text[from..to].to_owned();
                text.insert_str(a, &copy);
            }
            2 => text.truncate(a),
            _ => text.insert_str(a, PIECES[numbers.below(PIECES.len())]),
        }
    }
    text
}

/// Parses and looks at every place that is reported.
fn exercise(text: &str) {
    let _ = parser::sexpr::dump(text);
    let _ = parser::parse_trigger(text);
    let _ = parser::directive::detect_syntax(text);
    let source = Source::new("Dockerfile", text);
    let spans: Vec<parser::Span> = match parser::parse(text) {
        Ok(file) => {
            let instructions = file.stages.iter().flat_map(|stage| &stage.instructions);
            let words = instructions.flat_map(|instruction| instruction.kind.expandable());
            words.map(|word| word.span).chain(file.stages.iter().map(|stage| stage.span)).collect()
        }
        Err(errors) => {
            assert!(!errors.errors.is_empty(), "a failure without an error in {text:?}");
            errors.errors.iter().map(|error| error.span).collect()
        }
    };
    for span in spans {
        assert!(span.start <= span.end && span.end <= text.len(), "{span} in {text:?}");
        assert!(
            text.is_char_boundary(span.start) && text.is_char_boundary(span.end),
            "{span} in {text:?}"
        );
        let (first, last) = source.lines(span);
        assert!(first <= last);
    }
}

#[test]
fn mangled_files_never_panic() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/dockerfile");
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .expect("fixtures")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    names.sort();
    for path in names {
        let Ok(bytes) = std::fs::read(path.join("Dockerfile")) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        let text = &text[..text.len().min(4000)];
        exercise(text);
        for _ in 0..200 {
            exercise(&mutate(text, &mut numbers));
        }
    }
}
