//! FROM: where a stage starts.

use crate::ast::{From, Stage};
use crate::error::ErrorKind;
use crate::flag::FlagKind;
use crate::span::Spanned;

use super::{Request, description};

pub(super) fn stage(request: &mut Request<'_>) -> Option<Stage> {
    let flags = request.flags(&[("platform", FlagKind::Text)]);
    let words = request.words().to_vec();
    let (base, alias) = match words.as_slice() {
        [base] => (base, None),
        [base, keyword, name] if keyword.text.eq_ignore_ascii_case("as") => {
            (base, Some((keyword, name)))
        }
        _ => return request.fail(ErrorKind::FromArguments { words: words.len() }),
    };
    if let Some((_, name)) = alias.filter(|(_, name)| !is_stage_name(&name.text)) {
        request.error(ErrorKind::BadStageName { name: name.text.clone() }, name.span);
    }
    let name = alias.map(|(_, name)| Spanned::new(name.text.to_lowercase(), name.span));
    let node = request.node;
    Some(Stage {
        description: name.as_ref().and_then(|name| description(node, &name.value)),
        from: From {
            platform: flags.text("platform"),
            base: base.clone(),
            as_keyword: alias.map(|(keyword, _)| Spanned::new(keyword.text.clone(), keyword.span)),
            name,
        },
        instructions: Vec::new(),
        span: node.span,
        keyword: node.keyword.clone(),
        original: node.original.trim().to_owned(),
        comments: node.comments.clone(),
    })
}

/// A letter, then letters, digits, `-`, `_` and `.`; case does not matter.
fn is_stage_name(name: &str) -> bool {
    let name = name.to_lowercase();
    let rest =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(rest)
}
