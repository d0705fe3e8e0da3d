//! Flags of instructions: `--name`, `--name=value`, checked against what the instruction knows.

use crate::ast::Word;
use crate::error::{ErrorKind, ParseError};
use crate::suggest::suggest;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagKind {
    /// `--name`, `--name=true`, `--name=false`
    Bool,
    /// `--name=value`, once
    Text,
    /// `--name=value`, any number of times
    List,
}

/// The flags an instruction knows.
pub type FlagTable = &'static [(&'static str, FlagKind)];

/// The flags given, all of them known and well-formed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flags {
    given: Vec<(String, Word)>,
}

impl Flags {
    /// Reads flags written as `--name=value`; every wrong one is an error of its own.
    pub fn read(
        instruction: &'static str,
        table: FlagTable,
        flags: &[Word],
    ) -> (Flags, Vec<ParseError>) {
        let mut read = Flags::default();
        let mut errors = Vec::new();
        for flag in flags {
            if flag.text == "--" {
                break;
            }
            match read.flag(instruction, table, flag) {
                Ok(given) => read.given.push(given),
                Err(kind) => errors.push(ParseError::new(kind, flag.span)),
            }
        }
        (read, errors)
    }

    fn flag(
        &self,
        instruction: &'static str,
        table: FlagTable,
        flag: &Word,
    ) -> Result<(String, Word), ErrorKind> {
        let text = flag.text.strip_prefix("--").unwrap_or(&flag.text);
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value)),
            None => (text.to_owned(), None),
        };
        let known: Vec<&'static str> = table.iter().map(|(known, _)| *known).collect();
        let Some((_, kind)) = table.iter().find(|(known, _)| *known == name) else {
            let suggestion = suggest(&name, known.iter().copied()).map(str::to_owned);
            return Err(ErrorKind::UnknownFlag { flag: name, suggestion, known, instruction });
        };
        if *kind != FlagKind::List && self.given.iter().any(|(given, _)| *given == name) {
            return Err(ErrorKind::RepeatedFlag { flag: name });
        }
        let value = match (kind, value) {
            (FlagKind::Bool, None) => "true".to_owned(),
            (FlagKind::Bool, Some(value)) if !value.is_empty() => boolean(&name, value)?,
            (FlagKind::Bool, _) | (_, None) => return Err(ErrorKind::NoFlagValue { flag: name }),
            (_, Some(value)) => value.to_owned(),
        };
        Ok((name, Word::new(value, flag.span)))
    }

    /// The value of a flag that is given once; an empty one counts as not given.
    pub fn text(&self, name: &str) -> Option<Word> {
        self.given(name).filter(|word| !word.text.is_empty())
    }

    /// The value of a flag that is given once, whatever it is.
    pub fn given(&self, name: &str) -> Option<Word> {
        self.given.iter().find(|(given, _)| given == name).map(|(_, word)| word.clone())
    }

    /// The values of a flag that may be given several times.
    pub fn list(&self, name: &str) -> Vec<Word> {
        self.given.iter().filter(|(given, _)| given == name).map(|(_, word)| word.clone()).collect()
    }

    /// The value of a boolean flag when it is given.
    pub fn bool(&self, name: &str) -> Option<bool> {
        self.text(name).map(|word| word.text == "true")
    }
}

fn boolean(flag: &str, value: &str) -> Result<String, ErrorKind> {
    let lower = value.to_ascii_lowercase();
    if lower == "true" || lower == "false" {
        return Ok(lower);
    }
    Err(ErrorKind::NotBoolean { flag: flag.to_owned(), value: value.to_owned() })
}
