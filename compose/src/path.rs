//! Paths in a compose file, and the patterns that rules are written with.

use std::collections::HashMap;
use std::fmt;

/// `services.web.ports[0]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TreePath {
    parts: Vec<String>,
}

impl TreePath {
    pub fn root() -> TreePath {
        TreePath::default()
    }

    /// Parts joined by dots; no part may contain one.
    pub fn of(text: &str) -> TreePath {
        TreePath { parts: text.split('.').map(str::to_owned).collect() }
    }

    /// Of its text, about.
    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.len() + size_of::<String>()).sum()
    }

    pub fn push(&mut self, key: &str) {
        self.parts.push(key.to_owned());
    }

    pub fn push_index(&mut self, index: usize) {
        self.parts.push(format!("[{index}]"));
    }

    pub fn pop(&mut self) {
        self.parts.pop();
    }

    #[must_use]
    pub fn join(&self, key: &str) -> TreePath {
        let mut path = self.clone();
        path.push(key);
        path
    }

    #[must_use]
    pub fn at(&self, index: usize) -> TreePath {
        let mut path = self.clone();
        path.push_index(index);
        path
    }

    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    pub fn last(&self) -> Option<&str> {
        self.parts.last().map(String::as_str)
    }

    pub fn is_root(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether the pattern names this path: `*` stands for any key or index, `[]` for any index.
    pub fn matches(&self, pattern: &str) -> bool {
        let mut parts = self.parts.iter();
        let mut wanted = pattern.split('.');
        loop {
            match (parts.next(), wanted.next()) {
                (None, None) => return true,
                (Some(part), Some(wanted)) if part_matches(part, wanted) => {}
                _ => return false,
            }
        }
    }

    /// The path with `from` at its start replaced by `to`; none when it starts otherwise.
    pub fn moved(&self, from: &TreePath, to: &TreePath) -> Option<TreePath> {
        let tail = self.parts.strip_prefix(&from.parts[..])?;
        let parts = to.parts.iter().chain(tail).cloned().collect();
        Some(TreePath { parts })
    }

    /// The path with dots before indices too, as schema errors show it: `services.web.ports.0`.
    pub fn dotted(&self) -> String {
        let parts: Vec<&str> =
            self.parts.iter().map(|part| index_of(part).unwrap_or(part.as_str())).collect();
        parts.join(".")
    }
}

/// What is to be done at the paths that patterns name. Every value of a file is looked up, so patterns are found
/// by their last part.
#[derive(Debug)]
pub(crate) struct PathTable<T: 'static> {
    by_last: HashMap<&'static str, Vec<&'static (&'static str, T)>>,
}

impl<T: Copy> PathTable<T> {
    pub(crate) fn new(rows: &'static [(&'static str, T)]) -> PathTable<T> {
        let mut by_last: HashMap<_, Vec<_>> = HashMap::new();
        for row in rows {
            by_last.entry(row.0.rsplit('.').next().unwrap_or_default()).or_default().push(row);
        }
        PathTable { by_last }
    }

    pub(crate) fn get(&self, path: &TreePath) -> Option<T> {
        let named = self.by_last.get(path.last()?);
        let any = self.by_last.get("*");
        let mut rows = named.into_iter().chain(any).flatten();
        rows.find(|(pattern, _)| path.matches(pattern)).map(|(_, value)| *value)
    }
}

fn part_matches(part: &str, wanted: &str) -> bool {
    wanted == "*" || wanted == part || (wanted == "[]" && index_of(part).is_some())
}

fn index_of(part: &str) -> Option<&str> {
    part.strip_prefix('[')?.strip_suffix(']')
}

impl fmt::Display for TreePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 && index_of(part).is_none() {
                formatter.write_str(".")?;
            }
            formatter.write_str(part)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_paths() {
        let mut path = TreePath::of("services.web.ports");
        path.push_index(3);
        assert_eq!(path.to_string(), "services.web.ports[3]");
        assert_eq!(path.dotted(), "services.web.ports.3");
        assert!(path.matches("services.*.ports.*"));
        assert!(path.matches("services.*.ports.[]"));
        assert!(!path.matches("services.*.ports"));
        assert!(!path.matches("services.*.volumes.*"));
    }
}
