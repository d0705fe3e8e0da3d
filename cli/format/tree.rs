//! The syntax tree of a template.

use std::ops::Range;

use super::function::Function;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    Break,
    Continue,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Branch {
    pub(super) pipeline: Pipeline,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// `$x, $y := command | command`
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pipeline {
    pub(super) variables: Vec<String>,
    /// `=` instead of `:=`
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
    pub(super) span: Range<usize>,
}

/// An operand with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Command {
    pub(super) operands: Vec<Operand>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operand {
    pub(super) kind: OperandKind,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum OperandKind {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Function(Function),
    /// `$` is the empty name.
    Variable(String),
    Paren(Box<Pipeline>),
    /// `.A.B`, `$x.A`, `(…).A`: fields of an operand, each with its place.
    Fields(Box<Operand>, Vec<(String, Range<usize>)>),
}
