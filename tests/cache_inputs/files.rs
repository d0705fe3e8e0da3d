//! The files of a context as a Dockerfile's author sees them: what .dockerignore leaves, what a path names.
//! Written against Docker's reference and not after the builder, which it is there to doubt.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// By path without a slash at either end.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(BTreeMap<String, Entry>);

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) mode: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    #[expect(dead_code, reason = "compared as text")]
    File(Vec<u8>),
    Directory,
    Link(String),
}

/// What a source names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) entry: &'a Entry,
    /// A directory of which only what is in it gets copied.
    pub(super) top: bool,
}

impl Files {
    /// Without what `ignore` leaves out.
    pub(super) fn read(context: &Path, ignore: &str) -> Files {
        let patterns: Vec<&str> =
            ignore.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let mut files = Files::default();
        files.walk(context, "");
        let kept: Vec<String> =
            files.0.keys().filter(|path| !left_out(&patterns, path)).cloned().collect();
        // Of a directory that is left out, what is kept in it needs it.
        let needed = |path: &str| kept.iter().any(|kept| kept.starts_with(&format!("{path}/")));
        files.0.retain(|path, _| kept.contains(path) || needed(path));
        files
    }

    fn walk(&mut self, directory: &Path, below: &str) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let metadata = entry.metadata().unwrap();
            let kind = if metadata.is_dir() {
                self.walk(&entry.path(), &path);
                Kind::Directory
            } else if metadata.is_symlink() {
                Kind::Link(fs::read_link(entry.path()).unwrap().to_str().unwrap().to_owned())
            } else {
                Kind::File(fs::read(entry.path()).unwrap())
            };
            let mode = metadata.permissions().mode() & 0o7777;
            self.0.insert(path, Entry { kind, mode });
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.0.iter()
    }

    /// All directories with their modes.
    pub(super) fn directories(&self) -> impl Iterator<Item = String> {
        let directories = self.0.iter().filter(|(_, entry)| matches!(entry.kind, Kind::Directory));
        directories.map(|(path, entry)| format!("{path} has mode {:o}", entry.mode))
    }

    /// Everything a source of COPY or of a bind mount names: what its wildcards match, what links lead to, and what is
    /// below that, but for `excludes`.
    pub(super) fn named_by(&self, source: &str, excludes: &[String]) -> BTreeMap<&str, Named<'_>> {
        let mut found = BTreeMap::new();
        for root in self.roots(source) {
            let excludes: Vec<&str> = excludes.iter().map(String::as_str).collect();
            for (path, entry) in &self.0 {
                let inner = match path.strip_prefix(&root) {
                    Some("") => path.rsplit('/').next().unwrap(),
                    Some(rest) if root.is_empty() => rest,
                    Some(rest) if rest.starts_with('/') => &rest[1..],
                    _ => continue,
                };
                let top = *path == root && matches!(entry.kind, Kind::Directory);
                if top || !left_out(&excludes, inner) {
                    found.insert(path.as_str(), Named { entry, top });
                }
            }
        }
        found
    }

    fn roots(&self, source: &str) -> BTreeSet<String> {
        let mut roots = BTreeSet::from([String::new()]);
        for part in source.split('/').filter(|part| !part.is_empty() && *part != ".") {
            roots = roots.iter().flat_map(|root| self.step(root, part)).collect();
        }
        roots
    }

    fn step(&self, root: &str, part: &str) -> BTreeSet<String> {
        let parent = root.rsplit_once('/').map_or("", |(parent, _)| parent);
        match part {
            ".." => BTreeSet::from([parent.to_owned()]),
            // At any depth, and at none.
            "**" => self.below(root).chain([root.to_owned()]).collect(),
            _ => {
                let inside = self.below(root).filter(|path| {
                    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
                    directory == root && glob(part, name)
                });
                inside.flat_map(|path| self.followed(&path)).collect()
            }
        }
    }

    fn below(&self, root: &str) -> impl Iterator<Item = String> {
        let start = if root.is_empty() { String::new() } else { format!("{root}/") };
        self.0.keys().filter(move |path| path.starts_with(&start)).cloned()
    }

    fn followed(&self, path: &str) -> BTreeSet<String> {
        match &self.0[path].kind {
            Kind::Link(target) if target.starts_with('/') => self.roots(target),
            Kind::Link(target) => {
                let directory = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                self.roots(&format!("{directory}/{target}"))
            }
            _ => BTreeSet::from([path.to_owned()]),
        }
    }
}

/// By the last pattern that matches the path or something above it.
fn left_out(patterns: &[&str], path: &str) -> bool {
    let above: Vec<&str> =
        path.match_indices('/').map(|(at, _)| &path[..at]).chain([path]).collect();
    let verdict = patterns.iter().rev().find_map(|pattern| {
        let (keep, pattern) =
            pattern.strip_prefix('!').map_or((false, *pattern), |rest| (true, rest));
        let pattern = pattern.trim_matches('/');
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        above.iter().any(|path| glob(pattern, path)).then_some(!keep)
    });
    verdict.unwrap_or(false)
}

/// `*` and `?` stay within a name, `**` does not.
fn glob(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    if let Some(rest) = pattern.strip_prefix("**/") {
        let mut names = text.match_indices('/').map(|(at, _)| &text[at + 1..]).chain([text]);
        return names.any(|name| glob(rest, name));
    }
    if let Some(rest) = pattern.strip_prefix("**") {
        let mut tails = text.char_indices().map(|(at, _)| &text[at..]).chain([""]);
        return tails.any(|tail| glob(rest, tail));
    }
    let rest = &pattern[first.len_utf8()..];
    let next = text.chars().next();
    let after = next.map_or("", |next| &text[next.len_utf8()..]);
    match (first, next) {
        ('*', _) => {
            glob(rest, text) || next.is_some_and(|next| next != '/' && glob(pattern, after))
        }
        ('?', Some(next)) => next != '/' && glob(rest, after),
        ('[', Some(next)) => {
            // A bracket as the first of a class is one of its characters.
            let end = rest.char_indices().skip(1).find(|(_, c)| *c == ']').unwrap().0;
            in_class(&rest[..end], next) && glob(&rest[end + 1..], after)
        }
        ('\\', Some(next)) => rest.starts_with(next) && glob(&rest[next.len_utf8()..], after),
        (_, Some(next)) => first == next && glob(rest, after),
        (_, None) => false,
    }
}

fn in_class(class: &str, wanted: char) -> bool {
    let characters: Vec<char> = class.chars().collect();
    let range = |at: usize| characters.get(at + 1) == Some(&'-') && at + 2 < characters.len();
    let mut at = 0;
    while at < characters.len() {
        let last = if range(at) { at + 2 } else { at };
        if (characters[at]..=characters[last]).contains(&wanted) {
            return true;
        }
        at = last + 1;
    }
    false
}
