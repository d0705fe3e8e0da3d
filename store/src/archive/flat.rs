//! A manifest and its blobs side by side in one directory, blobs named by their hex digits: skopeo's `dir:`,
//! podman's `docker-dir`. It is read as the OCI layout it would be.
use serde::Deserialize;

use super::source::blob_name;
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::manifest::Index;

/// What makes a layout of such a directory.
#[derive(Debug)]
pub(super) struct FlatImage {
    manifest: Descriptor,
}

/// The field that images and indexes of every kind have; `docker save` writes a list into its `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyManifest {
    #[serde(rename = "schemaVersion")]
    _schema_version: u64,
    #[serde(default)]
    media_type: String,
}

impl FlatImage {
    /// From the directory's `manifest.json`, if it is a manifest.
    pub(super) fn recognise(manifest_json: &[u8]) -> Option<FlatImage> {
        let any: AnyManifest = serde_json::from_slice(manifest_json).ok()?;
        Some(FlatImage { manifest: Descriptor::of(&any.media_type, manifest_json) })
    }

    pub(super) fn document(&self, name: &str) -> Option<Vec<u8>> {
        match name {
            "index.json" => Some(Index::new(vec![self.manifest.clone()]).to_bytes()),
            "oci-layout" => Some(crate::open::OCI_LAYOUT.into()),
            _ => None,
        }
    }

    /// Where the blob may be; manifests below an index have an ending.
    pub(super) fn places(&self, digest: Digest) -> Vec<String> {
        if digest == self.manifest.digest {
            return vec!["manifest.json".to_owned()];
        }
        let hex = digest.hex();
        vec![format!("{hex}.manifest.json"), hex, blob_name(&digest)]
    }
}
