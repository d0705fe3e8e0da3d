//! Git repositories that tests make, the same commits every time.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Sandbox, installed};

/// When every commit is made.
pub(crate) const COMMIT_TIME: i64 = 1_000_000_000;

/// A repository with a work tree, below a sandbox.
pub(crate) struct GitRepository {
    path: PathBuf,
}

impl GitRepository {
    /// None if git is not installed, after saying so.
    pub(crate) fn new(sandbox: &Sandbox, name: &str) -> Option<GitRepository> {
        GitRepository::with_hashes(sandbox, name, "sha1")
    }

    pub(crate) fn with_hashes(
        sandbox: &Sandbox,
        name: &str,
        hashes: &str,
    ) -> Option<GitRepository> {
        if !installed("git") {
            return None;
        }
        let repository = GitRepository { path: sandbox.path(name) };
        std::fs::create_dir_all(&repository.path).unwrap();
        repository.git(&["init", "-q", "-b", "main", &format!("--object-format={hashes}")]);
        Some(repository)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// `file://…`
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(args).current_dir(&self.path).env_clear();
        command.env("PATH", std::env::vars_os().find(|(name, _)| name == "PATH").unwrap().1);
        let date = format!("{COMMIT_TIME} +0000");
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@a"),
            ("GIT_AUTHOR_DATE", &date),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@a"),
            ("GIT_COMMITTER_DATE", &date),
        ] {
            command.env(name, value);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Writes a file; a content `-> x` makes a link.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match content.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => std::fs::write(path, content).unwrap(),
        }
    }

    /// Commits everything that is there, and says which commit that is.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        // For servers of plain files.
        self.git(&["update-server-info"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Writes these files and commits them.
    pub(crate) fn commit_files(&self, files: &[(&str, &str)]) -> String {
        for (name, content) in files {
            self.write(name, content);
        }
        self.commit("files")
    }

    /// Adds an entry for a submodule without looking at it.
    pub(crate) fn add_submodule(&self, path: &str, url: Option<&str>, commit: &str) {
        let entry = format!("160000,{commit},{path}");
        self.git(&["update-index", "--add", "--cacheinfo", &entry]);
        if let Some(url) = url {
            let key = |name: &str| format!("submodule.{path}.{name}");
            self.git(&["config", "-f", ".gitmodules", &key("path"), path]);
            self.git(&["config", "-f", ".gitmodules", &key("url"), url]);
            self.git(&["add", ".gitmodules"]);
        }
        self.git(&["commit", "-q", "-m", "submodule"]);
        self.git(&["update-server-info"]);
    }
}
