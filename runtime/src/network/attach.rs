//! A container comes to a network, and goes.
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::definition::NetworkDefinition;
use super::directory::{Guard, Networks, Result};
use super::endpoint::Endpoint;
use super::error::{Act, NetworkError};
use super::failpoint::pass;
use super::firewall::{self, Changed, Element, Firewall};
use super::mac::MacAddress;
use super::namespace::within;
use super::netlink::Socket;
use super::netlink::conntrack::forget_udp;
use super::netlink::link::{
    Pair, add_address, add_default_route, find_link, make_pair, remove_link, set_port, set_up,
    unless,
};
use super::netlink::message::Message;
use super::port::{BoundPort, Protocol};
use super::sender::{guard, set_sender};
use super::settings::Attachment;
use super::subnet::Subnet;
use crate::containers::{ProcessName, short};

/// What the kernel's bridges take.
const MOST: usize = 1023;

/// A container that is being attached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) shim: ProcessName,
    pub(super) namespace: &'a OwnedFd,
    /// It may change the interfaces in its namespace.
    pub(super) administers: bool,
}

/// What its endpoint is to be.
#[derive(Clone, Debug)]
pub(super) struct Wish<'a> {
    pub(super) attachment: &'a Attachment,
    pub(super) interface: String,
    /// The default route goes this way.
    pub(super) leads_out: bool,
    pub(super) ports: Vec<BoundPort>,
}

impl Networks {
    /// Makes the endpoint: on disk first, so that whatever follows can be found and removed.
    pub(super) fn attach(
        &self,
        guard: &Guard,
        guest: Guest<'_>,
        wish: Wish<'_>,
    ) -> Result<Endpoint> {
        let mut network = self.get(guard, &wish.attachment.network)?;
        if self.endpoint_of(&network, guest.id)?.is_some_and(|found| self.is_living(&found)) {
            let container = short(guest.id).to_owned();
            return Err(NetworkError::Attached { container, network: network.name });
        }
        if self.count_endpoints(&network.id)? >= MOST {
            return Err(NetworkError::Full { network: network.name, most: MOST });
        }
        let mut socket = Socket::route().act("reach the kernel's interfaces")?;
        let bridge = self.bridge(guard, &mut network, &mut socket)?;
        let made = pass("the bridge is there")
            .and_then(|()| self.lease(&network, guest.id, wish.attachment))
            .and_then(|address| {
                pass("it has an address")?;
                let mut endpoint = self.endpoint(&network, guest, &wish, address);
                self.refuse_known_mac(&network, &endpoint)?;
                self.write_endpoint(&endpoint)?;
                let pair = Pair {
                    here: &endpoint.host_interface,
                    there: &endpoint.interface,
                    namespace: guest.namespace.as_fd(),
                    mac: endpoint.mac,
                    mtu: bridge.mtu,
                };
                let connected = pass("the endpoint is written")
                    .and_then(|()| make(&mut socket, &pair, &endpoint))
                    .and_then(|(index, is_guarded)| {
                        if !is_guarded && !endpoint.by_rules {
                            endpoint.by_rules = true;
                            self.write_endpoint(&endpoint)?;
                        }
                        if endpoint.by_rules {
                            self.check_by_rules(&endpoint)?;
                        }
                        pass("its senders are checked")?;
                        set_sender(&mut socket, index, &bridge, &network, &endpoint)
                    })
                    .and_then(|()| pass("the pair is connected"))
                    .and_then(|()| furnish(guest.namespace, &network, &endpoint, wish.leads_out))
                    .and_then(|()| pass("the container's end has its address"))
                    .and_then(|()| self.admit(&network, &bridge.name, &endpoint));
                connected.map(|()| endpoint.clone()).inspect_err(|_| {
                    // What is told is why it failed; the next command finds what is left.
                    let _left = self.detach(guard, &endpoint, true);
                })
            });
        made.inspect_err(|_| {
            let _left = self.remove_bridge(guard, &network);
        })
    }

    /// A bridge knows one port for each hardware address.
    fn refuse_known_mac(&self, network: &NetworkDefinition, endpoint: &Endpoint) -> Result<()> {
        let mac = endpoint.mac;
        let taken = |by: String| NetworkError::MacTaken { mac, network: network.name.clone(), by };
        if mac == MacAddress::of(network.gateway) {
            return Err(taken("its gateway".to_owned()));
        }
        // One that is made of an address is as much its own as that.
        if mac == MacAddress::of(endpoint.address) && self.count_endpoints(&network.id)? == 0 {
            return Ok(());
        }
        let others = self.endpoints(&network.id)?.into_iter();
        let mut others = others.filter(|other| other.container != endpoint.container);
        match others.find(|other| other.mac == mac && self.is_living(other)) {
            Some(other) => Err(taken(format!("container `{}`", other.name))),
            None => Ok(()),
        }
    }

    /// The container's interfaces are administered by one of its processes, or by another container that shares them: rules check
    /// its senders from now on.
    pub fn administered(&self, container: &str) -> Result<()> {
        let _guard = self.lock()?;
        // For the networks that it comes to later. Who has no shim comes to none.
        let place = self.containers.place(container);
        match File::create(place.administered_file()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(NetworkError::call("note who administers the container", error));
            }
            _ => {}
        }
        for network in self.list()? {
            let Some(mut endpoint) = self.read_endpoint(&network.id, container)? else { continue };
            if self.is_living(&endpoint) {
                endpoint.by_rules = true;
                self.write_endpoint(&endpoint)?;
                self.check_by_rules(&endpoint)?;
            }
        }
        Ok(())
    }

    /// Even if it was said before: somebody may have removed the table, or may have been killed before saying it.
    fn check_by_rules(&self, endpoint: &Endpoint) -> Result<()> {
        self.firewall(|firewall| match firewall.add(&firewall::of_sender(endpoint))? {
            Changed::Stale => self.make_tables(firewall),
            Changed::Done => Ok(()),
        })
    }

    /// Whether senders of anybody are checked by rules.
    pub(super) fn needs_rules(&self) -> Result<bool> {
        let all = self.in_use()?.into_iter().flat_map(|(_, endpoints)| endpoints);
        Ok(all.into_iter().any(|endpoint| endpoint.by_rules && self.is_living(&endpoint)))
    }

    fn endpoint_of(&self, network: &NetworkDefinition, id: &str) -> Result<Option<Endpoint>> {
        self.read_endpoint(&network.id, id)
    }

    fn lease(
        &self,
        network: &NetworkDefinition,
        id: &str,
        attachment: &Attachment,
    ) -> Result<std::net::Ipv4Addr> {
        if attachment.ipv4.is_some() && network.subnet_is_ours {
            return Err(NetworkError::NoOwnSubnet { network: network.name.clone() });
        }
        let mut leases = self.leases(&network.id)?;
        let before = leases.clone();
        let address = match leases.take(network, id, attachment.ipv4) {
            Ok(address) => address,
            Err(error) => {
                // Some may belong to containers that are no more.
                if !leases.reclaim(|owner| self.containers.place(owner).directory.exists()) {
                    return Err(error);
                }
                leases.take(network, id, attachment.ipv4)?
            }
        };
        if leases != before {
            self.write_leases(&network.id, &leases)?;
        }
        Ok(address)
    }

    fn endpoint(
        &self,
        network: &NetworkDefinition,
        guest: Guest<'_>,
        wish: &Wish<'_>,
        address: std::net::Ipv4Addr,
    ) -> Endpoint {
        let names = Endpoint::names(guest.name, guest.id, &wish.attachment.aliases);
        Endpoint {
            container: guest.id.to_owned(),
            name: guest.name.to_owned(),
            network: network.id.clone(),
            network_name: network.name.clone(),
            address,
            prefix: network.subnet.prefix(),
            gateway: (!network.internal).then_some(network.gateway),
            mac: wish.attachment.mac.unwrap_or_else(|| MacAddress::of(address)),
            interface: wish.interface.clone(),
            host_interface: self.names.veth(guest.id, &network.id, guest.shim),
            names,
            aliases: wish.attachment.aliases.clone(),
            by_rules: guest.administers
                || self.containers.place(guest.id).administered_file().exists(),
            ports: wish.ports.clone(),
            shim: guest.shim,
            boot: self.boot.clone(),
        }
    }

    /// Lets through what may pass.
    fn admit(&self, network: &NetworkDefinition, bridge: &str, endpoint: &Endpoint) -> Result<()> {
        let mut elements: Vec<Element> = firewall::of_network(network, bridge);
        elements.extend(firewall::of_endpoint(endpoint));
        self.firewall(|firewall| {
            // Asked first: a transaction that fails waits for a grace period of the kernel's, some 10 to 20 ms.
            if !firewall.exists()? || firewall.add(&elements)? == Changed::Stale {
                self.make_tables(firewall)?;
            }
            pass("the firewall lets it through")?;
            forget_connections(firewall, &endpoint.ports)?;
            pass("old connections are forgotten")
        })
    }

    /// The default route goes by this endpoint.
    pub(super) fn lead_out(&self, namespace: &OwnedFd, endpoint: &Endpoint) -> Result<()> {
        let Some(gateway) = endpoint.gateway else { return Ok(()) };
        let step = || format!("lead out by `{}`", endpoint.interface);
        let mut inside = within(namespace, Socket::route).act(step())?;
        let gone = || io::Error::from_raw_os_error(libc::ENODEV);
        let link = find_link(&mut inside, &endpoint.interface).act(step())?.ok_or_else(gone);
        inside.request(add_default_route(link.act(step())?.index, gateway)).act(step())
    }

    /// Other published ports lead to this endpoint.
    pub(super) fn publish(
        &self,
        _guard: &Guard,
        endpoint: &mut Endpoint,
        ports: Vec<BoundPort>,
    ) -> Result<()> {
        let before = endpoint.clone();
        endpoint.ports = ports;
        self.write_endpoint(endpoint)?;
        pass("the endpoint has other ports")?;
        self.set_hairpin(endpoint)?;
        self.firewall(|firewall| {
            let taken = firewall.take(&firewall::of_ports(&before))?;
            pass("the old ports lead nowhere")?;
            let added = firewall.add(&firewall::of_ports(endpoint))?;
            if taken == Changed::Stale || added == Changed::Stale {
                self.make_tables(firewall)?;
            }
            pass("the new ports lead to it")?;
            forget_connections(firewall, before.ports.iter().chain(&endpoint.ports))
        })
    }

    /// Who publishes ports may reach itself by them.
    fn set_hairpin(&self, endpoint: &Endpoint) -> Result<()> {
        let network = self.find(&endpoint.network)?;
        let step = || format!("set the bridge's port `{}`", endpoint.host_interface);
        let mut socket = Socket::route().act(step())?;
        match find_link(&mut socket, &endpoint.host_interface).act(step())? {
            Some(link) => {
                let hairpin = !endpoint.ports.is_empty();
                socket.request(set_port(link.index, hairpin, !network.bridge.open)).act(step())
            }
            // `network reload` makes it again, as it is to be then.
            None => Ok(()),
        }
    }

    /// The way back. With `here` the pair is removed too; else it goes with the namespace. Others may be in that, and are not to send
    /// without the rules that go now.
    pub(super) fn detach(&self, _guard: &Guard, endpoint: &Endpoint, here: bool) -> Result<()> {
        let endpoint = &self.as_written(endpoint)?;
        self.firewall(|firewall| {
            let taken = firewall.take(&firewall::of_ports(endpoint))?;
            pass("the firewall has forgotten it")?;
            self.remove_endpoint(endpoint)?;
            pass("the endpoint is gone")?;
            if taken == Changed::Stale && !self.is_idle()? {
                self.make_tables(firewall)?;
            }
            forget_connections(firewall, &endpoint.ports)?;
            pass("its connections are forgotten")
        })?;
        if here || endpoint.by_rules {
            remove_pair(&endpoint.host_interface)?;
        }
        if endpoint.by_rules { self.forget_sender(endpoint) } else { Ok(()) }
    }

    /// After its pair. The table is there for those who need it.
    fn forget_sender(&self, endpoint: &Endpoint) -> Result<()> {
        self.firewall(|firewall| match self.needs_rules()? {
            // Made anew meanwhile, it has nothing of it.
            true => firewall.take(&firewall::of_sender(endpoint)).map(drop),
            false => firewall.remove_senders(),
        })
    }

    /// Takes a container from a network for its shim, which does not do it.
    pub fn take_out(&self, network: &NetworkDefinition, container: &str) -> Result<()> {
        let guard = self.lock()?;
        if let Some(endpoint) = self.read_endpoint(&network.id, container)? {
            self.detach(&guard, &endpoint, true)?;
            self.note(&network.id, &network.name, "disconnect", Some(container));
            self.remove_bridge(&guard, network)?;
        }
        Ok(())
    }
}

/// If it is still there.
pub(super) fn remove_pair(here: &str) -> Result<()> {
    let mut socket = Socket::route().act("reach the kernel's interfaces")?;
    let step = || format!("remove `{here}`");
    match find_link(&mut socket, here).act(step())? {
        Some(link) => {
            Ok(unless(libc::ENODEV, socket.request(remove_link(link.index))).act(step())?)
        }
        None => Ok(()),
    }
}

/// UDP has no end that the kernel would see.
fn forget_connections<'a>(
    firewall: &mut Firewall,
    ports: impl IntoIterator<Item = &'a BoundPort>,
) -> Result<()> {
    let udp = ports.into_iter().filter(|port| port.container.protocol == Protocol::Udp);
    let ports = udp.map(|port| port.host_port).collect();
    forget_udp(&mut firewall.socket, &ports).act("forget old UDP connections")
}

/// The pair, with one end in the namespace. The number of the other one, and whether its senders are checked.
fn make(socket: &mut Socket, pair: &Pair<'_>, endpoint: &Endpoint) -> Result<(u32, bool)> {
    let step = || format!("make the pair of interfaces `{}`", pair.here);
    socket.request(make_pair(pair)).act(step())?;
    pass("the pair is there")?;
    let gone = || io::Error::from_raw_os_error(libc::ENODEV);
    let link = find_link(socket, pair.here).act(step())?.ok_or_else(gone).act(step())?;
    Ok((link.index, guard(socket, link.index, endpoint).act(step())?))
}

/// Addresses and routes, and what of the kernel's settings belongs to them.
fn furnish(
    namespace: &OwnedFd,
    network: &NetworkDefinition,
    endpoint: &Endpoint,
    leads_out: bool,
) -> Result<()> {
    let step = || format!("set up `{}` in the container", endpoint.interface);
    let mut inside = within(namespace, Socket::route).act(step())?;
    let gone = || io::Error::from_raw_os_error(libc::ENODEV);
    let find = |socket: &mut Socket, name: &str| {
        find_link(socket, name).and_then(|link| link.ok_or_else(gone))
    };
    let link = find(&mut inside, &endpoint.interface).act(step())?;
    let subnet: Subnet = network.subnet;
    let mut messages: Vec<Message> =
        vec![add_address(link.index, endpoint.address, subnet), set_up(link.index)];
    if let Some(gateway) = endpoint.gateway.filter(|_| leads_out) {
        messages.push(add_default_route(link.index, gateway));
    }
    inside.transact(messages).act(step())
}

/// The loopback interface of a new namespace, and no IPv6 on those that will come.
pub(super) fn furnish_namespace(namespace: &OwnedFd) -> Result<()> {
    let step = "set up the network namespace";
    within(namespace, || {
        sys::interface::bring_loopback_up()?;
        match std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1") {
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    })
    .act(step)
}
