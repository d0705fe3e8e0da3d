//! An image to a registry.
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use ureq::http::Method;
use ureq::http::header::CONTENT_TYPE;

use super::client::{Call, Client, Content, refused};
use super::error::{Failure, RegistryError};
use super::rules::Endpoint;
use super::upload::Upload;
use super::watch::{UntilFailed, Untold, Watch};
use super::{AT_ONCE, Registries};
use crate::archive::{FormOptions, Outgoing};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::image::names;
use crate::media_type;
use crate::open::Store;
use crate::platform::Platform;
use crate::reference::Reference;

/// Repositories that are asked for blobs; each is one more scope of the token.
const MOST_ELSEWHERE: usize = 8;

#[derive(Clone, Copy, Debug)]
pub struct PushOptions {
    /// How layers that are kept uncompressed travel.
    pub form: FormOptions,
    /// No tag is to lead to it: it is known by its digest alone.
    pub by_digest: bool,
}

/// What the registry has under the name now.
#[derive(Clone, Debug, PartialEq)]
pub struct Pushed {
    pub manifest: Descriptor,
    /// Of an image for several platforms only this one is here, so that only it was pushed.
    pub only: Option<Platform>,
}

impl Registries {
    /// Sends an image (a manifest or an index of the store) to the registry of `name`.
    pub fn push(
        &self,
        store: &Store,
        target: &Descriptor,
        name: &Reference,
        options: &PushOptions,
        watch: &dyn Watch,
    ) -> Result<Pushed, RegistryError> {
        let pushed = self.push_image(store, target, name, options, watch);
        pushed.map_err(RegistryError::of_push(name))
    }

    fn push_image(
        &self,
        store: &Store,
        target: &Descriptor,
        name: &Reference,
        options: &PushOptions,
        watch: &dyn Watch,
    ) -> Result<Pushed, Failure> {
        if self.is_offline() {
            return Err(Failure::Offline);
        }
        let mut only = None;
        let mut target = target.clone();
        if !store.has_all_manifests(&target)? {
            // A registry takes no index of what it does not have.
            let host = Platform::host();
            target = store.for_platform(&target, &host)?;
            only = Some(target.platform.clone().unwrap_or(host));
        }
        let outgoing = store.outgoing(&target, options.form)?;
        let to = self.settings.rules.destination(name)?;
        let elsewhere = self.elsewhere(store, &to, options.form)?;
        let repositories: BTreeSet<&String> =
            outgoing.blobs.iter().filter_map(|blob| elsewhere.get(&blob.digest)).collect();
        let client = self.client(&to, scopes(&to, repositories))?;
        let push = Push { store, client: &client, watch, elsewhere, sources: HashMap::new() };
        push.blobs(outgoing.blobs.iter().filter(|blob| !is_document(&outgoing, blob)))?;
        push.manifests(&outgoing, name.tag().filter(|_| !options.by_digest))?;
        Ok(Pushed { manifest: outgoing.descriptor, only })
    }

    /// Which other repositories of the same registry should have which blobs: those they came from.
    fn elsewhere(
        &self,
        store: &Store,
        to: &Endpoint,
        form: FormOptions,
    ) -> Result<HashMap<Digest, String>, Failure> {
        let mut found = HashMap::new();
        for entry in &store.read_index()?.manifests {
            let Some(other) = names::name_of(entry) else { continue };
            // Nothing is to be had of one that is blocked.
            let Ok(other) = self.settings.rules.destination(&other) else { continue };
            if other.registry != to.registry || other.repository == to.repository {
                continue;
            }
            // An image that cannot be read is no reason not to push another.
            let Ok(image) = store.load_listed(entry) else { continue };
            for layer in image.layers() {
                // If it was pushed at all, it was in this form.
                if let Some(sent) = store.known_form_of(&layer, form)? {
                    found.entry(sent.digest).or_insert_with(|| other.repository.clone());
                }
            }
        }
        Ok(found)
    }
}

/// To write to one repository and to read of others, from which blobs may be mounted.
pub(super) fn scopes<'a>(
    to: &Endpoint,
    others: impl IntoIterator<Item = &'a String>,
) -> Vec<String> {
    let own = format!("repository:{}:pull,push", to.repository);
    let others = others.into_iter().take(MOST_ELSEWHERE);
    let others = others.map(|other| format!("repository:{other}:pull"));
    std::iter::once(own).chain(others).collect()
}

/// Sends to one repository.
pub(super) struct Push<'a> {
    pub(super) store: &'a Store,
    pub(super) client: &'a Client,
    pub(super) watch: &'a dyn Watch,
    /// Other repositories of the registry that should have a blob.
    pub(super) elsewhere: HashMap<Digest, String>,
    /// Whom to ask for blobs that are not in the store.
    pub(super) sources: HashMap<Digest, &'a Client>,
}

impl Push<'_> {
    /// Layers and configurations, several at once, each once.
    pub(super) fn blobs<'b>(
        &self,
        blobs: impl Iterator<Item = &'b Descriptor>,
    ) -> Result<(), Failure> {
        let mut seen = HashSet::new();
        let blobs: Vec<&Descriptor> = blobs.filter(|blob| seen.insert(blob.digest)).collect();
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let failures: Mutex<Vec<Failure>> = Mutex::default();
        let watch = UntilFailed { inner: self.watch, failed: &failed };
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(blobs.len()) {
                scope.spawn(|| {
                    while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed))
                        && !watch.is_cancelled()
                    {
                        if let Err(failure) = self.upload(blob, &watch) {
                            let mut failures =
                                failures.lock().unwrap_or_else(PoisonError::into_inner);
                            failures.push(failure);
                            failed.store(true, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        // The first is the reason; the others ended because of it.
        let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        match failures.into_iter().next() {
            _ if self.watch.is_cancelled() => Err(Failure::Cancelled),
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    fn upload(&self, blob: &Descriptor, watch: &dyn Watch) -> Result<(), Failure> {
        let untold = Untold(watch);
        let watch = if media_type::is_layer(&blob.media_type) { watch } else { &untold };
        let elsewhere = self.elsewhere.get(&blob.digest).map(String::as_str);
        let (client, store) = (self.client, self.store);
        let source = self.sources.get(&blob.digest).copied();
        Upload { client, store, blob, elsewhere, source, watch }.run()
    }

    /// What is referred to before what refers to it, the image's own last and under its tag if it is to have one.
    fn manifests(&self, outgoing: &Outgoing, tag: Option<&str>) -> Result<(), Failure> {
        let mut seen = HashSet::from([outgoing.descriptor.digest]);
        for blob in outgoing.blobs.iter().filter(|blob| is_document(outgoing, blob)) {
            if seen.insert(blob.digest) {
                self.stored_manifest(blob, &blob.digest.to_string())?;
            }
        }
        let digest = outgoing.descriptor.digest.to_string();
        self.stored_manifest(&outgoing.descriptor, tag.unwrap_or(&digest))
    }

    fn stored_manifest(&self, document: &Descriptor, tag: &str) -> Result<(), Failure> {
        let bytes = self.store.read_document("manifest", &document.digest)?;
        self.manifest(document, &bytes, tag)
    }

    pub(super) fn manifest(
        &self,
        document: &Descriptor,
        bytes: &[u8],
        tag: &str,
    ) -> Result<(), Failure> {
        let call = Call {
            method: Method::PUT,
            headers: vec![(CONTENT_TYPE, type_of(document, bytes))],
            body: Content::Bytes(bytes),
            ..Call::get(
                self.client.url(&format!("manifests/{tag}")),
                format!("manifest {}", document.digest),
            )
        };
        let response = self.client.send(&call)?;
        match response.status().as_u16() {
            200..=204 => Ok(()),
            _ => Err(refused(&call.what, response)),
        }
    }
}

fn is_document(outgoing: &Outgoing, blob: &Descriptor) -> bool {
    media_type::is_manifest(&blob.media_type)
        || media_type::is_index(&blob.media_type)
        || blob.digest == outgoing.descriptor.digest
        || outgoing.images.iter().any(|image| image.descriptor.digest == blob.digest)
}

/// A registry wants to hear what the document says of itself.
fn type_of(document: &Descriptor, bytes: &[u8]) -> String {
    if !document.media_type.is_empty() {
        return document.media_type.clone();
    }
    super::download::own_type(bytes)
}
