//! What COPY and ADD do that nobody can have meant.

use runtime::user;
use store::layer::is_archive;
use store::tree::Tree;

use super::Prepared;
use crate::execute::source::{NodeKind, Selection, Source};
use crate::execute::target::show;
use crate::execute::{StepError, owners};
use crate::glob;
use crate::quirk::Quirk;
use crate::step::{CopySource, CopyStep};

/// Found before the cache is asked: a step that is cached is as strange as one that runs.
pub(crate) fn quirks(
    step: &CopyStep,
    prepared: &Prepared,
    below: impl Fn() -> Result<Tree, StepError>,
) -> Result<Vec<(Quirk, String)>, StepError> {
    let mut found = unmatched(step, prepared);
    if let Some(last) = last_of_several(step, prepared)?
        && !is_directory(&below()?, &step.dest)?
    {
        let message = format!(
            "several files are copied to `{}`, which is no directory: BuildKit keeps only the last, `{last}`",
            step.dest
        );
        found.push((Quirk::SeveralFilesToOne, message));
    }
    if let Some(spec) = step.chown.as_deref().filter(|spec| user::needs_files(spec)) {
        found.extend(unknown_owners(spec, &below()?)?);
    }
    Ok(found)
}

fn unmatched(step: &CopyStep, prepared: &Prepared) -> Vec<(Quirk, String)> {
    let mut found = Vec::new();
    for ((_, selections), wanted) in prepared.sources.iter().zip(&step.sources) {
        let pattern = match wanted {
            CopySource::Path(path) if selections.is_empty() => path.clone(),
            // `--exclude` may have taken away what matched.
            CopySource::Parents { root, pattern, required: None }
                if step.excludes.is_empty()
                    && glob::has_wildcards(pattern)
                    && selections.iter().all(|selection| is_empty(selection)) =>
            {
                format!("{}/{pattern}", root.trim_end_matches('/'))
            }
            _ => continue,
        };
        let pattern = pattern.trim_start_matches('/');
        let message = format!("`{pattern}` matches nothing: BuildKit copies nothing");
        found.push((Quirk::WildcardWithoutMatch, message));
    }
    found
}

fn is_empty(selection: &Selection) -> bool {
    selection.inside.as_ref().is_none_or(|inside| inside.is_empty())
}

/// The file that is left when several are copied to one name.
fn last_of_several(step: &CopyStep, prepared: &Prepared) -> Result<Option<String>, StepError> {
    let all = || {
        prepared
            .sources
            .iter()
            .flat_map(|(source, found)| found.iter().map(move |one| (source, one)))
    };
    let several = all().nth(1).is_some();
    if step.dest.ends_with('/') || !several || all().any(|(_, one)| one.node.is_dir()) {
        return Ok(None);
    }
    let mut files = Vec::new();
    for (source, selection) in all() {
        if !(step.unpack && is_unpacked(&**source, selection)?) {
            files.push(&selection.path);
        }
    }
    Ok(files.last().filter(|_| files.len() > 1).map(|path| show(path)))
}

fn is_unpacked(source: &dyn Source, selection: &Selection) -> Result<bool, StepError> {
    let is_file = matches!(selection.node.kind, NodeKind::File { .. });
    Ok(is_file && is_archive(source.open(&selection.path)?))
}

fn is_directory(below: &Tree, dest: &str) -> Result<bool, StepError> {
    let resolved = below.resolve(dest.trim_start_matches('/'), true)?;
    Ok(below.lookup(&resolved).is_some_and(|found| found.entry.is_dir()))
}

fn unknown_owners(spec: &str, below: &Tree) -> Result<Vec<(Quirk, String)>, StepError> {
    let tell = |error: user::UserError| {
        let given = match &error {
            user::UserError::UnknownGroup { .. } => "BuildKit gives the files the user's group",
            _ => "BuildKit gives the files to root",
        };
        (Quirk::UnknownOwner, format!("`--chown={spec}`: {error}: {given}"))
    };
    Ok(owners::of_chown(spec, below)?.unknown.into_iter().map(tell).collect())
}
