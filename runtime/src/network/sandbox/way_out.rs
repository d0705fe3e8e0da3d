//! By which network a container leads out, and what it publishes there.
use std::net::Ipv4Addr;

use super::super::definition::NetworkDefinition;
use super::super::directory::{Guard, Networks, Result};
use super::super::endpoint::Endpoint;
use super::super::error::NetworkError;
use super::super::holder::meet;
use super::super::ports::{self, HeldPorts};
use super::super::settings::{Attachment, NetworkSettings};

/// The network by which a container reaches what is on none of its networks, and where its ports are published.
pub(super) fn way_out(
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
pub(super) fn reserve(
    networks: &Networks,
    settings: &NetworkSettings,
    way_out: Option<&(usize, NetworkDefinition)>,
) -> Result<HeldPorts> {
    let Some((_, network)) = way_out else { return Ok(HeldPorts::default()) };
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
