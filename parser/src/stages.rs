//! Nodes to stages: what stands before the first FROM, and what belongs to which stage.

use crate::ast::{Changes, Directives, Dockerfile, Instruction, InstructionKind, Stage};
use crate::check::CheckOptions;
use crate::directive::Directive;
use crate::error::{ErrorKind, ParseError, ParseErrors};
use crate::instruction::{self, Findings, Typed};
use crate::keyword::Keyword;
use crate::syntax::{Node, Syntax};

/// Reads all nodes of a file: what is right, and what is wrong.
pub(crate) fn dockerfile(syntax: Syntax) -> (Dockerfile, Vec<ParseError>) {
    let mut findings =
        Findings { escape: syntax.escape, errors: syntax.errors, warnings: syntax.warnings };
    let mut stages: Vec<Stage> = Vec::new();
    let mut global_args = Vec::new();
    let (mut in_stage, mut stray_seen) = (false, false);
    for node in &syntax.nodes {
        let keyword = Keyword::parse(&node.keyword.value);
        let is_stray = !in_stage && !matches!(keyword, None | Some(Keyword::Arg | Keyword::From));
        if is_stray && !stray_seen {
            findings.errors.push(no_stage(node));
            stray_seen = true;
        }
        in_stage |= keyword == Some(Keyword::From);
        match (instruction::read(node, &mut findings), stages.last_mut()) {
            (Some(Typed::Stage(stage)), _) => stages.push(*stage),
            (Some(Typed::Instruction(instruction)), Some(stage)) => {
                stage.instructions.push(*instruction)
            }
            (Some(Typed::Instruction(instruction)), None) => {
                if matches!(instruction.kind, InstructionKind::Arg(_)) {
                    global_args.push(*instruction);
                }
            }
            (None, _) => {}
        }
    }
    if stages.is_empty() && findings.errors.is_empty() {
        let span = syntax.nodes.last().map(|node| node.span).unwrap_or_default();
        findings.errors.push(ParseError::new(ErrorKind::NoStages, span));
    }
    let directives = directives(syntax.syntax, syntax.check, syntax.escape, &mut findings);
    let mut warnings = findings.warnings;
    warnings.sort_by_key(|warning| warning.span);
    (Dockerfile { directives, global_args, stages, warnings }, findings.errors)
}

/// Reads the instructions of a trigger.
pub(crate) fn trigger(syntax: Syntax) -> Result<Vec<Instruction>, ParseErrors> {
    let mut findings =
        Findings { escape: syntax.escape, errors: syntax.errors, warnings: syntax.warnings };
    let mut instructions = Vec::new();
    for node in &syntax.nodes {
        if let Some(kind) = instruction::forbidden_trigger(node) {
            findings.errors.push(ParseError::new(kind, node.keyword.span));
        } else if let Some(Typed::Instruction(instruction)) = instruction::read(node, &mut findings)
        {
            instructions.push(*instruction);
        }
    }
    ParseErrors::check(findings.errors)?;
    Ok(instructions)
}

/// Reads the instructions of a change.
pub(crate) fn changes(syntax: Syntax) -> Result<Changes, ParseErrors> {
    let escape = syntax.escape;
    let mut findings = Findings { escape, errors: syntax.errors, warnings: syntax.warnings };
    let mut instructions = Vec::new();
    for node in &syntax.nodes {
        if !Keyword::parse(&node.keyword.value).is_none_or(Keyword::is_change) {
            let instruction = node.keyword.value.to_uppercase();
            let kind = ErrorKind::NotAChange { instruction };
            findings.errors.push(ParseError::new(kind, node.keyword.span));
        } else if let Some(Typed::Instruction(instruction)) = instruction::read(node, &mut findings)
        {
            instructions.push(*instruction);
        }
    }
    ParseErrors::check(findings.errors)?;
    Ok(Changes { escape, instructions })
}

fn no_stage(node: &Node) -> ParseError {
    let instruction = node.keyword.value.to_uppercase();
    ParseError::new(ErrorKind::NoStage { instruction }, node.keyword.span)
}

fn directives(
    syntax: Option<Directive>,
    check: Option<Directive>,
    escape: char,
    findings: &mut Findings,
) -> Directives {
    let check = check.map(|directive| directive.value);
    if let Some(check) = &check
        && let Err(kind) = CheckOptions::parse(&check.value)
    {
        findings.errors.push(ParseError::new(kind, check.span));
    }
    Directives { syntax: syntax.map(|directive| directive.value), escape, check }
}
