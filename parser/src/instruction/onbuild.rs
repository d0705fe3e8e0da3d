//! ONBUILD: an instruction for the builds that start from the image.

use crate::ast::{Onbuild, Warning, WarningKind};
use crate::error::ErrorKind;
use crate::keyword::Keyword;
use crate::syntax::{Arguments, Node};

use super::{Findings, Request, Typed};

pub(super) fn onbuild(request: &mut Request<'_>) -> Option<Onbuild> {
    request.flags(&[]);
    let Arguments::Trigger(trigger) = &request.node.arguments else {
        let instruction = request.name();
        return request.fail(ErrorKind::AtLeastOneArgument { instruction });
    };
    if let Some(kind) = forbidden(trigger) {
        request.error(kind, trigger.keyword.span);
        return None;
    }
    let mut inner =
        Findings { escape: request.findings.escape, errors: Vec::new(), warnings: Vec::new() };
    let typed = super::read(trigger, &mut inner);
    // Not an error of this file: no child build may ever come. BuildKit stays silent.
    for error in inner.errors {
        let kind = WarningKind::BrokenTrigger { error: error.to_string() };
        request.findings.warnings.push(Warning { kind, span: error.span });
    }
    request.findings.warnings.extend(inner.warnings);
    let trigger_instruction = match typed {
        Some(Typed::Instruction(instruction)) => Some(instruction),
        _ => None,
    };
    Some(Onbuild { expression: expression(request.node), trigger: trigger_instruction })
}

/// Instructions that cannot be triggers.
pub(crate) fn forbidden(trigger: &Node) -> Option<ErrorKind> {
    match Keyword::parse(&trigger.keyword.value)? {
        Keyword::Onbuild => Some(ErrorKind::ChainedOnbuild),
        Keyword::From | Keyword::Maintainer => {
            Some(ErrorKind::ForbiddenTrigger { instruction: trigger.keyword.value.to_uppercase() })
        }
        _ => None,
    }
}

/// The text after ONBUILD, with the here-documents it opens.
fn expression(node: &Node) -> String {
    let line = node.original.trim_start();
    let mut text = line[node.keyword.value.len()..].trim_start().to_owned();
    for heredoc in &node.heredocs {
        text.push('\n');
        text.push_str(&heredoc.content);
        text.push_str(&heredoc.name);
    }
    text
}
