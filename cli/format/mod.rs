//! The one formatter behind every `--format`: Docker's template language, a subset of Go's text/template.
//!
//! text ─`token`→ tokens ─`parse`→ tree ─`execute`→ text. Data are JSON documents together with a
//! [`Shape`] that says what JSON cannot: whether an object is a struct (a name it has not is an error)
//! or a map (a missing key is `<no value>`), and whether `null` is an empty list or nothing.
//!
//! | file          | what                                                   |
//! |---------------|--------------------------------------------------------|
//! | `token.rs`    | text to tokens, trim markers and comments              |
//! | `tree.rs`     | the syntax tree                                        |
//! | `parse.rs`    | tokens to the tree, or an error with its place         |
//! | `shape.rs`    | types of the data                                      |
//! | `value.rs`    | a value: JSON and shape; fields, truth, printing       |
//! | `execute.rs`  | walks the tree                                         |
//! | `function.rs` | the functions by name                                  |
//! | `compare.rs`  | `eq` and its kin                                       |
//! | `element.rs`  | `index`, `slice`, `len`, `join`                        |
//! | `verb.rs`     | `printf`                                               |
//! | `columns.rs`  | aligned columns                                        |
//! | `list.rs`     | `table`, `json` and templates for lists of rows        |
//! | `document.rs` | `json` and templates for `inspect` and its like        |

#[cfg(test)]
mod cases;
mod columns;
mod compare;
mod document;
mod element;
mod error;
mod execute;
mod function;
#[cfg(test)]
mod hostile;
mod list;
mod parse;
mod shape;
mod token;
mod tree;
mod value;
mod verb;

pub use columns::{align, align_within};
pub use document::{DocumentFormat, Rendered};
pub use error::TemplateError;
pub use execute::{Functions, MissingKey, Template};
pub use list::{ListFormat, Row, Table, row};
pub use shape::{Shape, Struct};
pub use value::Value;
