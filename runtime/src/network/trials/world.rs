//! A network namespace and a store; guests that are attached by calls of this crate.
use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

use super::super::attach::{Guest, Wish, furnish_namespace};
use super::super::definition::{NetworkDefinition, NetworkRequest};
use super::super::directory::{Networks, Result, random_id};
use super::super::endpoint::Endpoint;
use super::super::namespace;
use super::super::netlink::Socket;
use super::super::netlink::link::list_links;
use super::super::port::BoundPort;
use super::super::settings::Attachment;
use super::super::subnet::Subnet;
use crate::containers::ProcessName;

pub(super) struct World {
    _store: TempDir,
    pub(super) networks: Networks,
}

/// Stands for a container with its shim.
pub(super) struct Resident {
    pub(super) id: String,
    pub(super) name: String,
    /// None once it was killed.
    pub(super) shim: Option<Child>,
    pub(super) process: ProcessName,
    pub(super) namespace: Option<OwnedFd>,
}

/// Does something in a namespace of its own, if that can be had here.
pub(super) fn within_one(body: impl FnOnce(&World) + Send + 'static) {
    if !rustix::process::geteuid().is_root() {
        let required =
            std::env::vars().any(|(name, value)| name == "RBUILD_TEST_ROOT" && value == "1");
        assert!(!required, "RBUILD_TEST_ROOT=1, but the tests do not run as root");
        println!("skipped: needs root");
        return;
    }
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        sys::interface::bring_loopback_up().unwrap();
        let store = tempfile::tempdir().unwrap();
        let networks = Networks::open(store.path(), &store.path().join("state")).unwrap();
        body(&World { networks, _store: store });
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

impl World {
    pub(super) fn create(&self, name: &str) -> NetworkDefinition {
        let request = NetworkRequest { name: name.to_owned(), ..NetworkRequest::default() };
        self.networks.create(&self.networks.lock().unwrap(), &request).unwrap()
    }

    /// What was made or removed half.
    pub(super) fn halves(&self) -> usize {
        let names = std::fs::read_dir(self.networks.directory()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".new") || name.ends_with(".gone")).count()
    }

    /// The host gets a route to this subnet, or loses it.
    pub(super) fn route(&self, change: &str, subnet: Subnet) {
        let mut command = Command::new("ip");
        command.args(["route", change, &subnet.to_string(), "dev", "lo"]);
        assert!(command.status().unwrap().success());
    }

    pub(super) fn resident(&self, name: &str) -> Resident {
        let mut command = Command::new("sleep");
        let shim = command.arg("1000").stdin(Stdio::null()).spawn().unwrap();
        let process = ProcessName::of(i32::try_from(shim.id()).unwrap()).unwrap();
        let mut resident = self.resident_of(name, process);
        resident.shim = Some(shim);
        resident
    }

    /// One whose shim is this process.
    pub(super) fn resident_of(&self, name: &str, process: ProcessName) -> Resident {
        let namespace = namespace::make().unwrap();
        furnish_namespace(&namespace).unwrap();
        let (id, name) = (random_id().unwrap(), name.to_owned());
        Resident { id, name, shim: None, process, namespace: Some(namespace) }
    }

    pub(super) fn attach(
        &self,
        resident: &Resident,
        network: &str,
        ports: Vec<BoundPort>,
    ) -> Result<Endpoint> {
        let guard = self.networks.lock()?;
        let attachment = Attachment::to(network);
        let namespace = resident.namespace.as_ref().unwrap();
        let (id, name) = (resident.id.as_str(), resident.name.as_str());
        let guest = Guest { id, name, shim: resident.process, namespace, administers: false };
        let interface = format!("eth-{network}");
        self.networks.attach(
            &guard,
            guest,
            Wish { attachment: &attachment, interface, leads_out: !ports.is_empty(), ports },
        )
    }

    /// As a shim does when its container leaves a network.
    pub(super) fn detach(&self, endpoint: &Endpoint) -> Result<()> {
        let guard = self.networks.lock()?;
        self.networks.detach(&guard, endpoint, true)?;
        let network = self.networks.find(&endpoint.network)?;
        self.networks.remove_bridge(&guard, &network)
    }

    /// The endpoints on disk, by container and network.
    pub(super) fn endpoints(&self) -> BTreeSet<(String, String)> {
        let all = self.networks.in_use().unwrap();
        let ends = all.into_iter().flat_map(|(_, ends)| ends);
        ends.map(|end| (end.name, end.network_name)).collect()
    }

    /// The kernel's state is what the endpoints on disk say, and nothing besides.
    #[track_caller]
    pub(super) fn assert_in_order(&self, when: &str) {
        let rules = self.networks.rules().unwrap();
        assert!(rules.differences.is_empty(), "{when}: {:#?}", rules.differences);
        assert_eq!(rules.foreign, [], "{when}");
        let mut expected: BTreeSet<String> = ["lo".to_owned()].into();
        for (network, ends) in self.networks.in_use().unwrap() {
            expected.insert(self.networks.bridge_name(&network));
            expected.extend(ends.into_iter().map(|end| end.host_interface));
        }
        let links = list_links(&mut Socket::route().unwrap()).unwrap();
        let found: BTreeSet<String> = links.into_iter().map(|link| link.name).collect();
        assert_eq!(found, expected, "{when}");
    }

    /// Waits until the pairs of namespaces that were closed have gone: the kernel takes a while.
    pub(super) fn settle(&self) {
        let known: BTreeSet<String> = self
            .networks
            .in_use()
            .unwrap()
            .into_iter()
            .flat_map(|(_, ends)| ends)
            .map(|end| end.host_interface)
            .collect();
        let prefix = self.networks.names.veth_prefix();
        for _ in 0..1000 {
            let links = list_links(&mut Socket::route().unwrap()).unwrap();
            let gone = |name: &str| name.starts_with(&prefix) && !known.contains(name);
            if !links.iter().any(|link| gone(&link.name)) {
                return;
            }
            thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("pairs of closed namespaces stay");
    }
}

impl Resident {
    /// As by kill -9: its namespace goes with it, and nobody takes it from its networks.
    pub(super) fn kill(&mut self) {
        self.namespace = None;
        if let Some(mut shim) = self.shim.take() {
            shim.kill().unwrap();
            shim.wait().unwrap();
        }
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.kill();
    }
}
