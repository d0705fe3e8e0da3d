//! [`Volumes`]: making, finding and removing them.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use runtime::clock;
use runtime::containers::{Container, Containers, VolumeUse};
use runtime::events::Event;
use store::Store;

use super::Backing;
use super::definition::{NewVolume, SCHEMA, Volume, check_name};
use super::error::{Result, VolumeError, file_error};
use crate::names;

const DEFINITION: &str = "definition.json";
pub(super) const DATA: &str = "_data";
const LOCK: &str = "lock";
/// Attempts to get hold of a volume that others remove at the same time.
const ATTEMPTS: usize = 100;

/// The volumes of one store.
#[derive(Clone, Debug)]
pub struct Volumes {
    pub(super) store: Store,
    root: PathBuf,
}

/// The right to rely on a volume's being there: until its container can be seen, nobody removes it.
#[derive(Debug)]
pub struct Claim {
    pub(super) volume: Volume,
    _lock: File,
}

impl Volumes {
    pub fn of(store: &Store) -> Result<Volumes> {
        Ok(Volumes { store: store.clone(), root: store.directory("volumes")? })
    }

    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The directory with a volume's files, if it is its own.
    pub fn data(&self, name: &str) -> PathBuf {
        self.place(name).join(DATA)
    }

    /// All of them, by name.
    pub fn list(&self) -> Result<Vec<Volume>> {
        let mut volumes = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(file_error("list", &self.root))? {
            let entry = entry.map_err(file_error("list", &self.root))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // One that goes in this moment is none.
            volumes.extend(self.read(&name)?);
        }
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(volumes)
    }

    pub fn find(&self, name: &str) -> Result<Volume> {
        let found = if check_name(name).is_ok() { self.read(name)? } else { None };
        found.ok_or_else(|| VolumeError::NotFound { name: name.to_owned() })
    }

    fn read(&self, name: &str) -> Result<Option<Volume>> {
        #[derive(serde::Deserialize)]
        struct Schema {
            schema: u32,
        }
        let path = self.place(name).join(DEFINITION);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if is_absent(error.kind()) => return Ok(None),
            Err(error) => return Err(file_error("read", &path)(error)),
        };
        let failed = |source| VolumeError::Document { path: path.clone(), source };
        let Schema { schema: found } = serde_json::from_slice(&bytes).map_err(failed)?;
        if found > SCHEMA {
            let name = name.to_owned();
            return Err(VolumeError::Schema { name, found, known: SCHEMA });
        }
        serde_json::from_slice(&bytes).map(Some).map_err(failed)
    }

    /// Makes a volume, or takes the one that has the name.
    pub fn create(&self, new: &NewVolume) -> Result<Volume> {
        Backing::of(&new.options)?;
        let name = match &new.name {
            Some(name) => name.clone(),
            None => names::random_id()
                .map_err(|error| VolumeError::Random { source: Box::new(error) })?,
        };
        check_name(&name)?;
        for _ in 0..ATTEMPTS {
            if let Some(found) = self.read(&name)? {
                found.check_is(new)?;
                return Ok(found);
            }
            if let Some(made) = self.make(&name, new)? {
                return Ok(made);
            }
        }
        Err(VolumeError::NotFound { name })
    }

    /// None if somebody else has just made one of this name.
    fn make(&self, name: &str, new: &NewVolume) -> Result<Option<Volume>> {
        let volume = Volume {
            schema: SCHEMA,
            name: name.to_owned(),
            created: clock::now(),
            labels: new.labels.clone(),
            options: new.options.clone(),
            anonymous: new.name.is_none(),
        };
        let temp = self.store.temp_path()?;
        let place = self.place(name);
        let made = write_new(&temp, &volume).and_then(|()| match fs::rename(&temp, &place) {
            Ok(()) => Ok(true),
            Err(error) if is_taken(error.kind()) => Ok(false),
            Err(error) => Err(file_error("create", &place)(error)),
        });
        match made {
            Ok(true) => {}
            other => {
                // What is told is why there is no volume; leftovers are removed by the next who opens the store.
                let _left = self.store.remove_aside(&temp);
                return other.map(|_| None);
            }
        }
        sync(&self.root)?;
        Event::of_volume(name, "create").note(self.store.state());
        Ok(Some(volume))
    }

    /// As [`Volumes::create`]; from then on nobody removes it.
    pub fn claim(&self, new: &NewVolume) -> Result<Claim> {
        for _ in 0..ATTEMPTS {
            let volume = self.create(new)?;
            let Some(lock) = self.lock_file(&volume.name)? else { continue };
            let path = self.place(&volume.name).join(LOCK);
            lock.lock_shared().map_err(file_error("lock", &path))?;
            if self.is_still(&lock, &path) {
                self.restore_data(&volume.name)?;
                return Ok(Claim { volume, _lock: lock });
            }
        }
        Err(VolumeError::NotFound { name: new.name.clone().unwrap_or_default() })
    }

    fn lock_file(&self, name: &str) -> Result<Option<File>> {
        let path = self.place(name).join(LOCK);
        match File::options().create(true).truncate(false).write(true).open(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if is_absent(error.kind()) => Ok(None),
            Err(error) => Err(file_error("open the lock", &path)(error)),
        }
    }

    /// Whether a lock is that of the volume which has the name now.
    fn is_still(&self, lock: &File, path: &Path) -> bool {
        let same =
            |there: fs::Metadata| lock.metadata().is_ok_and(|here| here.ino() == there.ino());
        fs::metadata(path).is_ok_and(same)
    }

    /// Programs that copy directories may leave out the empty ones.
    fn restore_data(&self, name: &str) -> Result<()> {
        let data = self.data(name);
        if data.is_dir() { Ok(()) } else { create_directory(&data, 0o755) }
    }

    /// The containers that have the volume.
    pub fn users(&self, containers: &Containers, name: &str) -> Result<Vec<Container>> {
        let mut all = containers.list()?;
        all.retain(|container| container.definition.volumes.iter().any(|used| used.name == name));
        Ok(all)
    }

    /// Removes a volume that no container has, and says how many bytes that gives back.
    pub fn remove(&self, containers: &Containers, name: &str) -> Result<u64> {
        let missing = || VolumeError::NotFound { name: name.to_owned() };
        check_name(name).map_err(|_| missing())?;
        let place = self.place(name);
        if !place.is_dir() {
            return Err(missing());
        }
        let path = place.join(LOCK);
        let lock = self.lock_file(name)?.ok_or_else(missing)?;
        match lock.try_lock() {
            Ok(()) if self.is_still(&lock, &path) => {}
            Ok(()) => return Err(missing()),
            Err(TryLockError::WouldBlock) => {
                let users = vec!["a container that is being made".to_owned()];
                return Err(VolumeError::InUse { name: name.to_owned(), users });
            }
            Err(TryLockError::Error(error)) => return Err(file_error("lock", &path)(error)),
        }
        let users = self.users(containers, name)?;
        if !users.is_empty() {
            let shown =
                |it: &Container| format!("container `{}` ({})", it.definition.name, it.short_id());
            let users = users.iter().map(shown).collect();
            return Err(VolumeError::InUse { name: name.to_owned(), users });
        }
        let aside = self.store.set_aside(&place)?;
        drop(lock);
        Event::of_volume(name, "destroy").note(self.store.state());
        Ok(self.store.remove_aside(&aside)?)
    }

    /// Removes those of a removed container's volumes that nobody named and no other container has.
    pub fn remove_anonymous(&self, containers: &Containers, uses: &[VolumeUse]) -> Result<u64> {
        let mut freed = 0;
        for used in uses.iter().filter(|used| used.anonymous) {
            match self.remove(containers, &used.name) {
                Ok(bytes) => freed += bytes,
                Err(VolumeError::InUse { .. } | VolumeError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(freed)
    }
}

/// All of a volume, in a directory that nobody looks at yet.
fn write_new(temp: &Path, volume: &Volume) -> Result<()> {
    create_directory(temp, 0o700)?;
    create_directory(&temp.join(DATA), 0o755)?;
    File::create(temp.join(LOCK)).map_err(file_error("create", &temp.join(LOCK)))?;
    let path = temp.join(DEFINITION);
    let bytes = serde_json::to_vec(volume)
        .map_err(|source| VolumeError::Document { path: path.clone(), source })?;
    let mut file = File::create(&path).map_err(file_error("create", &path))?;
    file.write_all(&bytes).map_err(file_error("write", &path))?;
    file.sync_all().map_err(file_error("sync", &path))?;
    sync(temp)
}

/// With exactly this mode.
fn create_directory(path: &Path, mode: u32) -> Result<()> {
    DirBuilder::new().mode(0o700).create(path).map_err(file_error("create", path))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(file_error("change", path))
}

fn sync(directory: &Path) -> Result<()> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(file_error("sync", directory))
}

fn is_absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn is_taken(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty)
}
