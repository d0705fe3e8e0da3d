//! The network of a container, held by its shim from the first start to the last end.
//!
//! | file         | what                                                   |
//! |--------------|--------------------------------------------------------|
//! | `change.rs`  | the container comes to networks and goes while it runs  |
//! | `way_out.rs` | the network that leads out, and the ports there         |
//! | `serving.rs` | the processes beside it; `beside.rs` one of them        |
mod beside;
mod change;
mod serving;
mod way_out;

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::attach::{Guest, Wish, furnish_namespace, remove_pair};
use super::definition::NetworkDefinition;
use super::directory::{Guard, Networks, Result};
use super::endpoint::Endpoint;
use super::error::{Act, NetworkError};
use super::failpoint::pass;
use super::files::{Resolver, asks_the_shim, hosts, resolv_conf};
use super::namespace;
use super::port::BoundPort;
use super::ports::HeldPorts;
use super::server::{Answers, Inside};
use super::settings::{Attachment, NetworkSettings};
use crate::containers::{Definition, ProcessName};
use crate::user_namespace::UserNamespace;
pub(crate) use beside::Beside;
use beside::Helper;
use way_out::{reserve, way_out};

/// A namespace with interfaces on networks, and what leads to them.
#[derive(Debug)]
pub(crate) struct Sandbox {
    networks: Networks,
    namespace: OwnedFd,
    endpoints: Vec<Endpoint>,
    held: HeldPorts,
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
    /// It may change the interfaces in its namespace.
    pub(crate) administers: bool,
}

/// The namespace that a sandbox is to have.
#[derive(Debug)]
pub(crate) enum SandboxSpace<'a> {
    New,
    /// A new one that belongs to this user namespace's root.
    Of(&'a UserNamespace),
    /// By [`SandboxSpace::ahead`].
    Made(OwnedFd),
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
    /// Usually gone with the namespace; others that share it would keep them.
    pairs: Vec<String>,
    shim: ProcessName,
    /// Killed, but its end may take the kernel longer than anybody should wait.
    _name_server: Helper,
}

impl SandboxSpace<'_> {
    /// Makes one before it is known whose it will be: no interface in it belongs to a network yet.
    pub(crate) fn ahead() -> Result<OwnedFd> {
        SandboxSpace::New.namespace()
    }

    fn namespace(self) -> Result<OwnedFd> {
        let made = match self {
            SandboxSpace::Made(made) => return Ok(made),
            SandboxSpace::Of(user) => user.make_network(),
            SandboxSpace::New => namespace::make(),
        };
        let namespace = made.act("make a network namespace")?;
        furnish_namespace(&namespace)?;
        Ok(namespace)
    }
}

impl Sandbox {
    /// Makes it.
    pub(crate) fn open(
        networks: Networks,
        owner: Owner,
        settings: &NetworkSettings,
        space: SandboxSpace<'_>,
    ) -> Result<Sandbox> {
        let way_out = way_out(&networks, &networks.lock()?, &settings.attachments)?;
        let held = reserve(&networks, settings, way_out.as_ref())?;
        pass("its ports are held")?;
        let namespace = space.namespace()?;
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

    fn attach(&mut self, guard: &Guard, wanted: &Attachment, leads_out: bool) -> Result<()> {
        let interface = wanted.interface.clone().unwrap_or_else(|| self.free_interface());
        let ports = match leads_out {
            true => self.held.bound(),
            false => Vec::new(),
        };
        let guest = Guest {
            id: &self.owner.id,
            name: &self.owner.name,
            shim: self.owner.shim,
            namespace: &self.namespace,
            administers: self.owner.administers,
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
        self.held.bound()
    }

    pub(crate) fn files(&self, settings: &NetworkSettings) -> Files {
        files(settings, &self.endpoints)
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
        let mut pairs = Vec::new();
        while let Some(endpoint) = self.endpoints.pop() {
            self.networks.detach(guard, &endpoint, false)?;
            pairs.push(endpoint.host_interface.clone());
            self.note(&endpoint, "disconnect");
            // Now, because the store may be removed before its bridges are.
            if let Ok(network) = self.networks.find(&endpoint.network) {
                let _removed_at_once = self.networks.keep_bridge(&network, self.owner.shim);
                left.push(network);
            }
        }
        self.held = HeldPorts::default();
        Ok(Remains {
            networks: self.networks.clone(),
            left,
            pairs,
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
        self.pairs.iter().try_for_each(|pair| remove_pair(pair))?;
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
