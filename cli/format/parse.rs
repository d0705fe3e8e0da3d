//! Tokens to the tree. What can be known wrong without data is refused here: unknown functions and
//! variables, blocks that do not close, commands that cannot be called.

use std::ops::Range;

use super::error::Flaw;
use super::function::Function;
use super::token::{Kind, Token, tokens};
use super::tree::{Branch, Command, Node, Operand, OperandKind, Pipeline};

/// Blocks and parentheses in each other: more would only exhaust the stack.
const DEEPEST: usize = 100;

/// Parts of Go's language that Docker's templates hardly use.
const REFUSED: [&str; 3] = ["define", "template", "block"];

pub(super) fn parse(template: &str) -> Result<Vec<Node>, Flaw> {
    let tokens = tokens(template)?;
    let end = template.len();
    let mut parser =
        Parser { tokens, at: 0, end, variables: vec![String::new()], ranges: 0, depth: 0 };
    let (nodes, stop) = parser.nodes()?;
    match stop {
        Stop::Eof => Ok(nodes),
        Stop::End(span) => Err(Flaw::new(span, "`{{end}}` without a block to end")),
        Stop::Else(span) => Err(Flaw::new(span, "`{{else}}` outside a block")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// Length of the template: where what is missing would be.
    end: usize,
    /// Names in scope, without `$`.
    variables: Vec<String>,
    /// How many `range` bodies we are in.
    ranges: usize,
    /// How many blocks and parentheses we are in.
    depth: usize,
}

/// What ended a list of nodes.
enum Stop {
    Eof,
    End(Range<usize>),
    Else(Range<usize>),
}

impl Parser {
    fn nodes(&mut self) -> Result<(Vec<Node>, Stop), Flaw> {
        let mut nodes = Vec::new();
        while let Some(token) = self.next() {
            match token.kind {
                Kind::Text(text) => nodes.push(Node::Text(text)),
                _ => match self.action()? {
                    Step::Node(node) => nodes.push(node),
                    Step::Nothing => {}
                    Step::Stop(stop) => return Ok((nodes, stop)),
                },
            }
        }
        Ok((nodes, Stop::Eof))
    }

    /// What follows a `{{`.
    fn action(&mut self) -> Result<Step, Flaw> {
        self.skip_space();
        let Some(Token { kind: Kind::Word(word), span }) = self.peek().cloned() else {
            return self.plain_action();
        };
        match word.as_str() {
            "if" => self.branch("if", span).map(|branch| Step::Node(Node::If(branch))),
            "with" => self.branch("with", span).map(|branch| Step::Node(Node::With(branch))),
            "range" => self.branch("range", span).map(|branch| Step::Node(Node::Range(branch))),
            "break" => self.leave_range(span, Node::Break),
            "continue" => self.leave_range(span, Node::Continue),
            "end" => {
                self.at += 1;
                self.close("end")?;
                Ok(Step::Stop(Stop::End(span)))
            }
            "else" => {
                self.at += 1;
                Ok(Step::Stop(Stop::Else(span)))
            }
            word if REFUSED.contains(&word) => {
                Err(Flaw::new(span, format!("`{word}` is not supported in templates")))
            }
            _ => self.plain_action(),
        }
    }

    fn plain_action(&mut self) -> Result<Step, Flaw> {
        let pipeline = self.pipeline("command", &Kind::Close)?;
        if pipeline.commands.is_empty() {
            return Ok(Step::Nothing);
        }
        Ok(Step::Node(Node::Action(pipeline)))
    }

    fn leave_range(&mut self, span: Range<usize>, node: Node) -> Result<Step, Flaw> {
        let word = if node == Node::Break { "break" } else { "continue" };
        if self.ranges == 0 {
            return Err(Flaw::new(span, format!("`{word}` outside `range`")));
        }
        self.at += 1;
        self.close(word)?;
        Ok(Step::Node(node))
    }

    /// `{{if …}}…{{else if …}}…{{else}}…{{end}}` from its keyword on.
    fn branch(&mut self, keyword: &'static str, span: Range<usize>) -> Result<Branch, Flaw> {
        self.at += 1;
        self.enter(&span)?;
        let scope = self.variables.len();
        let pipeline = self.pipeline(keyword, &Kind::Close)?;
        let is_range = usize::from(keyword == "range");
        let inner = self.variables.len();
        self.ranges += is_range;
        let (body, stop) = self.nodes()?;
        self.ranges -= is_range;
        self.variables.truncate(inner);
        let otherwise = match stop {
            Stop::End(_) => Vec::new(),
            Stop::Eof => return Err(unclosed(keyword, span)),
            Stop::Else(_) => self.otherwise(keyword, span)?,
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(Branch { pipeline, body, otherwise })
    }

    /// One level deeper, for as long as what begins at `span` is not closed.
    fn enter(&mut self, span: &Range<usize>) -> Result<(), Flaw> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let message = format!("more than {DEEPEST} blocks or parentheses in each other");
            return Err(Flaw::new(span.clone(), message));
        }
        Ok(())
    }

    fn parentheses(&mut self, span: &Range<usize>) -> Result<OperandKind, Flaw> {
        self.enter(span)?;
        let pipeline = self.pipeline("parenthesized pipeline", &Kind::RightParen)?;
        self.depth -= 1;
        Ok(OperandKind::Paren(Box::new(pipeline)))
    }

    fn otherwise(&mut self, keyword: &'static str, span: Range<usize>) -> Result<Vec<Node>, Flaw> {
        self.skip_space();
        if let Some(Token { kind: Kind::Word(word), span: at }) = self.peek().cloned() {
            let chained = match (keyword, word.as_str()) {
                ("if", "if") => Some(Node::If as fn(Branch) -> Node),
                ("with", "with") => Some(Node::With as fn(Branch) -> Node),
                _ => None,
            };
            if let Some(node) = chained {
                // One `{{end}}` closes the whole chain.
                return Ok(vec![node(self.branch(keyword, at)?)]);
            }
        }
        self.close("else")?;
        let scope = self.variables.len();
        let (nodes, stop) = self.nodes()?;
        self.variables.truncate(scope);
        match stop {
            Stop::End(_) => Ok(nodes),
            Stop::Eof => Err(unclosed(keyword, span)),
            Stop::Else(span) => Err(Flaw::new(span, "a second `{{else}}`; expected `{{end}}`")),
        }
    }

    /// Up to and with `end`, which is `}}` or `)`.
    fn pipeline(&mut self, context: &str, end: &Kind) -> Result<Pipeline, Flaw> {
        self.skip_space();
        let start = self.place().start;
        let (variables, assigns) = self.declaration(context)?;
        let mut commands = Vec::new();
        loop {
            self.skip_space();
            let place = self.place();
            let token = self.next().ok_or_else(|| unexpected_end(place.clone(), context))?;
            if token.kind == *end {
                if commands.is_empty() {
                    return Err(Flaw::new(place, format!("missing value for {context}")));
                }
                // Only now: a variable is not known in its own declaration.
                if !assigns {
                    self.variables.extend(variables.iter().cloned());
                }
                return Ok(Pipeline { variables, assigns, commands, span: start..place.start });
            }
            if !starts_operand(&token.kind) {
                return Err(unexpected(&token, context));
            }
            self.at -= 1;
            let command = self.command(context)?;
            check_stage(commands.len(), &command)?;
            commands.push(command);
            self.take_pipe();
        }
    }

    /// `$x :=`, `$x =`, and for `range` two variables.
    fn declaration(&mut self, context: &str) -> Result<(Vec<String>, bool), Flaw> {
        let begin = self.at;
        let mut names = Vec::new();
        while let Some(Token { kind: Kind::Variable(name), .. }) = self.peek().cloned() {
            names.push(name[1..].to_owned());
            self.at += 1;
            self.skip_space();
            let Some(token) = self.peek().cloned() else { break };
            match token.kind {
                Kind::Comma if context == "range" && names.len() == 1 => {
                    self.at += 1;
                    self.skip_space();
                }
                Kind::Comma => return Err(Flaw::new(token.span, "too many variables")),
                Kind::Declare | Kind::Assign => {
                    let assigns = token.kind == Kind::Assign;
                    if assigns {
                        let known = |name: &String| self.variables.contains(name);
                        if let Some(name) = names.iter().find(|name| !known(name)) {
                            return Err(undefined(name, token.span));
                        }
                    }
                    self.at += 1;
                    return Ok((names, assigns));
                }
                _ => break,
            }
        }
        self.at = begin;
        Ok((Vec::new(), false))
    }

    /// An operand and its arguments.
    fn command(&mut self, context: &str) -> Result<Command, Flaw> {
        let mut operands = vec![self.operand(context)?];
        while self.skip_space() {
            match self.peek() {
                Some(token) if starts_operand(&token.kind) => {
                    operands.push(self.operand(context)?);
                }
                _ => break,
            }
        }
        match self.peek() {
            Some(Token { kind: Kind::Close | Kind::RightParen | Kind::Pipe, .. }) | None => {
                Ok(Command { operands })
            }
            Some(token) => Err(unexpected(token, "operand")),
        }
    }

    fn operand(&mut self, context: &str) -> Result<Operand, Flaw> {
        let place = self.place();
        let token = self.next().ok_or_else(|| unexpected_end(place, context))?;
        let span = token.span.clone();
        let kind = match token.kind {
            Kind::Dot => OperandKind::Dot,
            Kind::Int(int) => OperandKind::Int(int),
            Kind::Float(float) => OperandKind::Float(float),
            Kind::String(text) => OperandKind::Text(text),
            Kind::Word(word) => named(&word, &span)?,
            Kind::Variable(name) => self.variable(&name[1..], &span)?,
            Kind::LeftParen => self.parentheses(&span)?,
            Kind::Field(name) => {
                let first = (name, span.clone());
                let dot = Operand { kind: OperandKind::Dot, span: span.clone() };
                OperandKind::Fields(Box::new(dot), vec![first])
            }
            _ => return Err(unexpected(&token, context)),
        };
        let operand = Operand { kind, span: span.start..self.end_of_last() };
        self.fields_of(operand)
    }

    fn fields_of(&mut self, operand: Operand) -> Result<Operand, Flaw> {
        let mut names = Vec::new();
        while let Some(Token { kind: Kind::Field(name), span }) = self.peek().cloned() {
            names.push((name, span));
            self.at += 1;
        }
        let Some((name, place)) = names.first() else { return Ok(operand) };
        let span = operand.span.start..self.end_of_last();
        let kind = match operand.kind {
            OperandKind::Fields(of, mut fields) => {
                fields.extend(names);
                OperandKind::Fields(of, fields)
            }
            OperandKind::Variable(_) | OperandKind::Paren(_) => {
                OperandKind::Fields(Box::new(operand), names)
            }
            _ => {
                return Err(Flaw::new(place.clone(), format!("unexpected `.{name}` after a term")));
            }
        };
        Ok(Operand { kind, span })
    }

    fn variable(&self, name: &str, span: &Range<usize>) -> Result<OperandKind, Flaw> {
        if self.variables.iter().any(|known| known == name) {
            Ok(OperandKind::Variable(name.to_owned()))
        } else {
            Err(undefined(name, span.clone()))
        }
    }

    /// A pipe with nothing behind it is none, in Go too.
    fn take_pipe(&mut self) {
        self.skip_space();
        self.at += usize::from(self.peek().is_some_and(|token| token.kind == Kind::Pipe));
    }

    fn close(&mut self, context: &str) -> Result<(), Flaw> {
        self.skip_space();
        let place = self.place();
        match self.next() {
            Some(Token { kind: Kind::Close, .. }) => Ok(()),
            Some(token) => Err(unexpected(&token, context)),
            None => Err(unexpected_end(place, context)),
        }
    }

    /// True if there were spaces.
    fn skip_space(&mut self) -> bool {
        let begin = self.at;
        while self.peek().is_some_and(|token| token.kind == Kind::Space) {
            self.at += 1;
        }
        self.at > begin
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Where the next token is.
    fn place(&self) -> Range<usize> {
        self.peek().map_or(self.end..self.end, |token| token.span.clone())
    }

    fn end_of_last(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |token| token.span.end)
    }
}

enum Step {
    Node(Node),
    Nothing,
    Stop(Stop),
}

fn named(word: &str, span: &Range<usize>) -> Result<OperandKind, Flaw> {
    match word {
        "true" => Ok(OperandKind::Bool(true)),
        "false" => Ok(OperandKind::Bool(false)),
        "nil" => Ok(OperandKind::Nil),
        _ => match Function::named(word) {
            Some(function) => Ok(OperandKind::Function(function)),
            None => {
                let message = format!("function `{word}` is not supported in templates");
                let names: Vec<&str> = Function::names().collect();
                Err(Flaw::new(span.clone(), message)
                    .hint(format!("the functions are {}", names.join(", "))))
            }
        },
    }
}

/// Only functions and fields may come behind a `|`, since they get the value.
fn check_stage(stage: usize, command: &Command) -> Result<(), Flaw> {
    use OperandKind::{Bool, Dot, Float, Int, Nil, Text};
    let first = &command.operands[0];
    let is_constant = matches!(first.kind, Bool(_) | Dot | Nil | Int(_) | Float(_) | Text(_));
    if stage > 0 && is_constant {
        return Err(Flaw::new(first.span.clone(), "only functions can stand behind `|`"));
    }
    Ok(())
}

fn starts_operand(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Dot
            | Kind::Field(_)
            | Kind::Word(_)
            | Kind::Variable(_)
            | Kind::Int(_)
            | Kind::Float(_)
            | Kind::String(_)
            | Kind::LeftParen
    )
}

fn unexpected(token: &Token, context: &str) -> Flaw {
    let what = match &token.kind {
        Kind::Text(_) | Kind::Open => "text",
        Kind::Close => "`}}`",
        Kind::Space => "space",
        Kind::Pipe => "`|`",
        Kind::Comma => "`,`",
        Kind::Declare => "`:=`",
        Kind::Assign => "`=`",
        Kind::RightParen => "`)`",
        Kind::LeftParen => "`(`",
        _ => "operand",
    };
    Flaw::new(token.span.clone(), format!("unexpected {what} in {context}"))
}

fn unexpected_end(place: Range<usize>, context: &str) -> Flaw {
    Flaw::new(place, format!("the template ends in {context}"))
}

fn unclosed(keyword: &str, span: Range<usize>) -> Flaw {
    Flaw::new(span, format!("`{{{{{keyword}}}}}` has no `{{{{end}}}}`"))
}

fn undefined(name: &str, span: Range<usize>) -> Flaw {
    Flaw::new(span, format!("undefined variable `${name}`"))
}
