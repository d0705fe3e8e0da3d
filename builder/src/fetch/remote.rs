//! A file of ADD that lies on a server. Its key needs the content's digest, and the server may say that it is the one
//! already known; a checksum in the Dockerfile says it without a server. Then nothing is downloaded until the
//! step has to be executed.

use std::fs::File;
use std::sync::OnceLock;

use store::Store;

use super::http::{Answer, Download, Http, HttpRequest};
use super::memory::Known;
use super::url::{host, redacted};
use super::{Checksum, FetchError, Git};
use crate::cancel::Cancel;
use crate::execute::run::secret;
use crate::request::{Secret, SshAgent};

/// What fetching needs besides an address.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    pub http: &'a Http,
    pub git: &'a Git,
    pub secrets: &'a [Secret],
    pub ssh: &'a [SshAgent],
    pub store: &'a Store,
    pub cancel: &'a Cancel,
}

#[derive(Debug)]
pub(crate) struct RemoteFile {
    url: String,
    checksum: Option<Checksum>,
    /// What the key was made of; absent with a checksum.
    known: Option<Known>,
    download: OnceLock<Download>,
}

/// Downloads without remembering anything.
pub fn download(url: &str, access: &Access<'_>) -> Result<Download, FetchError> {
    match get(url, None, access)? {
        Answer::New(download) => Ok(download),
        Answer::Same => Err(FetchError::Status { url: redacted(url), status: 304 }),
    }
}

fn get(url: &str, known: Option<&Known>, access: &Access<'_>) -> Result<Answer, FetchError> {
    let authorization = authorization(url, access.secrets)?;
    let request = HttpRequest { url, authorization: authorization.as_deref(), known };
    access.http.get(request, access.store, access.cancel)
}

/// From the secrets with BuildKit's names; a token wins over a header.
fn authorization(url: &str, secrets: &[Secret]) -> Result<Option<String>, FetchError> {
    for (name, scheme) in [("HTTP_AUTH_TOKEN_", "Bearer "), ("HTTP_AUTH_HEADER_", "")] {
        let id = format!("{name}{}", host(url));
        let Some(given) = secrets.iter().rev().find(|secret| secret.id == id) else { continue };
        let value = secret::read(given)
            .map_err(|source| FetchError::Secret { id: id.clone(), source: Box::new(source) })?;
        let text = String::from_utf8(value).map_err(|_| FetchError::SecretText { id })?;
        return Ok(Some(format!("{scheme}{}", text.trim_end())));
    }
    Ok(None)
}

impl RemoteFile {
    /// Asks the server, unless a checksum tells what it has to answer.
    pub(crate) fn find(
        url: &str,
        checksum: Option<&Checksum>,
        access: &Access<'_>,
    ) -> Result<RemoteFile, FetchError> {
        let mut file = RemoteFile {
            url: url.to_owned(),
            checksum: checksum.cloned(),
            known: None,
            download: OnceLock::new(),
        };
        if checksum.is_some() {
            return Ok(file);
        }
        let known = Known::load(url, access.store)?;
        file.known = match get(url, known.as_ref(), access)? {
            Answer::Same => known,
            Answer::New(download) => {
                let new = download.known.clone();
                new.save(url, access.store)?;
                file.download = OnceLock::from(download);
                Some(new)
            }
        };
        Ok(file)
    }

    pub(crate) fn digest(&self) -> Option<&[u8; 32]> {
        self.known.as_ref().map(|known| &known.digest)
    }

    /// Last-Modified, where that is known without the file.
    pub(crate) fn modified(&self) -> Option<i64> {
        self.known.as_ref().and_then(|known| known.modified)
    }

    /// The file itself, which is what the key says it is.
    pub(crate) fn fetch(&self, access: &Access<'_>) -> Result<&Download, FetchError> {
        if let Some(download) = self.download.get() {
            return Ok(download);
        }
        let download = download(&self.url, access)?;
        self.verify(&download)?;
        Ok(self.download.get_or_init(|| download))
    }

    fn verify(&self, download: &Download) -> Result<(), FetchError> {
        if let Some(expected) = &self.checksum {
            let failed = |source| FetchError::Write { path: download.path.clone(), source };
            let found = File::open(&download.path).and_then(|file| expected.same_of(file));
            let found = found.map_err(failed)?;
            if found != *expected {
                let (url, expected) = (redacted(&self.url), expected.clone());
                return Err(FetchError::Checksum { url, found, expected });
            }
        }
        match self.digest() {
            Some(digest) if *digest != download.known.digest => {
                Err(FetchError::Changed { url: redacted(&self.url) })
            }
            _ => Ok(()),
        }
    }
}
