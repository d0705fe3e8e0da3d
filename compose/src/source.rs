//! The files that were read, and places in them.

use std::fmt;

/// Which file of [`Sources`] a place is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(u32);

/// Line and column, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

/// A stretch of one file. A value that nobody wrote has the place of what it was made from, or line 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    pub file: FileId,
    pub start: Position,
    pub end: Position,
}

impl Span {
    /// Not in any file.
    pub const NOWHERE: Span = Span {
        file: FileId(0),
        start: Position { line: 0, column: 0 },
        end: Position { line: 0, column: 0 },
    };

    pub fn is_somewhere(self) -> bool {
        self.start.line > 0
    }
}

/// A file as read.
#[derive(Clone, Debug)]
pub struct Source {
    /// How messages call it.
    pub name: String,
    pub text: String,
}

/// Every file that took part in a load, in reading order.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        self.files.push(Source { name: name.into(), text: text.into() });
        FileId(self.files.len() as u32 - 1)
    }

    pub fn get(&self, file: FileId) -> Option<&Source> {
        self.files.get(file.0 as usize)
    }

    /// The file a place is in; none for a place that is nowhere.
    pub fn of(&self, span: Span) -> Option<&Source> {
        if span.is_somewhere() { self.get(span.file) } else { None }
    }

    /// `name:line:column`.
    pub fn describe(&self, span: Span) -> Option<String> {
        let source = self.of(span)?;
        Some(format!("{}:{}", source.name, span.start))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.files.iter()
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}
