//! Networks as they are at this moment: the host's interfaces, bridges, pairs with both ends, namespaces with their
//! processes. Values to be drawn; everything in them was asked of the kernel but names and ports.
mod collect;
mod processes;

use std::net::Ipv4Addr;

use super::mac::MacAddress;
use super::port::BoundPort;
use super::subnet::Subnet;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    pub host: PicturedHost,
    pub networks: Vec<PicturedNetwork>,
    /// Network namespaces other than the host's.
    pub spaces: Vec<PicturedSpace>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PicturedHost {
    pub name: String,
    /// All but `lo` and ours.
    pub interfaces: Vec<PicturedInterface>,
    /// Without those of our bridges.
    pub routes: Vec<PicturedRoute>,
    /// Containers that have the host's network.
    pub containers: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PicturedInterface {
    pub name: String,
    pub index: u32,
    pub up: bool,
    pub mtu: u32,
    pub mac: Option<MacAddress>,
    pub addresses: Vec<(Ipv4Addr, u8)>,
    /// The index of the other end of a pair, in that end's namespace.
    pub peer: Option<u32>,
    /// Bytes.
    pub received: u64,
    pub sent: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PicturedRoute {
    /// None is the default route.
    pub destination: Option<Subnet>,
    pub gateway: Option<Ipv4Addr>,
    pub device: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PicturedNetwork {
    pub name: String,
    pub subnet: Subnet,
    pub internal: bool,
    pub masquerade: bool,
    /// Its containers reach each other.
    pub open: bool,
    pub bridge_name: String,
    /// None while nobody is on it.
    pub bridge: Option<PicturedInterface>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PicturedSpace {
    /// The number by which `ip netns` and `lsns` know it; none if it could not be entered.
    pub number: Option<u64>,
    /// Whose it is, and who else is in it.
    pub containers: Vec<String>,
    pub processes: Vec<PicturedProcess>,
    pub routes: Vec<PicturedRoute>,
    pub endpoints: Vec<PicturedEndpoint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PicturedProcess {
    /// The host's number.
    pub pid: i32,
    pub command: String,
}

/// A pair of interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PicturedEndpoint {
    pub network: String,
    /// The host's end, at the bridge; none if it is not there.
    pub near: Option<PicturedInterface>,
    /// Whether it is a port of the network's bridge.
    pub is_connected: bool,
    /// The end in the container.
    pub far: Option<PicturedInterface>,
    pub far_name: String,
    pub near_name: String,
    pub address: Ipv4Addr,
    pub prefix: u8,
    /// By which others on the network find it; none where there are no names.
    pub names: Vec<String>,
    pub ports: Vec<BoundPort>,
}
