//! What is mounted in the containers of a service.

use std::path::PathBuf;

use engine::values::{target, tmpfs};
use engine::volumes::{NewVolume, VolumeMount};
use engine::{ImageMount, MountRequest, VolumesFrom};
use runtime::{BindOptions, Mount, MountSource, Propagation, PropagationKind, Submounts, Tmpfs};

use super::super::labels;
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
            mounts.push(MountRequest::Mount { mount, create: false });
        }
        mounts.extend(self.files()?);
        self.inherit(&mut mounts);
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
            "volume" => return Ok(MountRequest::Volume(self.volume(mount, target))),
            "image" => {
                let subpath = mount.image.as_ref().map(|image| image.subpath.as_str());
                let subpath = subpath.filter(|path| !path.is_empty()).map(PathBuf::from);
                let image = mount.source.clone();
                return Ok(MountRequest::Image(ImageMount { target, image, subpath }));
            }
            kind => {
                let why = format!("there are no mounts of type `{kind}` here");
                return Err(self.unsupported(format!("`volumes`: `{}`", mount.target), why));
            }
        };
        Ok(MountRequest::Mount {
            mount: Mount { target, source, read_only: mount.read_only },
            create,
        })
    }

    fn volume(&self, mount: &model::Mount, target: PathBuf) -> VolumeMount {
        let options = mount.volume.as_ref();
        let subpath = options.map(|options| options.subpath.as_str());
        let named = self.replica.project.volumes.get(&mount.source);
        let name = named.map_or(&mount.source, |volume| &volume.name);
        let mut volume = NewVolume::default();
        match name.is_empty() {
            true => {
                let project = self.replica.project.name.clone();
                volume.labels.insert(labels::PROJECT.to_owned(), project);
            }
            false => volume.name = Some(name.clone()),
        }
        VolumeMount {
            target,
            anonymous: name.is_empty(),
            volume,
            read_only: mount.read_only,
            copy: !options.is_some_and(|options| options.nocopy),
            subpath: subpath.filter(|path| !path.is_empty()).map(PathBuf::from),
        }
    }

    /// Anonymous volumes of the container whose place this one takes.
    fn inherit(&self, mounts: &mut Vec<MountRequest>) {
        for old in self.replica.inherited.iter().filter(|old| old.anonymous) {
            let volume = NewVolume::named(&old.name);
            match mounts.iter_mut().find(|mount| mount.target() == old.target) {
                Some(MountRequest::Volume(mount)) if mount.anonymous => mount.volume = volume,
                // Something else is to be there now.
                Some(_) => {}
                None => {
                    let mount = VolumeMount { volume, ..VolumeMount::at(&old.target) };
                    mounts.push(MountRequest::Volume(mount));
                }
            }
        }
    }

    /// `service[:ro]` or `container:name[:ro]`
    pub(super) fn volumes_from(&self) -> Result<Vec<VolumesFrom>> {
        let from = |text: &String| {
            let (rest, read_only) = match text.rsplit_once(':') {
                Some((rest, "ro")) => (rest, true),
                Some((rest, "rw")) => (rest, false),
                _ => (text.as_str(), false),
            };
            let container = match rest.strip_prefix("container:") {
                Some(name) => name.to_owned(),
                None => self.joined("volumes_from", rest)?,
            };
            Ok(VolumesFrom { container, read_only })
        };
        self.service.volumes_from.iter().map(from).collect()
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
