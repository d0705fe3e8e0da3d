//! Which manifest of an index is the one for a platform.
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Result, StoreError};
use crate::manifest::Index;
use crate::platform::Platform;

/// Indexes in indexes in indexes are more than anyone needs.
pub(crate) const MAX_NESTING: usize = 4;

pub(crate) fn nested_too_deep(descriptor: &Descriptor) -> StoreError {
    StoreError::MediaType {
        media_type: descriptor.media_type.clone(),
        digest: descriptor.digest,
        expected: "that of a manifest",
    }
}

/// Of several that run on `platform`, one with exactly its variant is preferred, then the first.
pub(crate) fn choose(index: &Index, platform: &Platform, digest: Digest) -> Result<Descriptor> {
    let images: Vec<&Descriptor> =
        index.manifests.iter().filter(|entry| !is_attestation(entry)).collect();
    let runs = |entry: &&&Descriptor| match &entry.platform {
        Some(offered) => offered.runs_on(platform),
        None => images.len() == 1,
    };
    let exact = |entry: &&&Descriptor| {
        entry.platform.as_ref().is_some_and(|p| p.normalized() == platform.normalized())
    };
    let chosen = images.iter().find(exact).or_else(|| images.iter().find(runs));
    chosen.map(|entry| (*entry).clone()).ok_or_else(|| StoreError::NoPlatform {
        digest,
        wanted: Box::new(platform.clone()),
        offered: images.iter().filter_map(|entry| entry.platform.clone()).collect(),
    })
}

/// BuildKit lists its provenance beside the images.
pub(crate) fn is_attestation(entry: &Descriptor) -> bool {
    entry.annotations.contains_key("vnd.docker.reference.type")
        || entry.platform.as_ref().is_some_and(|platform| platform.os == "unknown")
}
