//! What the platforms of a build fetch from elsewhere: how, and the named contexts that were fetched so far.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use store::Store;

use crate::cancel::Cancel;
use crate::execute::StepError;
use crate::fetch::git::{Extent, FileTimes};
use crate::fetch::{self, Access, FetchError, Fetched, Git, Http, Streamed};
use crate::plan::EpochSource;
use crate::request::{BuildRequest, NamedContext};

#[derive(Debug)]
pub(super) struct Remotes<'a> {
    request: &'a BuildRequest,
    store: &'a Store,
    pub(super) http: Http,
    pub(super) git: Git,
    contexts: Mutex<HashMap<String, Slot>>,
}

/// The files, once they are there.
type Slot = Arc<Mutex<Option<Fetched>>>;

impl<'a> Remotes<'a> {
    pub(super) fn new(store: &'a Store, request: &'a BuildRequest) -> Remotes<'a> {
        Remotes {
            request,
            store,
            http: Http::new(&request.http),
            git: request.git.clone(),
            contexts: Mutex::default(),
        }
    }

    /// The files of a named context that is not a directory of the user's; fetched when first asked for.
    /// None if it is no such context.
    pub(super) fn context(&self, key: &str, cancel: &Cancel) -> Result<Option<Fetched>, StepError> {
        let Some(context) = self.request.named_contexts.get(key) else { return Ok(None) };
        if !matches!(
            context,
            NamedContext::Archive(_) | NamedContext::Url(_) | NamedContext::Git(_)
        ) {
            return Ok(None);
        }
        let slot = {
            let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
            contexts.entry(key.to_owned()).or_default().clone()
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            *slot = self.fetch(context, cancel)?;
        }
        Ok(slot.clone())
    }

    fn access<'b>(&'b self, cancel: &'b Cancel) -> Access<'b> {
        Access {
            http: &self.http,
            git: &self.git,
            secrets: &self.request.secrets,
            ssh: &self.request.ssh,
            store: self.store,
            cancel,
        }
    }

    /// How old a source is, where it says so.
    pub(super) fn time(
        &self,
        source: &EpochSource,
        cancel: &Cancel,
    ) -> Result<Option<i64>, FetchError> {
        match source {
            EpochSource::File { url, checksum } => {
                fetch::time_of_url(url, checksum.as_ref(), &self.access(cancel))
            }
            EpochSource::Repository(git) => {
                let fetched = self.fetch(&NamedContext::Git((**git).clone()), cancel)?;
                Ok(fetched.and_then(|fetched| fetched.time()))
            }
        }
    }

    fn fetch(
        &self,
        context: &NamedContext,
        cancel: &Cancel,
    ) -> Result<Option<Fetched>, FetchError> {
        let access = self.access(cancel);
        match context {
            NamedContext::Archive(path) => fetch::archive_file(path, self.store).map(Some),
            NamedContext::Url(url) => match fetch::read_url(url, &access)?.0 {
                Streamed::Archive(fetched) => Ok(Some(fetched)),
                Streamed::Text(_) => {
                    let origin = format!("`{}`", fetch::url::redacted(url));
                    Err(FetchError::NotAnArchive { origin })
                }
            },
            NamedContext::Git(git) => {
                let commit = self.git.resolve(git, &access)?;
                let extent = Extent {
                    keep_git_dir: git.keep_git_dir.unwrap_or(false),
                    submodules: git.submodules.unwrap_or(true),
                    subdir: &git.subdir,
                    times: git.times.unwrap_or(FileTimes::Commit),
                };
                self.git.check_out(git, &commit, extent, &access).map(Some)
            }
            NamedContext::Dir(_) | NamedContext::OciLayout { .. } | NamedContext::Image(_) => {
                Ok(None)
            }
        }
    }
}
