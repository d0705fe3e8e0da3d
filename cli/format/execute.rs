//! Walks the tree with the data: what is printed, or the first thing that cannot be done.

use std::ops::Range;

use serde_json::Value as Json;

use super::error::{Complaint, Flaw, TemplateError};
use super::function::{self, Function};
use super::parse;
use super::tree::{self, Branch, Command, Node, Operand, OperandKind, Pipeline};
use super::value::{Value, View, keys};

/// A template that was understood.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    nodes: Vec<Node>,
}

/// What a key gives that a map has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingKey {
    /// `<no value>`
    NoValue,
    Error,
}

/// What the functions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Functions {
    Usual,
    /// In the header of a table, functions that change a text leave it as it is.
    Header,
}

impl Template {
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        match parse::parse(text) {
            Ok(nodes) => Ok(Template { text: text.to_owned(), nodes }),
            Err(flaw) => Err(flaw.in_template(text)),
        }
    }

    pub fn execute(&self, data: &Value, missing: MissingKey) -> Result<String, TemplateError> {
        let mut run = Run::new(data, missing, Functions::Usual);
        match run.nodes(&self.nodes, data) {
            Ok(_) => Ok(run.output),
            Err(flaw) => Err(flaw.in_template(&self.text)),
        }
    }

    /// Whether it can show one of these fields of the data.
    pub fn asks_for(&self, fields: &[&str]) -> bool {
        tree::asks_for(&self.nodes, fields)
    }

    /// The header of a table: as far as the template can be followed with names of columns.
    pub fn execute_header(&self, headers: &Value) -> String {
        let mut run = Run::new(headers, MissingKey::NoValue, Functions::Header);
        let _as_far_as_possible = run.nodes(&self.nodes, headers);
        run.output
    }
}

struct Run {
    output: String,
    /// Innermost last.
    variables: Vec<(String, Value)>,
    missing: MissingKey,
    functions: Functions,
}

/// How to go on behind a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl Run {
    fn new(data: &Value, missing: MissingKey, functions: Functions) -> Run {
        let variables = vec![(String::new(), data.clone())];
        Run { output: String::new(), variables, missing, functions }
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, Flaw> {
        for node in nodes {
            match self.node(node, dot)? {
                Flow::On => {}
                leaves => return Ok(leaves),
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, Flaw> {
        match node {
            Node::Text(text) => self.output.push_str(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.output.push_str(&value.printed());
                }
            }
            Node::If(branch) => return self.scoped(|run| run.choose(branch, dot, false)),
            Node::With(branch) => return self.scoped(|run| run.choose(branch, dot, true)),
            Node::Range(branch) => return self.scoped(|run| run.range(branch, dot)),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    /// What is declared in a block ends with it.
    fn scoped(&mut self, act: impl FnOnce(&mut Run) -> Result<Flow, Flaw>) -> Result<Flow, Flaw> {
        let depth = self.variables.len();
        let flow = act(self);
        self.variables.truncate(depth);
        flow
    }

    fn choose(&mut self, branch: &Branch, dot: &Value, moves_dot: bool) -> Result<Flow, Flaw> {
        let value = self.pipeline(&branch.pipeline, dot)?;
        if !value.truth() {
            return self.nodes(&branch.otherwise, dot);
        }
        self.nodes(&branch.body, if moves_dot { &value } else { dot })
    }

    fn range(&mut self, branch: &Branch, dot: &Value) -> Result<Flow, Flaw> {
        let value = self.pipeline(&branch.pipeline, dot)?;
        let pairs: Vec<(Value, Value)> = match value.view() {
            View::List(items, element) => {
                let numbered = (0..).zip(items);
                numbered
                    .map(|(at, item)| (Value::int(at), Value::new(item.clone(), element)))
                    .collect()
            }
            View::Map(entries, element) => {
                let pair = |key| (Value::text(key), Value::new(entries[key].clone(), element));
                keys(entries).into_iter().map(pair).collect()
            }
            View::Nil => Vec::new(),
            _ => {
                let message =
                    format!("`range` cannot go through a value of type {}", value.type_name());
                return Err(Flaw::new(branch.pipeline.span.clone(), message));
            }
        };
        if pairs.is_empty() {
            return self.nodes(&branch.otherwise, dot);
        }
        let depth = self.variables.len();
        for (key, element) in pairs {
            self.set_loop_variables(&branch.pipeline, &key, &element);
            let flow = self.nodes(&branch.body, &element)?;
            self.variables.truncate(depth);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn set_loop_variables(&mut self, pipeline: &Pipeline, key: &Value, element: &Value) {
        match pipeline.variables.as_slice() {
            [name] => self.set(name, element.clone()),
            [index, name] => {
                self.set(index, key.clone());
                self.set(name, element.clone());
            }
            _ => {}
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        if let Some(slot) = self.variables.iter_mut().rev().find(|(known, _)| known == name) {
            slot.1 = value;
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Flaw> {
        let mut last = None;
        for command in &pipeline.commands {
            last = Some(self.command(command, dot, last)?);
        }
        let value = last.unwrap_or_else(Value::missing);
        for name in &pipeline.variables {
            match pipeline.assigns {
                true => self.set(name, value.clone()),
                false => self.variables.push((name.clone(), value.clone())),
            }
        }
        Ok(value)
    }

    /// `last` is what comes through a pipe: the last argument.
    fn command(
        &mut self,
        command: &Command,
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, Flaw> {
        let (first, arguments) = match command.operands.split_first() {
            Some(split) => split,
            None => return Ok(Value::missing()),
        };
        if let OperandKind::Function(function) = first.kind {
            return self.call(function, first, arguments, dot, last);
        }
        if let OperandKind::Nil = first.kind {
            return Err(Flaw::new(first.span.clone(), "`nil` is no command"));
        }
        if !arguments.is_empty() || last.is_some() {
            return Err(Flaw::new(
                first.span.clone(),
                "this is no function and takes no arguments",
            ));
        }
        self.operand(first, dot)
    }

    fn call(
        &mut self,
        function: Function,
        place: &Operand,
        arguments: &[Operand],
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, Flaw> {
        if matches!(function, Function::And | Function::Or) {
            return self.and_or(function, place, arguments, dot, last);
        }
        let mut values = Vec::new();
        for argument in arguments {
            values.push(self.operand(argument, dot)?);
        }
        values.extend(last);
        function::call(function, &values, self.functions)
            .map_err(|complaint| complaint.at(place.span.start..end_of(place, arguments)))
    }

    /// The first argument that decides, else the last. What stands behind it is not looked at.
    fn and_or(
        &mut self,
        function: Function,
        place: &Operand,
        arguments: &[Operand],
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, Flaw> {
        let decides = |value: &Value| value.truth() == (function == Function::Or);
        let mut value = None;
        for argument in arguments {
            let found = self.operand(argument, dot)?;
            if decides(&found) {
                return Ok(found);
            }
            value = Some(found);
        }
        last.or(value).ok_or_else(|| {
            let name = function.name();
            Complaint::new(format!("`{name}` wants at least one argument")).at(place.span.clone())
        })
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, Flaw> {
        Ok(match &operand.kind {
            OperandKind::Dot => dot.clone(),
            OperandKind::Nil => Value::new(Json::Null, super::Shape::Any),
            OperandKind::Bool(value) => Value::bool(*value),
            OperandKind::Int(value) => Value::int(*value),
            OperandKind::Float(value) => Value::float(*value),
            OperandKind::Text(text) => Value::text(text.clone()),
            OperandKind::Function(function) => self.call(*function, operand, &[], dot, None)?,
            OperandKind::Variable(name) => self.variable(name, &operand.span)?,
            OperandKind::Paren(pipeline) => self.pipeline(pipeline, dot)?,
            OperandKind::Fields(of, names) => {
                let mut value = self.operand(of, dot)?;
                for (name, place) in names {
                    value = value
                        .field(name, self.missing)
                        .map_err(|complaint| complaint.at(operand.span.start..place.end))?;
                }
                value
            }
        })
    }

    fn variable(&self, name: &str, span: &Range<usize>) -> Result<Value, Flaw> {
        let found = self.variables.iter().rev().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.clone())
            .ok_or_else(|| Flaw::new(span.clone(), format!("undefined variable `${name}`")))
    }
}

fn end_of(first: &Operand, rest: &[Operand]) -> usize {
    rest.last().unwrap_or(first).span.end
}
