//! What is kept of a container between the calls: a directory below `--root`, in memory until the next boot.
//!
//! | file              | what                                                             |
//! |-------------------|------------------------------------------------------------------|
//! | `lock`            | held by who changes the container                                 |
//! | `config.json`     | the document as it was when the container was created              |
//! | `state.json`      | [`Kept`]                                                           |
//! | `begin`, `report` | pipes of a process that waits to be started                        |
//! | `mountpoints/`    | empty directories that it mounts on                                |
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::document::Document;
use super::error::{DocumentError, OciError};
use super::group;
use super::translate::{Plan, translate};
use crate::cgroup::{DeviceRules, Leaf};
use crate::containers::ProcessName;
use crate::spec::Limits;

/// All containers below one `--root`.
#[derive(Clone, Debug)]
pub struct OciContainers {
    root: PathBuf,
}

/// One of them, as it was when it was read.
#[derive(Debug)]
pub struct OciContainer {
    pub(super) directory: PathBuf,
    pub(super) kept: Kept,
    /// For as long as it is held nobody else changes the container.
    _lock: Option<File>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) oci_version: String,
    pub(super) bundle: PathBuf,
    pub(super) rootfs: PathBuf,
    pub(super) created: String,
    /// From the moment that it exists.
    pub(super) process: Option<ProcessName>,
    /// From the root of each hierarchy.
    pub(super) cgroup: PathBuf,
    pub(super) devices: DeviceRules,
    pub(super) annotations: Map<String, Value>,
    /// After an update.
    pub(super) limits: Option<Limits>,
}

/// The specification's states, and the one that `pause` adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OciStatus {
    Creating,
    Created,
    Running,
    Paused,
    Stopped,
}

impl fmt::Display for OciStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OciStatus::Creating => "creating",
            OciStatus::Created => "created",
            OciStatus::Running => "running",
            OciStatus::Paused => "paused",
            OciStatus::Stopped => "stopped",
        })
    }
}

const STATE: &str = "state.json";
const CONFIG: &str = "config.json";
const LOCK: &str = "lock";
pub(super) const BEGIN: &str = "begin";
pub(super) const REPORT: &str = "report";

impl OciContainers {
    pub fn at(root: &Path) -> OciContainers {
        OciContainers { root: root.to_owned() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn directory(&self, id: &str) -> Result<PathBuf, OciError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+.-".contains(&byte);
        let good = (1..=200).contains(&id.len()) && id.bytes().all(allowed);
        match good && id != "." && id != ".." {
            true => Ok(self.root.join(id)),
            false => Err(OciError::Id { id: id.to_owned() }),
        }
    }

    /// Makes the directory of a new container, which is locked then.
    pub(super) fn claim(&self, id: &str) -> Result<(PathBuf, File), OciError> {
        let directory = self.directory(id)?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| OciError::Write { path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(&self.root)
            .map_err(failed(&self.root))?;
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(OciError::Exists { id: id.to_owned() });
            }
            made => made.map_err(failed(&directory))?,
        }
        let path = directory.join(LOCK);
        let lock = File::create(&path).and_then(|file| file.lock().map(|()| file));
        Ok((directory, lock.map_err(failed(&path))?))
    }

    /// As it is at the moment.
    pub fn read(&self, id: &str) -> Result<OciContainer, OciError> {
        let directory = self.directory(id)?;
        let kept = read_kept(&directory, id)?;
        Ok(OciContainer { directory, kept, _lock: None })
    }

    /// To change it: waits until nobody else does.
    pub(super) fn hold(&self, id: &str) -> Result<OciContainer, OciError> {
        let directory = self.directory(id)?;
        let path = directory.join(LOCK);
        let lock = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OciError::Missing { id: id.to_owned() });
            }
            opened => opened.and_then(|file| file.lock().map(|()| file)),
        };
        let lock = lock.map_err(|source| OciError::Read { path, source })?;
        let kept = read_kept(&directory, id)?;
        Ok(OciContainer { directory, kept, _lock: Some(lock) })
    }

    /// What a creation left that was killed before it had a state, if it is that.
    pub(super) fn remove_unfinished(&self, id: &str) -> Result<(), OciError> {
        let directory = self.directory(id)?;
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(|source| OciError::Write { path: directory, source }),
        }
    }

    /// All that can be read, by ID.
    pub fn list(&self) -> Result<Vec<OciContainer>, OciError> {
        let failed = |source| OciError::Read { path: self.root.clone(), source };
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            match name.to_str().map(|id| self.read(id)) {
                Some(Ok(container)) => found.push(container),
                // Not one of ours, or one that is just being made or removed.
                Some(Err(OciError::Missing { .. } | OciError::Id { .. })) | None => {}
                Some(Err(error)) => return Err(error),
            }
        }
        found.sort_by(|a, b| a.kept.id.cmp(&b.kept.id));
        Ok(found)
    }
}

fn read_kept(directory: &Path, id: &str) -> Result<Kept, OciError> {
    let path = directory.join(STATE);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OciError::Missing { id: id.to_owned() });
        }
        text => text.map_err(|source| OciError::Read { path: path.clone(), source })?,
    };
    serde_json::from_slice(&text).map_err(|source| OciError::State { path, source })
}

/// Complete or not at all.
pub(super) fn write_whole(path: &Path, text: &[u8]) -> Result<(), OciError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let new = path.with_file_name(name);
    fs::write(&new, text)
        .and_then(|()| fs::rename(&new, path))
        .map_err(|source| OciError::Write { path: path.to_owned(), source })
}

impl OciContainer {
    pub(super) fn new(directory: PathBuf, kept: Kept, lock: File) -> OciContainer {
        OciContainer { directory, kept, _lock: Some(lock) }
    }

    pub(super) fn save(&self) -> Result<(), OciError> {
        let text = serde_json::to_vec(&self.kept)
            .map_err(|source| OciError::State { path: self.directory.join(STATE), source })?;
        write_whole(&self.directory.join(STATE), &text)
    }

    pub(super) fn save_document(&self, text: &[u8]) -> Result<(), OciError> {
        write_whole(&self.directory.join(CONFIG), text)
    }

    /// As it was written when the container was created.
    pub fn document(&self) -> Result<Document, OciError> {
        read_document(&self.directory.join(CONFIG)).map(|(document, _)| document)
    }

    pub(super) fn plan(&self) -> Result<Plan, OciError> {
        let plan = translate(&self.document()?, &self.kept.bundle, &self.kept.id);
        let mut plan = plan
            .map_err(|source| OciError::Document { path: self.directory.join(CONFIG), source })?;
        if let Some(limits) = &self.kept.limits {
            plan.spec.limits = limits.clone();
        }
        Ok(plan)
    }

    pub(super) fn leaf(&self) -> Result<Leaf, OciError> {
        group::existing(&self.kept.cgroup, self.kept.devices, &self.plan()?.spec)
            .map(|(_, leaf)| leaf)
    }

    /// Ends what is left in its cgroups, and removes them.
    pub(super) fn remove_group(&self) -> Result<(), OciError> {
        let (cgroups, leaf) =
            group::existing(&self.kept.cgroup, self.kept.devices, &self.plan()?.spec)?;
        leaf.remove();
        group::remove_parent(&self.kept.cgroup, &cgroups);
        Ok(())
    }

    pub fn id(&self) -> &str {
        &self.kept.id
    }

    pub fn oci_version(&self) -> &str {
        &self.kept.oci_version
    }

    pub fn bundle(&self) -> &Path {
        &self.kept.bundle
    }

    pub fn rootfs(&self) -> &Path {
        &self.kept.rootfs
    }

    pub fn created(&self) -> &str {
        &self.kept.created
    }

    pub fn annotations(&self) -> &Map<String, Value> {
        &self.kept.annotations
    }

    /// Its first process, while it is there.
    pub fn pid(&self) -> Option<i32> {
        self.kept.process.filter(|process| process.is_alive()).map(|process| process.pid)
    }

    pub fn status(&self) -> OciStatus {
        match self.kept.process {
            None => OciStatus::Creating,
            Some(process) if !process.is_alive() => OciStatus::Stopped,
            Some(_) if self.waits() => OciStatus::Created,
            Some(_) if self.leaf().is_ok_and(|leaf| leaf.is_frozen()) => OciStatus::Paused,
            Some(_) => OciStatus::Running,
        }
    }

    /// Its process holds the pipe until it becomes its program.
    fn waits(&self) -> bool {
        self.open_begin().is_ok()
    }

    pub(super) fn open_begin(&self) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(rustix::fs::open(self.directory.join(BEGIN), flags, Mode::empty())?.into())
    }

    pub(super) fn remove(&self) -> Result<(), OciError> {
        fs::remove_dir_all(&self.directory)
            .map_err(|source| OciError::Write { path: self.directory.clone(), source })
    }
}

/// A document and its text.
pub(super) fn read_document(path: &Path) -> Result<(Document, Vec<u8>), OciError> {
    let text = fs::read(path).map_err(|source| OciError::Read { path: path.to_owned(), source })?;
    let document = serde_json::from_slice(&text).map_err(|source| OciError::Document {
        path: path.to_owned(),
        source: DocumentError::Json { at: "config.json".to_owned(), source },
    })?;
    Ok((document, text))
}
