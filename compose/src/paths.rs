//! Relative paths become absolute ones, or relative to another directory.

use std::path::Path;

use thiserror::Error;

use crate::source::Span;
use crate::yaml::{Node, Value};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    #[error("invalid mount config for type \"bind\": field Source must not be empty")]
    NoSource,
}

/// What paths are relative to.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    pub directory: &'a str,
    /// What `~` stands for.
    pub home: Option<&'a str>,
}

/// Go's `path.Clean`: no `.`, no inner `..`, no double slashes.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// `path` below `directory`, cleaned.
pub fn join(directory: &str, path: &str) -> String {
    if directory.is_empty() { clean(path) } else { clean(&format!("{directory}/{path}")) }
}

/// The directory of a file, cleaned.
pub fn parent(path: &str) -> String {
    match path.rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((directory, _)) => clean(directory),
        None => ".".to_owned(),
    }
}

/// `path` as seen from `base`; both absolute, or both relative.
pub fn relative(base: &str, path: &str) -> String {
    let (base, path) = (clean(base), clean(path));
    if Path::new(&base).is_absolute() != Path::new(&path).is_absolute() {
        return path;
    }
    let split = |text: &str| -> Vec<String> {
        text.split('/').filter(|it| !it.is_empty() && *it != ".").map(str::to_owned).collect()
    };
    let (base, path) = (split(&base), split(&path));
    let common = base.iter().zip(&path).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), base.len() - common);
    let parts: Vec<String> = up.chain(path[common..].iter().cloned()).collect();
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// Whether a build context is not a directory here.
pub fn is_remote_context(text: &str) -> bool {
    const REMOTE: &[&str] = &["https://", "http://", "git://", "ssh://", "github.com/", "git@"];
    text.contains("://")
        || text.starts_with("service:")
        || REMOTE.iter().any(|it| text.starts_with(it))
}

impl Base<'_> {
    fn expand(&self, path: &str) -> String {
        match (path.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
                join(home, rest)
            }
            _ => path.to_owned(),
        }
    }

    /// The path from the base.
    pub fn resolve(&self, path: &str) -> String {
        let path = self.expand(path);
        if path.is_empty() || path.starts_with('/') { path } else { join(self.directory, &path) }
    }

    /// The same, but a drive of Windows is absolute too, and nothing is the directory itself.
    fn resolve_maybe_windows(&self, path: &str) -> String {
        match path {
            "" => clean(self.directory),
            path if is_windows_absolute(path) => path.to_owned(),
            path => self.resolve(path),
        }
    }
}

fn is_windows_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    path.starts_with("\\\\")
        || matches!(bytes, [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
}

/// Resolves every path of a canonical tree. `links` follows symbolic links of watched directories.
pub fn resolve_paths(
    root: &mut Node,
    base: Base<'_>,
    links: &dyn Fn(&str) -> String,
) -> Vec<(PathError, Span)> {
    let mut errors = Vec::new();
    let Some(root) = root.as_map_mut() else { return errors };
    if let Some(services) = root.get_mut("services").and_then(Node::as_map_mut) {
        for (_, service) in services.iter_mut() {
            resolve_service(service, base, links, &mut errors);
        }
    }
    for kind in ["configs", "secrets"] {
        for_each(root.get_mut(kind), |node| {
            text(node, "file", |path| base.resolve_maybe_windows(path));
        });
    }
    for_each(root.get_mut("volumes"), |node| device(node, base));
    errors
}

fn resolve_service(
    service: &mut Node,
    base: Base<'_>,
    links: &dyn Fn(&str) -> String,
    errors: &mut Vec<(PathError, Span)>,
) {
    let Some(service) = service.as_map_mut() else { return };
    let context = |path: &str| {
        if is_remote_context(path) { path.to_owned() } else { base.resolve(path) }
    };
    if let Some(build) = service.get_mut("build") {
        text(build, "context", context);
        let contexts = build.as_map_mut().and_then(|map| map.get_mut("additional_contexts"));
        // A number or a truth value is the name of a directory like any other text.
        for_each(contexts, |node| {
            if let Some(path) = node.scalar_text() {
                node.value = Value::String(context(&path));
            }
        });
        let ssh = build.as_map_mut().and_then(|map| map.get_mut("ssh"));
        for_each(ssh, |node| own_text(node, |path| base.resolve_maybe_windows(path)));
    }
    for_each(service.get_mut("env_file"), |node| text(node, "path", |path| base.resolve(path)));
    for_each(service.get_mut("label_file"), |node| own_text(node, |path| base.resolve(path)));
    if let Some(extends) = service.get_mut("extends") {
        text(extends, "file", |path| base.resolve(path));
    }
    let watch = service.get_mut("develop").and_then(Node::as_map_mut);
    for_each(watch.and_then(|map| map.get_mut("watch")), |node| {
        text(node, "path", |path| links(&base.resolve(path)));
    });
    for_each(service.get_mut("volumes"), |node| {
        if node.get("type").and_then(Node::as_str) == Some("bind") {
            if node.get("source").is_none() {
                errors.push((PathError::NoSource, node.span));
            }
            text(node, "source", |path| base.resolve_maybe_windows(path));
        }
    });
}

/// The device of a volume of the `local` driver that is a bind mount.
fn device(node: &mut Node, base: Base<'_>) {
    let local = node.get("driver").and_then(Node::as_str) == Some("local");
    let Some(options) = node.as_map_mut().and_then(|map| map.get_mut("driver_opts")) else {
        return;
    };
    if local && options.get("o").and_then(Node::as_str) == Some("bind") {
        text(options, "device", |path| base.resolve_maybe_windows(path));
    }
}

fn for_each(node: Option<&mut Node>, mut visit: impl FnMut(&mut Node)) {
    match node.map(|node| &mut node.value) {
        Some(Value::List(list)) => list.iter_mut().for_each(visit),
        Some(Value::Map(map)) => map.iter_mut().for_each(|(_, node)| visit(node)),
        _ => {}
    }
}

fn text(node: &mut Node, key: &str, resolve: impl Fn(&str) -> String) {
    if let Some(node) = node.as_map_mut().and_then(|map| map.get_mut(key)) {
        own_text(node, resolve);
    }
}

fn own_text(node: &mut Node, resolve: impl Fn(&str) -> String) {
    if let Value::String(path) = &mut node.value {
        *path = resolve(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, cleaned) in [
            ("/a/../b//c/.", "/b/c"),
            ("../../x", "../../x"),
            ("./", "."),
            ("/..", "/"),
            ("a/..", "."),
        ] {
            assert_eq!(clean(path), cleaned);
        }
        assert_eq!(relative("/a/b", "/a/c/d"), "../c/d");
        assert_eq!(relative("/a", "/a"), ".");
        assert_eq!(parent("/a/b.yaml"), "/a");
        assert_eq!(parent("b.yaml"), ".");
    }
}
