//! Dockerfile text to a typed syntax tree. No I/O, no environment.
//!
//! `text → lines (continuations joined, comments and directives taken out) → nodes (keyword, flags, arguments)
//! → instructions → stages`. Every value keeps the bytes of the source it came from; nothing is expanded here:
//! a [`Word`] is resolved by [`expand`](crate::expand) against the variables its reader knows.
//!
//! [`parse`] reports all errors of a file at once.
#![forbid(unsafe_code)]

mod argument;
pub mod ast;
pub mod check;
pub mod directive;
pub mod duration;
mod error;
pub mod expand;
mod expandable;
pub mod expose;
pub mod flag;
pub mod heredoc;
mod instruction;
pub mod keyword;
mod line;
pub mod mount;
pub mod pattern;
pub mod sexpr;
mod span;
mod stages;
mod string_array;
pub mod suggest;
pub mod syntax;
pub mod word;

pub use ast::{Changes, Dockerfile, Instruction, InstructionKind, Stage, Word};
pub use error::{ErrorKind, ParseError, ParseErrors};
pub use span::{Position, Source, Span, Spanned};

/// Parses a whole Dockerfile. On failure every error of the file is returned, in source order.
pub fn parse(text: impl AsRef<[u8]>) -> Result<Dockerfile, ParseErrors> {
    let (dockerfile, errors) = stages::dockerfile(syntax::read(decode(text.as_ref())?));
    ParseErrors::check(errors)?;
    Ok(dockerfile)
}

/// The instructions without errors of a file that may have some; none when it is no text.
pub fn parse_what_is_right(text: impl AsRef<[u8]>) -> Option<Dockerfile> {
    let text = decode(text.as_ref()).ok()?;
    Some(stages::dockerfile(syntax::read(text)).0)
}

/// Parses the trigger text an image carries in its `OnBuild` list: instructions without a FROM.
pub fn parse_trigger(text: impl AsRef<[u8]>) -> Result<Vec<Instruction>, ParseErrors> {
    stages::trigger(syntax::read(decode(text.as_ref())?))
}

/// Parses what `import --change` takes: instructions without a FROM that do no more than describe the image.
pub fn parse_changes(text: impl AsRef<[u8]>) -> Result<Changes, ParseErrors> {
    stages::changes(syntax::read(decode(text.as_ref())?))
}

/// The text as UTF-8, without NUL bytes.
fn decode(bytes: &[u8]) -> Result<&str, ParseErrors> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let span = Span::new(at, at + error.error_len().unwrap_or(bytes.len() - at));
        ParseErrors { errors: vec![ParseError::new(ErrorKind::NotUtf8, span)] }
    })?;
    match text.find('\0') {
        Some(at) => Err(ParseErrors {
            errors: vec![ParseError::new(ErrorKind::Nul, Span::new(at, at + 1))],
        }),
        None => Ok(text),
    }
}
