//! `volumes` of a service.

use super::{Attribute, Bytes, Labels};
use crate::render::{Data, Form};

record! {
    /// What is mounted where.
    pub struct Mount {
        /// `volume`, `bind`, `tmpfs`, `image`, `npipe` or `cluster`.
        kind: String = "type",
        source: String = "source",
        target: String = "target",
        read_only: bool = "read_only",
        consistency: String = "consistency",
        bind: Option<BindOptions> = "bind",
        volume: Option<VolumeOptions> = "volume",
        tmpfs: Option<TmpfsOptions> = "tmpfs",
        image: Option<ImageOptions> = "image",
    }
}

record! {
    pub struct BindOptions {
        selinux: String = "selinux",
        propagation: String = "propagation",
        create_host_path: bool = "create_host_path",
        recursive: String = "recursive",
    }
}

record! {
    pub struct VolumeOptions {
        labels: Labels = "labels",
        nocopy: bool = "nocopy",
        subpath: String = "subpath",
    }
}

record! {
    pub struct TmpfsOptions {
        size: Bytes = "size",
        mode: u32 = "mode",
    }
}

record! {
    pub struct ImageOptions {
        subpath: String = "subpath",
    }
}

impl Mount {
    /// The long form, as `config` prints it.
    pub fn document(&self, form: Form) -> Data {
        self.encode(form)
    }
}
