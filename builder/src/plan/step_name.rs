//! What progress calls a step: `[build 2/5] RUN make`.

use crate::scope::Scope;
use parser::expand;

/// Numbers the steps of a stage.
#[derive(Debug)]
pub(super) struct StepNames {
    /// Empty when the file has only one stage.
    stage: String,
    /// Shown when several platforms are built.
    platform: Option<String>,
    next: usize,
    total: usize,
}

impl StepNames {
    pub(super) fn new(stage: &str, platform: Option<String>, total: usize) -> StepNames {
        StepNames { stage: stage.to_owned(), platform, next: 1, total }
    }

    pub(super) fn next(&mut self, text: &str, on_build: bool) -> String {
        let number = self.next;
        self.next += 1;
        let width = self.total.max(1).ilog10() as usize + 1;
        let words = [self.platform.as_deref(), Some(self.stage.as_str())];
        let words: Vec<&str> =
            words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
        let prefix = words.iter().map(|word| format!("{word} ")).collect::<String>();
        let on_build = if on_build { "ONBUILD " } else { "" };
        format!("[{prefix}{number:>width$}/{}] {on_build}{text}", self.total)
    }
}

/// An instruction as progress shows it: keyword in capitals, variables filled in where they are known.
pub(super) fn shown(original: &str, escape: char, scope: &Scope) -> String {
    let text = expand::expand_for_display(original.trim(), escape, scope);
    match text.split_once(char::is_whitespace) {
        Some((keyword, rest)) => format!("{} {rest}", keyword.to_uppercase()),
        None => text.to_uppercase(),
    }
}

/// The first line of a here-document, with `...` when there is more.
pub(super) fn heredoc_summary(content: &str) -> String {
    let mut lines = content.trim().lines();
    let first = lines.next().unwrap_or_default();
    if lines.next().is_some() { format!("{first}...") } else { first.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned() {
        let mut names = StepNames::new("build", None, 10);
        assert_eq!(names.next("RUN x", false), "[build  1/10] RUN x");
        let mut names = StepNames::new("", Some("linux/amd64".to_owned()), 2);
        assert_eq!(names.next("RUN x", true), "[linux/amd64 1/2] ONBUILD RUN x");
        assert_eq!(StepNames::new("", None, 1).next("RUN x", false), "[1/1] RUN x");
    }

    #[test]
    fn instructions_are_shown_with_their_variables() {
        let mut scope = Scope::default();
        scope.set_env("A", "1");
        assert_eq!(shown("run echo $A \"$B\"", '\\', &scope), "RUN echo 1 \"$B\"");
    }

    #[test]
    fn summaries() {
        assert_eq!(heredoc_summary("a\nb\n"), "a...");
        assert_eq!(heredoc_summary("a\n"), "a");
        assert_eq!(heredoc_summary(""), "");
    }
}
