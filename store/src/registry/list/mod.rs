//! Indexes that are put together by hand: one name for images of several platforms, wherever these are.
//!
//! | file         | what                                                    |
//! |--------------|---------------------------------------------------------|
//! | `kept.rs`    | lists that are not pushed yet, as files of the store    |
//! | `find.rs`    | the images that are put into one: from store or registry |
//! | `push.rs`    | a list to a registry, with what the registry lacks       |
mod find;
mod kept;
mod push;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::media_type;
use crate::reference::Reference;

pub use find::RemoteManifest;
pub use push::PushedList;

/// An index in the making.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    pub name: Reference,
    pub entries: Vec<ListEntry>,
}

/// One image of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListEntry {
    /// By which name it was put in.
    pub from: Reference,
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    pub platform: ListPlatform,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// The manifest as it came.
    pub manifest: String,
}

/// For which machine an index says that an image is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPlatform {
    pub architecture: String,
    pub os: String,
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    #[serde(default, rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// Whose words an index uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    Oci,
    Docker,
}

impl List {
    pub fn new(name: Reference) -> List {
        List { name, entries: Vec::new() }
    }

    /// One that is there already is replaced.
    pub fn put(&mut self, entry: ListEntry) {
        match self.entries.iter_mut().find(|known| known.digest == entry.digest) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
    }

    /// The entry of that name or digest.
    pub fn find(&self, text: &str) -> Option<&ListEntry> {
        self.position(text).map(|position| &self.entries[position])
    }

    pub fn find_mut(&mut self, text: &str) -> Option<&mut ListEntry> {
        self.position(text).map(|position| &mut self.entries[position])
    }

    pub fn remove(&mut self, text: &str) -> Option<ListEntry> {
        self.position(text).map(|position| self.entries.remove(position))
    }

    fn position(&self, text: &str) -> Option<usize> {
        if let Ok(digest) = text.parse::<Digest>() {
            return self.entries.iter().position(|entry| entry.digest == digest);
        }
        let name: Reference = text.parse().ok()?;
        let is_meant = |entry: &ListEntry| match name.digest() {
            Some(digest) => entry.digest == digest,
            None => entry.from == name,
        };
        self.entries.iter().position(is_meant)
    }

    /// Docker's words if all that is listed is in them.
    pub fn usual_kind(&self) -> ListKind {
        let dockers = |entry: &ListEntry| entry.media_type == media_type::DOCKER_MANIFEST;
        match !self.entries.is_empty() && self.entries.iter().all(dockers) {
            true => ListKind::Docker,
            false => ListKind::Oci,
        }
    }

    /// The index.
    pub fn document(&self, kind: ListKind) -> Value {
        let manifests: Vec<Value> = self.entries.iter().map(ListEntry::listed).collect();
        json!({
            "schemaVersion": 2,
            "mediaType": kind.media_type(),
            "manifests": manifests,
        })
    }
}

impl ListEntry {
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.digest, self.size)
    }

    /// As the index has it.
    pub fn listed(&self) -> Value {
        let mut listed = json!({
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
            "platform": self.platform,
        });
        if !self.annotations.is_empty() {
            listed["annotations"] = json!(self.annotations);
        }
        listed
    }
}

impl ListKind {
    pub fn media_type(self) -> &'static str {
        match self {
            ListKind::Oci => media_type::IMAGE_INDEX,
            ListKind::Docker => media_type::DOCKER_MANIFEST_LIST,
        }
    }
}

impl ListPlatform {
    fn of(config: &ImageConfig) -> ListPlatform {
        let platform = config.platform();
        ListPlatform {
            architecture: platform.architecture,
            os: platform.os,
            os_version: platform.os_version,
            os_features: config.os_features.clone(),
            variant: platform.variant,
        }
    }
}
