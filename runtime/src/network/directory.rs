//! [`Networks`]: definitions, leases and endpoints on disk. See `docs/decisions/0013`.
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::definition::{
    BridgeOptions, DEFAULT_NETWORK, NetworkDefinition, NetworkRequest, SCHEMA, STEPS_NETWORK,
    check_name, is_predefined,
};
use super::endpoint::Endpoint;
use super::error::{NetworkError, file_error};
use super::failpoint::pass;
use super::firewall::Firewall;
use super::lease::Leases;
use super::names::KernelNames;
use super::subnet::Subnet;
use super::{pool, routes};
use crate::clock;
use crate::containers::{Containers, Definition, boot_id};
use crate::engine::EngineId;
use crate::events::Event;

pub(super) type Result<T> = std::result::Result<T, NetworkError>;

const ID_LENGTH: usize = 64;

/// The networks of one store.
#[derive(Clone, Debug)]
pub struct Networks {
    root: PathBuf,
    state: PathBuf,
    pub(super) names: KernelNames,
    pub(super) containers: Containers,
    pub(super) boot: String,
    /// Kept when it was used: closing one makes the kernel free what was taken from a table, and wait for whoever may
    /// still read it, some ten milliseconds.
    firewall: Arc<Mutex<Option<Firewall>>>,
}

/// The right to make, change and remove networks and what is on them.
#[derive(Debug)]
pub struct Guard {
    /// None where the store itself is gone, and with it everybody else who might.
    _lock: Option<File>,
}

#[derive(serde::Deserialize)]
struct Schema {
    schema: u32,
}

impl Networks {
    /// Those of the store `root`; `state` is the directory for what does not outlive a reboot.
    pub fn open(root: &Path, state: &Path) -> Result<Networks> {
        let engine = EngineId::of_root(root).map_err(|error| NetworkError::Call {
            act: "name the engine".to_owned(),
            source: std::io::Error::other(error),
        })?;
        Ok(Networks {
            root: root.to_owned(),
            state: state.to_owned(),
            names: KernelNames::of(&engine),
            containers: Containers::open(root, state),
            boot: boot_id(state),
            firewall: Arc::default(),
        })
    }

    /// Does something with the tables of nf_tables. Not from within itself.
    pub(super) fn firewall<T>(&self, act: impl FnOnce(&mut Firewall) -> Result<T>) -> Result<T> {
        let mut kept = self.firewall.lock().unwrap_or_else(PoisonError::into_inner);
        let mut firewall = match kept.take() {
            Some(firewall) => firewall,
            None => Firewall::open(self.names.table())?,
        };
        let done = act(&mut firewall)?;
        *kept = Some(firewall);
        Ok(done)
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.root.join("networks")
    }

    fn place(&self, id: &str) -> PathBuf {
        self.directory().join(id)
    }

    /// Where the endpoints of a network are, one file for each.
    pub(super) fn endpoints_directory(&self, id: &str) -> PathBuf {
        self.runtime_directory().join(id)
    }

    pub(super) fn runtime_directory(&self) -> PathBuf {
        self.state.join("networks")
    }

    /// To be held while a network or what is on it changes: milliseconds.
    pub fn lock(&self) -> Result<Guard> {
        let directory = self.directory();
        // Not the store: who comes late must not make a removed one again.
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(file_error("create", &directory)(error));
            }
            _ => {}
        }
        let path = directory.join("lock");
        let lock = File::create(&path).map_err(file_error("create", &path))?;
        lock.lock().map_err(file_error("lock", &path))?;
        Ok(Guard { _lock: Some(lock) })
    }

    /// The same, also when somebody has removed the store, or is about to: nothing is made in it.
    pub(super) fn lock_what_is_left(&self) -> Result<Guard> {
        let path = self.directory().join("lock");
        let lock = match File::options().write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            opened => Some(opened.map_err(file_error("open", &path))?),
        };
        if let Some(lock) = &lock {
            lock.lock().map_err(file_error("lock", &path))?;
        }
        Ok(Guard { _lock: lock })
    }

    pub(super) fn store_is_gone(&self) -> bool {
        !self.directory().is_dir()
    }

    /// All networks that were made, by name. `host` and `none` are none of them.
    pub fn list(&self) -> Result<Vec<NetworkDefinition>> {
        let mut all = Vec::new();
        for id in names_in(&self.directory())?.into_iter().filter(|name| is_id(name)) {
            match self.read(&id) {
                Ok(definition) => all.push(definition),
                // Removed a moment ago.
                Err(NetworkError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn read(&self, id: &str) -> Result<NetworkDefinition> {
        let path = self.place(id).join("network.json");
        let Some(bytes) = read_optional(&path)? else {
            return Err(NetworkError::NotFound { text: id.to_owned() });
        };
        let failed = |source| NetworkError::Document { path: path.clone(), source };
        let Schema { schema } = serde_json::from_slice(&bytes).map_err(failed)?;
        if schema > SCHEMA {
            let id = id.get(..12).unwrap_or(id).to_owned();
            return Err(NetworkError::Schema { id, found: schema, known: SCHEMA });
        }
        serde_json::from_slice(&bytes).map_err(failed)
    }

    /// By name, by ID, or by the beginning of an ID that only one has.
    pub fn find(&self, text: &str) -> Result<NetworkDefinition> {
        let all = self.list()?;
        let exact = |network: &&NetworkDefinition| network.name == text || network.id == text;
        if let Some(network) = all.iter().find(exact) {
            return Ok(network.clone());
        }
        let begins = |network: &NetworkDefinition| !text.is_empty() && network.id.starts_with(text);
        let mut found: Vec<NetworkDefinition> = all.into_iter().filter(begins).collect();
        match found.len() {
            0 => Err(NetworkError::NotFound { text: text.to_owned() }),
            1 => Ok(found.remove(0)),
            _ => {
                let names = found.into_iter().map(|network| network.name).collect();
                Err(NetworkError::Ambiguous { text: text.to_owned(), names })
            }
        }
    }

    /// The network of this name; one that is always there is made if it is not there yet.
    pub(super) fn get(&self, guard: &Guard, name: &str) -> Result<NetworkDefinition> {
        match self.find(name) {
            Err(NetworkError::NotFound { .. }) if is_predefined(name) => {
                let mut request =
                    NetworkRequest { name: name.to_owned(), ..NetworkRequest::default() };
                if name == STEPS_NETWORK {
                    request.options.insert("isolation".to_owned(), "true".to_owned());
                }
                self.make(guard, &request)
            }
            other => other,
        }
    }

    /// As [`Networks::find`]; a network that is always there is made if it is not there yet.
    pub fn find_or_default(&self, text: &str) -> Result<NetworkDefinition> {
        match self.find(text) {
            Err(NetworkError::NotFound { .. }) if is_predefined(text) => {
                self.get(&self.lock()?, text)
            }
            other => other,
        }
    }

    /// What `host` and `none`, which are no networks of ours, have for an ID.
    pub fn builtin_id(&self, name: &str) -> String {
        self.names.builtin_id(name)
    }

    /// Makes a network; what it is in the kernel comes when the first container does.
    pub fn create(&self, guard: &Guard, request: &NetworkRequest) -> Result<NetworkDefinition> {
        if is_predefined(&request.name) {
            return Err(NetworkError::Predefined { name: request.name.clone() });
        }
        self.make(guard, request)
    }

    fn make(&self, guard: &Guard, request: &NetworkRequest) -> Result<NetworkDefinition> {
        check_name(&request.name)?;
        let bridge = BridgeOptions::parse(&request.options)?;
        let all = self.list()?;
        if all.iter().any(|network| network.name == request.name) {
            return Err(NetworkError::Exists { name: request.name.clone() });
        }
        if let Some(name) = &bridge.name
            && let Some(other) = all.iter().find(|other| self.bridge_name(other) == *name)
        {
            let (bridge, network) = (name.clone(), other.name.clone());
            return Err(NetworkError::BridgeTaken { bridge, network });
        }
        let subnet = match request.subnet {
            Some(subnet) => self.checked(subnet, &all)?,
            None => self.free_subnet(&all, &request.name)?,
        };
        let gateway = request.check_addresses(subnet)?;
        let definition = NetworkDefinition {
            schema: SCHEMA,
            id: random_id()?,
            name: request.name.clone(),
            created: clock::now(),
            subnet,
            gateway,
            ip_range: request.ip_range,
            reserved: request.reserved.clone(),
            subnet_is_ours: request.subnet.is_none(),
            internal: request.internal,
            labels: request.labels.clone(),
            options: request.options.clone(),
            bridge,
        };
        self.remove_halves(guard)?;
        let place = self.place(&definition.id);
        let temp = self.directory().join(format!("{}.new", definition.id));
        make_directory(&temp)?;
        pass("the network has a place")?;
        write_json(&temp.join("network.json"), &definition)?;
        pass("the network is written")?;
        fs::rename(&temp, &place).map_err(file_error("create", &place))?;
        pass("the network is there")?;
        self.note(&definition.id, &definition.name, "create", None);
        Ok(definition)
    }

    /// What happened to a network, or to a container on it. Those that are always there are not made by anybody, and what
    /// build steps do is no event.
    pub(super) fn note(&self, id: &str, name: &str, action: &str, container: Option<&str>) {
        if name == STEPS_NETWORK || (container.is_none() && is_predefined(name)) {
            return;
        }
        let event = Event::of_network(id, name, action);
        let event = match container {
            Some(container) => event.with("container", container),
            None => event,
        };
        event.note(&self.state);
    }

    /// A subnet of the user's choice may lie within a wider route, but may not hide one.
    fn checked(&self, subnet: Subnet, others: &[NetworkDefinition]) -> Result<Subnet> {
        if let Some(other) = others.iter().find(|other| other.subnet.overlaps(subnet)) {
            let other = format!("that of network `{}`, {}", other.name, other.subnet);
            return Err(NetworkError::Overlap { subnet, other });
        }
        let hidden = |route: &&routes::Route| subnet.includes(route.destination);
        match routes::list()?.iter().find(hidden) {
            Some(route) => {
                let other = format!("the host's route {}", route.destination);
                Err(NetworkError::Overlap { subnet, other })
            }
            None => Ok(subnet),
        }
    }

    /// One that overlaps with no network of this store and no route of the host.
    pub(super) fn free_subnet(&self, others: &[NetworkDefinition], name: &str) -> Result<Subnet> {
        let mut taken: Vec<Subnet> = others
            .iter()
            .filter(|network| network.name != name)
            .map(|network| network.subnet)
            .collect();
        taken.extend(routes::list()?.into_iter().map(|route| route.destination));
        let choose = if name == STEPS_NETWORK { pool::choose_last } else { pool::choose };
        choose(&taken, name == DEFAULT_NETWORK)
            .ok_or_else(|| NetworkError::NoSubnet { count: pool::count() })
    }

    /// Writes a definition anew: only its subnet changes, while nobody is on it.
    pub(super) fn replace(&self, _guard: &Guard, definition: &NetworkDefinition) -> Result<()> {
        write_json(&self.place(&definition.id).join("network.json"), definition)?;
        pass("the network has another subnet")?;
        self.write_leases(&definition.id, &Leases::default())
    }

    /// Takes a network's definition away; who is on it has been asked before.
    pub(super) fn withdraw(&self, _guard: &Guard, id: &str) -> Result<()> {
        let (place, gone) = (self.place(id), self.directory().join(format!("{id}.gone")));
        fs::rename(&place, &gone).map_err(file_error("remove", &place))?;
        pass("the network is nobody's")?;
        fs::remove_dir_all(&gone).map_err(file_error("remove", &gone))?;
        pass("the network is gone")?;
        remove_if_there(fs::remove_dir_all(self.endpoints_directory(id)), &place)
    }

    /// Half-made and half-removed definitions of commands that were killed.
    pub(super) fn remove_halves(&self, _guard: &Guard) -> Result<()> {
        for name in names_in(&self.directory())? {
            if name.ends_with(".new") || name.ends_with(".gone") {
                let path = self.directory().join(name);
                fs::remove_dir_all(&path).map_err(file_error("remove", &path))?;
            }
        }
        Ok(())
    }

    pub(super) fn leases(&self, id: &str) -> Result<Leases> {
        Leases::read(&self.place(id))
    }

    pub(super) fn write_leases(&self, id: &str, leases: &Leases) -> Result<()> {
        leases.write(&self.place(id), self.count_endpoints(id)? > 0)
    }

    /// Gives back the addresses of a container that is no more.
    pub fn release(&self, _guard: &Guard, container: &str) -> Result<()> {
        for network in self.list()? {
            let mut leases = self.leases(&network.id)?;
            if leases.release(container) {
                self.write_leases(&network.id, &leases)?;
            }
        }
        Ok(())
    }

    /// Who is on a network now, and what dead shims have left.
    pub fn endpoints(&self, network: &str) -> Result<Vec<Endpoint>> {
        let directory = self.endpoints_directory(network);
        let mut all = Vec::new();
        for name in names_in(&directory)?.iter().filter(|name| is_id(name)) {
            // One that goes in this moment, or whose writer was killed by a loss of power, is none.
            all.extend(read_json::<Endpoint>(&directory.join(name)).ok().flatten());
        }
        all.sort_by_key(|endpoint| endpoint.address);
        Ok(all)
    }

    /// Where a container is now, in the order of its definition.
    pub fn endpoints_of(&self, definition: &Definition) -> Result<Vec<Endpoint>> {
        let mut all = Vec::new();
        for name in definition.network.networks() {
            let network = match self.find(name) {
                Err(NetworkError::NotFound { .. }) => continue,
                other => other?,
            };
            let found = self.read_endpoint(&network.id, &definition.id)?;
            all.extend(found.filter(|endpoint| self.is_living(endpoint)));
        }
        Ok(all)
    }

    /// One that goes in this moment is none.
    pub(super) fn read_endpoint(&self, network: &str, container: &str) -> Result<Option<Endpoint>> {
        Ok(read_json(&self.endpoints_directory(network).join(container)).ok().flatten())
    }

    pub(super) fn count_endpoints(&self, network: &str) -> Result<usize> {
        let names = names_in(&self.endpoints_directory(network))?;
        Ok(names.iter().filter(|name| is_id(name)).count())
    }

    pub(super) fn write_endpoint(&self, endpoint: &Endpoint) -> Result<()> {
        let directory = self.endpoints_directory(&endpoint.network);
        make_directory(&directory)?;
        write_json(&directory.join(&endpoint.container), &self.as_written(endpoint)?)
    }

    /// As its shim knows it, but for what others have found out about the container since: see [`Networks::administered`].
    pub(super) fn as_written(&self, endpoint: &Endpoint) -> Result<Endpoint> {
        let written = match endpoint.by_rules {
            true => None,
            false => self.read_endpoint(&endpoint.network, &endpoint.container)?,
        };
        let is_it = |written: &Endpoint| written.shim == endpoint.shim && written.by_rules;
        let by_rules = endpoint.by_rules || written.is_some_and(|written| is_it(&written));
        Ok(Endpoint { by_rules, ..endpoint.clone() })
    }

    pub(super) fn remove_endpoint(&self, endpoint: &Endpoint) -> Result<()> {
        let path = self.endpoints_directory(&endpoint.network).join(&endpoint.container);
        remove_file(&path)
    }

    /// Made by a shim that lives.
    pub(super) fn is_living(&self, endpoint: &Endpoint) -> bool {
        endpoint.boot == self.boot && endpoint.shim.is_alive()
    }
}

pub(super) fn make_directory(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(file_error("create", path))
}

pub(super) fn remove_file(path: &Path) -> Result<()> {
    remove_if_there(fs::remove_file(path), path)
}

fn remove_if_there(result: std::io::Result<()>, path: &Path) -> Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(file_error("remove", path)(error)),
        _ => Ok(()),
    }
}

pub(super) fn names_in(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(file_error("list", directory)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(file_error("list", directory))?.file_name();
        names.extend(name.into_string().ok());
    }
    Ok(names)
}

fn read_optional(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_error("read", path)(error)),
    }
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(bytes) = read_optional(path)? else { return Ok(None) };
    let document = serde_json::from_slice(&bytes);
    document.map(Some).map_err(|source| NetworkError::Document { path: path.to_owned(), source })
}

/// So that a reader sees the old document or the new one.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let failed = |source| NetworkError::Document { path: path.to_owned(), source };
    let bytes = serde_json::to_vec(value).map_err(failed)?;
    let temp = path.with_extension("writing");
    fs::write(&temp, bytes).map_err(file_error("write", &temp))?;
    fs::rename(&temp, path).map_err(file_error("replace", path))
}

pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn random_id() -> Result<String> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; ID_LENGTH / 2];
    let read =
        File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
    read.map_err(file_error("read", path))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::network) fn network(subnet: &str) -> NetworkDefinition {
        let subnet: Subnet = subnet.parse().unwrap();
        NetworkDefinition {
            schema: SCHEMA,
            id: "0".repeat(ID_LENGTH),
            name: "net".to_owned(),
            created: String::new(),
            subnet,
            gateway: subnet.hosts().next().unwrap(),
            ip_range: None,
            reserved: Default::default(),
            subnet_is_ours: false,
            internal: false,
            labels: Default::default(),
            options: Default::default(),
            bridge: BridgeOptions::default(),
        }
    }

    fn request(name: &str, subnet: &str) -> NetworkRequest {
        let subnet = (!subnet.is_empty()).then(|| subnet.parse().unwrap());
        NetworkRequest { name: name.to_owned(), subnet, ..NetworkRequest::default() }
    }

    #[test]
    fn networks_are_made_found_and_withdrawn() {
        let store = tempfile::tempdir().unwrap();
        let networks = Networks::open(store.path(), &store.path().join("state")).unwrap();
        let guard = networks.lock().unwrap();
        let made = networks.create(&guard, &request("one", "10.213.0.0/24")).unwrap();
        assert_eq!(networks.find("one").unwrap(), made);
        assert_eq!(networks.find(&made.id[..7]).unwrap(), made);
        let two = networks.create(&guard, &request("two", "")).unwrap();
        assert!(two.subnet_is_ours && !two.subnet.overlaps(made.subnet));
        for (name, subnet) in [
            ("one", ""),
            ("x", "10.213.0.128/25"),
            ("x", "10.0.0.0/8"),
            ("host", ""),
            ("bridge", ""),
        ] {
            assert!(networks.create(&guard, &request(name, subnet)).is_err(), "{name} {subnet}");
        }
        let default = networks.get(&guard, DEFAULT_NETWORK).unwrap();
        assert_eq!(networks.get(&guard, DEFAULT_NETWORK).unwrap(), default);
        assert_eq!(networks.list().unwrap().len(), 3);
        networks.withdraw(&guard, &made.id).unwrap();
        assert!(matches!(networks.find("one"), Err(NetworkError::NotFound { .. })));
    }

    #[test]
    fn leases_outlive_the_program() {
        let store = tempfile::tempdir().unwrap();
        let networks = Networks::open(store.path(), &store.path().join("state")).unwrap();
        let guard = networks.lock().unwrap();
        let made = networks.create(&guard, &request("one", "10.213.0.0/24")).unwrap();
        let mut leases = networks.leases(&made.id).unwrap();
        leases.take(&made, "a", None).unwrap();
        networks.write_leases(&made.id, &leases).unwrap();
        assert_eq!(networks.leases(&made.id).unwrap(), leases);
        // A version before had them in one document.
        let place = networks.place(&made.id);
        fs::remove_dir_all(place.join("leases")).unwrap();
        fs::write(place.join("leases.json"), r#"{"10.213.0.2":"a","10.213.0.7":"b"}"#).unwrap();
        let mut of_before = networks.leases(&made.id).unwrap();
        assert_eq!(of_before.of("b"), Some([10, 213, 0, 7].into()));
        of_before.take(&made, "c", None).unwrap();
        for in_use in [true, false] {
            of_before.write(&place, in_use).unwrap();
            assert_eq!(place.join("leases.json").exists(), in_use);
            assert_eq!(networks.leases(&made.id).unwrap(), of_before);
        }
        for container in ["a", "b", "c"] {
            networks.release(&guard, container).unwrap();
        }
        assert_eq!(networks.leases(&made.id).unwrap(), Leases::default());
    }
}
