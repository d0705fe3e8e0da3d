//! Reports about places in a Dockerfile.

use parser::{ParseError, ParseErrors, Source, Span};

use super::{Excerpt, Report, print};

/// The place as an excerpt.
pub fn excerpt(source: &Source, span: Span) -> Excerpt {
    Excerpt {
        name: source.name().to_owned(),
        text: source.text().to_owned(),
        span: span.start..span.end,
    }
}

/// Shows every error of the file, then how many there were.
pub fn parse_errors(source: &Source, errors: &ParseErrors) {
    for error in &errors.errors {
        parse_error(source, error).print();
    }
    if errors.errors.len() > 1 {
        print(&format!("{} errors in {}", errors.errors.len(), source.name()));
    }
}

/// The headline is BuildKit's, which people search for.
fn parse_error(source: &Source, error: &ParseError) -> Report {
    let line = source.position(error.span.start).line;
    let report = Report::error(format!("dockerfile parse error on line {line}: {error}"))
        .excerpt(excerpt(source, error.span));
    match error.hint() {
        Some(hint) => report.hint(hint),
        None => report,
    }
}

/// One line for a warning; the place is enough, the file is not broken.
pub fn warning(source: &Source, rule: Option<&str>, message: &str, span: Option<Span>) {
    let rule = rule.map(|rule| format!("{rule}: ")).unwrap_or_default();
    let place = span
        .map(|span| format!(" ({}:{})", source.name(), source.position(span.start)))
        .unwrap_or_default();
    Report::warning(format!("{rule}{message}{place}")).print();
}
