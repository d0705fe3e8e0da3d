//! The network of a container, held by its shim from the first start to the last end.
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{Signal, pidfd_send_signal};
use sys::clone::Child;

use super::attach::{Guest, Wish, furnish_namespace};
use super::definition::{DEFAULT_NETWORK, NetworkDefinition};
use super::directory::{Guard, Networks, Result};
use super::endpoint::Endpoint;
use super::error::{Act, NetworkError};
use super::files::{Resolver, asks_the_shim, hosts, resolv_conf};
use super::holder::meet;
use super::namespace;
use super::port::BoundPort;
use super::ports::{self, HeldPort};
use super::server::zone::Known;
use super::server::{self, Inside, Task};
use super::settings::{Attachment, NetworkSettings};
use crate::containers::{Definition, ProcessName};
use crate::starter::reap;
use crate::user_namespace::UserNamespace;

/// A namespace with interfaces on networks, and what leads to them.
#[derive(Debug)]
pub(crate) struct Sandbox {
    networks: Networks,
    namespace: OwnedFd,
    endpoints: Vec<Endpoint>,
    held: Vec<HeldPort>,
    server: Option<Child>,
    /// The name server's sockets, which stay when another process answers: clients keep theirs.
    inside: Option<Inside>,
    id: String,
    name: String,
    shim: ProcessName,
}

/// What a container on networks finds in /etc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) hosts: Vec<u8>,
    pub(crate) resolv_conf: Vec<u8>,
}

/// What is still to be removed after a sandbox, which takes the kernel a while.
#[derive(Debug)]
pub(crate) struct Remains {
    networks: Networks,
    left: Vec<NetworkDefinition>,
    shim: ProcessName,
}

impl Sandbox {
    /// Makes it for the container, whose shim this process is. With a user namespace it belongs to that one's root.
    pub(crate) fn open(
        networks: Networks,
        definition: &Definition,
        shim: ProcessName,
        user: Option<&UserNamespace>,
    ) -> Result<Sandbox> {
        let settings = &definition.network;
        let way_out = way_out(&networks, &networks.lock()?, &settings.attachments)?;
        let held = match &way_out {
            Some((_, network)) => {
                let reserved = ports::reserve(&settings.all_ports(), network_address(network));
                reserved.map_err(|error| name_holder(&networks, error))?
            }
            // Nobody outside reaches internal networks.
            None => Vec::new(),
        };
        let namespace = match user {
            Some(user) => user.make_network(),
            None => namespace::make(),
        };
        let namespace = namespace.act("make a network namespace")?;
        furnish_namespace(&namespace)?;
        let mut sandbox = Sandbox {
            networks,
            namespace,
            endpoints: Vec::new(),
            held,
            server: None,
            inside: None,
            id: definition.id.clone(),
            name: definition.name.clone(),
            shim,
        };
        let way_out = way_out.map(|(position, _)| position);
        let guard = sandbox.networks.lock()?;
        for (position, attachment) in settings.attachments.iter().enumerate() {
            let leads_out = way_out == Some(position);
            if let Err(error) = sandbox.attach(&guard, attachment, leads_out) {
                let remains = sandbox.withdraw(&guard);
                drop(guard);
                return Err(Sandbox::failed(remains, error));
            }
        }
        drop(guard);
        if let Err(error) = sandbox.serve(settings) {
            return Err(Sandbox::failed(sandbox.close(), error));
        }
        Ok(sandbox)
    }

    /// Nothing stays of one that could not be made. What is told is why that failed.
    fn failed(remains: Result<Remains>, error: NetworkError) -> NetworkError {
        if let Ok(remains) = remains {
            let _left = remains.remove();
        }
        error
    }

    /// Starts the process that answers names and holds ports, in place of the one before.
    fn serve(&mut self, settings: &NetworkSettings) -> Result<()> {
        self.end_server();
        let host = Resolver::of_host();
        let names = match asks_the_shim(settings, &self.endpoints, &host) {
            true => Some((self.known()?, self.upstream(settings, host))),
            false => None,
        };
        if names.is_some() && self.inside.is_none() {
            self.inside = Some(server::open_inside(&self.namespace)?);
        }
        let names = self.inside.as_ref().zip(names);
        let publishing = self.endpoints.iter().find(|endpoint| !endpoint.ports.is_empty());
        let task = Task {
            networks: &self.networks,
            names,
            held: &self.held,
            address: publishing.map(|endpoint| endpoint.address),
        };
        self.server = server::start(&task)?;
        Ok(())
    }

    /// Networks whose names it may know: on the default one there are none.
    fn known(&self) -> Result<Vec<Known>> {
        let named = self.endpoints.iter().filter(|found| found.network_name != DEFAULT_NETWORK);
        let known = named.map(|endpoint| {
            let network = self.networks.find(&endpoint.network)?;
            Ok(Known { id: network.id, subnet: network.subnet })
        });
        known.collect()
    }

    /// Nothing leaves internal networks, not even questions.
    fn upstream(&self, settings: &NetworkSettings, host: Resolver) -> Vec<IpAddr> {
        let leads_out = self.endpoints.iter().any(|endpoint| endpoint.gateway.is_some());
        match settings.dns.servers.as_slice() {
            _ if !leads_out => Vec::new(),
            [] => host.servers,
            given => given.to_vec(),
        }
    }

    fn end_server(&mut self) {
        if let Some(server) = self.server.take() {
            // It may have ended by itself; how does not matter.
            let _ended = pidfd_send_signal(&server.pidfd, Signal::KILL);
            let _status = reap(server.pidfd.as_fd());
        }
    }

    fn attach(&mut self, guard: &Guard, wanted: &Attachment, leads_out: bool) -> Result<()> {
        let interface = wanted.interface.clone().unwrap_or_else(|| self.free_interface());
        let ports = match leads_out {
            true => self.held.iter().map(|port| port.bound).collect(),
            false => Vec::new(),
        };
        let guest =
            Guest { id: &self.id, name: &self.name, shim: self.shim, namespace: &self.namespace };
        let wish = Wish { attachment: wanted, interface, leads_out, ports };
        let endpoint = self.networks.attach(guard, guest, wish)?;
        self.note(&endpoint, "connect");
        self.endpoints.push(endpoint);
        Ok(())
    }

    fn note(&self, endpoint: &Endpoint, action: &str) {
        let Endpoint { network, network_name, .. } = endpoint;
        self.networks.note(network, network_name, action, Some(&self.id));
    }

    /// `eth` and the first number that no interface has.
    fn free_interface(&self) -> String {
        let taken = |name: &String| self.endpoints.iter().any(|found| found.interface == *name);
        let mut names = (0..).map(|number| format!("eth{number}"));
        names.find(|name| !taken(name)).unwrap_or_default()
    }

    pub(crate) fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    pub(crate) fn ports(&self) -> Vec<BoundPort> {
        self.held.iter().map(|port| port.bound).collect()
    }

    pub(crate) fn files(&self, settings: &NetworkSettings) -> Files {
        files(settings, &self.endpoints)
    }

    /// The others on its networks know it by this name from now on.
    pub(crate) fn rename(&mut self, name: &str) -> Result<()> {
        name.clone_into(&mut self.name);
        let _guard = self.networks.lock()?;
        for endpoint in &mut self.endpoints {
            endpoint.rename(name);
            self.networks.write_endpoint(endpoint)?;
        }
        Ok(())
    }

    /// Takes what the definition says now: comes to networks that are new in it, goes from those that are no more.
    pub(crate) fn change(&mut self, settings: &NetworkSettings) -> Result<Files> {
        let guard = self.networks.lock()?;
        let gone =
            |endpoint: &Endpoint| settings.networks().all(|name| name != endpoint.network_name);
        while let Some(position) = self.endpoints.iter().position(gone) {
            let endpoint = self.endpoints.remove(position);
            self.networks.detach(&guard, &endpoint, true)?;
            self.note(&endpoint, "disconnect");
            let network = self.networks.find(&endpoint.network)?;
            self.networks.remove_bridge(&guard, &network)?;
        }
        for attachment in &settings.attachments {
            let is_there =
                self.endpoints.iter().any(|found| found.network_name == attachment.network);
            if !is_there {
                self.attach(&guard, attachment, false)?;
            }
        }
        self.choose_way_out(&guard, settings)?;
        drop(guard);
        self.serve(settings)?;
        Ok(self.files(settings))
    }

    /// The default route and the published ports go by one of the networks, by another one when it has gone.
    fn choose_way_out(&mut self, guard: &Guard, settings: &NetworkSettings) -> Result<()> {
        let Some((position, _)) = way_out(&self.networks, guard, &settings.attachments)? else {
            return Ok(());
        };
        let name = &settings.attachments[position].network;
        let ports = self.ports();
        for endpoint in &mut self.endpoints {
            let leads_out = endpoint.network_name == *name;
            let wanted = if leads_out { ports.clone() } else { Vec::new() };
            if leads_out {
                self.networks.lead_out(&self.namespace, endpoint)?;
            }
            if endpoint.ports != wanted {
                self.networks.publish(guard, endpoint, wanted)?;
            }
        }
        Ok(())
    }

    /// Takes the container from its networks. Its ports are free after that.
    pub(crate) fn close(mut self) -> Result<Remains> {
        let guard = self.networks.lock()?;
        self.withdraw(&guard)
    }

    fn withdraw(&mut self, guard: &Guard) -> Result<Remains> {
        self.end_server();
        let mut left = Vec::new();
        while let Some(endpoint) = self.endpoints.pop() {
            self.networks.detach(guard, &endpoint, false)?;
            self.note(&endpoint, "disconnect");
            // Now, because the store may be removed before its bridges are.
            if let Ok(network) = self.networks.find(&endpoint.network) {
                let _removed_at_once = self.networks.keep_bridge(&network, self.shim);
                left.push(network);
            }
        }
        self.held.clear();
        Ok(Remains { networks: self.networks.clone(), left, shim: self.shim })
    }
}

/// The same of another container, which has them from its own shim.
pub(crate) fn files_of(networks: &Networks, definition: &Definition) -> Result<Files> {
    let endpoints = networks.endpoints_of(definition)?;
    Ok(files(&definition.network, &endpoints))
}

fn files(settings: &NetworkSettings, endpoints: &[Endpoint]) -> Files {
    let host = Resolver::of_host();
    let asks_shim = asks_the_shim(settings, endpoints, &host);
    Files {
        hosts: hosts(settings, endpoints),
        resolv_conf: resolv_conf(settings, &host, asks_shim),
    }
}

impl Remains {
    /// Removes bridges that nobody is on.
    pub(crate) fn remove(self) -> Result<()> {
        let guard = self.networks.lock_what_is_left()?;
        for network in &self.left {
            // Somebody has come and gone meanwhile.
            if self.networks.keeper(&network.id).is_some_and(|keeper| keeper != self.shim) {
                continue;
            }
            match self.networks.find(&network.id) {
                // Removed meanwhile, with its bridge.
                Err(NetworkError::NotFound { .. }) if !self.networks.store_is_gone() => {}
                Err(NetworkError::NotFound { .. }) | Ok(_) => {
                    self.networks.remove_bridge(&guard, network)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The network by which a container reaches what is on none of its networks, and where its ports are published.
fn way_out(
    networks: &Networks,
    guard: &Guard,
    attachments: &[Attachment],
) -> Result<Option<(usize, NetworkDefinition)>> {
    let mut best: Option<(i32, usize, NetworkDefinition)> = None;
    for (position, attachment) in attachments.iter().enumerate() {
        let network = networks.get(guard, &attachment.network)?;
        let priority = attachment.gateway_priority;
        if !network.internal && best.as_ref().is_none_or(|(best, ..)| priority > *best) {
            best = Some((priority, position, network));
        }
    }
    Ok(best.map(|(_, position, network)| (position, network)))
}

/// A port that one of our containers has is known by that container's name.
fn name_holder(networks: &Networks, error: NetworkError) -> NetworkError {
    let NetworkError::PortTaken { address, port, protocol, holder } = error else { return error };
    let own = networks.list().unwrap_or_default().into_iter().find_map(|network| {
        let endpoints = networks.endpoints(&network.id).unwrap_or_default();
        let has = |endpoint: &Endpoint| {
            endpoint.ports.iter().any(|held| {
                let same = held.host_port == port && held.container.protocol == protocol;
                same && meet(held.host_ip, address.parse().ok())
            })
        };
        endpoints.into_iter().find(has).map(|found| format!("container `{}`", found.name))
    });
    NetworkError::PortTaken { address, port, protocol, holder: own.or(holder) }
}

fn network_address(network: &NetworkDefinition) -> Option<std::net::Ipv4Addr> {
    network.bridge.host_address.filter(|address| !address.is_unspecified())
}
