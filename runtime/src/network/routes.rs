//! What of the host's addresses is in use, and by which way it goes out.
use super::error::{Act, NetworkError};
use super::netlink::Socket;
use super::netlink::link::{Link, list_addresses, list_links, list_routes};
use super::subnet::Subnet;

/// A destination that the host knows a way to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) destination: Subnet,
    /// The interface's name.
    pub(super) device: String,
}

/// What Ethernet carries; where there is no default route.
const USUAL_MTU: u32 = 1500;

/// All routes but the default one, and the subnets of all addresses.
pub(super) fn list() -> Result<Vec<Route>, NetworkError> {
    let step = "list the host's routes";
    let mut socket = Socket::route().act(step)?;
    let links = list_links(&mut socket).act(step)?;
    let name = |index: Option<u32>| {
        let link = links.iter().find(|link: &&Link| Some(link.index) == index);
        link.map_or(String::new(), |link| link.name.clone())
    };
    let mut all = Vec::new();
    for route in list_routes(&mut socket).act(step)? {
        if let Some(destination) = route.destination.filter(|subnet| subnet.prefix() > 0) {
            all.push(Route { destination, device: name(route.index) });
        }
    }
    for address in list_addresses(&mut socket).act(step)? {
        let subnet = Subnet::containing(address.address, address.prefix);
        all.extend(
            subnet.map(|destination| Route { destination, device: name(Some(address.index)) }),
        );
    }
    Ok(all)
}

/// The name of the interface by which everything goes out.
pub(super) fn way_out() -> Option<String> {
    let mut socket = Socket::route().ok()?;
    let routes = list_routes(&mut socket).ok()?;
    let index = routes.iter().find(|route| route.destination.is_none())?.index?;
    let links = list_links(&mut socket).ok()?;
    links.into_iter().find(|link| link.index == index).map(|link| link.name)
}

/// The largest packet that goes out by the default route.
pub(super) fn mtu(socket: &mut Socket) -> Result<u32, NetworkError> {
    let step = "find the default route";
    let routes = list_routes(socket).act(step)?;
    let Some(route) = routes.iter().find(|route| route.destination.is_none()) else {
        return Ok(USUAL_MTU);
    };
    let links = list_links(socket).act(step)?;
    let device = links.iter().find(|link| Some(link.index) == route.index);
    let carried = device.map_or(USUAL_MTU, |link| link.mtu);
    // The kernel lets no Ethernet device have less.
    Ok(route.mtu.map_or(carried, |mtu| mtu.min(carried)).max(68))
}
