//! From a name to a commit. A server is asked unless the name is a commit already.

use std::path::Path;

use super::error::GitError;
use super::program::Program;
use super::reference::GitRef;
use super::remote::Remote;

/// A commit of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The hash of the commit, or of a tag that leads to it: what `name` is.
    pub object: String,
    /// The commit that an annotated tag leads to.
    pub tagged: Option<String>,
    /// The full name of the branch or tag, if there is one.
    pub name: Option<String>,
}

impl Commit {
    pub(super) fn of_hash(hash: &str) -> Commit {
        Commit { object: hash.to_owned(), tagged: None, name: None }
    }

    /// The commit itself, unless it was named by the hash of a tag.
    pub fn id(&self) -> &str {
        self.tagged.as_deref().unwrap_or(&self.object)
    }
}

/// Whether a name is a whole commit hash, SHA-1 or SHA-256.
pub(super) fn is_hash(name: &str) -> bool {
    matches!(name.len(), 40 | 64) && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Asks the server what the name means.
pub(super) fn resolve(
    wanted: &GitRef,
    remote: &Remote,
    program: &Program<'_>,
) -> Result<Commit, GitError> {
    let checksum = checksum(wanted)?;
    let (name, by_checksum) = (wanted.name.as_str(), wanted.name == wanted.checksum);
    if wanted.fetch_by_commit {
        return match is_hash(&checksum) {
            true => Ok(Commit::of_hash(&checksum)),
            false => Err(GitError::FetchByCommit),
        };
    }
    if is_hash(name) {
        let commit = Commit::of_hash(name);
        return verified(commit, &checksum);
    }
    if !name.is_empty() && by_checksum {
        return match is_hash(&checksum) {
            true => Ok(Commit::of_hash(&checksum)),
            false => by_prefix(&checksum, remote, program),
        };
    }
    check_name(name)?;
    let commit = match name {
        "" | "HEAD" => default_branch(remote, program)?,
        name => by_name(name, remote, program)?,
    };
    verified(commit, &checksum)
}

fn checksum(wanted: &GitRef) -> Result<String, GitError> {
    match check_checksum(&wanted.checksum) {
        true => Ok(wanted.checksum.to_ascii_lowercase()),
        false => Err(GitError::Checksum { checksum: wanted.checksum.clone() }),
    }
}

/// Empty, or the beginning of a hash.
pub(crate) fn check_checksum(checksum: &str) -> bool {
    checksum.len() <= 64 && checksum.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn verified(commit: Commit, checksum: &str) -> Result<Commit, GitError> {
    let is = |hash: &str| hash.starts_with(checksum);
    if is(&commit.object) || commit.tagged.as_deref().is_some_and(is) {
        return Ok(commit);
    }
    let found = match &commit.tagged {
        Some(tagged) => format!("{} or {tagged}", commit.object),
        None => commit.object,
    };
    Err(GitError::Mismatch { expected: checksum.to_owned(), found })
}

/// What git would take for an option, a pattern or more than one name is no name.
fn check_name(name: &str) -> Result<(), GitError> {
    let odd = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let wrong = name.starts_with(['-', '+', '/']) || name.contains(odd);
    if wrong || name.contains("..") || name.contains("@{") || name.ends_with(['/', '.']) {
        return Err(GitError::Name { name: name.to_owned() });
    }
    Ok(())
}

fn default_branch(remote: &Remote, program: &Program<'_>) -> Result<Commit, GitError> {
    let listed = list(remote, program, &["--symref"], &["HEAD"])?;
    let mut commit = None;
    let mut branch = None;
    for (first, _) in pairs(&listed).filter(|(_, name)| *name == "HEAD") {
        match first.strip_prefix("ref: ") {
            Some(target) => branch = Some(target.to_owned()),
            None => commit = Some(first.to_owned()),
        }
    }
    let object = commit.filter(|hash| is_hash(hash));
    let object =
        object.ok_or_else(|| GitError::NoDefault { repository: remote.shown().to_owned() })?;
    Ok(Commit { object, tagged: None, name: branch.or(Some("HEAD".to_owned())) })
}

/// In git's order: `refs/NAME`, a branch, a tag.
fn by_name(name: &str, remote: &Remote, program: &Program<'_>) -> Result<Commit, GitError> {
    let without = |prefix: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
    let tag = format!("refs/tags/{}", without("refs/tags/"));
    let candidates = [
        format!("refs/{}", without("refs/")),
        format!("refs/heads/{}", without("refs/heads/")),
        tag.clone(),
    ];
    let listed = list(remote, program, &[], &[name, &format!("{name}^{{}}")])?;
    let find = |name: &str| pairs(&listed).find(|(_, found)| *found == name);
    for candidate in candidates {
        let Some((object, _)) = find(&candidate).filter(|(hash, _)| is_hash(hash)) else {
            continue;
        };
        let tagged = find(&format!("{candidate}^{{}}")).filter(|(hash, _)| is_hash(hash));
        let tagged = tagged.map(|(hash, _)| hash.to_owned());
        return Ok(Commit { object: object.to_owned(), tagged, name: Some(candidate) });
    }
    Err(GitError::NoRef { name: name.to_owned(), repository: remote.shown().to_owned() })
}

/// A branch or tag at the commit whose hash begins so. Others need the whole hash.
fn by_prefix(checksum: &str, remote: &Remote, program: &Program<'_>) -> Result<Commit, GitError> {
    let listed = list(remote, program, &[], &[])?;
    let mut found: Vec<(&str, &str)> =
        pairs(&listed).filter(|(hash, _)| is_hash(hash) && hash.starts_with(checksum)).collect();
    found.sort_by_key(|(hash, _)| *hash);
    found.dedup_by_key(|(hash, _)| *hash);
    match found.as_slice() {
        [] => Err(GitError::NoRef {
            name: checksum.to_owned(),
            repository: remote.shown().to_owned(),
        }),
        // The commit behind a tag is reached by the tag's name; its own is the hash.
        [(hash, _)] => Ok(Commit::of_hash(hash)),
        several => Err(GitError::Ambiguous {
            checksum: checksum.to_owned(),
            repository: remote.shown().to_owned(),
            found: several.iter().map(|(hash, _)| *hash).collect::<Vec<_>>().join(", "),
        }),
    }
}

fn list(
    remote: &Remote,
    program: &Program<'_>,
    options: &[&str],
    patterns: &[&str],
) -> Result<String, GitError> {
    let call = remote.call("read the references of", Path::new("/dev/null"));
    let fixed = ["ls-remote", "--quiet"].iter().chain(options).chain(&["--"]);
    let args = fixed.copied().chain([remote.address()]).chain(patterns.iter().copied());
    let output = program.run(&call, args)?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

fn pairs(listed: &str) -> impl Iterator<Item = (&str, &str)> {
    listed.lines().filter_map(|line| line.split_once('\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_git_could_take_for_something_else() {
        for name in ["main", "v1.0", "feature/x", "refs/pull/4/head", ""] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in
            ["-x", "--upload-pack=x", "+main", "a:b", "a b", "a..b", "a^", "*", "@{1}", "a\n"]
        {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_checksum_is_the_beginning_of_the_commit_or_of_its_tag() {
        let commit = Commit {
            object: "a".repeat(40),
            tagged: Some("b".repeat(40)),
            name: Some("refs/tags/v1".to_owned()),
        };
        for good in ["", "aa", "bbbb"] {
            assert!(verified(commit.clone(), good).is_ok(), "{good}");
        }
        let error = verified(commit, "c").unwrap_err().to_string();
        assert!(error.starts_with("expected checksum to match c, got aaa"), "{error}");
    }
}
