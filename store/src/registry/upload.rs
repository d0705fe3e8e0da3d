//! One blob to a registry: not at all where it is there, from another repository where that has it, else in one piece,
//! else in several.
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};

use ureq::Body;
use ureq::http::header::{CONTENT_RANGE, CONTENT_TYPE};
use ureq::http::{Method, Response};

use super::client::{ATTEMPTS, Call, Client, Content, refused};
use super::error::Failure;
use super::watch::{BlobEvent, Silent, Watch};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::lease::Held;
use crate::open::Store;

const OCTETS: &str = "application/octet-stream";
/// A piece of an upload in several.
const PIECE: u64 = 32 << 20;

/// A blob on its way.
pub(super) struct Upload<'a> {
    pub(super) client: &'a Client,
    pub(super) store: &'a Store,
    pub(super) blob: &'a Descriptor,
    /// Another repository of the registry that should have it.
    pub(super) elsewhere: Option<&'a str>,
    /// Whom to ask for it if the store does not have it.
    pub(super) source: Option<&'a Client>,
    pub(super) watch: &'a dyn Watch,
}

impl Upload<'_> {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let event = |event| self.watch.event(self.blob.digest, event);
        if self.is_there()? {
            event(BlobEvent::Exists);
            return Ok(());
        }
        let mut attempt = 1;
        loop {
            match self.once(attempt == 1) {
                Ok(last) => {
                    event(last);
                    return Ok(());
                }
                Err(failure) if attempt == ATTEMPTS || !failure.is_transient() => {
                    return Err(failure);
                }
                Err(_) => {
                    event(BlobEvent::Retried { attempt: attempt + 1 });
                    self.client.pause(attempt, None);
                }
            }
            attempt += 1;
        }
    }

    fn is_there(&self) -> Result<bool, Failure> {
        let url = self.client.url(&format!("blobs/{}", self.blob.digest));
        let call = Call { method: Method::HEAD, ..Call::get(url, self.what()) };
        let response = self.client.send(&call)?;
        match response.status().as_u16() {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(refused(&self.what(), response)),
        }
    }

    fn once(&self, mount: bool) -> Result<BlobEvent, Failure> {
        let from = self.elsewhere.filter(|_| mount);
        let (url, response) = self.begin(from)?;
        if response.status().as_u16() == 201 {
            let from = from.unwrap_or_default().to_owned();
            return Ok(BlobEvent::Mounted { from });
        }
        let location = self.client.location(&url, &self.what(), response.headers())?;
        drop(response);
        self.bring()?;
        let whole = self.whole(&location)?;
        match whole.status().as_u16() {
            201 | 202 | 204 => Ok(BlobEvent::Done),
            // It may take no more than so much at once.
            400 | 404 | 405 | 411 | 413 | 416 | 501 => {
                let first = refused(&self.what(), whole);
                self.pieces().map_err(|second| if second.is_transient() { second } else { first })
            }
            _ => Err(refused(&self.what(), whole)),
        }
    }

    /// Into the store, where nothing will refer to it: the next collection takes it.
    fn bring(&self) -> Result<(), Failure> {
        match self.source {
            Some(source) if !self.store.hold(Held::Blob(self.blob.digest))? => {
                source.blob(self.store, self.blob, &Silent, None)?.publish()?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn begin(&self, from: Option<&str>) -> Result<(String, Response<Body>), Failure> {
        let mut url = self.client.url("blobs/uploads/");
        if let Some(from) = from {
            url.push_str(&format!("?mount={}&from={from}", self.blob.digest));
        }
        let call = Call {
            method: Method::POST,
            body: Content::Bytes(&[]),
            ..Call::get(url.clone(), self.what())
        };
        let response = self.client.send(&call)?;
        match response.status().as_u16() {
            201 if from.is_some() => Ok((url, response)),
            202 => Ok((url, response)),
            _ => Err(refused(&self.what(), response)),
        }
    }

    fn whole(&self, location: &str) -> Result<Response<Body>, Failure> {
        let url = with_digest(location, &self.blob.digest);
        let sent = AtomicU64::new(0);
        let open = || self.open(0, self.blob.size, &sent);
        self.client.send(&Call {
            method: Method::PUT,
            headers: vec![(CONTENT_TYPE, OCTETS.to_owned())],
            body: Content::Stream { size: self.blob.size, open: &open },
            again: false,
            ..Call::get(url, self.what())
        })
    }

    fn pieces(&self) -> Result<BlobEvent, Failure> {
        let (url, response) = self.begin(None)?;
        let mut location = self.client.location(&url, &self.what(), response.headers())?;
        drop(response);
        let (mut start, size) = (0, self.blob.size);
        while start < size {
            let end = (start + PIECE).min(size);
            let sent = AtomicU64::new(start);
            let open = || self.open(start, end - start, &sent);
            let response = self.client.send(&Call {
                method: Method::PATCH,
                headers: vec![
                    (CONTENT_TYPE, OCTETS.to_owned()),
                    (CONTENT_RANGE, format!("{start}-{}", end - 1)),
                ],
                body: Content::Stream { size: end - start, open: &open },
                again: false,
                ..Call::get(location.clone(), self.what())
            })?;
            if !matches!(response.status().as_u16(), 202 | 204) {
                return Err(refused(&self.what(), response));
            }
            location = self.client.location(&location, &self.what(), response.headers())?;
            start = end;
        }
        let response = self.client.send(&Call {
            method: Method::PUT,
            body: Content::Bytes(&[]),
            again: false,
            ..Call::get(with_digest(&location, &self.blob.digest), self.what())
        })?;
        match response.status().as_u16() {
            201 | 204 => Ok(BlobEvent::Done),
            _ => Err(refused(&self.what(), response)),
        }
    }

    fn open<'b>(
        &'b self,
        start: u64,
        size: u64,
        sent: &'b AtomicU64,
    ) -> Result<Box<dyn Read + 'b>, Failure> {
        let mut file = self.store.open_blob(&self.blob.digest)?;
        let read = |source| Failure::Read { what: self.what(), source };
        file.seek(SeekFrom::Start(start)).map_err(read)?;
        sent.store(start, Ordering::Relaxed);
        Ok(Box::new(Sent { upload: self, inner: file.take(size), sent }))
    }

    fn what(&self) -> String {
        format!("blob {}", self.blob.digest)
    }
}

/// Tells how much was read of what is sent.
struct Sent<'a> {
    upload: &'a Upload<'a>,
    inner: io::Take<File>,
    sent: &'a AtomicU64,
}

impl Read for Sent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Upload { watch, blob, .. } = self.upload;
        if watch.is_cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        let read = self.inner.read(buffer)?;
        if read == 0 {
            return Ok(0);
        }
        let done = self.sent.fetch_add(read as u64, Ordering::Relaxed) + read as u64;
        watch.event(blob.digest, BlobEvent::Moved { done, total: blob.size });
        Ok(read)
    }
}

fn with_digest(location: &str, digest: &Digest) -> String {
    let sign = if location.contains('?') { '&' } else { '?' };
    format!("{location}{sign}digest={digest}")
}
