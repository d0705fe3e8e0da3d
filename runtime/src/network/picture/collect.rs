//! Asks the kernel for everything in the picture.
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use super::super::definition::{DEFAULT_NETWORK, NetworkDefinition};
use super::super::directory::{Networks, Result};
use super::super::endpoint::Endpoint;
use super::super::error::Act;
use super::super::namespace;
use super::super::netlink::Socket;
use super::super::netlink::link::{
    Link, LinkAddress, RouteEntry, list_addresses, list_links, list_routes,
};
use super::processes;
use super::{
    Picture, PicturedEndpoint, PicturedHost, PicturedInterface, PicturedNetwork, PicturedRoute,
    PicturedSpace,
};
use crate::containers::{Container, Status};
use crate::spec::NetworkMode;

/// Interfaces, addresses and routes of one namespace.
#[derive(Debug, Default)]
struct Wires {
    links: Vec<Link>,
    addresses: Vec<LinkAddress>,
    routes: Vec<RouteEntry>,
}

impl Networks {
    /// The networks of these names, or all of them, and who is on them now.
    pub fn picture(&self, names: &[String]) -> Result<Picture> {
        let wanted: Vec<NetworkDefinition> = match names {
            [] => self.list()?,
            names => names.iter().map(|name| self.find(name)).collect::<Result<_>>()?,
        };
        let host = Wires::of(&mut Socket::route().act("reach the kernel's interfaces")?)
            .act("list the host's interfaces")?;
        let mut spaces = self.spaces(&host, &wanted, names.is_empty())?;
        let numbers: Vec<u64> = spaces.iter().filter_map(|space| space.number).collect();
        let mut found = processes::within(&numbers);
        for space in &mut spaces {
            let own = space.number.and_then(|number| found.remove(&number));
            space.processes = own.unwrap_or_default();
        }
        let networks = wanted.iter().map(|network| self.pictured(network, &host)).collect();
        let containers = match names {
            [] => self.of_host()?,
            _ => Vec::new(),
        };
        Ok(Picture { host: self.pictured_host(&host, containers)?, networks, spaces })
    }

    fn pictured(&self, network: &NetworkDefinition, host: &Wires) -> PicturedNetwork {
        let bridge_name = self.bridge_name(network);
        let bridge = host.links.iter().find(|link| link.name == bridge_name);
        PicturedNetwork {
            name: network.name.clone(),
            subnet: network.subnet,
            internal: network.internal,
            masquerade: network.bridge.masquerade,
            open: network.bridge.open,
            bridge: bridge.map(|link| host.interface(link)),
            bridge_name,
        }
    }

    fn pictured_host(&self, host: &Wires, containers: Vec<String>) -> Result<PicturedHost> {
        let mut bridges = Vec::new();
        for network in self.list()? {
            bridges.push(self.bridge_name(&network));
        }
        let prefix = self.names.veth_prefix();
        let ours = |name: &str| name.starts_with(&prefix) || bridges.iter().any(|b| b == name);
        let foreign = |link: &&Link| link.name != "lo" && !ours(&link.name);
        let routes = host.routes.iter().map(|route| host.route(route));
        Ok(PicturedHost {
            name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            interfaces: host.links.iter().filter(foreign).map(|l| host.interface(l)).collect(),
            routes: routes.filter(|route| !ours(&route.device)).collect(),
            containers,
        })
    }

    fn running(&self) -> Result<Vec<Container>> {
        let mut all = self.containers.list().map_err(|error| {
            super::super::error::NetworkError::call("list containers", io::Error::other(error))
        })?;
        all.retain(|container| container.state.status.is_alive());
        all.sort_by(|a, b| a.definition.name.cmp(&b.definition.name));
        Ok(all)
    }

    fn of_host(&self) -> Result<Vec<String>> {
        let mut all = self.running()?;
        all.retain(|container| container.definition.spec.network == NetworkMode::Host);
        Ok(all.into_iter().map(|container| container.definition.name).collect())
    }

    /// The namespaces of containers that are on one of the networks; with `all` also those of containers without any.
    fn spaces(
        &self,
        host: &Wires,
        wanted: &[NetworkDefinition],
        all: bool,
    ) -> Result<Vec<PicturedSpace>> {
        let mut endpoints = Vec::new();
        for network in wanted {
            let mut found = self.endpoints(&network.id)?;
            found.retain(|endpoint| self.is_living(endpoint));
            endpoints.extend(found);
        }
        let running = self.running()?;
        let mut spaces = Vec::new();
        for container in &running {
            let definition = &container.definition;
            let own: Vec<Endpoint> =
                endpoints.extract_if(.., |end| end.container == definition.id).collect();
            let mode = definition.spec.network;
            let has_own = definition.network.joined.is_none() && mode != NetworkMode::Host;
            if own.is_empty() && !(all && has_own) {
                continue;
            }
            let mut space = self.space(host, wanted, own, opened(container));
            space.containers.push(definition.name.clone());
            let joined = |other: &&Container| {
                other.definition.network.joined.as_deref() == Some(&definition.id)
                    && other.state.status == Status::Running
            };
            space
                .containers
                .extend(running.iter().filter(joined).map(|other| other.definition.name.clone()));
            spaces.push(space);
        }
        // Of programs that are no containers: the steps of a build.
        for endpoint in endpoints {
            let name = endpoint.name.clone();
            let mut space = self.space(host, wanted, vec![endpoint], None);
            space.containers.push(name);
            spaces.push(space);
        }
        Ok(spaces)
    }

    fn space(
        &self,
        host: &Wires,
        wanted: &[NetworkDefinition],
        endpoints: Vec<Endpoint>,
        namespace: Option<(OwnedFd, u64)>,
    ) -> PicturedSpace {
        let (namespace, number) = namespace.map_or((None, None), |(fd, n)| (Some(fd), Some(n)));
        let entered = namespace.and_then(|namespace| {
            let mut socket = namespace::within(&namespace, Socket::route).ok()?;
            Wires::of(&mut socket).ok()
        });
        let inside = entered.unwrap_or_default();
        let bridge_of = |endpoint: &Endpoint| {
            let network = wanted.iter().find(|network| network.id == endpoint.network)?;
            let name = self.bridge_name(network);
            host.links.iter().find(|link| link.name == name).map(|link| link.index)
        };
        let endpoints = endpoints.into_iter().map(|endpoint| {
            let bridge = bridge_of(&endpoint);
            pictured_endpoint(endpoint, bridge, host, &inside)
        });
        PicturedSpace {
            number,
            containers: Vec::new(),
            processes: Vec::new(),
            routes: inside.routes.iter().map(|route| inside.route(route)).collect(),
            endpoints: endpoints.collect(),
        }
    }
}

fn pictured_endpoint(
    endpoint: Endpoint,
    bridge: Option<u32>,
    host: &Wires,
    inside: &Wires,
) -> PicturedEndpoint {
    let near = host.links.iter().find(|link| link.name == endpoint.host_interface);
    let far = inside.links.iter().find(|link| link.name == endpoint.interface);
    let has_names = endpoint.network_name != DEFAULT_NETWORK;
    PicturedEndpoint {
        is_connected: near.is_some_and(|link| link.master.is_some() && link.master == bridge),
        near: near.map(|link| host.interface(link)),
        far: far.map(|link| inside.interface(link)),
        far_name: endpoint.interface,
        near_name: endpoint.host_interface,
        address: endpoint.address,
        prefix: endpoint.prefix,
        names: if has_names { endpoint.names } else { Vec::new() },
        ports: endpoint.ports,
        network: endpoint.network_name,
    }
}

/// The container's namespace and its number.
fn opened(container: &Container) -> Option<(OwnedFd, u64)> {
    let file = File::from(namespace::of_container(container).ok()?);
    let number = file.metadata().ok()?.ino();
    Some((file.into(), number))
}

impl Wires {
    fn of(socket: &mut Socket) -> io::Result<Wires> {
        Ok(Wires {
            links: list_links(socket)?,
            addresses: list_addresses(socket)?,
            routes: list_routes(socket)?,
        })
    }

    fn interface(&self, link: &Link) -> PicturedInterface {
        let own = self.addresses.iter().filter(|address| address.index == link.index);
        PicturedInterface {
            name: link.name.clone(),
            index: link.index,
            up: link.up,
            mtu: link.mtu,
            mac: link.mac,
            addresses: own.map(|address| (address.address, address.prefix)).collect(),
            peer: link.peer,
            received: link.received,
            sent: link.sent,
        }
    }

    fn route(&self, route: &RouteEntry) -> PicturedRoute {
        let device = self.links.iter().find(|link| Some(link.index) == route.index);
        PicturedRoute {
            destination: route.destination,
            gateway: route.gateway,
            device: device.map_or(String::new(), |link| link.name.clone()),
        }
    }
}
