//! Network namespaces for programs that have no shim, as the steps of a build: behind NAT, apart from each other.
//!
//! A namespace is one program's at a time and the next one's after that, unless something is left in it. The process
//! that made them owns the endpoints; when it has gone they are leftovers like those of a shim. The bridge stays for a
//! moment after the last of them, since one build often follows another: [`Networks::remove_unused`].
use std::io::{self, Read};
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
    /// What the kernel counted when there was nothing else.
    counted: String,
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

    /// One that nobody else uses, for a program that may change it or may not.
    pub fn take(&self, administers: bool) -> Result<Space> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let space = match free {
            Some(space) => space,
            None => self.make()?,
        };
        if administers && let Err(error) = self.networks.administered(&space.id) {
            self.retire(space);
            return Err(error);
        }
        Ok(space)
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
        let guest = Guest {
            id: &id,
            name: NAME,
            shim: self.owner,
            namespace: &namespace,
            administers: false,
        };
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
        let counted = count(&namespace).act("count sockets")?;
        Ok(Space { id, namespace, resolv_conf, own_ports, counted })
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
fn is_unused(space: &Space) -> io::Result<bool> {
    // The tables below are gone through as they are for the whole machine, which takes milliseconds. Asking the name server is
    // counted too, so that more says nothing yet.
    let nothing = || Ok::<bool, io::Error>(count(&space.namespace)? == space.counted);
    // What is in use and what waits are not counted at one moment: something may have gone from the one to the other meanwhile.
    if !space.counted.is_empty() && nothing()? && nothing()? {
        return Ok(true);
    }
    for table in ["tcp", "tcp6", "udp", "udp6", "raw"] {
        let text = read_within(&space.namespace, table)?;
        if text.lines().skip(1).any(|line| !is_own(line, &space.own_ports)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is in use of each protocol there, and the ports that wait until they can be used again; nothing where
/// the kernel does not count.
fn count(namespace: &OwnedFd) -> io::Result<String> {
    // Where the ports of version 6 wait is told with those of version 4, so that is asked for last.
    let text = read_within(namespace, "sockstat6")? + &read_within(namespace, "sockstat")?;
    Ok(in_use(&text))
}

fn in_use(text: &str) -> String {
    let counts = text.lines().flat_map(|line| {
        let mut words = line.split_whitespace();
        let protocol = words.next().unwrap_or_default();
        let pairs = std::iter::from_fn(move || Some((words.next()?, words.next()?)));
        let counted = pairs.filter(|(what, _)| matches!(*what, "inuse" | "tw"));
        counted.map(move |(what, count)| format!("{protocol} {what} {count}\n"))
    });
    counts.collect()
}

/// A file of `/proc/net`; nothing if there is none.
fn read_within(namespace: &OwnedFd, name: &str) -> io::Result<String> {
    namespace::within(namespace, || {
        let mut text = String::new();
        match std::fs::File::open(format!("/proc/thread-self/net/{name}")) {
            Ok(mut file) => file.read_to_string(&mut text).map(|_| text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(text),
            Err(error) => Err(error),
        }
    })
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

    #[test]
    fn of_what_the_kernel_counts_only_what_is_in_use_there_counts() {
        let text = "sockets: used 9\nTCP: inuse 1 orphan 0 tw 2 alloc 35 mem 70\nUDP: inuse 3 mem 0\nRAW6: inuse 0\n";
        assert_eq!(in_use(text), "TCP: inuse 1\nTCP: tw 2\nUDP: inuse 3\nRAW6: inuse 0\n");
        assert_eq!(in_use(""), "");
    }

    /// What a program leaves is seen by both ways of looking, and what it has closed by neither.
    #[test]
    fn sockets_are_seen_however_they_are_looked_for() {
        if !rustix::process::geteuid().is_root() {
            return println!("skipped: needs root");
        }
        let namespace = namespace::make().unwrap();
        furnish_namespace(&namespace).unwrap();
        let counted = count(&namespace).unwrap();
        assert!(counted.contains("TCP: tw 0"), "{counted}");
        let space = |counted: &str| Space {
            id: String::new(),
            namespace: namespace.try_clone().unwrap(),
            resolv_conf: Vec::new(),
            own_ports: Vec::new(),
            counted: counted.to_owned(),
        };
        let ways = [space(&counted), space("")];
        let unused = || ways.each_ref().map(|space| is_unused(space).unwrap());
        assert_eq!(unused(), [true; 2]);
        let within =
            |act: &mut dyn FnMut() -> io::Result<()>| namespace::within(&namespace, act).unwrap();
        let (mut udp, mut listener, mut ends) = (None, None, None);
        within(&mut || std::net::UdpSocket::bind("127.0.0.1:0").map(|socket| udp = Some(socket)));
        assert_eq!(unused(), [false; 2]);
        drop(udp);
        assert_eq!(unused(), [true; 2]);
        within(&mut || std::net::TcpListener::bind("127.0.0.1:0").map(|it| listener = Some(it)));
        assert_eq!(unused(), [false; 2]);
        let listener = listener.unwrap();
        within(&mut || {
            let near = std::net::TcpStream::connect(listener.local_addr()?)?;
            ends = Some((near, listener.accept()?.0));
            Ok(())
        });
        drop(listener);
        assert_eq!(unused(), [false; 2]);
        // Who closes first has the port for a minute more.
        let (near, far) = ends.unwrap();
        drop(near);
        drop(far);
        assert_eq!(unused(), [false; 2]);
    }
}
