//! Address ranges that meet.

use std::net::IpAddr;

use super::{Look, Route};

type Subnet = (IpAddr, u8);

pub(super) fn check(look: &mut Look<'_>) {
    let mut all: Vec<(String, String, Subnet)> = Vec::new();
    let mut overlaps = Vec::new();
    let mut routed = Vec::new();
    for (name, network) in &look.loaded.project.networks {
        for pool in &network.ipam.config {
            let Some(subnet) = parse(&pool.subnet) else { continue };
            if let Some((other, text, _)) = all.iter().find(|(_, _, other)| meet(*other, subnet)) {
                overlaps.push((name.clone(), pool.subnet.clone(), other.clone(), text.clone()));
            }
            // A bridge for just these addresses most likely is this network, which exists already.
            let foreign = |route: &&Route| {
                let own = route.bridge && route.length == subnet.1;
                meet((route.address, route.length), subnet) && !own
            };
            if let Some(route) = look.facts.routes.iter().find(foreign) {
                routed.push((name.clone(), pool.subnet.clone(), *route));
            }
            all.push((name.clone(), pool.subnet.clone(), subnet));
        }
    }
    for (name, subnet, other, text) in overlaps {
        let message =
            format!("subnet {subnet} of network `{name}` overlaps {text} of network `{other}`");
        look.report("subnets-overlap", &["networks", &name, "ipam", "config", "0"], message, None);
    }
    for (name, subnet, Route { address, length, .. }) in routed {
        let message = format!(
            "subnet {subnet} of network `{name}` is routed elsewhere by the host ({address}/{length})"
        );
        look.report("subnet-in-use", &["networks", &name, "ipam", "config", "0"], message, None);
    }
}

fn parse(text: &str) -> Option<Subnet> {
    let (address, length) = text.split_once('/')?;
    Some((address.parse().ok()?, length.parse().ok()?))
}

fn meet(a: Subnet, b: Subnet) -> bool {
    let length = a.1.min(b.1);
    match (a.0, b.0) {
        (IpAddr::V4(x), IpAddr::V4(y)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            u32::from(x) & mask == u32::from(y) & mask
        }
        (IpAddr::V6(x), IpAddr::V6(y)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            u128::from(x) & mask == u128::from(y) & mask
        }
        _ => false,
    }
}
