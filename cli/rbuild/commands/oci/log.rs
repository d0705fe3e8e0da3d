//! What is told besides results: on standard error, and in the file that `--log` names, where callers look for it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use cli::report::Report;
use runtime::clock;
use serde_json::json;

use super::args::LogFormat;

pub(super) struct Log {
    path: Option<PathBuf>,
    format: LogFormat,
    debug: bool,
}

impl Log {
    pub(super) fn new(path: Option<&Path>, format: LogFormat, debug: bool) -> Log {
        let path = path.filter(|path| !path.as_os_str().is_empty()).map(Path::to_owned);
        Log { path, format, debug }
    }

    /// With all its causes, in one line.
    pub(super) fn error(&mut self, error: &anyhow::Error) {
        Report::of(error.as_ref()).print();
        self.write("error", &in_one_line(error));
    }

    pub(super) fn warn_all(&mut self, warnings: Vec<String>) {
        for warning in warnings {
            if self.path.is_none() {
                Report::warning(warning.clone()).print();
            }
            self.write("warning", &warning);
        }
    }

    pub(super) fn debug(&mut self, text: &str) {
        if self.debug {
            self.write("debug", text);
        }
    }

    /// A log that cannot be written is told on standard error, once.
    fn write(&mut self, level: &str, message: &str) {
        let Some(path) = &self.path else { return };
        let time = clock::now();
        let line = match self.format {
            LogFormat::Json => json!({ "level": level, "msg": message, "time": time }).to_string(),
            LogFormat::Text => format!("time={time:?} level={level} msg={message:?}"),
        };
        let opened = File::options().create(true).append(true).open(path);
        let written = opened.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = written {
            Report::error(format!("cannot write the log `{}`: {error}", path.display())).print();
            self.path = None;
        }
    }
}

/// A cause that was told already is not told again.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !line.contains(&text) {
            line = if line.is_empty() { text } else { format!("{line}: {text}") };
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_are_told_once() {
        let inner: anyhow::Result<()> = Err(anyhow::anyhow!("no such file"));
        let middle = inner.context("cannot read `x`: no such file");
        let error = middle.context("cannot start").unwrap_err();
        assert_eq!(in_one_line(&error), "cannot start: cannot read `x`: no such file");
    }
}
