//! Bridges: made when the first container comes, removed when the last one has gone.
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};

use super::definition::NetworkDefinition;
use super::directory::{Guard, Networks, Result, make_directory};
use super::error::{Act, NetworkError};
use super::failpoint::pass;
use super::firewall::{self, foreign};
use super::mac::MacAddress;
use super::netlink::Socket;
use super::netlink::link::{
    INTERNAL_GROUP, Link, add_address, find_link, make_bridge, remove_link, set_alias, set_group,
    set_up, unless,
};
use super::routes;

/// What the kernel showed beside the name of an interface of earlier versions, whatever the store.
const OLD_ALIAS: &str = "rbuild network ";
/// Who chooses a subnet and makes its bridge, in this network namespace.
const MAKER: &[u8] = b"rbuild-networks";
const PATIENCE: Duration = Duration::from_secs(10);

impl Networks {
    /// The name of a network's bridge.
    pub fn bridge_name(&self, network: &NetworkDefinition) -> String {
        network.bridge.name.clone().unwrap_or_else(|| self.names.bridge(&network.id))
    }

    /// The network's bridge, made if it is not there. Its subnet may be another one after that if nobody was on it.
    pub(super) fn bridge(
        &self,
        guard: &Guard,
        network: &mut NetworkDefinition,
        socket: &mut Socket,
    ) -> Result<Link> {
        let name = self.bridge_name(network);
        let step = || format!("make the bridge `{name}`");
        if let Some(link) = find_link(socket, &name).act(step())? {
            match self.whose(&link, network) {
                Whose::Others => return Err(NetworkError::NotOurs { interface: name }),
                Whose::Ours => {
                    if !link.up {
                        socket.request(set_up(link.index)).act(step())?;
                    }
                    set_apart(socket, network, &link)?;
                    return Ok(link);
                }
                Whose::HalfMade => {
                    let removed = socket.request(remove_link(link.index));
                    unless(libc::ENODEV, removed).act(step())?;
                }
            }
        }
        let _maker = lock_makers()?;
        self.settle_subnet(guard, network)?;
        // By this clean-up knows that there may be a bridge.
        make_directory(&self.endpoints_directory(&network.id))?;
        pass("the network has a place for endpoints")?;
        self.make_bridge(network, &name, socket).inspect_err(|_| {
            // What is told is why it failed; half a bridge is made anew by the next one who needs it.
            let _left = self.remove_bridge(guard, network);
        })
    }

    /// What the kernel shows beside the bridge's name: whose it is, even if two stores were told the same name.
    fn alias(&self, network: &NetworkDefinition) -> String {
        format!("{} network {}", self.names.table(), network.name)
    }

    /// Who made a bridge that has the name of this network's.
    fn whose(&self, link: &Link, network: &NetworkDefinition) -> Whose {
        let has_our_address = link.mac == Some(MacAddress::of(network.gateway));
        match link.alias.as_str() {
            alias if alias == self.alias(network) => Whose::Ours,
            old if has_our_address && old.strip_prefix(OLD_ALIAS) == Some(&network.name) => {
                Whose::Ours
            }
            "" if has_our_address => Whose::HalfMade,
            _ => Whose::Others,
        }
    }

    fn make_bridge(
        &self,
        network: &NetworkDefinition,
        name: &str,
        socket: &mut Socket,
    ) -> Result<Link> {
        let step = || format!("make the bridge `{name}`");
        let mtu = match network.bridge.mtu {
            Some(mtu) => mtu,
            None => routes::mtu(socket)?,
        };
        self.firewall(|firewall| foreign::admit(firewall, name, network.bridge.asks_others))?;
        pass("other firewalls let the bridge through")?;
        let gateway = network.gateway;
        let made =
            socket.request(make_bridge(name, MacAddress::of(gateway), mtu, group_of(network)));
        unless(libc::EEXIST, made).act(step())?;
        pass("the bridge is there without an address")?;
        let link = find_link(socket, name).act(step())?.ok_or_else(|| {
            NetworkError::call(step(), io::Error::from_raw_os_error(libc::ENODEV))
        })?;
        socket.request(add_address(link.index, gateway, network.subnet)).act(step())?;
        pass("the bridge has its address")?;
        set_kernel(name)?;
        pass("the kernel is set")?;
        // Its alias comes last: with it the bridge is whole.
        let alias = self.alias(network);
        socket.request(set_alias(link.index, &alias)).act(step())?;
        Ok(link)
    }

    /// A subnet that was not asked for gives way to the host's routes as long as nobody is on the network.
    fn settle_subnet(&self, guard: &Guard, network: &mut NetworkDefinition) -> Result<()> {
        let taken = routes::list()?;
        let overlapping = |route: &&routes::Route| match network.subnet_is_ours {
            true => route.destination.overlaps(network.subnet),
            false => network.subnet.includes(route.destination),
        };
        let Some(route) = taken.iter().find(overlapping) else { return Ok(()) };
        if !network.subnet_is_ours || self.count_endpoints(&network.id)? > 0 {
            let other = format!("the host's route {} by `{}`", route.destination, route.device);
            return Err(NetworkError::Overlap { subnet: network.subnet, other });
        }
        network.subnet = self.free_subnet(&self.list()?, &network.name)?;
        network.gateway = network.subnet.hosts().next().unwrap_or(network.gateway);
        self.replace(guard, network)
    }

    /// Removes what the network is in the kernel if nobody is on it any more.
    pub(super) fn remove_bridge(&self, guard: &Guard, network: &NetworkDefinition) -> Result<()> {
        if self.count_endpoints(&network.id)? > 0 {
            return Ok(());
        }
        let name = self.bridge_name(network);
        let mut socket = Socket::route().act("reach the kernel's interfaces")?;
        if let Some(link) = find_link(&mut socket, &name).act(format!("find `{name}`"))?
            && self.whose(&link, network) != Whose::Others
        {
            let removed = socket.request(remove_link(link.index));
            unless(libc::ENODEV, removed).act(format!("remove the bridge `{name}`"))?;
        }
        pass("the bridge is gone")?;
        self.firewall(|firewall| foreign::dismiss(firewall, &name))?;
        pass("other firewalls have forgotten the bridge")?;
        // Who keeps another bridge removes the tables with it.
        let is_kept =
            |other: &NetworkDefinition| other.id != network.id && self.keeper(&other.id).is_some();
        let is_last = self.is_idle()? && !self.list()?.iter().any(is_kept);
        self.firewall(|firewall| {
            if is_last {
                return firewall.remove();
            }
            match firewall.take(&firewall::of_network(network, &name))? {
                firewall::Changed::Stale => self.make_tables(firewall),
                firewall::Changed::Done => Ok(()),
            }
        })?;
        self.leave_endpoints(guard, &network.id)
    }
}

/// The group of interfaces that a network's bridge is in.
pub(super) fn group_of(network: &NetworkDefinition) -> u32 {
    if network.internal { INTERNAL_GROUP } else { 0 }
}

/// Any other group is the user's affair.
pub(super) fn is_apart_as_it_should(network: &NetworkDefinition, link: &Link) -> bool {
    (link.group == INTERNAL_GROUP) == network.internal
}

/// Bridges of versions before, and those that somebody changed, get their group.
pub(super) fn set_apart(
    socket: &mut Socket,
    network: &NetworkDefinition,
    link: &Link,
) -> Result<()> {
    if is_apart_as_it_should(network, link) {
        return Ok(());
    }
    let step = || format!("set the group of the bridge `{}`", link.name);
    socket.request(set_group(link.index, group_of(network))).act(step())
}

/// Who made a bridge of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    /// Ours, by a process that was killed before it was done.
    HalfMade,
    Others,
}

/// Held by one process of all stores that share this network namespace; gone with the descriptor.
fn lock_makers() -> Result<OwnedFd> {
    let step = "wait for another store that makes a bridge";
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).act(step)?;
    let address = SocketAddrUnix::new_abstract_name(MAKER).act(step)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match bind(&socket, &address) {
            Err(rustix::io::Errno::ADDRINUSE) if Instant::now() < deadline => {
                sleep(Duration::from_millis(1));
            }
            other => return other.act(step).map(|()| socket),
        }
    }
}

/// The host forwards; the bridge lets answers to 127.0.0.1 through and speaks no IPv6.
pub(super) fn set_kernel(bridge: &str) -> Result<()> {
    set_kernel_values(bridge).iter().try_for_each(|(path, value)| write_setting(path, value))
}

pub(super) fn set_kernel_values(bridge: &str) -> [(String, &'static str); 3] {
    let own = |setting: &str, value| (format!("net/{setting}"), value);
    [
        own("ipv4/ip_forward", "1"),
        own(&format!("ipv4/conf/{bridge}/route_localnet"), "1"),
        own(&format!("ipv6/conf/{bridge}/disable_ipv6"), "1"),
    ]
}

/// Nothing is written where it is so already: /proc/sys may be read-only.
pub(super) fn write_setting(path: &str, value: &str) -> Result<()> {
    let file = format!("/proc/sys/{path}");
    match fs::read_to_string(&file) {
        Ok(text) if text.trim() == value => return Ok(()),
        // A kernel without IPv6.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        _ => {}
    }
    fs::write(&file, value).act(format!("set sysctl `{path}` to {value}"))
}
