//! .dockerignore: which paths of a context a build does not see. Also the patterns of `--exclude`.
//!
//! The rules are moby/patternmatcher's: a pattern covers what lies below what it matches, `!` takes back,
//! the last pattern that matches decides. Paths are relative to the context, without a slash at either end.
//!
//! There are two ways to ask, because BuildKit has two. [`Ignore::matches`] judges a single path.
//! [`Ignore::enter`] judges each path of a walk with what is known of its directory; this is what decides a
//! real build, and it differs where a later pattern names a directory that an earlier one did not touch: with
//! `a/b` then `!a`, a walk excludes `a/b`, because `!a` was of no interest when `a` was entered.

use crate::glob::{self, BadPattern, PathPattern};

/// The patterns of a .dockerignore file, in order.
#[derive(Clone, Debug, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: PathPattern,
    /// `!`
    exception: bool,
}

/// Patterns that make no matcher. The texts are BuildKit's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreError {
    #[error("illegal exclusion pattern: \"!\"")]
    LoneExclamation,
    #[error(transparent)]
    BadPattern(#[from] BadPattern),
}

/// What is known at a directory of a walk: which patterns cover it. The default is above the root's entries.
#[derive(Clone, Debug, Default)]
pub struct Covered(Vec<bool>);

/// The judgement on a path met in a walk.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub excluded: bool,
    /// To be given for the entries of this directory.
    pub covered: Covered,
}

impl Ignore {
    /// Reads the text of a .dockerignore file.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Ignore, IgnoreError> {
        Ignore::new(read_patterns(text))
    }

    /// Takes patterns one by one, as `--exclude` gives them.
    pub fn new<P: AsRef<[u8]>>(
        patterns: impl IntoIterator<Item = P>,
    ) -> Result<Ignore, IgnoreError> {
        let mut rules = Vec::new();
        for pattern in patterns {
            let pattern = trim(pattern.as_ref());
            if pattern.is_empty() {
                continue;
            }
            let cleaned = glob::clean(pattern);
            let (exception, cleaned) = match cleaned.strip_prefix(b"!") {
                Some(b"") => return Err(IgnoreError::LoneExclamation),
                Some(rest) => (true, rest.to_vec()),
                None => (false, cleaned),
            };
            rules.push(Rule { pattern: PathPattern::parse(cleaned)?, exception });
        }
        Ok(Ignore { rules })
    }

    /// No pattern: nothing is ever excluded.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a path on its own is excluded: some pattern matches it or a parent. The root never is.
    pub fn matches(&self, path: impl AsRef<[u8]>) -> bool {
        let path = glob::clean(path);
        if path == b"." {
            return false;
        }
        self.judge(&path, &Covered::default()).excluded
    }

    /// Judges a path met in a walk; `parent` is what was known at its directory.
    pub fn enter(&self, path: impl AsRef<[u8]>, parent: &Covered) -> Verdict {
        self.judge(path.as_ref(), parent)
    }

    fn judge(&self, path: &[u8], parent: &Covered) -> Verdict {
        let mut excluded = false;
        let mut covered = vec![false; self.rules.len()];
        for (at, rule) in self.rules.iter().enumerate() {
            let known = parent.0.get(at).copied();
            if known != Some(true) && rule.exception != excluded {
                continue; // it could change nothing
            }
            covered[at] = match known {
                Some(true) => true,
                Some(false) => rule.pattern.matches(path),
                None => matches_with_parents(&rule.pattern, path),
            };
            if covered[at] {
                excluded = !rule.exception;
            }
        }
        Verdict { excluded, covered: Covered(covered) }
    }

    /// Whether an excluded directory can be left out as a whole, because no `!` pattern reaches below it. As in BuildKit,
    /// `!a/*/**` counts as reaching into `a` and no further, although it would match there.
    pub fn can_skip(&self, directory: impl AsRef<[u8]>) -> bool {
        let directory = [directory.as_ref(), b"/"].concat();
        let mut skip = true;
        for rule in self.rules.iter().filter(|rule| rule.exception) {
            let fixed = without_trailing_wildcard(rule.pattern.as_bytes());
            if fixed.iter().any(|byte| b"*[]?^\\".contains(byte)) {
                return false;
            }
            skip &= ![fixed, b"/"].concat().starts_with(&directory);
        }
        skip
    }
}

/// Whether the pattern matches the path or a directory above it.
fn matches_with_parents(pattern: &PathPattern, path: &[u8]) -> bool {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    pattern.matches(path)
        || slashes.map(|(at, _)| &path[..at]).any(|parent| pattern.matches(parent))
}

fn without_trailing_wildcard(pattern: &[u8]) -> &[u8] {
    let pattern = pattern.strip_suffix(b"/**").unwrap_or(pattern);
    pattern.strip_suffix(b"/*").unwrap_or(pattern)
}

/// The patterns in a .dockerignore file: one a line, `#` in the first column comments, white space around goes,
/// paths are cleaned and made relative.
pub fn read_patterns(text: impl AsRef<[u8]>) -> Vec<Vec<u8>> {
    let text = text.as_ref();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#"));
    lines.map(trim).filter(|line| !line.is_empty()).map(read_pattern).collect()
}

fn read_pattern(line: &[u8]) -> Vec<u8> {
    let (exception, path) = match line.strip_prefix(b"!") {
        Some(rest) => (true, trim(rest)),
        None => (false, line),
    };
    let mut pattern = if exception { b"!".to_vec() } else { Vec::new() };
    if !path.is_empty() {
        let cleaned = glob::clean(path);
        let relative = cleaned.strip_prefix(b"/").filter(|rest| !rest.is_empty());
        pattern.extend_from_slice(relative.unwrap_or(&cleaned));
    }
    pattern
}

/// Without the white space around it; for text that is not UTF-8 only ASCII white space counts.
fn trim(text: &[u8]) -> &[u8] {
    std::str::from_utf8(text).map_or(text.trim_ascii(), |text| text.trim().as_bytes())
}
