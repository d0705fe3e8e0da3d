//! The media types of image documents and layers, OCI's and Docker's.

pub const IMAGE_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const IMAGE_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER_TAR: &str = "application/vnd.oci.image.layer.v1.tar";
pub const LAYER_TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub const LAYER_TAR_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

pub const DOCKER_MANIFEST_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";

/// A list of manifests, one for each platform.
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, IMAGE_INDEX | DOCKER_MANIFEST_LIST)
}

/// A manifest, of an image or of anything else.
pub fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, IMAGE_MANIFEST | DOCKER_MANIFEST)
}

/// A layer that is a tar archive, compressed or not.
pub fn is_layer(media_type: &str) -> bool {
    const NONDISTRIBUTABLE: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    let is_oci = |base: &str| {
        media_type.strip_prefix(base).is_some_and(|rest| matches!(rest, "" | "+gzip" | "+zstd"))
    };
    is_oci(LAYER_TAR)
        || is_oci(NONDISTRIBUTABLE)
        || matches!(media_type, DOCKER_LAYER | DOCKER_LAYER_GZIP | DOCKER_LAYER_ZSTD)
}

/// A layer stored as its plain tar, so that its digest is its diff ID.
pub fn is_plain_layer(media_type: &str) -> bool {
    matches!(media_type, LAYER_TAR | DOCKER_LAYER)
}
