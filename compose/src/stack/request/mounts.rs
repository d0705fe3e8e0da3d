//! What is mounted in the containers of a service.

use std::path::PathBuf;

use engine::MountRequest;
use engine::values::{target, tmpfs};
use runtime::{BindOptions, Mount, MountSource, Propagation, PropagationKind, Submounts, Tmpfs};

use super::{About, Result};
use crate::model;

impl About<'_> {
    pub(super) fn mounts(&self) -> Result<Vec<MountRequest>> {
        let mut mounts = Vec::new();
        for mount in &self.service.volumes {
            mounts.push(self.mount(mount)?);
        }
        for text in &self.service.tmpfs.0 {
            let mount = tmpfs::parse(text).map_err(self.wrong(format!("`tmpfs`: `{text}`")))?;
            mounts.push(MountRequest { mount, create: false });
        }
        mounts.extend(self.files()?);
        if let Some(from) = self.service.volumes_from.first() {
            let why = "volumes are not there yet";
            return Err(self.unsupported(format!("`volumes_from`: `{from}`"), why));
        }
        Ok(mounts)
    }

    fn mount(&self, mount: &model::Mount) -> Result<MountRequest> {
        let wrong = || self.wrong(format!("`volumes`: `{}`", mount.target));
        let target = target(&mount.target).map_err(wrong())?;
        let (source, create) = match mount.kind.as_str() {
            "bind" => {
                let create = mount.bind.as_ref().is_none_or(|bind| bind.create_host_path);
                (self.bind(mount)?, create)
            }
            "tmpfs" => (MountSource::Tmpfs(in_memory(mount)), false),
            "volume" if mount.source.is_empty() => (MountSource::Own, false),
            "volume" => {
                let why = "named volumes are not there yet";
                return Err(self.unsupported(format!("`volumes`: `{}`", mount.source), why));
            }
            kind => {
                let why = format!("mounts of type `{kind}` are not there yet");
                return Err(self.unsupported(format!("`volumes`: `{}`", mount.target), why));
            }
        };
        Ok(MountRequest { mount: Mount { target, source, read_only: mount.read_only }, create })
    }

    fn bind(&self, mount: &model::Mount) -> Result<MountSource> {
        let mut options = BindOptions::default();
        if let Some(bind) = &mount.bind {
            let name = bind.propagation.as_str();
            options.propagation = propagation(name).ok_or_else(|| {
                let why = "known are [r]private, [r]slave and [r]shared";
                self.unsupported(format!("`bind.propagation: {name}`"), why)
            })?;
            options.submounts = match bind.recursive.as_str() {
                "" | "enabled" | "readonly" => Submounts::Included,
                "disabled" => Submounts::Left,
                "writable" => Submounts::IncludedWritable,
                other => {
                    let why = "known are enabled, disabled, writable and readonly";
                    return Err(self.unsupported(format!("`bind.recursive: {other}`"), why));
                }
            };
        }
        Ok(MountSource::Path { source: PathBuf::from(&mount.source), subpath: None, options })
    }
}

fn propagation(text: &str) -> Option<Propagation> {
    let (recursive, word) = match text.strip_prefix('r') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let kind = match word {
        "" | "private" => PropagationKind::Private,
        "slave" => PropagationKind::Slave,
        "shared" => PropagationKind::Shared,
        _ => return None,
    };
    Some(Propagation { kind, recursive })
}

fn in_memory(mount: &model::Mount) -> Tmpfs {
    let options = mount.tmpfs.as_ref();
    let size = options.and_then(|options| u64::try_from(options.size.0).ok());
    Tmpfs {
        size: size.filter(|size| *size > 0),
        mode: options.map(|options| options.mode).filter(|mode| *mode != 0),
        forbidden: tmpfs::FORBIDDEN,
        ..Tmpfs::default()
    }
}
