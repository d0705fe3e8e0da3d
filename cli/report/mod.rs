//! Errors and warnings as the user sees them: what failed, where in which file, and what to do.
//!
//! ```text
//! error: stage `biulder` does not exist
//!  --> Dockerfile:9:13
//!   |
//! 9 | COPY --from=biulder /out/app /app
//!   |             ^^^^^^^
//! hint: did you mean `builder`?
//! ```

pub mod build;
pub mod checks;
pub mod compose;
pub mod compose_checks;
pub mod dockerfile;
pub mod outline;
pub mod space;

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::Exit;
use crate::environment::Environment;
use crate::terminal_text::lines;

const DEFAULT_WIDTH: usize = 140;

/// One thing to tell the user.
#[derive(Debug)]
pub struct Report {
    level: Severity,
    title: String,
    excerpt: Option<Excerpt>,
    notes: Vec<String>,
    hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    Error,
    Warning,
}

/// A place in a source file.
#[derive(Clone, Debug)]
pub struct Excerpt {
    /// How the file is called in the report.
    pub name: String,
    /// The lines to show, and the number of the first of them.
    pub text: String,
    pub line: usize,
    /// Byte offsets in `text`.
    pub span: Range<usize>,
}

impl Report {
    pub fn error(title: impl Into<String>) -> Report {
        Report::new(Severity::Error, title.into())
    }

    pub fn warning(title: impl Into<String>) -> Report {
        Report::new(Severity::Warning, title.into())
    }

    /// An error with all its causes, outermost first. A cause that was told already is not told again.
    pub fn of(error: &(dyn Error + 'static)) -> Report {
        let mut told = error.to_string();
        let mut report = Report::error(told.clone());
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !told.contains(&text) {
                report = report.note(format!("because: {text}"));
                told = text;
            }
            cause = error.source();
        }
        match space::hint(error) {
            Some(hint) => report.hint(hint),
            None => report,
        }
    }

    fn new(level: Severity, title: String) -> Report {
        Report { level, title, excerpt: None, notes: Vec::new(), hint: None }
    }

    #[must_use]
    pub fn excerpt(mut self, excerpt: Excerpt) -> Report {
        self.excerpt = Some(excerpt);
        self
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Report {
        self.notes.push(note.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Report {
        self.hint = Some(hint.into());
        self
    }

    pub fn render(&self, style: Style) -> String {
        let level = match self.level {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut primary = Group::with_title(level.primary_title(self.title.as_str()));
        if let Some(excerpt) = &self.excerpt {
            primary = primary.element(excerpt.snippet());
        }
        let renderer = if style.colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.term_width(style.width);
        let mut parts = vec![renderer.render(&[primary])];
        // The renderer does this for the title and the excerpt.
        for note in &self.notes {
            let title = Level::NOTE.no_name().secondary_title(lines(note));
            parts.push(renderer.render(&[Group::with_title(title)]));
        }
        if let Some(hint) = &self.hint {
            let title = Level::HELP.with_name("hint").secondary_title(lines(hint));
            parts.push(renderer.render(&[Group::with_title(title)]));
        }
        // The renderer knows only the older controls.
        parts.join("\n").replace(|char| ('\u{80}'..='\u{9f}').contains(&char), "\u{fffd}")
    }

    /// Shows the report on stderr.
    pub fn print(&self) {
        print(&self.render(Style::of_stderr()));
    }
}

impl Excerpt {
    fn snippet(&self) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
        let start = floor_boundary(&self.text, self.span.start);
        let end = floor_boundary(&self.text, self.span.end.max(start));
        Snippet::source(self.text.as_str())
            .path(self.name.as_str())
            .line_start(self.line)
            .annotation(AnnotationKind::Primary.span(start..end))
    }
}

/// The nearest character border at or before `offset`: annotations must not split a character.
fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub colour: bool,
    pub width: usize,
}

impl Style {
    pub const PLAIN: Style = Style { colour: false, width: DEFAULT_WIDTH };

    /// What suits stderr: colour only on a terminal, and never with NO_COLOR.
    pub fn of_stderr() -> Style {
        let stderr = io::stderr();
        if !stderr.is_terminal() {
            return Style::PLAIN;
        }
        let width = rustix::termios::tcgetwinsize(&stderr).map(|size| usize::from(size.ws_col));
        Style {
            colour: Environment::process().colour_wanted(),
            width: width.ok().filter(|width| *width > 20).unwrap_or(DEFAULT_WIDTH),
        }
    }
}

/// Writes a line to stderr. There is nobody left to tell when that fails.
pub fn print(text: &str) {
    let mut stderr = io::stderr().lock();
    let _unheard = stderr.write_all(format!("{text}\n").as_bytes());
}

/// As [`print`], without ending the line: a question.
pub fn print_part(text: &str) {
    let _unheard = io::stderr().lock().write_all(text.as_bytes());
}

/// Shows what clap has to say: help and version on stdout, mistakes as a report.
pub fn usage(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        return match crate::output::write(&error.to_string()) {
            Ok(()) => Exit::Success,
            Err(_) => Exit::Failure,
        };
    }
    print(error.to_string().trim_end());
    Exit::Usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_at_the_place() {
        let text = "FROM a AS builder\nCOPY --from=biulder /app /app\n".to_owned();
        let excerpt = Excerpt { name: "Dockerfile".to_owned(), text, line: 1, span: 30..37 };
        let report = Report::error("stage `biulder` does not exist")
            .excerpt(excerpt)
            .hint("did you mean `builder`?");
        assert_eq!(
            report.render(Style::PLAIN),
            "error: stage `biulder` does not exist\n \
             --> Dockerfile:2:13\n  \
             |\n\
             2 | COPY --from=biulder /app /app\n  \
             |             ^^^^^^^\n\
             hint: did you mean `builder`?"
        );
    }

    #[test]
    fn names_every_cause() {
        let cause = io::Error::other("no space left");
        let error = anyhow::Error::new(cause).context("cannot write `image.tar`");
        let report = Report::of(error.as_ref());
        assert_eq!(
            report.render(Style::PLAIN),
            "error: cannot write `image.tar`\nbecause: no space left"
        );
    }

    #[test]
    fn what_it_quotes_does_not_steer_the_terminal() {
        let excerpt =
            Excerpt { name: "f".to_owned(), text: "RUN \x1b[2J".to_owned(), line: 1, span: 4..5 };
        let evil = "`\x1b]0;gone\x07\u{9b}2J`";
        let report = Report::error(evil).excerpt(excerpt).note(evil).hint(evil);
        let text = report.render(Style::PLAIN);
        assert!(!text.contains(['\x1b', '\x07', '\u{9b}']), "{text:?}");
        assert!(text.contains("hint: `␛]0;gone␇\u{fffd}2J`"), "{text}");
    }

    #[test]
    fn a_span_inside_a_character_is_moved_to_its_start() {
        let excerpt =
            Excerpt { name: "f".to_owned(), text: "RUN é".to_owned(), line: 1, span: 5..5 };
        assert!(Report::error("x").excerpt(excerpt).render(Style::PLAIN).contains("f:1:5"));
    }
}
