//! [`GitRef`]: which commit of which repository, and what of it. `REPOSITORY#NAME:DIRECTORY`, or
//! `REPOSITORY?branch=…&subdir=…`.

use std::collections::BTreeMap;

use super::address::{Address, Transport, decoded};

/// A git repository as written on the command line or in a Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GitRef {
    pub transport: Transport,
    /// The repository, with credentials if some were written.
    pub remote: String,
    /// `github.com/…`: could be the name of a directory as well, so ADD does not take it.
    pub without_scheme: bool,
    /// A branch, tag, commit or another name; the default branch when empty.
    pub name: String,
    /// How the commit's hash begins; may be empty.
    pub checksum: String,
    /// Empty for everything.
    pub subdir: String,
    pub keep_git_dir: Option<bool>,
    pub submodules: Option<bool>,
    pub times: Option<FileTimes>,
    /// The checksum says which commit it is: the name is not looked up.
    pub fetch_by_commit: bool,
}

/// How old files of a repository are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileTimes {
    /// As old as the commit: the same wherever it is built.
    Commit,
    /// As new as the checkout.
    Checkout,
}

/// A query that says something wrong. The words are BuildKit's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitRefError {
    #[error("{what} conflicts: {first:?} vs {second:?}")]
    Conflict { what: &'static str, first: String, second: String },
    #[error("branch conflicts with tag")]
    BranchAndTag,
    #[error("query {key:?} has no value")]
    NoValue { key: String },
    #[error("query {key:?} has multiple values")]
    SeveralValues { key: String },
    #[error("invalid {key} value: {value:?}")]
    Value { key: &'static str, value: String },
    #[error("unexpected query {key:?}")]
    Unexpected { key: String },
}

const KEYS: &str = "ref, tag, branch, subdir, checksum, commit, submodules, keep-git-dir, mtime and fetch-by-commit";
const TAGS: &str = "refs/tags/";
const BRANCHES: &str = "refs/heads/";

impl GitRefError {
    pub fn hint(&self) -> Option<String> {
        match self {
            GitRefError::Unexpected { .. } => Some(format!("known are {KEYS}")),
            GitRefError::Value { key: "mtime", .. } => {
                Some("known are `commit` and `checkout`".to_owned())
            }
            GitRefError::Value { .. } => Some("known are `true` and `false`".to_owned()),
            _ => None,
        }
    }
}

impl GitRef {
    /// None if it is no repository.
    pub fn parse(text: &str) -> Result<Option<GitRef>, GitRefError> {
        if let Some(address) = Address::without_scheme(text) {
            let found = GitRef::of(address)?;
            return Ok(Some(GitRef { without_scheme: true, ..found }));
        }
        Address::parse(text).map(GitRef::of).transpose()
    }

    /// A repository of this machine: `file:///path`, or a path that a fragment or query follows.
    pub fn of_this_machine(text: &str) -> Result<GitRef, GitRefError> {
        let path = text.strip_prefix("file://").unwrap_or(text);
        let (path, fragment) = path.split_once('#').unwrap_or((path, ""));
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        GitRef::of(Address {
            transport: Transport::File,
            remote: path.to_owned(),
            query: query.to_owned(),
            fragment: fragment.to_owned(),
        })
    }

    fn of(address: Address) -> Result<GitRef, GitRefError> {
        let (name, subdir) = address.fragment.split_once(':').unwrap_or((&address.fragment, ""));
        let mut found = GitRef {
            transport: address.transport,
            remote: address.remote,
            without_scheme: false,
            name: name.to_owned(),
            checksum: String::new(),
            subdir: subdir.to_owned(),
            keep_git_dir: None,
            submodules: None,
            times: None,
            fetch_by_commit: false,
        };
        found.read_query(&address.query)?;
        Ok(found)
    }

    fn read_query(&mut self, query: &str) -> Result<(), GitRefError> {
        let (mut tag, mut branch) = (String::new(), String::new());
        for (key, value) in pairs(query)? {
            match key.as_str() {
                "submodules" => self.submodules = Some(flag("submodules", &value)?),
                "keep-git-dir" => self.keep_git_dir = Some(flag("keep-git-dir", &value)?),
                "fetch-by-commit" => self.fetch_by_commit = flag("fetch-by-commit", &value)?,
                _ if value.is_empty() => return Err(GitRefError::NoValue { key }),
                "ref" => set("ref", &mut self.name, value)?,
                "subdir" => set("subdir", &mut self.subdir, value)?,
                "tag" => tag = value,
                "branch" => branch = value,
                "checksum" | "commit" => self.checksum = value,
                "mtime" => self.times = Some(times(value)?),
                _ => return Err(GitRefError::Unexpected { key }),
            }
        }
        if !tag.is_empty() {
            set("ref", &mut self.name, below(TAGS, &tag))?;
        }
        if !branch.is_empty() {
            if !tag.is_empty() {
                return Err(GitRefError::BranchAndTag);
            }
            set("ref", &mut self.name, below(BRANCHES, &branch))?;
        }
        if self.name.is_empty() {
            self.name.clone_from(&self.checksum);
        }
        Ok(())
    }

    /// The last part of the repository's address, without `.git`.
    pub fn short_name(&self) -> &str {
        let last = self.remote.rsplit('/').next().unwrap_or_default();
        last.strip_suffix(".git").unwrap_or(last)
    }

    /// `REPOSITORY#NAME`, also for what was written as a query.
    pub fn with_name(&self) -> String {
        match self.name.as_str() {
            "" => self.remote.clone(),
            name => format!("{}#{name}", self.remote),
        }
    }

    /// `REPOSITORY#NAME:DIRECTORY`
    pub fn with_name_and_directory(&self) -> String {
        let (remote, name) = (&self.remote, &self.name);
        match self.subdir.trim_start_matches('/') {
            "" => self.with_name(),
            subdir => format!("{remote}#{name}:{subdir}"),
        }
    }
}

/// The pairs of a query, sorted. The same key may not come twice.
fn pairs(query: &str) -> Result<BTreeMap<String, String>, GitRefError> {
    let mut pairs = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| {
            let spaced = text.replace('+', " ");
            decoded(&spaced).unwrap_or(spaced)
        };
        let key = plain(key);
        if pairs.insert(key.clone(), plain(value)).is_some() {
            return Err(GitRefError::SeveralValues { key });
        }
    }
    Ok(pairs)
}

/// What Go takes for a boolean; a key alone is true.
fn flag(key: &'static str, value: &str) -> Result<bool, GitRefError> {
    match value {
        "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(GitRefError::Value { key, value: value.to_owned() }),
    }
}

fn times(value: String) -> Result<FileTimes, GitRefError> {
    match value.as_str() {
        "commit" => Ok(FileTimes::Commit),
        "checkout" => Ok(FileTimes::Checkout),
        _ => Err(GitRefError::Value { key: "mtime", value }),
    }
}

fn set(what: &'static str, field: &mut String, value: String) -> Result<(), GitRefError> {
    if !field.is_empty() && *field != value {
        return Err(GitRefError::Conflict { what, first: field.clone(), second: value });
    }
    *field = value;
    Ok(())
}

fn below(prefix: &str, name: &str) -> String {
    if name.starts_with(prefix) { name.to_owned() } else { format!("{prefix}{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(query: &str) -> String {
        GitRef::parse(&format!("https://host/x.git?{query}")).unwrap_err().to_string()
    }

    #[test]
    fn queries_are_checked() {
        for (query, expected) in [
            ("ref=", "query \"ref\" has no value"),
            ("ref=a&ref=b", "query \"ref\" has multiple values"),
            ("ref=a#b", "ref conflicts: \"b\" vs \"a\""),
            ("subdir=a#:b", "subdir conflicts: \"b\" vs \"a\""),
            ("keep-git-dir=yes", "invalid keep-git-dir value: \"yes\""),
            ("submodules=2", "invalid submodules value: \"2\""),
            ("%6f=1", "unexpected query \"o\""),
        ] {
            assert_eq!(error(query), expected, "{query}");
        }
    }

    #[test]
    fn queries_are_understood() {
        let parse =
            |query: &str| GitRef::parse(&format!("https://host/x.git?{query}")).unwrap().unwrap();
        assert_eq!(parse("keep-git-dir&submodules=false").keep_git_dir, Some(true));
        assert_eq!(parse("submodules=false").submodules, Some(false));
        assert_eq!(parse("commit=abc").name, "abc");
        assert_eq!(parse("tag=refs/tags/v1#refs/tags/v1").name, "refs/tags/v1");
        assert_eq!(
            parse("ref=a%20b+c&subdir=d").with_name_and_directory(),
            "https://host/x.git#a b c:d"
        );
    }

    #[test]
    fn repositories_of_this_machine() {
        for text in ["file:///a/b.git#main:sub", "/a/b.git?ref=main#:sub"] {
            let found = GitRef::of_this_machine(text).unwrap();
            assert_eq!(found.with_name_and_directory(), "/a/b.git#main:sub", "{text}");
            assert_eq!((found.short_name(), found.transport), ("b", Transport::File));
        }
        assert_eq!(GitRef::parse("file:///a/b.git"), Ok(None));
    }

    #[test]
    fn github_needs_no_scheme() {
        let found = GitRef::parse("github.com/moby/buildkit#v1").unwrap().unwrap();
        assert!(found.without_scheme);
        assert_eq!(found.with_name(), "https://github.com/moby/buildkit#v1");
    }
}
