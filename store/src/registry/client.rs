//! One request to a registry: who asks, redirects, and what is tried again.
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use ureq::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, LOCATION, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use ureq::http::{Method, Request, Response};
use ureq::tls::{ClientCert, PrivateKey, TlsConfig};
use ureq::{Agent, Body, SendBody};

use super::challenge::Challenge;
use super::error::{Failure, is_about_certificates, is_transient, of_client, shown};
use super::host::Host;
use super::settings::{Credential, Credentials, RegistrySettings};
use super::{link, token};
use crate::http::{HttpError, certificates};

/// How often something is tried.
pub(super) const ATTEMPTS: u32 = 5;
const MOST_REDIRECTS: u32 = 10;
/// What is read of an answer that says what went wrong.
const MESSAGE_LIMIT: u64 = 64 << 10;

/// One repository of a registry.
#[derive(Debug)]
pub(super) struct Client {
    settings: Arc<RegistrySettings>,
    credentials: Arc<dyn Credentials>,
    pub(super) host: Host,
    pub(super) repository: String,
    scopes: Vec<String>,
    /// `https://host`
    origin: String,
    secure: Agent,
    plain: Agent,
    /// The value of the header, once the registry wanted one.
    authorization: Mutex<Option<String>>,
    /// Held while it is found out, so that not every thread asks for a token.
    authorizing: Mutex<()>,
    who: OnceLock<Option<Credential>>,
}

/// What to ask.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Content<'a>,
    /// For messages: `manifest latest`.
    pub(super) what: String,
    /// Whether it may be sent once more when the connection breaks.
    pub(super) again: bool,
}

/// What to send along.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// `size` bytes of what is opened for each attempt.
    Stream {
        size: u64,
        open: &'a (dyn Fn() -> Result<Box<dyn Read + 'a>, Failure> + Sync),
    },
}

impl Client {
    pub(super) fn open(
        settings: Arc<RegistrySettings>,
        credentials: Arc<dyn Credentials>,
        host: Host,
        repository: &str,
        scopes: Vec<String>,
    ) -> Result<Client, Failure> {
        let (secure, plain) = (agent(&settings, &host, true)?, agent(&settings, &host, false)?);
        let mut client = Client {
            settings,
            credentials,
            origin: format!("https://{}", host.authority),
            repository: repository.to_owned(),
            scopes,
            secure,
            plain,
            authorization: Mutex::default(),
            authorizing: Mutex::default(),
            who: OnceLock::new(),
            host,
        };
        if client.host.may_be_plain() && !client.speaks_tls()? {
            client.origin = format!("http://{}", client.host.authority);
        }
        Ok(client)
    }

    /// Whether there is TLS at all; that a certificate is not good is no reason to go without.
    fn speaks_tls(&self) -> Result<bool, Failure> {
        let answer = self.secure.get(format!("{}/v2/", self.origin)).call();
        match answer {
            Ok(_) => Ok(true),
            Err(error) if is_about_certificates(&error) => Err(of_client(&self.origin, error)),
            Err(error) => match of_client(&self.origin, error) {
                // Something is there that does not know TLS.
                Failure::Broken { .. } => Ok(false),
                failure => Err(failure),
            },
        }
    }

    /// Of the repository: `blobs/…`
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}/v2/{}/{path}", self.origin, self.repository)
    }

    /// Asks whether the registry knows who asks.
    pub(super) fn log_in(&self) -> Result<(), Failure> {
        let call = Call {
            url: format!("{}/v2/", self.origin),
            ..Call::get(String::new(), "the registry".to_owned())
        };
        let response = self.send(&call)?;
        match response.status().as_u16() {
            200 => Ok(()),
            _ => Err(refused(&call.what, response)),
        }
    }

    /// The answer, whatever its status, unless that says to come again later or who asks.
    pub(super) fn send(&self, call: &Call<'_>) -> Result<Response<Body>, Failure> {
        let mut attempt = 1;
        loop {
            let (failure, wait) = match self.once(call) {
                Ok(response) if is_transient(response.status().as_u16()) => {
                    let wait = retry_after(response.headers());
                    (refused(&call.what, response), wait)
                }
                Ok(response) => return Ok(response),
                Err(failure) => (failure, None),
            };
            if !call.again || !failure.is_transient() || attempt == ATTEMPTS {
                return Err(failure);
            }
            self.pause(attempt, wait);
            attempt += 1;
        }
    }

    /// Waits until the next attempt; the server may want it to be longer.
    pub(super) fn pause(&self, attempt: u32, wanted: Option<Duration>) {
        let RegistrySettings { pace, pause, .. } = &*self.settings;
        pace.wait(super::pace::pause(*pause, attempt, pace.chance(), wanted));
    }

    pub(super) fn silence(&self) -> Duration {
        self.settings.silence
    }

    fn once(&self, call: &Call<'_>) -> Result<Response<Body>, Failure> {
        let mut url = call.url.clone();
        let (mut authorized, mut redirects) = (false, 0);
        loop {
            let presented = self.authorization();
            let response = self.exchange(&url, call, presented.as_deref())?;
            match response.status().as_u16() {
                401 if !authorized && self.is_own(&url) => {
                    authorized = true;
                    self.authorize(call, response, presented)?;
                }
                401 => return Err(refused(&call.what, response)),
                301 | 302 | 303 | 307 | 308 if call.follows() => {
                    redirects += 1;
                    if redirects > MOST_REDIRECTS {
                        let what = call.what.clone();
                        return Err(Failure::Redirects { what, limit: MOST_REDIRECTS });
                    }
                    url = self.location(&url, &call.what, response.headers())?;
                }
                _ => return Ok(response),
            }
        }
    }

    /// Where an answer says to go on.
    pub(super) fn location(
        &self,
        base: &str,
        what: &str,
        headers: &HeaderMap,
    ) -> Result<String, Failure> {
        let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let link = location.ok_or_else(|| Failure::NoLocation { what: what.to_owned() })?;
        self.followed(base, link)
    }

    /// Where a link of an answer leads.
    pub(super) fn followed(&self, base: &str, link: &str) -> Result<String, Failure> {
        link::resolve(base, link).map_err(|source| Failure::Link { link: shown(link), source })
    }

    fn is_own(&self, url: &str) -> bool {
        link::origin(url) == self.origin
    }

    fn exchange(
        &self,
        url: &str,
        call: &Call<'_>,
        authorization: Option<&str>,
    ) -> Result<Response<Body>, Failure> {
        let mut request = Request::builder().method(call.method.clone()).uri(url);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if self.is_own(url)
            && let Some(value) = authorization
        {
            request = request.header(AUTHORIZATION, value);
        }
        self.run(url, request, call.body)
    }

    /// Sends a request as it is.
    pub(super) fn run(
        &self,
        url: &str,
        request: ureq::http::request::Builder,
        body: Content<'_>,
    ) -> Result<Response<Body>, Failure> {
        let origin = link::origin(url);
        let invalid = |error| of_client(origin, ureq::Error::Http(error));
        let agent = if url.starts_with("https:") { &self.secure } else { &self.plain };
        let request = request.header(ACCEPT_ENCODING, "identity");
        let answer = match body {
            Content::Nothing => agent.run(request.body(()).map_err(invalid)?),
            Content::Bytes(bytes) => agent.run(request.body(bytes).map_err(invalid)?),
            Content::Stream { size, open } => {
                let mut reader = open()?;
                let body = SendBody::from_reader(&mut reader);
                agent.run(request.header(CONTENT_LENGTH, size).body(body).map_err(invalid)?)
            }
        };
        answer.map_err(|error| of_client(origin, error))
    }

    fn authorization(&self) -> Option<String> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Finds out what the registry wants to see instead of what it was shown.
    fn authorize(
        &self,
        call: &Call<'_>,
        response: Response<Body>,
        presented: Option<String>,
    ) -> Result<(), Failure> {
        let _one_at_a_time = self.authorizing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.authorization() != presented {
            // Another thread has found out meanwhile.
            return Ok(());
        }
        let headers = response.headers().get_all(WWW_AUTHENTICATE);
        let challenge = Challenge::of(headers.iter().filter_map(|value| value.to_str().ok()));
        let value = match challenge.ok_or(Failure::Challenge)? {
            Challenge::Basic => match self.who()? {
                Some(Credential::Password { user, password }) => token::basic(user, password),
                _ => return Err(refused(&call.what, response)),
            },
            Challenge::Bearer { realm, service, scope } => {
                let scopes = match self.scopes.is_empty() {
                    true => scope.into_iter().collect(),
                    false => self.scopes.clone(),
                };
                let wanted = token::Wanted { realm, service, scopes };
                link::check(&self.origin, &wanted.realm)
                    .map_err(|source| Failure::Link { link: shown(&wanted.realm), source })?;
                token::fetch(self, &wanted, self.who()?)?
            }
        };
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        Ok(())
    }

    fn who(&self) -> Result<Option<&Credential>, Failure> {
        if self.who.get().is_none() {
            let found = self.credentials.find(&self.host.name);
            let found = found.map_err(|source| Failure::Credentials { source })?;
            let _another_thread_was_faster = self.who.set(found);
        }
        Ok(self.who.get().and_then(Option::as_ref))
    }
}

impl Call<'_> {
    pub(super) fn get(url: String, what: String) -> Self {
        Call {
            method: Method::GET,
            url,
            headers: Vec::new(),
            body: Content::Nothing,
            what,
            again: true,
        }
    }

    fn follows(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

fn agent(settings: &RegistrySettings, host: &Host, secure: bool) -> Result<Agent, Failure> {
    let local = host.loopback;
    // What is on this machine is reached without help.
    let proxy = if local { None } else { settings.http.proxy(secure)? };
    let mut builder = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("rbuild/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(settings.connect))
        .timeout_connect(Some(settings.connect))
        .timeout_per_read(Some(settings.silence))
        .timeout_per_write(Some(settings.silence))
        .timeout_recv_response(Some(settings.silence * 5))
        .proxy(proxy);
    if secure {
        builder = builder.tls_config(tls(settings, host)?);
    }
    Ok(builder.build().new_agent())
}

/// Of one registry: certificates to trust besides those of the system, and what is to be shown to it.
fn tls(settings: &RegistrySettings, host: &Host) -> Result<TlsConfig, Failure> {
    let mut own = Vec::new();
    let mut shown = host.shown.clone();
    for directory in settings.certificates.iter().map(|dir| dir.join(&host.name)) {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        let mut paths: Vec<PathBuf> =
            entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => own.push(path),
                Some("cert") if shown.is_none() => {
                    shown = Some((path.clone(), path.with_extension("key")));
                }
                _ => {}
            }
        }
    }
    let own = host.authorities.iter().chain(&own);
    let roots = settings.http.roots_and(own.map(PathBuf::as_path))?;
    let shown = shown.map(|(certificate, key)| client_certificate(&certificate, &key));
    let tls = TlsConfig::builder().root_certs(roots).client_cert(shown.transpose()?);
    Ok(tls.disable_verification(host.insecure).build())
}

fn client_certificate(certificate: &Path, key: &Path) -> Result<ClientCert, Failure> {
    let failed = |source| HttpError::Authorities { path: key.to_owned(), source };
    let text = std::fs::read(key).map_err(failed)?;
    let parsed = PrivateKey::from_pem(&text).map_err(|error| failed(io::Error::other(error)))?;
    Ok(ClientCert::new_with_certs(&certificates(certificate)?, parsed))
}

/// What an answer that is none means.
pub(super) fn refused(what: &str, response: Response<Body>) -> Failure {
    let (status, what) = (response.status().as_u16(), what.to_owned());
    let message = message(response);
    match status {
        401 | 403 => Failure::Denied { what, message },
        404 => Failure::NotFound { what, message },
        _ => Failure::Status { what, status, message },
    }
}

#[derive(Deserialize)]
struct Answer {
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What the registry says about it: `: manifest unknown`.
fn message(response: Response<Body>) -> String {
    let mut text = Vec::new();
    let mut reader = response.into_body().into_reader().take(MESSAGE_LIMIT);
    if reader.read_to_end(&mut text).is_err() {
        return String::new();
    }
    let Ok(answer) = serde_json::from_slice::<Answer>(&text) else { return String::new() };
    let said = answer.errors.iter().map(|said| match said.message.is_empty() {
        true => said.code.as_str(),
        false => said.message.as_str(),
    });
    let said = shown(&said.collect::<Vec<_>>().join("; "));
    if said.is_empty() { said } else { format!(": {said}") }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
