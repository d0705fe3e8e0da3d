//! Lines of containers with their names before them, aligned and coloured.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Mutex;

use cli::times::nine_digits;
use compose::stack::execute::{Event, Observer};
use engine::logs::{Line, LogStream};

/// Docker compose's, in its order: cyan, yellow, green, magenta, blue, then the bright ones.
const COLOURS: [u8; 10] = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];

#[derive(Debug)]
pub(super) struct Printer {
    project: String,
    /// Numbers of colours by container.
    colours: BTreeMap<String, usize>,
    width: usize,
    prefix: bool,
    coloured: bool,
    times: bool,
    /// A line at a time.
    lock: Mutex<()>,
}

impl Printer {
    pub(super) fn new(project: &str, names: &[String], prefix: bool) -> Printer {
        let mut printer = Printer {
            project: project.to_owned(),
            colours: names.iter().cloned().zip(0..).collect(),
            width: 0,
            prefix,
            coloured: false,
            times: false,
            lock: Mutex::new(()),
        };
        let widths = names.iter().map(|name| printer.short(name).chars().count());
        printer.width = widths.max().unwrap_or(0);
        printer
    }

    pub(super) fn coloured(self, coloured: bool) -> Printer {
        Printer { coloured, ..self }
    }

    pub(super) fn with_times(self, times: bool) -> Printer {
        Printer { times, ..self }
    }

    /// The name without the project's.
    pub(super) fn short<'a>(&self, name: &'a str) -> &'a str {
        let rest = name.strip_prefix(self.project.as_str());
        let rest = rest.and_then(|rest| rest.strip_prefix(['-', '_']));
        rest.unwrap_or(name)
    }

    /// What was written to the errors goes to ours.
    pub(super) fn print(&self, name: &str, line: &Line) -> io::Result<()> {
        let mut text = self.before(name);
        if self.times {
            text.push_str(&nine_digits(&line.time));
            text.push(' ');
        }
        text.push_str(&line.text);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let _one = self.lock.lock();
        match line.stream {
            LogStream::Stderr => io::stderr().lock().write_all(text.as_bytes()),
            LogStream::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes())?;
                stdout.flush()
            }
        }
    }

    /// What is told of the stack, between the lines of its containers.
    pub(super) fn note(&self, text: &str) {
        let _one = self.lock.lock();
        let mut stdout = io::stdout().lock();
        // Who does not read it any more does not want to know.
        let _unread = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    }

    fn before(&self, name: &str) -> String {
        if !self.prefix {
            return String::new();
        }
        let (short, width) = (self.short(name), self.width);
        let colour = self.colours.get(name).map(|at| COLOURS[at % COLOURS.len()]);
        match colour.filter(|_| self.coloured) {
            Some(colour) => format!("\x1b[{colour}m{short:width$}  | \x1b[0m"),
            None => format!("{short:width$}  | "),
        }
    }
}

/// What hooks write.
impl Observer for Printer {
    fn event(&self, event: Event<'_>) {
        let Event::Wrote { container, line } = event else { return };
        self.note(&match self.prefix {
            true => format!("{} ->  | {line}", self.short(container)),
            false => line.to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_aligned() {
        let names = ["p-web-1".to_owned(), "p-database-1".to_owned()];
        let printer = Printer::new("p", &names, true);
        assert_eq!(printer.before("p-web-1"), "web-1       | ");
        assert_eq!(printer.before("p-database-1"), "database-1  | ");
        assert_eq!(printer.coloured(true).before("p-web-1"), "\x1b[36mweb-1       | \x1b[0m");
        assert_eq!(Printer::new("p", &names, false).before("p-web-1"), "");
    }
}
