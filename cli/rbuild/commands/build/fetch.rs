//! Getting what the arguments name and what is not a directory. The store, whose temporary files it
//! becomes, is opened when the first such thing is met: a check of a directory needs none.

use std::cell::OnceCell;
use std::path::Path;

use anyhow::Result;
use builder::Cancel;
use builder::fetch::git::{Extent, FileTimes};
use builder::fetch::{self, Access, Fetched, Git, GitRef, GitSettings, Http, Streamed};
use builder::request::{Secret, SshAgent};
use cli::environment::Environment;
use store::Store;

use super::interrupt::Stdin;
use super::{secret, ssh};
use crate::args::BuildArgs;
use cli::http;

pub(super) struct Fetcher<'a> {
    store: OnceCell<Store>,
    environment: &'a Environment,
    cancel: &'a Cancel,
    http: Http,
    git: Git,
    /// Some are for servers.
    secrets: Vec<Secret>,
    agents: Vec<SshAgent>,
}

impl<'a> Fetcher<'a> {
    /// `store` is the one that is open, if one is.
    pub(super) fn new(
        store: Option<&Store>,
        args: &BuildArgs,
        environment: &'a Environment,
        cancel: &'a Cancel,
    ) -> Result<Fetcher<'a>> {
        let secrets = args.secrets.iter().map(|text| secret::parse(text, environment));
        Ok(Fetcher {
            store: store.map_or_else(OnceCell::new, |store| OnceCell::from(store.clone())),
            environment,
            cancel,
            http: Http::new(&http::settings(environment)),
            git: Git::new(&git_settings(environment)),
            secrets: secrets.collect::<Result<_>>()?,
            agents: ssh::agents(args, environment)?,
        })
    }

    pub(super) fn git(&self) -> Git {
        self.git.clone()
    }

    fn store(&self) -> Result<&Store> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let locations = self.environment.locations();
        let store = Store::open(&locations.root, &locations.state)?;
        Ok(self.store.get_or_init(|| store))
    }

    fn access(&self) -> Result<Access<'_>> {
        Ok(Access {
            http: &self.http,
            git: &self.git,
            secrets: &self.secrets,
            ssh: &self.agents,
            store: self.store()?,
            cancel: self.cancel,
        })
    }

    pub(super) fn stdin(&self) -> Stdin {
        Stdin::new(self.cancel)
    }

    /// What is on stdin.
    pub(super) fn stream(&self) -> Result<Streamed> {
        Ok(fetch::read_stream(self.stdin(), "the archive on stdin", self.store()?)?)
    }

    /// The archive at `path`, unpacked; none if it is a regular file of another kind or none at all.
    pub(super) fn archive(&self, path: &Path) -> Result<Option<Fetched>> {
        if !path.is_file() || !fetch::is_archive_file(path)? {
            return Ok(None);
        }
        Ok(Some(fetch::archive_file(path, self.store()?)?))
    }

    /// What is at a URL, and when it was made.
    pub(super) fn url(&self, url: &str) -> Result<(Streamed, Option<i64>)> {
        Ok(fetch::read_url(url, &self.access()?)?)
    }

    /// The files of a repository; with `.git` if that is said here and not otherwise in the address.
    pub(super) fn repository(&self, git: &GitRef, keep_git_dir: bool) -> Result<Fetched> {
        let access = self.access()?;
        let commit = self.git.resolve(git, &access)?;
        let extent = Extent {
            keep_git_dir: git.keep_git_dir.unwrap_or(keep_git_dir),
            submodules: git.submodules.unwrap_or(true),
            subdir: &git.subdir,
            times: git.times.unwrap_or(FileTimes::Commit),
        };
        Ok(self.git.check_out(git, &commit, extent, &access)?)
    }
}

fn git_settings(environment: &Environment) -> GitSettings {
    GitSettings {
        search_path: environment.os("PATH").unwrap_or_default().to_owned(),
        sudo_uid: environment.os("SUDO_UID").map(ToOwned::to_owned),
    }
}
