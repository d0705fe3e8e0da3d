//! What was fetched of a repository, kept between builds: a bare repository for each address below `cache/git`, in
//! the form of cache mounts, so that what prunes those prunes these. Losing one costs a download.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use store::Store;

use super::error::GitError;
use super::program::Program;
use super::remote::Remote;
use super::resolve::Commit;
use crate::cache::KeyBuilder;
use crate::cancel::Cancel;

/// How often a build that waits for another one looks whether it was cancelled.
const PATIENCE: Duration = Duration::from_millis(20);
/// Where a fetch puts what it was asked for.
const INCOMING: &str = "refs/rbuild/incoming";

/// Nobody else uses it until this is dropped.
#[derive(Debug)]
pub(super) struct Repository<'a> {
    pub(super) dir: PathBuf,
    remote: &'a Remote,
    program: &'a Program<'a>,
    store: &'a Store,
    sha256: bool,
    _lock: File,
}

impl<'a> Repository<'a> {
    /// The one of this address with hashes of this kind.
    pub(super) fn open(
        remote: &'a Remote,
        sha256: bool,
        program: &'a Program<'a>,
        store: &'a Store,
    ) -> Result<Repository<'a>, GitError> {
        let key = KeyBuilder::new("git").part(remote.address().as_bytes()).part(&[sha256.into()]);
        let parent = store.directory("cache/git")?.join(&key.finish().to_string()[..32]);
        fs::create_dir_all(&parent).map_err(io("create", &parent))?;
        let lock = lock(&parent.join("0.lock"), program.cancel)?;
        // For those who look at what the cache has.
        let told = parent.join("address");
        fs::write(&told, remote.address()).map_err(io("write", &told))?;
        let dir = parent.join("0");
        let repository = Repository { dir, remote, program, store, sha256, _lock: lock };
        if !repository.dir.join("HEAD").exists() {
            repository.make()?;
        }
        Ok(repository)
    }

    /// Complete before it has its name.
    fn make(&self) -> Result<(), GitError> {
        let temp = self.store.temp_path()?;
        init(self.remote, self.program, &temp, self.sha256, true)?;
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io("remove", &self.dir)(error));
            }
            _ => {}
        }
        fs::rename(&temp, &self.dir).map_err(io("create", &self.dir))
    }

    /// Has what is wanted, from an earlier build or from the server. False: from an earlier build.
    pub(super) fn obtain(&self, commit: &Commit) -> Result<bool, GitError> {
        if self.has(&commit.object)? {
            return Ok(false);
        }
        let new = !self.dir.join("refs/rbuild/kept").exists();
        match self.fetch(commit) {
            // What was left by a build that was killed, or of names that the server has changed.
            Err(GitError::Failed { .. }) if !new => self.obtain_again(commit)?,
            fetched => fetched?,
        }
        Ok(true)
    }

    /// Forgets what there is, and fetches.
    pub(super) fn obtain_again(&self, commit: &Commit) -> Result<(), GitError> {
        self.make()?;
        self.fetch(commit)
    }

    fn fetch(&self, commit: &Commit) -> Result<(), GitError> {
        if let Some(name) = &commit.name {
            self.fetch_one(name)?;
        }
        // Without a name, or when the name has another meaning by now. Not all servers give what has no name.
        if !self.contains(&commit.object)? && self.fetch_one(&commit.object).is_err() {
            self.fetch_all()?;
        }
        if !self.contains(&commit.object)? {
            let (commit, repository) = (commit.object.clone(), self.remote.shown().to_owned());
            return Err(GitError::NoCommit { commit, repository });
        }
        self.git(["update-ref", &kept(&commit.object), &commit.object]).map(drop)
    }

    fn fetch_one(&self, what: &str) -> Result<(), GitError> {
        let refspec = format!("+{what}:{INCOMING}");
        let shallow = self.fetch_refs(&["--depth=1", "--no-tags"], &[&refspec]);
        match shallow {
            // A server of plain files.
            Err(GitError::Failed { output, .. })
                if output.contains("shallow") || output.contains("--depth") =>
            {
                self.fetch_refs(&["--no-tags"], &[&refspec])
            }
            fetched => fetched,
        }
    }

    /// With its whole history: where a commit can only be had with what came after it.
    fn fetch_all(&self) -> Result<(), GitError> {
        let unshallow = self.dir.join("shallow").exists();
        let options: &[&str] =
            if unshallow { &["--no-tags", "--unshallow"] } else { &["--no-tags"] };
        let all = ["+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*"];
        self.fetch_refs(options, &all)
    }

    fn fetch_refs(&self, options: &[&str], refspecs: &[&str]) -> Result<(), GitError> {
        let fixed = ["fetch", "--quiet", "--force", "--no-write-fetch-head"];
        let args = fixed.iter().chain(options).chain(&["--"]).copied();
        let args = args.chain([self.remote.address()]).chain(refspecs.iter().copied());
        self.program.run(&self.remote.call("fetch", &self.dir), args).map(drop)
    }

    /// Whether an earlier build fetched it.
    fn has(&self, object: &str) -> Result<bool, GitError> {
        self.succeeds(["show-ref", "--verify", "--quiet", &kept(object)])
    }

    fn contains(&self, object: &str) -> Result<bool, GitError> {
        self.succeeds(["cat-file", "-e", &format!("{object}^{{commit}}")])
    }

    fn succeeds<const N: usize>(&self, args: [&str; N]) -> Result<bool, GitError> {
        match self.git(args) {
            Ok(_) => Ok(true),
            Err(GitError::Failed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn git<const N: usize>(&self, args: [&str; N]) -> Result<Vec<u8>, GitError> {
        self.program.run(&self.remote.local_call("read", &self.dir), args)
    }

    /// The commit an object leads to, and when it was made.
    pub(super) fn commit_and_time(&self, object: &str) -> Result<(String, i64), GitError> {
        let commit =
            self.git(["rev-parse", "--verify", "--quiet", &format!("{object}^{{commit}}")])?;
        let commit = String::from_utf8_lossy(&commit).trim().to_owned();
        let text = self.git(["cat-file", "commit", &commit])?;
        Ok((commit, committed(&String::from_utf8_lossy(&text)).unwrap_or(0)))
    }
}

fn kept(object: &str) -> String {
    format!("refs/rbuild/kept/{object}")
}

/// An empty repository: no template, so nothing in it but what git needs.
pub(super) fn init(
    remote: &Remote,
    program: &Program<'_>,
    dir: &Path,
    sha256: bool,
    bare: bool,
) -> Result<(), GitError> {
    let mut args = vec!["init", "--quiet", "--template="];
    args.push(if sha256 { "--object-format=sha256" } else { "--object-format=sha1" });
    args.extend(bare.then_some("--bare"));
    program.run(&remote.local_call("keep", dir), args).map(drop)
}

/// Seconds since 1970 in a commit's line `committer NAME <ADDRESS> SECONDS ZONE`.
fn committed(text: &str) -> Option<i64> {
    let header = text.split("\n\n").next()?;
    let line = header.lines().find(|line| line.starts_with("committer "))?;
    line.rsplit(' ').nth(1)?.parse().ok()
}

fn lock(path: &Path, cancel: &Cancel) -> Result<File, GitError> {
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).open(path);
    let file = file.map_err(io("open", path))?;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if cancel.is_cancelled() => {
                return Err(GitError::Cancelled);
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE),
            Err(TryLockError::Error(source)) => return Err(io("lock", path)(source)),
        }
    }
    // When it was last used: `cache::prune` asks.
    file.set_modified(SystemTime::now()).map_err(io("touch", path))?;
    Ok(file)
}

/// For `map_err`: an I/O error with what was being done to which path.
pub(super) fn io(act: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> GitError {
    let path = path.to_owned();
    move |source| GitError::Io { act, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_commit() {
        let text =
            "tree 1\nauthor A <a> 5 +0000\ncommitter B C <b> 1000000000 -0130\n\ncommitter x 7 y\n";
        assert_eq!(committed(text), Some(1_000_000_000));
        assert_eq!(committed("tree 1\n\n"), None);
    }
}
