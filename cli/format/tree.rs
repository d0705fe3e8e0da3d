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

/// Whether a template can show one of these fields of the row it is given: it names one anywhere, or takes the
/// row whole.
pub(super) fn asks_for(nodes: &[Node], fields: &[&str]) -> bool {
    nodes.iter().any(|node| match node {
        Node::Action(pipeline) => in_pipeline(pipeline, fields),
        Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
            in_pipeline(&branch.pipeline, fields)
                || asks_for(&branch.body, fields)
                || asks_for(&branch.otherwise, fields)
        }
        Node::Text(_) | Node::Break | Node::Continue => false,
    })
}

fn in_pipeline(pipeline: &Pipeline, fields: &[&str]) -> bool {
    let mut operands = pipeline.commands.iter().flat_map(|command| &command.operands);
    operands.any(|operand| in_operand(operand, fields))
}

fn in_operand(operand: &Operand, fields: &[&str]) -> bool {
    match &operand.kind {
        OperandKind::Dot | OperandKind::Variable(_) => true,
        OperandKind::Paren(pipeline) => in_pipeline(pipeline, fields),
        OperandKind::Fields(of, names) => {
            let is_named = names.iter().any(|(name, _)| fields.contains(&name.as_str()));
            let whole = matches!(&of.kind, OperandKind::Paren(inner) if in_pipeline(inner, fields));
            is_named || whole
        }
        _ => false,
    }
}
