//! Git repositories as sources: contexts, named contexts, ADD.
//!
//! A name is [resolved](Git::resolve) to a commit by asking the server, once in a build; the commit is what keys are
//! made of. Its files are [checked out](Git::check_out) only when something needs them, from a repository that is
//! kept between builds and gets what it lacks, without history where the server lets it.
//!
//! The program `git` does the talking ([`program`]). Submodules are fetched here and not by it, so that each of their
//! addresses is looked at.

mod address;
mod checkout;
mod credentials;
mod error;
mod program;
mod reference;
mod remote;
mod repository;
mod resolve;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sys::RootDir;

use super::{Access, FetchError, Fetched};
use crate::request::SshAgent;
use checkout::Checkout;
use program::Program;
use remote::Remote;

pub use address::Transport;
pub use error::GitError;
pub use reference::{FileTimes, GitRef, GitRefError};
pub use resolve::Commit;
pub(crate) use resolve::check_checksum;

/// The first git that takes all its settings from its environment.
const OLDEST: &str = "2.31";
/// The agent of `--ssh` that git may use.
const AGENT: &str = "default";

/// What the front end took from the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitSettings {
    /// `PATH`, where `git` and the programs it uses are looked for.
    pub search_path: OsString,
    /// `SUDO_UID`, whose repositories git reads as well when it runs as root.
    pub sudo_uid: Option<OsString>,
}

/// What was asked in one build: a name is the same commit from its beginning to its end. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Git {
    settings: GitSettings,
    checked: Arc<OnceLock<()>>,
    resolved: Arc<Mutex<HashMap<Asked, Slot>>>,
}

/// All of a reference that decides which commit it means.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    transport: Transport,
    remote: String,
    name: String,
    checksum: String,
    fetch_by_commit: bool,
}

impl Asked {
    fn of(wanted: &GitRef) -> Asked {
        Asked {
            transport: wanted.transport,
            remote: wanted.remote.clone(),
            name: wanted.name.clone(),
            checksum: wanted.checksum.clone(),
            fetch_by_commit: wanted.fetch_by_commit,
        }
    }
}

/// The commit, once it is known.
type Slot = Arc<Mutex<Option<Commit>>>;

/// What of a commit is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Extent<'a> {
    pub keep_git_dir: bool,
    pub submodules: bool,
    /// Empty for everything.
    pub subdir: &'a str,
    pub times: FileTimes,
}

impl Git {
    pub fn new(settings: &GitSettings) -> Git {
        Git { settings: settings.clone(), ..Git::default() }
    }

    /// The commit that is meant.
    pub fn resolve(&self, wanted: &GitRef, access: &Access<'_>) -> Result<Commit, FetchError> {
        let slot = {
            let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
            resolved.entry(Asked::of(wanted)).or_default().clone()
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(commit) = &*slot {
            return Ok(commit.clone());
        }
        let remote = Remote::new(wanted.transport, &wanted.remote, |_| true, access.secrets)?;
        let program = self.program(&remote, access)?;
        let commit = resolve::resolve(wanted, &remote, &program)?;
        Ok(slot.insert(commit).clone())
    }

    /// The files of a commit that was resolved.
    pub fn check_out(
        &self,
        wanted: &GitRef,
        commit: &Commit,
        extent: Extent<'_>,
        access: &Access<'_>,
    ) -> Result<Fetched, FetchError> {
        let remote = Remote::new(wanted.transport, &wanted.remote, |_| true, access.secrets)?;
        let program = self.program(&remote, access)?;
        let subdir = extent.subdir.trim_matches('/');
        let checkout = Checkout {
            program: &program,
            store: access.store,
            secrets: access.secrets,
            // As BuildKit has it: a part of the files does not belong to what `.git` says.
            keep_git_dir: extent.keep_git_dir && is_everything(subdir),
            submodules: extent.submodules,
            top: &remote,
        };
        let origin = super::url::redacted(&wanted.with_name_and_directory());
        let mut fetched = Fetched::new(access.store, &format!("`{origin}`"))?;
        let time = checkout.write(commit, fetched.path())?;
        let root = RootDir::open(fetched.path());
        let told = |source| GitError::Files { repository: remote.shown().to_owned(), source };
        let root = root.map_err(told)?;
        let times = (extent.times == FileTimes::Commit).then_some(time);
        checkout::even_out(&root, times).map_err(told)?;
        fetched.time = Some(time);
        if !is_everything(subdir) {
            let missing = |source| GitError::Subdir {
                subdir: subdir.to_owned(),
                repository: remote.shown().to_owned(),
                source,
            };
            // Links in the repository do not lead out of it.
            let found = root.resolve(subdir, true).map_err(missing)?;
            root.subdir_nofollow(&found).map_err(missing)?;
            fetched.enter(&found);
        }
        Ok(fetched)
    }

    fn program<'a>(
        &'a self,
        remote: &Remote,
        access: &Access<'a>,
    ) -> Result<Program<'a>, FetchError> {
        let known_hosts = access.store.directory("cache/ssh")?.join("known_hosts");
        let program = Program {
            settings: &self.settings,
            http: access.http.settings(),
            cancel: access.cancel,
            agent: agent(access.ssh),
            known_hosts,
        };
        if self.checked.get().is_none() {
            check_version(&program, remote)?;
            self.checked.get_or_init(|| ());
        }
        Ok(program)
    }
}

fn is_everything(subdir: &str) -> bool {
    crate::execute::source::clean(subdir.as_bytes()).is_empty()
}

fn agent(agents: &[SshAgent]) -> Option<PathBuf> {
    let agent = agents.iter().rev().find(|agent| agent.id == AGENT);
    agent.map(|agent| agent.socket.clone())
}

fn check_version(program: &Program<'_>, remote: &Remote) -> Result<(), GitError> {
    let output = program.run(&remote.local_call("read", Path::new("/dev/null")), ["version"])?;
    let text = String::from_utf8_lossy(&output);
    let version = text.trim().strip_prefix("git version ").unwrap_or(text.trim());
    if number(version) < number(OLDEST) {
        let (repository, version) = (remote.shown().to_owned(), version.to_owned());
        return Err(GitError::TooOld { repository, version });
    }
    Ok(())
}

/// `2.39.5 (Apple)` is (2, 39).
fn number(version: &str) -> (u32, u32) {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse());
    let mut next = || parts.next().and_then(Result::ok).unwrap_or(0);
    (next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        for (version, expected) in
            [("2.47.3", (2, 47)), ("2.9", (2, 9)), ("3.0.rc1", (3, 0)), ("", (0, 0))]
        {
            assert_eq!(number(version), expected);
        }
        assert!(number("2.9") < number(OLDEST));
    }
}
