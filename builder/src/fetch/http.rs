//! Files by HTTP. Nothing of a failed download is left; what a server said about a file is remembered, so that the
//! next build only asks whether it changed.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use store::Store;
pub use store::http::HttpSettings;
use ureq::config::RedirectAuthHeaders;
use ureq::http::header::{
    AUTHORIZATION, ETAG, HeaderMap, HeaderName, IF_NONE_MATCH, LAST_MODIFIED,
};
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};

use super::memory::Known;
use super::url::redacted;
use super::{FetchError, http_date};
use crate::cancel::Cancel;

const MOST_REDIRECTS: u32 = 10;
const CONNECT: Duration = Duration::from_secs(30);
/// Silence for so long ends a download; its length has no limit.
const SILENCE: Duration = Duration::from_secs(60);
/// Larger files are taken for a server that does not end.
const LARGEST: u64 = 64 << 30;

/// A client for one build.
#[derive(Debug)]
pub struct Http {
    settings: HttpSettings,
    plain: OnceLock<Agent>,
    secure: OnceLock<Agent>,
}

/// A file that was downloaded; removed with the value.
#[derive(Debug)]
pub struct Download {
    pub path: PathBuf,
    pub known: Known,
    _store: Store,
}

/// The answer to "has it changed?".
#[derive(Debug)]
pub enum Answer {
    /// No: as it was known before.
    Same,
    New(Download),
}

/// One file to get.
#[derive(Clone, Copy, Debug)]
pub struct HttpRequest<'a> {
    pub url: &'a str,
    /// The value of the header `Authorization`.
    pub authorization: Option<&'a str>,
    /// What is known of it: the server may say that it is still so.
    pub known: Option<&'a Known>,
}

impl Drop for Download {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Http {
    pub fn new(settings: &HttpSettings) -> Http {
        Http { settings: settings.clone(), plain: OnceLock::new(), secure: OnceLock::new() }
    }

    pub(crate) fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Downloads a file, unless it is what is known.
    pub fn get(
        &self,
        request: HttpRequest<'_>,
        store: &Store,
        cancel: &Cancel,
    ) -> Result<Answer, FetchError> {
        let url = request.url;
        let failed = |source| FetchError::Http { url: redacted(url), source: Box::new(source) };
        let mut asked = self.agent(url)?.get(url);
        if let Some(value) = request.authorization {
            asked = asked.header(AUTHORIZATION, value);
        }
        let etag = request.known.and_then(|known| known.etag.as_deref());
        if let Some(etag) = etag {
            asked = asked.header(IF_NONE_MATCH, etag);
        }
        let response = asked.call().map_err(failed)?;
        match response.status().as_u16() {
            304 if etag.is_some() => return Ok(Answer::Same),
            200 => {}
            status => return Err(FetchError::Status { url: redacted(url), status }),
        }
        let (parts, body) = response.into_parts();
        save(body, &parts.headers, url, store, cancel).map(Answer::New)
    }

    fn agent(&self, url: &str) -> Result<&Agent, FetchError> {
        let secure = url.starts_with("https:");
        let slot = if secure { &self.secure } else { &self.plain };
        if let Some(agent) = slot.get() {
            return Ok(agent);
        }
        let proxy = self.settings.proxy(secure)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(MOST_REDIRECTS)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .user_agent(concat!("rbuild/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .proxy(proxy)
            .tls_config(TlsConfig::builder().root_certs(self.settings.roots()?).build())
            .build();
        Ok(slot.get_or_init(|| config.new_agent()))
    }
}

/// Writes the body to a temporary file of the store.
fn save(
    body: Body,
    headers: &HeaderMap,
    url: &str,
    store: &Store,
    cancel: &Cancel,
) -> Result<Download, FetchError> {
    let cut = |source| FetchError::Body { url: redacted(url), source };
    let path = store.temp_path()?;
    let mut download = Download { path, known: Known::default(), _store: store.clone() };
    let write_failed = |source| FetchError::Write { path: download.path.clone(), source };
    let mut file = File::create(&download.path).map_err(write_failed)?;
    let mut reader = body.into_with_config().limit(LARGEST).reader();
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 128 << 10];
    let mut size = 0;
    loop {
        if cancel.is_cancelled() {
            return Err(FetchError::Cancelled);
        }
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(cut(error)),
        };
        hasher.update(&buffer[..read]);
        size += read as u64;
        file.write_all(&buffer[..read]).map_err(write_failed)?;
    }
    download.known = Known {
        etag: header(headers, ETAG),
        modified: header(headers, LAST_MODIFIED).and_then(|text| http_date::parse(&text)),
        size,
        digest: *hasher.finalize().as_bytes(),
    };
    Ok(download)
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
