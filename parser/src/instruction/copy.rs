//! COPY and ADD.

use crate::ast::{Add, Copy, CopySource, Word};
use crate::error::ErrorKind;
use crate::flag::FlagKind;
use crate::heredoc;

use super::Request;

pub(super) fn copy(request: &mut Request<'_>) -> Option<Copy> {
    let flags = request.flags(&[
        ("chown", FlagKind::Text),
        ("from", FlagKind::Text),
        ("chmod", FlagKind::Text),
        ("link", FlagKind::Bool),
        ("exclude", FlagKind::List),
        ("parents", FlagKind::Bool),
    ]);
    let from = flags.text("from");
    if let Some(from) = from.as_ref().filter(|from| from.text.contains('$')) {
        request.error(ErrorKind::VariableInFrom, from.span);
    }
    let (sources, dest) = sources_and_dest(request)?;
    Some(Copy {
        from,
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        link: flags.bool("link").unwrap_or(false),
        parents: flags.bool("parents").unwrap_or(false),
        excludes: flags.list("exclude"),
        sources,
        dest,
    })
}

pub(super) fn add(request: &mut Request<'_>) -> Option<Add> {
    let flags = request.flags(&[
        ("chown", FlagKind::Text),
        ("chmod", FlagKind::Text),
        ("link", FlagKind::Bool),
        ("keep-git-dir", FlagKind::Bool),
        ("checksum", FlagKind::Text),
        ("unpack", FlagKind::Bool),
        ("exclude", FlagKind::List),
    ]);
    let (sources, dest) = sources_and_dest(request)?;
    Some(Add {
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        link: flags.bool("link").unwrap_or(false),
        excludes: flags.list("exclude"),
        checksum: flags.text("checksum"),
        keep_git_dir: flags.bool("keep-git-dir"),
        unpack: flags.bool("unpack"),
        sources,
        dest,
    })
}

fn sources_and_dest(request: &mut Request<'_>) -> Option<(Vec<CopySource>, Word)> {
    let words = request.words().to_vec();
    let instruction = request.name();
    let Some((dest, sources)) = words.split_last().filter(|(_, sources)| !sources.is_empty())
    else {
        return request.fail(ErrorKind::NoDestination { instruction });
    };
    if matches!(heredoc::parse_word(&dest.text), Ok(Some(_))) {
        request.error(ErrorKind::HeredocDestination { instruction }, dest.span);
    }
    let mut found = Vec::with_capacity(sources.len());
    let mut sources = sources.iter().peekable();
    while let Some(word) = sources.next() {
        if let Some(heredoc) = inline_file(request, &word.text) {
            found.push(heredoc);
            continue;
        }
        // `<< NAME` is one here-document in two words.
        let next = sources.peek().filter(|_| heredoc::is_bare_opener(&word.text));
        match next.and_then(|next| inline_file(request, &format!("{} {}", word.text, next.text))) {
            Some(heredoc) => {
                found.push(heredoc);
                sources.next();
            }
            None => found.push(CopySource::Path(word.clone())),
        }
    }
    Some((found, dest.clone()))
}

/// The here-document a source word stands for.
fn inline_file(request: &Request<'_>, word: &str) -> Option<CopySource> {
    let opener = heredoc::parse_word(word).ok().flatten()?;
    let heredoc = request.node.heredocs.iter().rev().find(|heredoc| heredoc.name == opener.name)?;
    let mut heredoc = heredoc.clone();
    (heredoc.expand, heredoc.chomp) = (opener.expand, opener.chomp);
    Some(CopySource::Heredoc(heredoc))
}
