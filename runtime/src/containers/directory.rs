//! [`Containers`]: finding them, giving them names, and the truth about those whose shim died.
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::definition::{Definition, SCHEMA};
use super::error::{ContainerError, file_error};
use super::liveness::{boot_id, is_locked};
use super::state::{State, Status};
use crate::clock;
use crate::shim::lock as shim_lock;

type Result<T> = std::result::Result<T, ContainerError>;

const ID_LENGTH: usize = 64;
/// As long as a dying shim is waited for.
const DYING: Duration = Duration::from_secs(10);
/// As long as one that is at work is, and how often it is looked at.
const SETTLES: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);
/// Of a container whose shim was killed, and of one that a reboot ended.
const KILLED: i32 = 137;
const REBOOTED: i32 = 255;

/// The containers of one store.
#[derive(Clone, Debug)]
pub struct Containers {
    root: PathBuf,
    state: PathBuf,
    boot: String,
}

/// A container as it was found.
#[derive(Clone, Debug)]
pub struct Container {
    pub definition: Definition,
    pub state: State,
    pub place: Place,
}

/// Where a container's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `containers/<id>` in the store.
    pub directory: PathBuf,
    /// `containers/<id>` in the state directory.
    pub runtime: PathBuf,
}

/// The right to make, name and remove containers.
#[derive(Debug)]
pub struct Guard {
    _lock: File,
}

/// A container that is not started meanwhile.
#[derive(Debug)]
pub struct Still {
    place: Place,
    _lock: File,
}

impl Still {
    /// Of who has the lock already.
    pub(crate) fn of(place: Place, lock: File) -> Still {
        Still { place, _lock: lock }
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        self.place.leave_runtime();
    }
}

impl Place {
    pub fn definition_file(&self) -> PathBuf {
        self.directory.join("definition.json")
    }

    /// The first of the log's files.
    pub fn log_file(&self) -> PathBuf {
        self.directory.join("log/json.log")
    }

    /// There if somebody else may change the interfaces of the container that runs.
    pub(crate) fn administered_file(&self) -> PathBuf {
        self.runtime.join("administered")
    }

    pub(crate) fn lock_file(&self) -> PathBuf {
        self.runtime.join("lock")
    }
}

impl Container {
    pub fn id(&self) -> &str {
        &self.definition.id
    }

    /// The first 12 digits of the ID.
    pub fn short_id(&self) -> &str {
        short(&self.definition.id)
    }
}

const MOST_JOINED: usize = 64;

pub(crate) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

impl Containers {
    /// Those of the store `root`; `state` is the directory for what does not outlive a reboot.
    pub fn open(root: &Path, state: &Path) -> Containers {
        Containers { root: root.to_owned(), state: state.to_owned(), boot: boot_id(state) }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn state_directory(&self) -> &Path {
        &self.state
    }

    pub fn place(&self, id: &str) -> Place {
        Place {
            directory: self.directory().join(id),
            runtime: self.state.join("containers").join(id),
        }
    }

    fn directory(&self) -> PathBuf {
        self.root.join("containers")
    }

    fn name_file(&self, name: &str) -> PathBuf {
        self.directory().join("names").join(name)
    }

    /// To be held while a container appears, goes or gets a name: milliseconds.
    pub fn lock(&self) -> Result<Guard> {
        let names = self.directory().join("names");
        if !names.is_dir() {
            let mut builder = DirBuilder::new();
            let made = builder.recursive(true).mode(0o700).create(&names);
            made.map_err(file_error("create", &names))?;
        }
        let path = self.directory().join("lock");
        let lock = File::create(&path).map_err(file_error("create", &path))?;
        lock.lock().map_err(file_error("lock", &path))?;
        Ok(Guard { _lock: lock })
    }

    /// Whose network the container has: its own, or at the end of those that it joins that of the last one.
    pub fn owner_of_network(&self, container: &Container) -> Result<Container> {
        let mut owner = container.clone();
        // None joins itself, but somebody may have changed a definition.
        for _ in 0..MOST_JOINED {
            match owner.definition.network.joined.clone() {
                Some(id) => owner = self.read(&id)?,
                None => break,
            }
        }
        Ok(owner)
    }

    /// The IDs of all containers.
    pub fn ids(&self) -> Result<Vec<String>> {
        let directory = self.directory();
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(file_error("list", &directory)(error)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let name = entry.map_err(file_error("list", &directory))?.file_name();
            ids.extend(name.into_string().ok().filter(|name| is_id(name)));
        }
        Ok(ids)
    }

    /// All containers, the latest first.
    pub fn list(&self) -> Result<Vec<Container>> {
        let mut all = Vec::new();
        for id in self.ids()? {
            match self.read(&id) {
                Ok(container) => all.push(container),
                // Removed a moment ago.
                Err(ContainerError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        all.sort_by(|a, b| b.definition.created.cmp(&a.definition.created));
        Ok(all)
    }

    /// By ID, by name, or by the beginning of an ID that only one has, in this order as docker does.
    pub fn find(&self, text: &str) -> Result<Container> {
        let name = text.strip_prefix('/').unwrap_or(text);
        let missing = || ContainerError::NotFound { text: text.to_owned() };
        if is_id(text) && self.place(text).directory.is_dir() {
            return self.read(text);
        }
        if check_name(name).is_ok()
            && let Some(id) = self.owner_of(name)?
        {
            return self.read(&id).map_err(|error| renamed(error, text));
        }
        if text.is_empty() {
            return Err(missing());
        }
        let mut found: Vec<String> =
            self.ids()?.into_iter().filter(|id| id.starts_with(text)).collect();
        match found.len() {
            0 => Err(missing()),
            1 => self.read(&found.remove(0)).map_err(|error| renamed(error, text)),
            _ => {
                found.sort();
                let names = found.iter().map(|id| short(id).to_owned()).collect();
                Err(ContainerError::Ambiguous { text: text.to_owned(), names })
            }
        }
    }

    /// Who has a name. A name that leads nowhere is free.
    fn owner_of(&self, name: &str) -> Result<Option<String>> {
        let path = self.name_file(name);
        match fs::read_to_string(&path) {
            Ok(id) if self.place(&id).definition_file().exists() => Ok(Some(id)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file_error("read", &path)(error)),
        }
    }

    /// A container with the truth about it.
    pub fn read(&self, id: &str) -> Result<Container> {
        let place = self.place(id);
        let definition = self.read_definition(id, &place)?;
        let mut state = place.read_state();
        if state.status.is_alive() && !self.has_shim(&place, &state) {
            // It may have ended in good order between the two looks.
            state = place.read_state();
            if state.status.is_alive() {
                self.write_down_death(&place, &mut state)?;
            }
        }
        Ok(Container { definition, state, place })
    }

    fn read_definition(&self, id: &str, place: &Place) -> Result<Definition> {
        #[derive(serde::Deserialize)]
        struct Schema {
            schema: u32,
        }
        let path = place.definition_file();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(ContainerError::NotFound { text: id.to_owned() });
            }
            Err(error) => return Err(file_error("read", &path)(error)),
        };
        let failed = |source| ContainerError::Document { path: path.clone(), source };
        let Schema { schema } = serde_json::from_slice(&bytes).map_err(failed)?;
        if schema > SCHEMA {
            let id = short(id).to_owned();
            return Err(ContainerError::Schema { id, found: schema, known: SCHEMA });
        }
        serde_json::from_slice(&bytes).map_err(failed)
    }

    /// The lock is let go first when a shim dies; then it takes the container along, whose file system may still have
    /// to reach the disk. Only after that is it over.
    fn has_shim(&self, place: &Place, state: &State) -> bool {
        if state.boot != self.boot {
            return false;
        }
        if is_locked(&place.lock_file()) {
            return true;
        }
        if let Some(shim) = state.shim {
            shim.wait_for_end(DYING);
        }
        false
    }

    fn write_down_death(&self, place: &Place, state: &mut State) -> Result<()> {
        let rebooted = state.boot != self.boot;
        state.status = Status::Exited;
        state.exit_code = if rebooted { REBOOTED } else { KILLED };
        state.error =
            if rebooted { "" } else { "the process that watched it was killed" }.to_owned();
        state.finished = clock::now();
        (state.shim, state.process, state.health) = (None, None, None);
        state.ports.clear();
        let path = place.state_file();
        match place.write_state(state) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            // Where it cannot be kept either, whoever looks next finds it out again; what takes containers away must not
            // fail for that.
            Err(error) if error.kind() == ErrorKind::StorageFull => Ok(()),
            other => other.map_err(file_error("write", &path)),
        }
    }

    /// Whether a container ended in an earlier boot, which is nobody's will.
    pub fn ended_by_reboot(&self, container: &Container) -> bool {
        let state = &container.state;
        state.boot != self.boot && state.status == Status::Exited
    }

    /// Makes a finished directory visible as the container of its definition, with its name.
    pub fn publish(&self, _guard: &Guard, finished: &Path, definition: &Definition) -> Result<()> {
        check_name(&definition.name)?;
        if let Some(id) = self.owner_of(&definition.name)? {
            let name = definition.name.clone();
            return Err(ContainerError::NameInUse { name, id: short(&id).to_owned() });
        }
        let path = finished.join("definition.json");
        // A definition always serialises.
        let bytes = serde_json::to_vec(definition)
            .map_err(|source| ContainerError::Document { path: path.clone(), source })?;
        fs::write(&path, bytes).map_err(file_error("write", &path))?;
        // The name first: one that leads nowhere is free.
        self.give_name(&definition.name, &definition.id)?;
        let place = self.place(&definition.id);
        fs::rename(finished, &place.directory).map_err(file_error("create", &place.directory))
    }

    fn give_name(&self, name: &str, id: &str) -> Result<()> {
        let path = self.name_file(name);
        let temp = self.directory().join(format!("{id}.name"));
        fs::write(&temp, id).map_err(file_error("write", &temp))?;
        fs::rename(&temp, &path).map_err(file_error("create", &path))
    }

    /// Moves a container out of sight, to `aside`, and frees its name. False if it had gone already. `still` is the caller's, if it
    /// keeps the container from being started.
    pub fn withdraw(
        &self,
        _guard: &Guard,
        container: &Container,
        aside: &Path,
        still: Option<Still>,
    ) -> Result<bool> {
        let place = &container.place;
        // It may have been renamed since it was read.
        let name = self
            .read_definition(container.id(), place)
            .map_or_else(|_| container.definition.name.clone(), |definition| definition.name);
        // No shim may begin with it meanwhile.
        let still = match still {
            Some(still) => Some(still),
            None => self.hold(container)?,
        };
        let Some(still) = still else {
            return Err(ContainerError::Busy { id: container.short_id().to_owned() });
        };
        match fs::rename(&place.directory, aside) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                remove_runtime(&place.runtime)?;
                return Ok(false);
            }
            Err(error) => return Err(file_error("remove", &place.directory)(error)),
        }
        if fs::read_to_string(self.name_file(&name)).is_ok_and(|id| id == container.id()) {
            self.free_name(&name)?;
        }
        drop(still);
        remove_runtime(&place.runtime)?;
        Ok(true)
    }

    fn free_name(&self, name: &str) -> Result<()> {
        let path = self.name_file(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(file_error("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Gives a container another name.
    pub fn rename(&self, guard: &Guard, container: &Container, name: &str) -> Result<()> {
        check_name(name)?;
        if let Some(id) = self.owner_of(name)? {
            let name = name.to_owned();
            return Err(ContainerError::NameInUse { name, id: short(&id).to_owned() });
        }
        let mut definition = container.definition.clone();
        let old = std::mem::replace(&mut definition.name, name.to_owned());
        self.give_name(name, &definition.id)?;
        self.redefine(guard, container, &definition)?;
        self.free_name(&old)
    }

    /// Replaces a container's definition, whose name must be the one it has.
    pub fn redefine(
        &self,
        _guard: &Guard,
        container: &Container,
        definition: &Definition,
    ) -> Result<()> {
        let path = container.place.definition_file();
        let temp = container.place.directory.join("definition.json.new");
        let bytes = serde_json::to_vec(definition)
            .map_err(|source| ContainerError::Document { path: path.clone(), source })?;
        fs::write(&temp, bytes).map_err(file_error("write", &temp))?;
        fs::rename(&temp, &path).map_err(file_error("replace", &path))
    }

    /// Removes names and run-time directories of containers that are not there, left by a crash.
    pub fn remove_strays(&self, _guard: &Guard) -> Result<()> {
        let names = self.directory().join("names");
        for entry in fs::read_dir(&names).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if self.owner_of(&name)?.is_none() {
                self.free_name(&name)?;
            }
        }
        for entry in fs::read_dir(self.directory()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".name") {
                let path = entry.path();
                fs::remove_file(&path).map_err(file_error("remove", &path))?;
            }
        }
        for entry in fs::read_dir(self.state.join("containers")).into_iter().flatten().flatten() {
            let id = entry.file_name().to_string_lossy().into_owned();
            let place = self.place(&id);
            if !place.directory.exists() && !is_locked(&place.lock_file()) {
                remove_runtime(&place.runtime)?;
            }
        }
        Ok(())
    }

    /// Keeps the container from being started as long as this is held; none if it has a shim.
    pub fn hold(&self, container: &Container) -> Result<Option<Still>> {
        let place = &container.place;
        let lock = shim_lock(place).map_err(file_error("lock", &place.lock_file()))?;
        Ok(lock.map(|lock| Still::of(place.clone(), lock)))
    }

    /// Brings home the state of a container that ended while the disk was full, if there is room by now.
    pub fn bring_home(&self, container: &Container) {
        let place = &container.place;
        if place.kept_state().exists()
            && !self.is_held(container)
            && let Ok(Some(_still)) = self.hold(container)
        {
            // While it cannot be written it stays where it is.
            let _later = place.write_state(&mut place.read_state());
        }
    }

    /// Waits while a shim starts or ends the container: whoever asked it to may have been killed meanwhile. Then what it
    /// is; none if it has gone.
    pub fn settled(&self, mut container: Container) -> Result<Option<Container>> {
        let deadline = Instant::now() + SETTLES;
        while !container.state.status.is_alive()
            && self.is_held(&container)
            && Instant::now() < deadline
        {
            sleep(PAUSE);
            container = match self.read(container.id()) {
                Err(ContainerError::NotFound { .. }) => return Ok(None),
                read => read?,
            };
        }
        Ok(Some(container))
    }

    /// Whether a shim is at work, or finishing it.
    pub fn is_held(&self, container: &Container) -> bool {
        is_locked(&container.place.lock_file())
    }
}

pub(crate) fn remove_runtime(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(file_error("remove", directory)(error))
        }
        _ => Ok(()),
    }
}

/// Errors about a container name it as the user did.
fn renamed(error: ContainerError, text: &str) -> ContainerError {
    match error {
        ContainerError::NotFound { .. } => ContainerError::NotFound { text: text.to_owned() },
        other => other,
    }
}

fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub fn check_name(name: &str) -> Result<()> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if first && rest && (2..=200).contains(&name.len()) {
        return Ok(());
    }
    Err(ContainerError::BadName { name: name.to_owned() })
}
