//! What a run of a binary gave.

use std::collections::BTreeSet;
use std::process;

/// Texts and status of a finished command.
#[derive(Debug)]
pub(crate) struct Output {
    command: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// None when a signal ended it.
    pub(crate) status: Option<i32>,
}

/// `[build 2/5] RUN make`
#[derive(Debug)]
pub(crate) struct BuiltStep {
    pub(crate) name: String,
    pub(crate) cached: bool,
}

impl Output {
    pub(crate) fn new(command: String, output: process::Output) -> Output {
        Output {
            command,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code(),
        }
    }

    /// Fails the test unless the command succeeded.
    #[track_caller]
    pub(crate) fn success(self) -> Output {
        self.exits(0)
    }

    #[track_caller]
    pub(crate) fn exits(self, status: i32) -> Output {
        assert_eq!(self.status, Some(status), "{self}");
        self
    }

    /// For a command whose failure is an answer.
    pub(crate) fn or_why(self) -> Result<Output, String> {
        if self.status == Some(0) { Ok(self) } else { Err(self.to_string()) }
    }

    /// The steps that the plain progress of a build names, but for FROM.
    pub(crate) fn steps(&self) -> Vec<BuiltStep> {
        let lines =
            || self.stderr.lines().filter_map(|line| line.strip_prefix('#')?.split_once(' '));
        let cached: BTreeSet<&str> =
            lines().filter(|(_, text)| *text == "CACHED").map(|(number, _)| number).collect();
        // A name is told again when the output of its step is.
        let mut told = BTreeSet::new();
        let steps = lines().filter(|(_, text)| text.starts_with('[') && !text.contains("] FROM "));
        let built = steps.filter(|(number, _)| told.insert(*number)).map(|(number, name)| {
            BuiltStep { name: name.to_owned(), cached: cached.contains(number) }
        });
        built.collect()
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Output {
        assert!(self.stderr.contains(text), "no `{text}` on stderr: {self}");
        self
    }

    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Output {
        assert_eq!(self.stdout, text, "{self}");
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Output { command, stdout, stderr, status } = self;
        write!(f, "`{command}` ended with {status:?}\n--- stdout\n{stdout}--- stderr\n{stderr}")
    }
}
