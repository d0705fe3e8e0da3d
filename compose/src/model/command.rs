//! Commands: a list of arguments, or one string that is split as a shell splits words.

use super::attribute::{Attribute, Misfit, ValueError};
use crate::render::{Data, Form};
use crate::yaml::{Node, Value};

/// Not set: the image's. Set and empty: the image's is cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command(pub Option<Vec<String>>);

/// `NONE`, `CMD …` or `CMD-SHELL …`; a string is a shell command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthTest(pub Vec<String>);

/// Splits as a shell does, without expanding anything.
pub(crate) fn split(text: &str) -> Result<Vec<String>, ValueError> {
    let error = |why| ValueError::Command { text: text.to_owned(), why };
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(|| error("invalid command line string"))? {
                        '\'' => break,
                        char => word.push(char),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or_else(|| error("invalid command line string"))? {
                        '"' => break,
                        '\\' => word.extend(chars.next()),
                        char => word.push(char),
                    }
                }
            }
            '\\' => match chars.next() {
                Some(char) => word.get_or_insert_default().push(char),
                None => return Err(error("invalid command line string")),
            },
            char => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    Ok(words)
}

fn strings(node: &Node) -> Result<Vec<String>, Misfit> {
    Vec::<String>::decode(node)
}

fn list(words: &[String]) -> Data {
    Data::List(words.iter().map(Data::text).collect())
}

impl Attribute for Command {
    fn decode(node: &Node) -> Result<Command, Misfit> {
        match &node.value {
            Value::Null => Ok(Command(None)),
            Value::String(text) => {
                split(text).map(|it| Command(Some(it))).map_err(|error| Misfit::new(error, node))
            }
            Value::List(_) => strings(node).map(|it| Command(Some(it))),
            _ => Err(Misfit::expected("a command, as a string or a list", node)),
        }
    }

    fn encode(&self, _: Form) -> Data {
        self.0.as_deref().map_or(Data::Null, list)
    }

    fn is_unset(&self, _: Form) -> bool {
        self.0.is_none()
    }
}

impl Attribute for HealthTest {
    fn decode(node: &Node) -> Result<HealthTest, Misfit> {
        match &node.value {
            Value::String(text) => Ok(HealthTest(vec!["CMD-SHELL".to_owned(), text.clone()])),
            Value::Null | Value::List(_) => strings(node).map(HealthTest),
            _ => Err(Misfit::expected("a command, as a string or a list", node)),
        }
    }

    fn encode(&self, _: Form) -> Data {
        list(&self.0)
    }

    fn is_unset(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}
