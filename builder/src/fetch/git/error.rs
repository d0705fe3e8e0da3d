//! Why a repository could not be had.

use std::io;
use std::path::PathBuf;

use store::StoreError;

/// Names of repositories in it are without credentials.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("cannot read {repository}: the program `git` is not installed")]
    NotInstalled { repository: String },
    #[error("cannot read {repository}: git {version} is too old")]
    TooOld { repository: String, version: String },
    #[error("cannot {act} {repository}{}", said(.output))]
    Failed { act: &'static str, repository: String, output: String, host: Option<String> },
    #[error("cannot start `git`")]
    Start { source: io::Error },
    #[error("git wrote more than anybody can need to know of {repository}")]
    Flood { repository: String },
    #[error("`{name}` is no name of a branch, tag or commit")]
    Name { name: String },
    #[error("`{remote}` is no address of a repository")]
    Address { remote: String },
    #[error("repository does not contain ref {name}: {repository}")]
    NoRef { name: String, repository: String },
    #[error("could not find default branch for repository: {repository}")]
    NoDefault { repository: String },
    #[error("{repository} has no commit {commit}")]
    NoCommit { commit: String, repository: String },
    #[error("invalid checksum {checksum} for Git URL, expected hex commit hash")]
    Checksum { checksum: String },
    #[error("expected checksum to match {expected}, got {found}")]
    Mismatch { expected: String, found: String },
    #[error("{repository} says that the tag is commit {told}, but it leads to {found}")]
    FalseTag { repository: String, told: String, found: String },
    #[error("the checksum {checksum} means several commits of {repository}: {found}")]
    Ambiguous { checksum: String, repository: String, found: String },
    #[error("`fetch-by-commit` needs a whole commit hash as `checksum`")]
    FetchByCommit,
    #[error("there is no directory `{subdir}` in {repository}")]
    Subdir { subdir: String, repository: String, source: sys::SysError },
    #[error("no url found for submodule path '{path}' in .gitmodules of {repository}")]
    SubmoduleWithoutUrl { path: String, repository: String },
    #[error("the submodule `{path}` of {repository} is at `{url}`, which is not allowed")]
    SubmoduleUrl { path: String, repository: String, url: String },
    #[error("the submodules of {repository} are nested too deeply")]
    SubmoduleDepth { repository: String },
    #[error("cannot fetch the submodule `{path}`")]
    Submodule { path: String, source: Box<GitError> },
    #[error("cannot read the secret `{id}`")]
    Secret { id: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the secret `{id}` is not one line of text")]
    SecretText { id: String },
    #[error("cannot {act} `{}`", path.display())]
    Io { act: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot go through the files of {repository}")]
    Files { repository: String, source: sys::SysError },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the build was cancelled")]
    Cancelled,
}

impl GitError {
    pub fn hint(&self) -> Option<String> {
        match self {
            GitError::NotInstalled { .. } => Some(
                "install it (Debian, Ubuntu: `apt install git`), or clone elsewhere".to_owned(),
            ),
            GitError::TooOld { .. } => Some(format!("at least {} is needed", super::OLDEST)),
            GitError::Failed { output, host, .. } => of_output(output, host.as_deref()),
            GitError::NoRef { .. } => Some(
                "`git ls-remote` lists branches and tags; a commit needs its whole hash".to_owned(),
            ),
            GitError::Mismatch { .. } => Some(
                "the branch or tag is not the commit the checksum means, or the checksum is old"
                    .to_owned(),
            ),
            GitError::FalseTag { .. } => Some(
                "the server is damaged or not to be trusted; a commit's hash means the same everywhere"
                    .to_owned(),
            ),
            GitError::Ambiguous { .. } => Some("give more digits of it".to_owned()),
            GitError::SubmoduleWithoutUrl { .. } | GitError::SubmoduleDepth { .. } => {
                Some(WITHOUT_SUBMODULES.to_owned())
            }
            GitError::SubmoduleUrl { .. } => {
                Some(format!("only https, http, ssh and git addresses are; {WITHOUT_SUBMODULES}"))
            }
            GitError::Submodule { source, .. } => source.hint(),
            GitError::Store(error) => error.hint(),
            _ => None,
        }
    }
}

const WITHOUT_SUBMODULES: &str = "`?submodules=false` leaves submodules out";

fn of_output(output: &str, host: Option<&str>) -> Option<String> {
    let says = |words: &[&str]| words.iter().any(|word| output.contains(word));
    if says(&["Permission denied (", "Could not open a connection to your authentication agent"]) {
        return Some("`--ssh default` lets git use the keys of your ssh agent".to_owned());
    }
    if says(&["Host key verification failed", "HOST IDENTIFICATION HAS CHANGED"]) {
        return Some("the host's key is not the one in `~/.ssh/known_hosts`".to_owned());
    }
    if says(&["could not read Username", "could not read Password", "Authentication failed"])
        || says(&["returned error: 401", "returned error: 403"])
    {
        let name = host.map_or("GIT_AUTH_TOKEN".to_owned(), |h| format!("GIT_AUTH_TOKEN.{h}"));
        return Some(format!("`--secret id={name},src=FILE` gives a token"));
    }
    if says(&["certificate", "SSL"]) {
        return Some("SSL_CERT_FILE names a file with the certificates to trust".to_owned());
    }
    if says(&["dubious ownership"]) {
        return Some("the repository belongs to another user: clone it".to_owned());
    }
    if says(&["error: 301", "error: 302", "error: 307", "error: 308"]) {
        return Some("credentials do not follow to other addresses: give the new one".to_owned());
    }
    says(&["Could not resolve host", "Name or service not known"])
        .then(|| "is the name right, and does a proxy have to be set?".to_owned())
}

/// What git said last, without its own words for "error".
fn said(output: &str) -> String {
    let lines = output.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines = lines.filter(|line| !line.starts_with("hint:"));
    let plain = |line: &str| {
        let line = line.strip_prefix("fatal: ").or(line.strip_prefix("error: ")).unwrap_or(line);
        line.chars().filter(|c| !c.is_control()).take(300).collect::<String>()
    };
    let lines: Vec<String> = lines.map(plain).collect();
    // The last ones often are advice that fits any failure.
    let advice = |line: &&String| {
        line.starts_with("Could not read from remote")
            || line.starts_with("Please make sure you")
            || line.starts_with("and the repository exists")
    };
    let kept: Vec<&str> = lines.iter().filter(|line| !advice(line)).map(String::as_str).collect();
    match kept.as_slice() {
        [] => String::new(),
        kept => format!(": {}", kept[kept.len().saturating_sub(3)..].join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_is_shown_without_control_characters() {
        let output =
            "Cloning\nfatal: bad \u{1b}[31mthing\n\nCould not read from remote repository.\n";
        assert_eq!(said(output), ": Cloning; bad [31mthing");
        assert_eq!(said("hint: x\n"), "");
    }
}
