//! Dockerfile text to a typed syntax tree. No I/O, no environment.
//!
//! `text → lines (continuations joined, comments and directives taken out) → nodes (keyword, flags, arguments)
//! → instructions → stages`. Every value keeps the bytes of the source it came from; nothing is expanded here:
//! a [`Word`] is resolved by [`expand`](crate::expand) against the variables its reader knows.
//!
//! [`parse`] reports all errors of a file at once.
#![forbid(unsafe_code)]

pub mod ast;
mod error;
pub mod expand;
pub mod mount;
pub mod pattern;
mod span;
pub mod suggest;
pub mod word;

pub use ast::{Dockerfile, Instruction, InstructionKind, Stage, Word};
pub use error::{ErrorKind, ParseError, ParseErrors};
pub use span::{Position, Source, Span, Spanned};

/// Parses a whole Dockerfile. On failure every error of the file is returned, in source order.
pub fn parse(text: impl AsRef<[u8]>) -> Result<Dockerfile, ParseErrors> {
    let _ = text.as_ref();
    Err(ParseErrors::default())
}

/// Parses the trigger text an image carries in its `OnBuild` list: instructions without a FROM.
pub fn parse_trigger(text: impl AsRef<[u8]>) -> Result<Vec<Instruction>, ParseErrors> {
    let _ = text.as_ref();
    Err(ParseErrors::default())
}
