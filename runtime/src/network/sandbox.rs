//! The network of a container, held by its shim from the first start to the last end.
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use super::attach::{Guest, Wish, furnish_namespace};
use super::beside::{Beside, Helper};
use super::definition::{DEFAULT_NETWORK, NetworkDefinition};
use super::directory::{Guard, Networks, Result};
use super::endpoint::Endpoint;
use super::error::{Act, NetworkError};
use super::failpoint::pass;
use super::files::{Resolver, asks_the_shim, hosts, resolv_conf};
use super::holder::meet;
use super::namespace;
use super::port::BoundPort;
use super::ports::{self, HeldPort};
use super::server::zone::Known;
use super::server::{self, Answers, Inside};
use super::settings::{Attachment, NetworkSettings};
use crate::containers::{Definition, ProcessName};
use crate::user_namespace::UserNamespace;

/// A namespace with interfaces on networks, and what leads to them.
#[derive(Debug)]
pub(crate) struct Sandbox {
    networks: Networks,
    namespace: OwnedFd,
    endpoints: Vec<Endpoint>,
    held: Vec<HeldPort>,
    /// What the name server is to know, while there is to be one.
    answers: Option<Answers>,
    name_server: Helper,
    copier: Helper,
    copies_to: Option<Ipv4Addr>,
    /// The name server's sockets, which stay when another process answers: clients keep theirs.
    inside: Option<Inside>,
    owner: Owner,
}

/// The container that a sandbox is of.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) shim: ProcessName,
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
    /// Killed, but its end may take the kernel longer than anybody should wait.
    _name_server: Helper,
}

impl Sandbox {
    /// Makes it. With a user namespace it belongs to that one's root.
    pub(crate) fn open(
        networks: Networks,
        owner: Owner,
        settings: &NetworkSettings,
        user: Option<&UserNamespace>,
    ) -> Result<Sandbox> {
        let way_out = way_out(&networks, &networks.lock()?, &settings.attachments)?;
        let held = reserve(&networks, settings, way_out.as_ref())?;
        pass("its ports are held")?;
        let namespace = match user {
            Some(user) => user.make_network(),
            None => namespace::make(),
        };
        let namespace = namespace.act("make a network namespace")?;
        furnish_namespace(&namespace)?;
        pass("its namespace is there")?;
        let mut sandbox = Sandbox {
            networks,
            namespace,
            endpoints: Vec::new(),
            held,
            answers: None,
            name_server: Helper::default(),
            copier: Helper::default(),
            copies_to: None,
            inside: None,
            owner,
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

    /// Starts the process that answers names, in place of the one before, or ends it.
    fn serve(&mut self, settings: &NetworkSettings) -> Result<()> {
        let host = Resolver::of_host();
        if !asks_the_shim(settings, &self.endpoints, &host) {
            self.answers = None;
            self.name_server.end();
            return Ok(());
        }
        let answers = (self.known()?, self.upstream(settings, host));
        let mut leading = None;
        let inside = match &mut self.inside {
            Some(inside) => inside,
            none => {
                pass("it is to have a name server")?;
                let (inside, new) = server::open_inside(&self.namespace)?;
                leading = Some(new);
                none.insert(inside)
            }
        };
        pass("its name server has sockets")?;
        let answers = self.answers.insert(answers);
        self.name_server
            .begin(|| server::start_answering(&self.networks, inside, answers, leading))?;
        pass("its name server runs")
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

    /// What the shim has to wait for, beside its own.
    pub(crate) fn watched(&self) -> Vec<(BorrowedFd<'_>, Beside)> {
        let name_server = self.name_server.pidfd().map(|pidfd| (pidfd, Beside::NamesEnded));
        let mut all: Vec<_> = name_server.into_iter().collect();
        match self.copier.pidfd() {
            Some(pidfd) => all.push((pidfd, Beside::CopierEnded)),
            None if self.copier.pause().is_none() && self.published_address().is_some() => {
                let sockets = self.held.iter().flat_map(|port| &port.sockets);
                all.extend(sockets.map(|socket| (socket.as_fd(), Beside::Arrived)));
            }
            None => {}
        }
        all
    }

    /// When [`Sandbox::mend`] or [`Sandbox::watched`] will have something new.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let missing = self.answers.is_some() && !self.name_server.runs();
        let name_server = missing.then(|| self.name_server.pause().unwrap_or_else(Instant::now));
        let copier = if self.copier.runs() { None } else { self.copier.pause() };
        [name_server, copier].into_iter().flatten().min()
    }

    pub(crate) fn follow(&mut self, what: Beside) {
        match (what, self.published_address()) {
            (Beside::NamesEnded, _) => self.name_server.end(),
            (Beside::CopierEnded, _) => self.copier.end(),
            (Beside::Arrived, Some(address)) if !self.copier.runs() => {
                self.copies_to = Some(address);
                // Where it cannot begin now, it is tried again.
                let _later = self.copier.begin(|| server::start_copying(&self.held, address));
            }
            (Beside::Arrived, _) => {}
        }
    }

    /// A name server that has died is replaced; nothing is copied to an address that the ports have left.
    pub(crate) fn mend(&mut self) {
        if self.copier.runs() && self.copies_to != self.published_address() {
            self.copier.end();
        }
        let Some((answers, inside)) = self.answers.as_ref().zip(self.inside.as_ref()) else {
            return;
        };
        if !self.name_server.runs() && self.name_server.pause().is_none() {
            let start = || server::start_answering(&self.networks, inside, answers, None);
            // Where it cannot begin now, it is tried again.
            let _later = self.name_server.begin(start);
        }
    }

    /// Where published ports lead.
    fn published_address(&self) -> Option<Ipv4Addr> {
        let publishing = self.endpoints.iter().find(|endpoint| !endpoint.ports.is_empty());
        publishing.map(|endpoint| endpoint.address)
    }

    fn attach(&mut self, guard: &Guard, wanted: &Attachment, leads_out: bool) -> Result<()> {
        let interface = wanted.interface.clone().unwrap_or_else(|| self.free_interface());
        let ports = match leads_out {
            true => self.held.iter().map(|port| port.bound).collect(),
            false => Vec::new(),
        };
        let guest = Guest {
            id: &self.owner.id,
            name: &self.owner.name,
            shim: self.owner.shim,
            namespace: &self.namespace,
        };
        let wish = Wish { attachment: wanted, interface, leads_out, ports };
        let endpoint = self.networks.attach(guard, guest, wish)?;
        self.note(&endpoint, "connect");
        self.endpoints.push(endpoint);
        Ok(())
    }

    fn note(&self, endpoint: &Endpoint, action: &str) {
        let Endpoint { network, network_name, .. } = endpoint;
        self.networks.note(network, network_name, action, Some(&self.owner.id));
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
        name.clone_into(&mut self.owner.name);
        let _guard = self.networks.lock()?;
        let on: Vec<bool> =
            self.endpoints.iter().map(|found| self.is_on(found)).collect::<Result<_>>()?;
        for (endpoint, on) in self.endpoints.iter_mut().zip(on) {
            endpoint.rename(name);
            // Nobody is to find it where it was taken out by force.
            if on {
                self.networks.write_endpoint(endpoint)?;
            }
        }
        Ok(())
    }

    /// Takes what the definition says now: comes to networks that are new in it, goes from those that are no more.
    pub(crate) fn change(&mut self, settings: &NetworkSettings) -> Result<Files> {
        let guard = self.networks.lock()?;
        let way_out = way_out(&self.networks, &guard, &settings.attachments)?;
        // Before anything is changed: they may be somebody else's by now.
        let fresh = match self.held.is_empty() {
            true => reserve(&self.networks, settings, way_out.as_ref())?,
            false => Vec::new(),
        };
        self.leave(&guard, settings)?;
        pass("it has left its networks")?;
        self.come(&guard, settings)?;
        pass("it has come to its networks")?;
        match &way_out {
            Some((position, _)) => {
                self.held.extend(fresh);
                self.lead_out(&guard, &settings.attachments[*position].network)?;
            }
            None => self.held.clear(),
        }
        pass("its ports are published where they should be")?;
        drop(guard);
        self.serve(settings)?;
        Ok(self.files(settings))
    }

    fn leave(&mut self, guard: &Guard, settings: &NetworkSettings) -> Result<()> {
        let stays = |endpoint: &Endpoint| {
            let wanted = settings.networks().any(|name| name == endpoint.network_name);
            Ok(wanted && self.is_on(endpoint)?)
        };
        let stay: Vec<bool> = self.endpoints.iter().map(stays).collect::<Result<_>>()?;
        for (position, _) in stay.iter().enumerate().rev().filter(|(_, stays)| !**stays) {
            let was_on = self.is_on(&self.endpoints[position])?;
            self.networks.detach(guard, &self.endpoints[position], true)?;
            let endpoint = self.endpoints.remove(position);
            pass("it has left a network")?;
            if was_on {
                self.note(&endpoint, "disconnect");
            }
            // One that it was taken out of by force may have been removed since.
            match self.networks.find(&endpoint.network) {
                Ok(network) => self.networks.remove_bridge(guard, &network)?,
                Err(NetworkError::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn is_on(&self, endpoint: &Endpoint) -> Result<bool> {
        Ok(self.networks.read_endpoint(&endpoint.network, &self.owner.id)?.is_some())
    }

    /// By force from a network, without this shim.
    pub(crate) fn was_taken_out(&self) -> bool {
        self.endpoints.iter().any(|endpoint| matches!(self.is_on(endpoint), Ok(false)))
    }

    fn come(&mut self, guard: &Guard, settings: &NetworkSettings) -> Result<()> {
        for attachment in &settings.attachments {
            let is_there =
                self.endpoints.iter().any(|found| found.network_name == attachment.network);
            if !is_there {
                self.attach(guard, attachment, false)?;
            }
        }
        Ok(())
    }

    /// The default route and the published ports go by this network, whichever it was before.
    fn lead_out(&mut self, guard: &Guard, network: &str) -> Result<()> {
        let ports = self.ports();
        for endpoint in &mut self.endpoints {
            let leads_out = endpoint.network_name == network;
            let wanted = if leads_out { ports.clone() } else { Vec::new() };
            if leads_out {
                self.networks.lead_out(&self.namespace, endpoint)?;
                pass("its default route leads out")?;
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
        self.answers = None;
        self.name_server.kill();
        self.copier.end();
        pass("nobody answers it any more")?;
        let mut left = Vec::new();
        while let Some(endpoint) = self.endpoints.pop() {
            self.networks.detach(guard, &endpoint, false)?;
            self.note(&endpoint, "disconnect");
            // Now, because the store may be removed before its bridges are.
            if let Ok(network) = self.networks.find(&endpoint.network) {
                let _removed_at_once = self.networks.keep_bridge(&network, self.owner.shim);
                left.push(network);
            }
        }
        self.held.clear();
        Ok(Remains {
            networks: self.networks.clone(),
            left,
            shim: self.owner.shim,
            _name_server: std::mem::take(&mut self.name_server),
        })
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

/// The ports that the container publishes. Nobody outside reaches internal networks.
fn reserve(
    networks: &Networks,
    settings: &NetworkSettings,
    way_out: Option<&(usize, NetworkDefinition)>,
) -> Result<Vec<HeldPort>> {
    let Some((_, network)) = way_out else { return Ok(Vec::new()) };
    let reserved = ports::reserve(&settings.all_ports(), network_address(network));
    reserved.map_err(|error| name_holder(networks, error))
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

fn network_address(network: &NetworkDefinition) -> Option<Ipv4Addr> {
    network.bridge.host_address.filter(|address| !address.is_unspecified())
}
