//! Whatever bytes a Dockerfile has: it is read or refused with errors that can be shown, and nothing panics.
#![allow(unreachable_pub)] // tests and fuzz targets take it in

use parser::{ParseErrors, Source, Span};

pub fn check(bytes: &[u8]) {
    let parsed = parser::parse(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text,
        _ => return assert!(parsed.is_err(), "read although it is no text"),
    };
    let right = parser::parse_what_is_right(bytes);
    let spans: Vec<Span> = match &parsed {
        Ok(file) => {
            assert_eq!(right.as_ref(), Some(file), "two readings of one file");
            let instructions = file.stages.iter().flat_map(|stage| &stage.instructions);
            let words = instructions.flat_map(|instruction| instruction.kind.expandable());
            words.map(|word| word.span).chain(file.stages.iter().map(|stage| stage.span)).collect()
        }
        Err(errors) => {
            assert!(!errors.errors.is_empty(), "a failure without an error");
            look_at(errors);
            errors.errors.iter().map(|error| error.span).collect()
        }
    };
    spans.into_iter().for_each(|span| check_span(text, span));
    other_readings(text);
}

/// Every error has words, and no file has more errors than bytes.
fn look_at(errors: &ParseErrors) {
    for error in &errors.errors {
        assert!(!error.to_string().is_empty());
        let _ = error.hint();
    }
}

fn check_span(text: &str, span: Span) {
    assert!(span.start <= span.end && span.end <= text.len(), "{span} is outside");
    let cuts = text.is_char_boundary(span.start) && text.is_char_boundary(span.end);
    assert!(cuts, "{span} cuts a character");
    let (first, last) = Source::new("Dockerfile", text).lines(span);
    assert!(first <= last);
}

fn other_readings(text: &str) {
    let _ = parser::sexpr::dump(text);
    for errors in [parser::parse_trigger(text).err(), parser::parse_changes(text).err()] {
        errors.iter().for_each(look_at);
    }
    let _ = parser::directive::detect_syntax(text);
    let _ = parser::directive::detect_check(text);
}
