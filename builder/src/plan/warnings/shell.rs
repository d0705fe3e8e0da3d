//! The commands of a shell script, as far as build checks need them: their words, and whether their output goes into
//! a pipe. Nothing is expanded; what is quoted is one word.

/// `NAME=value … word word …` without the assignments and keywords before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) words: Vec<String>,
    pub(super) is_piped: bool,
}

impl Command {
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", |word| word.rsplit('/').next().unwrap_or_default())
    }

    /// The first word after the name that is no flag: `install`.
    pub(super) fn verb(&self) -> &str {
        let rest = self.words.iter().skip(1);
        rest.map(String::as_str).find(|word| !word.starts_with('-')).unwrap_or_default()
    }

    pub(super) fn has(&self, words: &[&str]) -> bool {
        self.words.iter().any(|word| words.contains(&word.as_str()))
    }
}

/// Words after which a command begins.
const BEFORE: [&str; 14] = [
    "!", "{", "}", "if", "then", "else", "elif", "while", "until", "do", "time", "exec", "sudo",
    "env",
];

pub(super) fn commands(script: &str) -> Vec<Command> {
    let mut reader = Reader::default();
    let mut chars = script.chars().peekable();
    while let Some(next) = chars.next() {
        match next {
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(escaped) => reader.push(escaped),
            },
            '\'' => chars.by_ref().take_while(|c| *c != '\'').for_each(|c| reader.push(c)),
            '"' => {
                reader.quoted = true;
                while let Some(inner) = chars.next().filter(|c| *c != '"') {
                    reader.push(if inner == '\\' { chars.next().unwrap_or(inner) } else { inner });
                }
            }
            '#' if reader.word.is_empty() => while chars.next_if(|c| *c != '\n').is_some() {},
            '&' if reader.word.ends_with('>') || chars.peek() == Some(&'>') => reader.push('&'),
            '|' => {
                let either = chars.next_if_eq(&'|').is_some();
                chars.next_if_eq(&'&');
                reader.end_command(!either);
            }
            '\n' | ';' | '&' | '(' | ')' | '`' => reader.end_command(false),
            _ if next.is_whitespace() => reader.end_word(),
            _ => reader.push(next),
        }
    }
    reader.end_command(false);
    reader.commands
}

#[derive(Default)]
struct Reader {
    commands: Vec<Command>,
    command: Command,
    word: String,
    /// The word is there even if it is empty.
    quoted: bool,
}

impl Reader {
    fn push(&mut self, next: char) {
        self.word.push(next);
    }

    fn end_word(&mut self) {
        let word = std::mem::take(&mut self.word);
        let quoted = std::mem::take(&mut self.quoted);
        let is_first = self.command.words.is_empty();
        let goes_before = BEFORE.contains(&word.as_str()) || is_assignment(&word);
        if (!word.is_empty() || quoted) && !(is_first && goes_before) {
            self.command.words.push(word);
        }
    }

    fn end_command(&mut self, is_piped: bool) {
        self.end_word();
        let command = std::mem::take(&mut self.command);
        if !command.words.is_empty() {
            self.commands.push(Command { is_piped, ..command });
        }
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_cut_into_commands() {
        let script = "set -eux; A=1 curl -fsSL \"$URL\" | tar -x 2>&1 && if ! cd /x; then (apt-get update || true) & fi # a|b\nx 'a;b' $(y z)";
        let found: Vec<(String, bool)> = commands(script)
            .into_iter()
            .map(|command| (command.words.join(" "), command.is_piped))
            .collect();
        let expected = [
            ("set -eux", false),
            ("curl -fsSL $URL", true),
            ("tar -x 2>&1", false),
            ("cd /x", false),
            ("apt-get update", false),
            ("true", false),
            ("fi", false),
            ("x a;b $", false),
            ("y z", false),
        ];
        assert_eq!(found, expected.map(|(words, piped)| (words.to_owned(), piped)));
    }
}
