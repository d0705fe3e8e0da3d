//! The files of a commit, with its submodules: the same bytes, modes and times wherever it is done, and with
//! `.git` if that is wanted.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use store::Store;
use sys::RootDir;
use sys::root_dir::{FileKind, Timestamp};

use super::address::Transport;
use super::error::GitError;
use super::program::{Call, Program};
use super::remote::{Remote, of_submodule};
use super::repository::{Repository, init, io};
use super::resolve::{Commit, is_hash};
use crate::request::Secret;

/// Submodules of submodules.
const MOST_NESTED: usize = 16;

/// How a commit is checked out.
#[derive(Debug)]
pub(super) struct Checkout<'a> {
    pub(super) program: &'a Program<'a>,
    pub(super) store: &'a Store,
    pub(super) secrets: &'a [Secret],
    pub(super) keep_git_dir: bool,
    pub(super) submodules: bool,
    /// The repository that was asked for: secrets without a host are for its host.
    pub(super) top: &'a Remote,
}

/// What is to be known of a commit once its files are written.
struct Contents {
    time: i64,
    /// Paths and commits of submodules.
    gitlinks: Vec<(PathBuf, String)>,
    /// Their paths and addresses in `.gitmodules`.
    modules: Vec<(PathBuf, String)>,
}

impl Checkout<'_> {
    /// Puts the files into the empty directory `dir` and says when the commit was made.
    pub(super) fn write(&self, commit: &Commit, dir: &Path) -> Result<i64, GitError> {
        self.write_one(self.top, commit, dir, 0)
    }

    fn write_one(
        &self,
        remote: &Remote,
        commit: &Commit,
        dir: &Path,
        depth: usize,
    ) -> Result<i64, GitError> {
        let sha256 = commit.object.len() == 64;
        let Contents { time, gitlinks, modules } = {
            let repository = Repository::open(remote, sha256, self.program, self.store)?;
            let fetched = repository.obtain(commit)?;
            match self.write_files(&repository, remote, commit, dir) {
                // What was kept may have been damaged since.
                Err(GitError::Failed { .. }) if !fetched => {
                    std::fs::remove_dir_all(dir).map_err(io("remove", dir))?;
                    std::fs::create_dir(dir).map_err(io("create", dir))?;
                    repository.obtain_again(commit)?;
                    self.write_files(&repository, remote, commit, dir)?
                }
                written => written?,
            }
        };
        if !gitlinks.is_empty() && depth == MOST_NESTED {
            return Err(GitError::SubmoduleDepth { repository: remote.shown().to_owned() });
        }
        for (path, hash) in gitlinks {
            self.write_submodule(remote, &modules, &path, &hash, dir, depth)?;
        }
        Ok(time)
    }

    fn write_files(
        &self,
        repository: &Repository<'_>,
        remote: &Remote,
        commit: &Commit,
        dir: &Path,
    ) -> Result<Contents, GitError> {
        let (id, time) = repository.commit_and_time(&commit.object)?;
        // A server can say of a tag what it likes; keys and checksums went by what it said.
        if let Some(told) = commit.tagged.clone().filter(|tagged| *tagged != id) {
            let repository = remote.shown().to_owned();
            return Err(GitError::FalseTag { repository, told, found: id });
        }
        let index = self.store.temp_path()?;
        let call = Call {
            work_tree: Some(dir),
            index: Some(&index),
            ..remote.local_call("check out", &repository.dir)
        };
        let written = self.program.run(&call, ["read-tree", "-u", "--reset", &id]);
        // It is not there if nothing was written.
        let _ = std::fs::remove_file(&index);
        written?;
        if self.keep_git_dir {
            self.write_git_dir(repository, remote, commit, &id, dir)?;
        }
        let gitlinks = if self.submodules { gitlinks(repository, &id)? } else { Vec::new() };
        let modules = if gitlinks.is_empty() { Vec::new() } else { modules(repository, &id)? };
        Ok(Contents { time, gitlinks, modules })
    }

    /// A repository with this commit alone. Nothing in it depends on how the commit came here: one pack without
    /// deltas, and an index that knows nothing of the files on this disk.
    fn write_git_dir(
        &self,
        repository: &Repository<'_>,
        remote: &Remote,
        commit: &Commit,
        id: &str,
        dir: &Path,
    ) -> Result<(), GitError> {
        let git_dir = dir.join(".git");
        init(remote, self.program, &git_dir, commit.object.len() == 64, false)?;
        let call =
            Call { transport: "file", work_tree: Some(dir), ..remote.local_call("keep", &git_dir) };
        let git = |args: &[&str]| self.program.run(&call, args).map(drop);
        let name = commit.name.as_deref().filter(|name| name.starts_with("refs/"));
        let name = name.unwrap_or("refs/rbuild/incoming");
        let refspec = format!("+refs/rbuild/kept/{}:{name}", commit.object);
        let from = repository.dir.as_os_str();
        let fixed = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head"];
        let fixed = fixed.iter().chain(&["--update-head-ok", "--"]).map(OsStr::new);
        self.program.run(&call, fixed.chain([from, OsStr::new(&refspec)]))?;
        git(&["update-ref", "--no-deref", "HEAD", id])?;
        if name == "refs/rbuild/incoming" {
            git(&["update-ref", "-d", name])?;
        }
        git(&["repack", "-a", "-d", "-F", "-q", "--window=0"])?;
        git(&["read-tree", id])?;
        git(&["config", "remote.origin.url", remote.address()])?;
        git(&["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"])
    }

    fn write_submodule(
        &self,
        parent: &Remote,
        modules: &[(PathBuf, String)],
        path: &Path,
        hash: &str,
        dir: &Path,
        depth: usize,
    ) -> Result<(), GitError> {
        let shown = || path.display().to_string();
        let repository = || parent.shown().to_owned();
        let url = modules.iter().find(|(module, _)| module == path).map(|(_, url)| url);
        let url = url.ok_or_else(|| GitError::SubmoduleWithoutUrl {
            path: shown(),
            repository: repository(),
        })?;
        let (transport, address) =
            of_submodule(parent, url).ok_or_else(|| GitError::SubmoduleUrl {
                path: shown(),
                repository: repository(),
                url: crate::fetch::url::redacted(url),
            })?;
        let failed = |source| GitError::Submodule { path: shown(), source: Box::new(source) };
        // What was given for one host is not for another, and not to be sent in the clear.
        let same = |host: &str| {
            host.eq_ignore_ascii_case(self.top.host()) && transport == self.top.transport
        };
        let in_the_clear = transport == Transport::Http && self.top.transport != Transport::Http;
        let secrets = if in_the_clear { &[] } else { self.secrets };
        let remote = Remote::new(transport, &address, same, secrets).map_err(failed)?;
        // Git has made an empty directory for it; where a link leads is no place for it.
        let root = RootDir::open(dir).and_then(|root| root.subdir_nofollow(path));
        root.map_err(|source| GitError::Files { repository: repository(), source })?;
        let commit = Commit::of_hash(hash);
        self.write_one(&remote, &commit, &dir.join(path), depth + 1).map(drop).map_err(failed)
    }
}

/// Paths and commits of the submodules.
fn gitlinks(repository: &Repository<'_>, commit: &str) -> Result<Vec<(PathBuf, String)>, GitError> {
    let listed = repository.git(["ls-tree", "-r", "-z", "--full-tree", commit])?;
    let entries = listed.split(|byte| *byte == 0).filter_map(|entry| {
        let tab = entry.iter().position(|byte| *byte == b'\t')?;
        let about = std::str::from_utf8(&entry[..tab]).ok()?;
        let hash = about.strip_prefix("160000 commit ")?.trim();
        let path = PathBuf::from(OsStr::from_bytes(&entry[tab + 1..]));
        is_hash(hash).then(|| (path, hash.to_owned()))
    });
    Ok(entries.collect())
}

/// Paths and addresses in `.gitmodules`.
fn modules(repository: &Repository<'_>, commit: &str) -> Result<Vec<(PathBuf, String)>, GitError> {
    let blob = format!("{commit}:.gitmodules");
    let pattern = r"^submodule\..*\.(path|url)$";
    let listed = match repository.git(["config", "-z", "--blob", &blob, "--get-regexp", pattern]) {
        Ok(listed) => listed,
        // There is none, or nothing in it.
        Err(GitError::Failed { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    let mut urls = Vec::new();
    for entry in listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()) {
        let entry = String::from_utf8_lossy(entry);
        let Some((key, value)) = entry.split_once('\n') else { continue };
        if let Some(name) = key.strip_suffix(".path") {
            paths.push((name.to_owned(), PathBuf::from(value)));
        } else if let Some(name) = key.strip_suffix(".url") {
            urls.push((name.to_owned(), value.to_owned()));
        }
    }
    let url_of = |name: &str| urls.iter().rfind(|(known, _)| known == name).map(|(_, url)| url);
    Ok(paths
        .iter()
        .filter_map(|(name, path)| Some((path.clone(), url_of(name)?.clone())))
        .collect())
}

/// Gives everything the modes git knows, whatever the umask was, and this time if there is one.
pub(super) fn even_out(dir: &RootDir, time: Option<i64>) -> sys::Result<()> {
    for entry in dir.read_dir("")? {
        let name = Path::new(&entry.name);
        match entry.kind {
            FileKind::Dir => {
                even_out(&dir.subdir_nofollow(name)?, time)?;
                dir.set_mode(name, 0o755)?;
            }
            FileKind::File => {
                let mode = dir.metadata(name)?.mode;
                let executable = if mode & 0o100 == 0 { 0o444 } else { 0o555 };
                dir.set_mode(name, executable | mode & 0o200)?;
            }
            _ => {}
        }
        if let Some(secs) = time {
            dir.set_mtime(name, Timestamp { secs, nanos: 0 })?;
        }
    }
    Ok(())
}
