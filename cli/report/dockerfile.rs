//! Reports about places in a Dockerfile.

use builder::fetch::url;
use parser::{ParseError, ParseErrors, Source, Span};

use super::{Excerpt, Report, print};

/// Errors shown of one file; more help nobody.
const SHOWN: usize = 100;

/// The lines the place touches.
pub fn excerpt(source: &Source, span: Span) -> Excerpt {
    let bytes = source.text().as_bytes();
    let newline = |byte: &u8| *byte == b'\n';
    let (from, to) =
        (span.start.min(bytes.len()), span.end.clamp(span.start.min(bytes.len()), bytes.len()));
    let start = bytes[..from].iter().rposition(newline).map_or(0, |at| at + 1);
    let end = bytes[to..].iter().position(newline).map_or(bytes.len(), |at| to + at);
    Excerpt {
        name: source.name().to_owned(),
        // A carriage return takes its place, so that offsets stay true.
        text: hidden(&String::from_utf8_lossy(&bytes[start..end]).replace('\r', " ")),
        line: source.position(from).line,
        span: from - start..to - start,
    }
}

/// Users and passwords of addresses as so many `x`: logs are read by others than the file. The user of ssh is no secret.
fn hidden(text: &str) -> String {
    let mut shown = text.to_owned();
    for user in url::users(text) {
        let of_ssh = text[..user.start].ends_with("ssh://") && !text[user.clone()].contains(':');
        if !of_ssh {
            shown.replace_range(user.clone(), &"x".repeat(user.len()));
        }
    }
    shown
}

/// Shows the errors of the file, then how many there are.
pub fn parse_errors(source: &Source, errors: &ParseErrors) {
    for error in errors.errors.iter().take(SHOWN) {
        parse_error(source, error).print();
    }
    let count = errors.errors.len();
    if count > SHOWN {
        print(&format!("{count} errors in {}; the first {SHOWN} are shown", source.name()));
    } else if count > 1 {
        print(&format!("{count} errors in {}", source.name()));
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

/// One line for a warning of the parser; the place is enough, the file is not broken.
pub fn warning(source: &Source, rule: Option<&str>, message: &str, span: Option<Span>) {
    let rule = rule.map(|rule| format!("{rule}: ")).unwrap_or_default();
    let place = span
        .map(|span| format!(" ({}:{})", source.name(), source.position(span.start)))
        .unwrap_or_default();
    Report::warning(format!("{rule}{message}{place}")).print();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_hides_passwords_and_keeps_its_places() {
        for (line, shown) in [
            ("ADD https://u:pass@h/x.git http://t@h /", "ADD https://xxxxxx@h/x.git http://x@h /"),
            ("ADD ssh://git@h/x ssh://g:p@h/x /", "ADD ssh://git@h/x ssh://xxx@h/x /"),
            ("ADD [\"http://u:é@h\", \"/\"]", "ADD [\"http://xxxx@h\", \"/\"]"),
            ("ADD https://u:it's<so>@h/ /x", "ADD https://xxxxxxxxxx@h/ /x"),
            ("ADD http://h/a@b /a@b://", "ADD http://h/a@b /a@b://"),
        ] {
            let source = Source::new("Dockerfile", format!("FROM scratch\n{line}\n"));
            let shown_now = excerpt(&source, Span::new(13, 16));
            assert_eq!((shown_now.text.as_str(), shown_now.span), (shown, 0..3));
        }
    }
}
