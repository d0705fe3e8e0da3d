//! Network namespaces for programs that have no shim, as the steps of a build: behind NAT, apart from each other.
//!
//! A namespace is one program's at a time and the next one's after that, unless something is left in it. The process
//! that made them owns the endpoints; when it has gone they are leftovers like those of a shim. The bridge stays for a
//! moment after the last of them, since one build often follows another: [`Networks::remove_unused`].
use std::io::Read;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::attach::{Guest, Wish, furnish_namespace};
use super::definition::STEPS_NETWORK;
use super::directory::{Networks, Result, random_id};
use super::endpoint::Endpoint;
use super::error::Act;
use super::files::{Resolver, resolv_conf};
use super::namespace;
use super::server;
use super::settings::{Attachment, NetworkSettings};
use crate::containers::ProcessName;

/// What the endpoints are called.
const NAME: &str = "build";

/// Makes namespaces when there is none to be used again. Any thread may use it.
#[derive(Debug)]
pub struct SpacePool {
    networks: Networks,
    owner: ProcessName,
    free: Mutex<Vec<Space>>,
    /// All that were made, to be taken from the network at the end.
    made: Mutex<Vec<Endpoint>>,
}

/// A network namespace with a way out.
#[derive(Debug)]
pub struct Space {
    /// Of its endpoint.
    id: String,
    namespace: OwnedFd,
    resolv_conf: Vec<u8>,
    /// The ports of its own name server, which are in use for good.
    own_ports: Vec<u16>,
}

impl Space {
    pub fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// What /etc/resolv.conf has to say there.
    pub fn resolv_conf(&self) -> &[u8] {
        &self.resolv_conf
    }
}

impl SpacePool {
    pub fn new(networks: Networks) -> Result<SpacePool> {
        let owner = ProcessName::of_self().act("read /proc/self/stat")?;
        Ok(SpacePool { networks, owner, free: Mutex::default(), made: Mutex::default() })
    }

    /// One that nobody else uses.
    pub fn take(&self) -> Result<Space> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match free {
            Some(space) => Ok(space),
            None => self.make(),
        }
    }

    /// Of a program that has ended, and could not change the namespace itself.
    pub fn give_back(&self, space: Space) {
        // A port that is in use for a while after its connection would be missed by the next program.
        match is_unused(&space) {
            Ok(true) => self.free.lock().unwrap_or_else(PoisonError::into_inner).push(space),
            _ => self.retire(space),
        }
    }

    /// Of a program after which nobody is to have it.
    pub fn retire(&self, space: Space) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let own = made.extract_if(.., |endpoint| endpoint.container == space.id).collect();
        drop(made);
        // What is left has an owner that will be gone, and is found by a later command.
        let _left = self.withdraw(own);
    }

    fn make(&self) -> Result<Space> {
        let namespace = namespace::make().act("make a network namespace")?;
        furnish_namespace(&namespace)?;
        let id = random_id()?;
        let attachment = Attachment::to(STEPS_NETWORK);
        let guest = Guest { id: &id, name: NAME, shim: self.owner, namespace: &namespace };
        let wish = Wish {
            attachment: &attachment,
            interface: "eth0".to_owned(),
            leads_out: true,
            ports: Vec::new(),
        };
        let guard = self.networks.lock()?;
        let endpoint = self.networks.attach(&guard, guest, wish)?;
        drop(guard);
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(endpoint);
        let host = Resolver::of_host();
        let asks_us = host.servers.iter().all(IpAddr::is_loopback);
        let own_ports = if asks_us { serve(&namespace, host.servers.clone())? } else { Vec::new() };
        let resolv_conf = resolv_conf(&NetworkSettings::default(), &host, asks_us);
        Ok(Space { id, namespace, resolv_conf, own_ports })
    }

    fn withdraw(&self, made: Vec<Endpoint>) -> Result<()> {
        if made.is_empty() {
            return Ok(());
        }
        let guard = self.networks.lock_what_is_left()?;
        for endpoint in &made {
            self.networks.detach(&guard, endpoint, false)?;
            self.networks.release(&guard, &endpoint.container)?;
        }
        Ok(())
    }
}

impl Drop for SpacePool {
    /// The pairs go with their namespaces.
    fn drop(&mut self) {
        // What is left here has an owner that is gone, and is found by the next command.
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        let _left = self.withdraw(made);
    }
}

/// A name server for what only the host can ask, by threads of this process that end with it.
fn serve(namespace: &OwnedFd, servers: Vec<IpAddr>) -> Result<Vec<u16>> {
    let (inside, leading) = server::open_inside(namespace)?;
    let ports = inside.ports().act("make a name server")?;
    let serve = move || {
        // Closing it would be waited for.
        let _open = leading;
        // Nobody is there to be told.
        let _ended = server::pass_on_everything(&inside, &servers);
    };
    thread::Builder::new().spawn(serve).act("start a name server")?;
    Ok(ports)
}

/// Nothing in it but our name server.
fn is_unused(space: &Space) -> std::io::Result<bool> {
    for table in ["tcp", "tcp6", "udp", "udp6", "raw"] {
        let text = namespace::within(&space.namespace, || {
            let mut text = String::new();
            match std::fs::File::open(format!("/proc/thread-self/net/{table}")) {
                Ok(mut file) => file.read_to_string(&mut text).map(|_| text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(text),
                Err(error) => Err(error),
            }
        })?;
        if text.lines().skip(1).any(|line| !is_own(line, &space.own_ports)) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_own(line: &str, ports: &[u16]) -> bool {
    let local = line.split_whitespace().nth(1).and_then(|local| local.rsplit_once(':'));
    let port = local.and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
    port.is_some_and(|port| ports.contains(&port))
}

impl Networks {
    /// Whether a bridge or a table may be there for nobody.
    pub fn may_be_left(&self) -> bool {
        let directories = std::fs::read_dir(self.runtime_directory());
        let is_empty = |path| std::fs::read_dir(path).is_ok_and(|mut it| it.next().is_none());
        directories.into_iter().flatten().flatten().any(|entry| is_empty(entry.path()))
    }

    /// Removes bridges and tables that nobody needs. Nothing is made, also in a store that is gone.
    pub fn remove_unused(&self) -> Result<()> {
        let done = match self.store_is_gone() {
            true => Ok(()),
            false => self.recover(),
        };
        let guard = self.lock_what_is_left()?;
        // Removed in this moment or before: then nobody is on any network.
        match self.store_is_gone() {
            true => self.remove_strays(),
            false => done.and_then(|()| self.remove_idle(&guard)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernels_tables_tell_ports() {
        let line = "   1: 0B00007F:A4D2 00000000:0000 0A 00000000:00000000 00:00000000 00000000";
        assert!(is_own(line, &[0xa4d2]));
        assert!(!is_own(line, &[]) && !is_own("", &[1]));
    }
}
