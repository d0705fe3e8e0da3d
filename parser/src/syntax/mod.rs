//! The untyped layer: instructions cut into keyword, flags and arguments, before their meaning is looked at.
//! It is what the s-expression dump shows, and it exists also for instructions nobody knows.

mod cut;
mod reader;

pub use reader::read;

use crate::ast::{Heredoc, Warning, Word};
use crate::directive::Directive;
use crate::error::ParseError;
use crate::span::{Span, Spanned};

/// A file cut into nodes, with the errors met on the way.
#[derive(Clone, Debug)]
pub struct Syntax {
    pub nodes: Vec<Node>,
    /// The directives at the top, as comments that are none.
    pub directives: Vec<Directive>,
    /// `# syntax=` and `# check=`, also after a `#!` line.
    pub syntax: Option<Directive>,
    pub check: Option<Directive>,
    pub escape: char,
    pub warnings: Vec<Warning>,
    pub errors: Vec<ParseError>,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// As typed.
    pub keyword: Spanned<String>,
    /// `--name=value`, quotes resolved.
    pub flags: Vec<Word>,
    pub arguments: Arguments,
    pub heredocs: Vec<Heredoc>,
    /// The comment lines above since the last instruction or empty comment, without `#`.
    pub comments: Vec<String>,
    /// The joined line.
    pub original: String,
    pub span: Span,
    /// First and last line, from 1, comments and empty lines at the end of a continuation included.
    pub lines: (usize, usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arguments {
    None,
    /// The rest of the line as it is.
    Text(Word),
    Words(Vec<Word>),
    Json(Vec<Word>),
    /// ENV and LABEL. `legacy` is `key rest of the line`.
    Pairs {
        pairs: Vec<(Word, Word)>,
        legacy: bool,
    },
    /// HEALTHCHECK: its first word and what follows.
    Health {
        kind: Word,
        command: Box<Arguments>,
    },
    /// ONBUILD.
    Trigger(Box<Node>),
    /// Of an unknown instruction.
    Ignored,
}

impl Arguments {
    pub fn is_json(&self) -> bool {
        match self {
            Arguments::Json(_) => true,
            Arguments::Health { command, .. } => command.is_json(),
            _ => false,
        }
    }

    /// The arguments as a flat list of texts; a pair is three, the last being `=` or empty.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Arguments::None => Vec::new(),
            Arguments::Text(word) => vec![word.text.clone()],
            Arguments::Words(words) | Arguments::Json(words) => {
                words.iter().map(|word| word.text.clone()).collect()
            }
            Arguments::Pairs { pairs, legacy } => {
                let equals = if *legacy { "" } else { "=" };
                pairs
                    .iter()
                    .flat_map(|(key, value)| {
                        [key.text.clone(), value.text.clone(), equals.to_owned()]
                    })
                    .collect()
            }
            Arguments::Health { kind, command } => {
                std::iter::once(kind.text.clone()).chain(command.texts()).collect()
            }
            Arguments::Trigger(node) => {
                std::iter::once(node.keyword.value.clone()).chain(node.arguments.texts()).collect()
            }
            Arguments::Ignored => vec![String::new()],
        }
    }
}
