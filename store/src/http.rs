//! How servers are reached: proxies and the certificates to trust, as whoever read the environment says.
use std::io;
use std::path::{Path, PathBuf};

use ureq::Proxy;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// What the front end took from the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// Proxies for `http://` and for `https://`.
    pub http_proxy: Option<String>,
    pub https_proxy: Option<String>,
    /// Hosts that need no proxy, with commas between them.
    pub no_proxy: Option<String>,
    /// Files of certificates; the first that is there counts. Without any, those built in.
    pub authorities: Vec<PathBuf>,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("`{proxy}` is not a proxy")]
    Proxy { proxy: String, source: Box<ureq::Error> },
    #[error("cannot read the certificates in `{}`", path.display())]
    Authorities { path: PathBuf, source: io::Error },
}

impl HttpSettings {
    /// The proxy for `https://`, or for `http://`.
    pub fn proxy(&self, secure: bool) -> Result<Option<Proxy>, HttpError> {
        let text = if secure { &self.https_proxy } else { &self.http_proxy };
        text.as_deref().map(|text| self.proxy_of(text)).transpose()
    }

    fn proxy_of(&self, text: &str) -> Result<Proxy, HttpError> {
        let failed =
            |source| HttpError::Proxy { proxy: without_user(text), source: Box::new(source) };
        let given = Proxy::new(text).map_err(failed)?;
        let mut builder = Proxy::builder(given.protocol()).host(given.host()).port(given.port());
        if let Some(name) = given.username() {
            builder = builder.username(name);
        }
        if let Some(password) = given.password() {
            builder = builder.password(password);
        }
        let exempt = self.no_proxy.iter().flat_map(|list| list.split(','));
        let exempt = exempt.map(str::trim).filter(|host| !host.is_empty());
        exempt.fold(builder, |builder, host| builder.no_proxy(host)).build().map_err(failed)
    }

    /// The certificates to trust.
    pub fn roots(&self) -> Result<RootCerts, HttpError> {
        self.roots_and(std::iter::empty())
    }

    /// The certificates to trust, and those of more files. Where the system has none, the files are all.
    pub fn roots_and<'a>(
        &'a self,
        more: impl Iterator<Item = &'a Path>,
    ) -> Result<RootCerts, HttpError> {
        let system = self.authorities.iter().find(|path| path.exists()).map(PathBuf::as_path);
        let mut all = Vec::new();
        for path in system.into_iter().chain(more) {
            all.extend(certificates(path)?);
        }
        Ok(if all.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&all) })
    }
}

/// All certificates of a file; at least one.
pub fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, HttpError> {
    let failed = |source| HttpError::Authorities { path: path.to_owned(), source };
    let text = std::fs::read(path).map_err(failed)?;
    let items = parse_pem(&text).filter_map(Result::ok);
    let certificates: Vec<Certificate<'static>> = items
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    match certificates.is_empty() {
        true => Err(failed(io::Error::other("there is no certificate in it"))),
        false => Ok(certificates),
    }
}

fn without_user(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}xxxxx{}", &url[..scheme + 3], &url[at..])
        }
        (None, Some(at)) => format!("xxxxx{}", &url[at..]),
        _ => url.to_owned(),
    }
}
