//! Making and removing networks and volumes of a project.

use std::net::Ipv4Addr;

use engine::EngineError;
use engine::volumes::{NewVolume, Volumes};
use runtime::network::{NetworkError, NetworkRequest, Subnet};

use super::Order;
use crate::model::Network;
use crate::reconcile::Record;
use crate::stack::{Result, StackError, labels};

pub(super) fn create_network(order: Order<'_>, key: &str) -> Result<()> {
    let Some(network) = order.project.networks.get(key) else { return Ok(()) };
    let mut request = request(key, network)?;
    request.labels.extend(labels::of_object(order.project, labels::NETWORK, key));
    let record = labels::record_text(&Record::of_network(network));
    request.labels.insert(labels::RECORD.to_owned(), record);
    let networks = engine::networks_of(&order.host.store)?;
    let guard = networks.lock().map_err(EngineError::from)?;
    match networks.create(&guard, &request) {
        // Somebody else was faster; whose it is the next plan sees.
        Ok(_) | Err(NetworkError::Exists { .. }) => Ok(()),
        Err(error) => Err(EngineError::from(error).into()),
    }
}

fn request(key: &str, network: &Network) -> Result<NetworkRequest> {
    let refused = |what: &str, why: &str| {
        Err(StackError::Network {
            name: key.to_owned(),
            what: what.to_owned(),
            why: why.to_owned(),
        })
    };
    match network.driver.as_str() {
        "" | "default" | "bridge" => {}
        driver => return refused(&format!("driver `{driver}`"), "there is only `bridge`"),
    }
    if network.enable_ipv6 == Some(true) {
        return refused("`enable_ipv6`", "networks have IPv4 addresses only so far");
    }
    if network.enable_ipv4 == Some(false) {
        return refused("`enable_ipv4: false`", "networks have IPv4 addresses");
    }
    let mut request = NetworkRequest {
        name: network.name.clone(),
        internal: network.internal,
        labels: network.labels.0.clone(),
        options: network.driver_opts.0.clone(),
        ..NetworkRequest::default()
    };
    let pool = match network.ipam.config.as_slice() {
        [] => return Ok(request),
        [pool] => pool,
        _ => return refused("`ipam.config`", "a network has one subnet"),
    };
    let wrong = |what: &str, text: &str, error: &dyn std::fmt::Display| StackError::Network {
        name: key.to_owned(),
        what: format!("`{what}: {text}`"),
        why: error.to_string(),
    };
    let subnet = |what: &str, text: &str| {
        let parsed = (!text.is_empty()).then(|| text.parse::<Subnet>());
        parsed.transpose().map_err(|error| wrong(what, text, &error))
    };
    let address = |what: &str, text: &str| {
        text.parse::<Ipv4Addr>().map_err(|error| wrong(what, text, &error))
    };
    request.subnet = subnet("subnet", &pool.subnet)?;
    request.ip_range = subnet("ip_range", &pool.ip_range)?;
    if !pool.gateway.is_empty() {
        request.gateway = Some(address("gateway", &pool.gateway)?);
    }
    for (name, text) in &pool.aux_addresses.0 {
        request.reserved.insert(name.clone(), address("aux_addresses", text)?);
    }
    Ok(request)
}

pub(super) fn remove_network(order: Order<'_>, name: &str) -> Result<()> {
    let networks = engine::networks_of(&order.host.store)?;
    let guard = networks.lock().map_err(EngineError::from)?;
    match networks.find(name).and_then(|network| networks.remove(&guard, &network)) {
        Ok(()) | Err(NetworkError::NotFound { .. }) => Ok(()),
        Err(error) => Err(EngineError::from(error).into()),
    }
}

pub(super) fn create_volume(order: Order<'_>, key: &str) -> Result<()> {
    let Some(volume) = order.project.volumes.get(key) else { return Ok(()) };
    if !["", "local"].contains(&volume.driver.as_str()) {
        return Err(StackError::VolumeDriver {
            name: key.to_owned(),
            driver: volume.driver.clone(),
        });
    }
    let mut new = NewVolume::named(&volume.name);
    new.options = volume.driver_opts.0.clone();
    new.labels = volume.labels.0.clone();
    new.labels.extend(labels::of_object(order.project, labels::VOLUME, key));
    let record = labels::record_text(&Record::of_volume(volume));
    new.labels.insert(labels::RECORD.to_owned(), record);
    let volumes = Volumes::of(&order.host.store).map_err(EngineError::from)?;
    volumes.create(&new).map_err(EngineError::from)?;
    Ok(())
}

pub(super) fn remove_volume(order: Order<'_>, name: &str) -> Result<()> {
    let volumes = Volumes::of(&order.host.store).map_err(EngineError::from)?;
    volumes.remove(&order.host.containers, name).map_err(EngineError::from)?;
    Ok(())
}
