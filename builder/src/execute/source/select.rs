//! From what COPY names to the files it means: wildcards, links, `--parents`, `--exclude`.

use crate::context::ignore::{Covered, Ignore};
use crate::glob::{Glob, PathPattern, split_wildcards};

use super::resolve::TooManyLinks;
use super::{
    Folder, Link, Node, NodeKind, Source, SourceError, clean, join, parent_and_name, resolve,
};

/// What one source of COPY asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted<'a> {
    Path(&'a [u8]),
    /// What matches `pattern` below `root`, keeping its path.
    Parents {
        root: &'a [u8],
        pattern: &'a [u8],
        required: Option<&'a [u8]>,
    },
}

/// One object named by a source, with everything in it.
#[derive(Debug)]
pub(crate) struct Selection {
    /// The last component of the path as named; a link's own name.
    pub(crate) name: Vec<u8>,
    /// Where it is after following links.
    pub(crate) path: Vec<u8>,
    pub(crate) node: Node,
    /// What is in it if it is a directory.
    pub(crate) inside: Option<Folder>,
}

/// What comes after `root` and its slash.
fn below<'p>(root: &[u8], path: &'p [u8]) -> &'p [u8] {
    if root.is_empty() { path } else { path.get(root.len() + 1..).unwrap_or_default() }
}

impl From<TooManyLinks> for SourceError {
    fn from(_: TooManyLinks) -> SourceError {
        SourceError::LinkLoop { path: Vec::new() }
    }
}

/// Everything that `wanted` means; nothing for a wildcard without match.
pub(crate) fn select(
    source: &dyn Source,
    wanted: Wanted<'_>,
    excludes: &Ignore,
) -> Result<Vec<Selection>, SourceError> {
    match wanted {
        Wanted::Path(path) => expand(source, path)?
            .into_iter()
            .map(|path| selection(source, &path, None, excludes))
            .collect(),
        Wanted::Parents { root, pattern, required } => {
            if let Some(required) = required {
                let path = follow(source, required, false)?;
                found(source, &path, required)?;
            }
            let pattern = PathPattern::parse(pattern.to_vec()).map_err(bad_pattern)?;
            Ok(vec![selection(source, root, Some(&pattern), excludes)?])
        }
    }
}

fn bad_pattern(error: crate::glob::BadPattern) -> SourceError {
    SourceError::Pattern { pattern: error.pattern.clone(), reason: error.to_string() }
}

/// The paths a source with wildcards matches, sorted; links before the wildcard are followed.
fn expand(source: &dyn Source, path: &[u8]) -> Result<Vec<Vec<u8>>, SourceError> {
    let (directory, pattern) = split_wildcards(path);
    let Some(pattern) = pattern else { return Ok(vec![clean(path)]) };
    let glob = Glob::parse(&pattern).map_err(bad_pattern)?;
    let base = follow(source, &clean(&directory), true)?;
    let mut matches = Vec::new();
    if source.lookup(&base)?.is_some_and(|node| node.is_dir()) {
        match_below(source, &glob, &base, b"", &mut matches)?;
    }
    Ok(matches)
}

fn match_below(
    source: &dyn Source,
    glob: &Glob,
    base: &[u8],
    below: &[u8],
    matches: &mut Vec<Vec<u8>>,
) -> Result<(), SourceError> {
    for name in source.names(&join(base, below))? {
        let relative = join(below, &name);
        let path = join(base, &relative);
        if glob.matches(&relative) {
            matches.push(path);
        } else if source.lookup(&path)?.is_some_and(|node| node.is_dir()) {
            match_below(source, glob, base, &relative, matches)?;
        }
    }
    Ok(())
}

/// Follows links in `path`, and one at its end if `last` says so.
fn follow(source: &dyn Source, path: &[u8], last: bool) -> Result<Vec<u8>, SourceError> {
    let resolved: Result<_, SourceError> = resolve(path, last, |at| {
        Ok(match source.lookup(at)? {
            None => Link::Absent,
            Some(Node { kind: NodeKind::Symlink { target }, .. }) => Link::To(target),
            Some(_) => Link::Object,
        })
    });
    resolved.map_err(|error| match error {
        SourceError::LinkLoop { .. } => SourceError::LinkLoop { path: path.to_vec() },
        error => error,
    })
}

fn found(source: &dyn Source, path: &[u8], asked: &[u8]) -> Result<Node, SourceError> {
    source.lookup(path)?.ok_or_else(|| SourceError::NotFound {
        path: asked.to_vec(),
        similar: similar(source, path),
        ignored: source.hides(path),
    })
}

/// A name in the same directory that looks like the missing one.
fn similar(source: &dyn Source, path: &[u8]) -> Option<String> {
    let (parent, name) = parent_and_name(path);
    let names = source.names(parent).ok()?;
    let names: Vec<String> =
        names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let name = String::from_utf8_lossy(name).into_owned();
    let best = parser::suggest::suggest(&name, names.iter().map(String::as_str))?;
    Some(String::from_utf8_lossy(&join(parent, best.as_bytes())).into_owned())
}

fn selection(
    source: &dyn Source,
    asked: &[u8],
    include: Option<&PathPattern>,
    excludes: &Ignore,
) -> Result<Selection, SourceError> {
    let asked = clean(asked);
    let path = follow(source, &asked, true)?;
    let node = found(source, &path, &asked)?;
    let mut inside = None;
    if node.is_dir() {
        if include.is_none() && excludes.is_empty() {
            source.prepare_tree(&path);
        }
        let walk = Walk { source, root: &path, include, excludes };
        inside = Some(walk.folder(path.clone(), &Covered::default(), include.is_none())?);
    }
    Ok(Selection { name: parent_and_name(&asked).1.to_vec(), path, node, inside })
}

/// A descent that leaves out what is excluded or not included.
struct Walk<'a> {
    source: &'a dyn Source,
    root: &'a [u8],
    include: Option<&'a PathPattern>,
    excludes: &'a Ignore,
}

impl Walk<'_> {
    fn folder(
        &self,
        path: Vec<u8>,
        covered: &Covered,
        included: bool,
    ) -> Result<Folder, SourceError> {
        let listing = self.source.list(&path)?;
        let everything = included && self.excludes.is_empty();
        let (mut chosen, mut inside) = (Vec::with_capacity(listing.len()), Vec::new());
        for (position, number) in (0..listing.len()).zip(0_u32..) {
            let is_dir = listing.is_dir(position);
            if everything && !is_dir {
                chosen.push(number);
                continue;
            }
            let path = join(&path, listing.name(position));
            let relative = below(self.root, &path);
            let included = included || self.include.is_some_and(|p| p.matches(relative));
            let verdict = self.excludes.enter(relative, covered);
            let wanted = included && !verdict.excluded;
            if !is_dir {
                chosen.extend(wanted.then_some(number));
                continue;
            }
            if verdict.excluded && self.excludes.can_skip(relative) {
                continue;
            }
            let folder = self.folder(path, &verdict.covered, included)?;
            // A directory that is not wanted itself comes along as the parent of something.
            if wanted || !folder.is_empty() {
                chosen.push(number);
            }
            if !folder.is_empty() {
                inside.push((number, folder));
            }
        }
        Ok(Folder::new(path, listing, chosen, inside))
    }
}
