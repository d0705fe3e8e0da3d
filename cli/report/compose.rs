//! Reports about places in compose files.

use compose::load::Warning;
use compose::source::{Position, Sources, Span};
use compose::{LoadError, load};

use super::{Excerpt, Report, print};

/// Problems shown; more help nobody.
const SHOWN: usize = 100;

/// The lines a place touches; none for a place that is nowhere.
pub fn excerpt(sources: &Sources, span: Span) -> Option<Excerpt> {
    let source = sources.of(span)?;
    let first = span.start.line as usize;
    let (start, end) = (span.start, last(span));
    let lines: Vec<&str> = source.text.lines().collect();
    let shown = lines.get(first - 1..(end.line as usize).min(lines.len()))?;
    let from = offset(shown[0], start.column);
    let before: usize = shown[..shown.len() - 1].iter().map(|line| line.len() + 1).sum();
    let to = before + offset(shown[shown.len() - 1], end.column);
    Some(Excerpt {
        name: source.name.clone(),
        text: shown.join("\n").replace('\r', " "),
        line: first,
        span: from..to.max(from),
    })
}

/// Where the mark ends: on the first line, when the place goes over several.
fn last(span: Span) -> Position {
    if span.end.line == span.start.line && span.end.column > span.start.column {
        return span.end;
    }
    Position { line: span.start.line, column: u32::MAX }
}

/// Byte offset of a column that counts characters from 1.
fn offset(line: &str, column: u32) -> usize {
    line.char_indices().nth(column as usize - 1).map_or(line.trim_end().len(), |(at, _)| at)
}

/// Shows everything that was wrong, then how much there was.
pub fn errors(error: &LoadError) {
    for problem in error.problems.iter().take(SHOWN) {
        report(problem, &error.sources).print();
    }
    let count = error.problems.len();
    if count > SHOWN {
        print(&format!("{count} errors; the first {SHOWN} are shown"));
    } else if count > 1 {
        print(&format!("{count} errors"));
    }
}

/// One problem with its place.
pub fn report(problem: &load::Problem, sources: &Sources) -> Report {
    let mut report = Report::error(problem.kind.to_string());
    if let Some(excerpt) = excerpt(sources, problem.span) {
        report = report.excerpt(excerpt);
    }
    match problem.hint() {
        Some(hint) => report.hint(hint),
        None => report,
    }
}

pub fn warnings(warnings: &[Warning]) {
    for warning in warnings {
        Report::warning(warning.to_string()).print();
    }
}
