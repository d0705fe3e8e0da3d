//! Documents and blobs from a registry.
//!
//! A document is read into memory, so its size is bounded. A blob goes to a file that nobody sees; where the connection
//! breaks, the rest is asked for, and all of it is checked at the end.
use std::io::{self, Read};
use std::time::{Duration, Instant};

use ureq::Body;
use ureq::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, RANGE};
use ureq::http::{Method, Response};

use super::client::{ATTEMPTS, Call, Client, refused};
use super::coming::Coming;
use super::error::{Failure, shown};
use super::watch::{BlobEvent, Watch};
use crate::blob::{BlobWriter, SealedBlob, copy_into};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::media_type;
use crate::open::Store;

/// Registries take no larger manifests either.
pub(super) const MANIFEST_LIMIT: u64 = 4 << 20;
/// No layer is larger: a size is believed up to here only.
const BLOB_LIMIT: u64 = 64 << 30;
/// Less than this in the time in which silence would break the connection is as good as silence.
const LEAST: u64 = 4 << 10;
/// An attempt that got so far does not count.
const PROGRESS: u64 = 1 << 20;
const DIGEST_HEADER: &str = "docker-content-digest";

/// A manifest or an index, as the registry sent it.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) bytes: Vec<u8>,
    pub(super) descriptor: Descriptor,
}

impl Client {
    /// The digest of a tag, if the registry tells without sending the manifest.
    pub(super) fn digest_of(&self, tag: &str) -> Result<Option<Digest>, Failure> {
        let call = Call { method: Method::HEAD, ..self.manifest_call(tag) };
        let response = self.send(&call)?;
        match response.status().as_u16() {
            200 => Ok(said_digest(response.headers()).and_then(|text| text.parse().ok())),
            // Some do not know HEAD; what is wrong is told when the manifest is asked for.
            _ => Ok(None),
        }
    }

    /// The manifest or index by tag, or by what describes it.
    pub(super) fn manifest(&self, tag: &str) -> Result<Document, Failure> {
        let call = self.manifest_call(tag);
        let mut attempt = 1;
        loop {
            match self.manifest_once(&call) {
                Err(failure @ Failure::Cut { .. }) if attempt == ATTEMPTS => return Err(failure),
                Err(Failure::Cut { .. }) => self.pause(attempt, None),
                result => return result,
            }
            attempt += 1;
        }
    }

    /// A manifest that another document refers to.
    pub(super) fn described(&self, wanted: &Descriptor) -> Result<Document, Failure> {
        let mut document = self.manifest(&wanted.digest.to_string())?;
        let what = || format!("manifest {}", wanted.digest);
        check(&what(), wanted, document.descriptor.digest, document.bytes.len() as u64)?;
        document.descriptor = wanted.clone();
        Ok(document)
    }

    fn manifest_call(&self, tag: &str) -> Call<'static> {
        let mut call = Call::get(self.url(&format!("manifests/{tag}")), format!("manifest {tag}"));
        let types = [
            media_type::IMAGE_INDEX,
            media_type::IMAGE_MANIFEST,
            media_type::DOCKER_MANIFEST_LIST,
            media_type::DOCKER_MANIFEST,
        ];
        call.headers.push((ACCEPT, types.join(", ")));
        call
    }

    fn manifest_once(&self, call: &Call<'_>) -> Result<Document, Failure> {
        let what = &call.what;
        let response = self.send(call)?;
        if response.status().as_u16() != 200 {
            return Err(refused(what, response));
        }
        let headers = response.headers().clone();
        let bytes = self.read_document(what, response)?;
        let digest = Digest::of(&bytes);
        if let Some(said) = said_digest(&headers)
            && said.starts_with("sha256:")
            && said != digest.to_string()
        {
            let said = shown(said);
            return Err(Failure::OtherDigest { what: what.clone(), said, actual: digest });
        }
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        let known = media_type::is_index(content_type) || media_type::is_manifest(content_type);
        // What is said in general (`application/json`) says nothing.
        let media_type = if known { content_type.to_owned() } else { own_type(&bytes) };
        let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
        Ok(Document { bytes, descriptor })
    }

    pub(super) fn read_document(
        &self,
        what: &str,
        response: Response<Body>,
    ) -> Result<Vec<u8>, Failure> {
        let too_large = || Failure::TooLarge { what: what.to_owned(), limit: MANIFEST_LIMIT };
        if length(response.headers()).is_some_and(|length| length > MANIFEST_LIMIT) {
            return Err(too_large());
        }
        let reader = Paced::new(body(response), self.silence(), |_| true);
        let mut bytes = Vec::new();
        let read = reader.take(MANIFEST_LIMIT + 1).read_to_end(&mut bytes);
        read.map_err(|source| Failure::Cut { what: what.to_owned(), source })?;
        if bytes.len() as u64 > MANIFEST_LIMIT { Err(too_large()) } else { Ok(bytes) }
    }

    /// Downloads a blob; nobody sees it yet but who follows it.
    pub(super) fn blob(
        &self,
        store: &Store,
        wanted: &Descriptor,
        watch: &dyn Watch,
        coming: Option<&Coming>,
    ) -> Result<SealedBlob, Failure> {
        let what = format!("blob {}", wanted.digest);
        if wanted.size > BLOB_LIMIT {
            return Err(Failure::TooLarge { what, limit: BLOB_LIMIT });
        }
        let mut writer = store.blob_writer()?;
        if let Some(coming) = coming {
            coming.grows(writer.path());
        }
        let mut failures = 0;
        loop {
            let before = writer.size();
            let source = match self.blob_part(&what, wanted, &mut writer, watch) {
                Ok(()) if writer.size() == wanted.size => break,
                Ok(()) => io::Error::from(io::ErrorKind::UnexpectedEof),
                Err(Failure::Cut { .. }) if watch.is_cancelled() => return Err(Failure::Cancelled),
                Err(Failure::Cut { source, .. }) => source,
                Err(Failure::Store(error)) => {
                    let (size, written) = (Some(wanted.size), writer.size());
                    return Err(error.for_space_of(|| what, size, written).into());
                }
                Err(failure) => return Err(failure),
            };
            failures = if writer.size() - before >= PROGRESS { 1 } else { failures + 1 };
            if failures >= ATTEMPTS {
                let (done, size) = (writer.size(), wanted.size);
                return Err(Failure::BrokeOff { what, done, size, attempts: failures, source });
            }
            watch.event(wanted.digest, BlobEvent::Retried { attempt: failures + 1 });
            self.pause(failures, None);
        }
        let sealed = writer.seal()?;
        check(&what, wanted, sealed.info.digest, sealed.info.size)?;
        Ok(sealed)
    }

    /// From where the file ends to where the connection does.
    fn blob_part(
        &self,
        what: &str,
        wanted: &Descriptor,
        writer: &mut BlobWriter,
        watch: &dyn Watch,
    ) -> Result<(), Failure> {
        let (have, size) = (writer.size(), wanted.size);
        let mut call = Call::get(self.url(&format!("blobs/{}", wanted.digest)), what.to_owned());
        if have > 0 {
            call.headers.push((RANGE, format!("bytes={have}-")));
        }
        let response = self.send(&call)?;
        let skipped = match response.status().as_u16() {
            200 => have,
            206 if have > 0 && starts_at(response.headers()) == Some(have) => 0,
            206 => return Err(Failure::Range { what: what.to_owned() }),
            _ => return Err(refused(what, response)),
        };
        if let Some(length) = length(response.headers())
            && length + have - skipped != size
        {
            let actual = length + have - skipped;
            return Err(Failure::Size { what: what.to_owned(), expected: size, actual });
        }
        let moved = |done: u64| {
            let done = done.saturating_sub(skipped) + have;
            watch.event(wanted.digest, BlobEvent::Moved { done: done.min(size), total: size });
            !watch.is_cancelled()
        };
        let mut reader = Paced::new(body(response), self.silence(), moved);
        let cut = |source| Failure::Cut { what: what.to_owned(), source };
        let seen = io::copy(&mut reader.by_ref().take(skipped), &mut io::sink()).map_err(cut)?;
        if seen < skipped {
            return Err(cut(io::ErrorKind::UnexpectedEof.into()));
        }
        copy_into(&mut reader.by_ref().take(size - have), writer).map_err(|error| match error {
            StoreError::BlobSource { source } => cut(source),
            error => error.into(),
        })?;
        // One byte more is enough to know that it is wrong. That there is none need not be waited for.
        match writer.size() == size && reader.read(&mut [0]).is_ok_and(|more| more > 0) {
            true => Err(Failure::Longer { what: what.to_owned(), expected: size }),
            false => Ok(()),
        }
    }
}

fn check(what: &str, wanted: &Descriptor, digest: Digest, size: u64) -> Result<(), Failure> {
    if size != wanted.size {
        let what = what.to_owned();
        return Err(Failure::Size { what, expected: wanted.size, actual: size });
    }
    match digest == wanted.digest {
        true => Ok(()),
        false => Err(Failure::Digest { what: what.to_owned(), actual: digest }),
    }
}

/// A body; what comes is bounded by whoever reads it.
fn body(response: Response<Body>) -> impl Read {
    response.into_body().into_with_config().limit(u64::MAX).reader()
}

fn said_digest(headers: &HeaderMap) -> Option<&str> {
    headers.get(DIGEST_HEADER)?.to_str().ok()
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// `bytes 100-199/200`
fn starts_at(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    text.trim().strip_prefix("bytes")?.trim_start().split('-').next()?.trim().parse().ok()
}

/// What a document says that it is.
pub(super) fn own_type(bytes: &[u8]) -> String {
    let document: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let document = document.unwrap_or_default();
    let own = document.get("mediaType").and_then(serde_json::Value::as_str);
    let is_index = document.get("manifests").is_some();
    let usual = if is_index { media_type::IMAGE_INDEX } else { media_type::IMAGE_MANIFEST };
    own.unwrap_or(usual).to_owned()
}

/// Fails where next to nothing comes, and where `moved` (told the bytes so far) says to stop.
struct Paced<R, F> {
    inner: R,
    moved: F,
    total: u64,
    silence: Duration,
    since: Instant,
    in_time: u64,
}

impl<R: Read, F: Fn(u64) -> bool> Paced<R, F> {
    fn new(inner: R, silence: Duration, moved: F) -> Paced<R, F> {
        Paced { inner, moved, total: 0, silence, since: Instant::now(), in_time: 0 }
    }
}

impl<R: Read, F: Fn(u64) -> bool> Read for Paced<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if read == 0 {
            return Ok(0);
        }
        self.total += read as u64;
        self.in_time += read as u64;
        if self.since.elapsed() >= self.silence {
            if self.in_time < LEAST {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "next to nothing comes"));
            }
            (self.since, self.in_time) = (Instant::now(), 0);
        }
        match (self.moved)(self.total) {
            true => Ok(read),
            false => Err(io::Error::other("cancelled")),
        }
    }
}
