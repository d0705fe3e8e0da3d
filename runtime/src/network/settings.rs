//! What a container wants of networks: part of its definition.
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::mac::MacAddress;
use super::port::{ContainerPort, PublishedPort};
use crate::spec::NetworkMode;

/// How a container is connected. Without a network to attach to or a container to join, its specification's
/// [`NetworkMode`] says everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkSettings {
    /// The ID of the container whose network namespace it shares.
    pub joined: Option<String>,
    /// In this order they become eth0, eth1, …
    pub attachments: Vec<Attachment>,
    pub ports: Vec<PublishedPort>,
    /// Ports that it says it listens on.
    pub exposed: Vec<ContainerPort>,
    /// Each exposed port gets a free port of the host.
    pub publish_all: bool,
    /// Name servers and the like instead of the host's.
    pub dns: DnsSettings,
    /// Its own names in /etc/hosts, the full one first.
    pub host_names: Vec<String>,
    /// More lines of /etc/hosts.
    pub extra_hosts: Vec<(String, HostAddress)>,
}

/// A network to be attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// The network's name.
    pub network: String,
    /// More names by which others on this network find it.
    pub aliases: Vec<String>,
    /// Its address; none is one of the network's choice, which it keeps.
    pub ipv4: Option<Ipv4Addr>,
    pub mac: Option<MacAddress>,
    /// The interface's name inside; none is `eth` and the first number that is free.
    pub interface: Option<String>,
    /// The default route goes by the network with the highest; of equal ones, by the first.
    pub gateway_priority: i32,
}

/// What an added host name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostAddress {
    Address(IpAddr),
    /// This machine, as the container reaches it: `host-gateway`.
    Gateway,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DnsSettings {
    pub servers: Vec<IpAddr>,
    pub search: Vec<String>,
    pub options: Vec<String>,
}

impl Attachment {
    /// To a network, with nothing special.
    pub fn to(network: impl Into<String>) -> Attachment {
        Attachment { network: network.into(), ..Attachment::default() }
    }
}

impl NetworkSettings {
    /// What the container's specification has to say; `otherwise` is for who asks for no network of the engine's.
    pub fn mode(&self, otherwise: NetworkMode) -> NetworkMode {
        match self.joined.is_some() || !self.attachments.is_empty() {
            true => NetworkMode::Sandbox,
            false => otherwise,
        }
    }

    /// The names of its networks.
    pub fn networks(&self) -> impl Iterator<Item = &str> {
        self.attachments.iter().map(|attachment| attachment.network.as_str())
    }

    /// The published ports, with those that [`NetworkSettings::publish_all`] adds.
    pub(crate) fn all_ports(&self) -> Vec<PublishedPort> {
        let mut ports = self.ports.clone();
        if self.publish_all {
            for exposed in &self.exposed {
                if !ports.iter().any(|port| port.container == *exposed) {
                    let (host_ip, host_ports) = (None, None);
                    ports.push(PublishedPort { host_ip, host_ports, container: *exposed });
                }
            }
        }
        ports
    }
}
