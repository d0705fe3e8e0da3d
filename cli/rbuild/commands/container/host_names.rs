//! What the container is called, and the names it knows: its own in /etc/hosts, and the host's.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result, bail};
use runtime::{NetworkMode, etc};

use super::confinement::Confinement;
use crate::args::ContainerArgs;

/// The kernel's limit.
const LONGEST: usize = 64;

/// As it was asked for; the host's own name where that is shared; else the ID.
pub(super) fn own(args: &ContainerArgs, confinement: &Confinement, id: &str) -> Result<String> {
    if let Some(name) = &args.hostname {
        if name.is_empty() || name.len() > LONGEST || name.contains(char::is_whitespace) {
            bail!("`--hostname {name}`: a name has 1 to {LONGEST} characters and no spaces");
        }
        return Ok(name.clone());
    }
    if confinement.shares_names() || is_the_hosts(args) {
        let name = fs::read_to_string("/proc/sys/kernel/hostname");
        return Ok(name.context("cannot read the host's name")?.trim_end().to_owned());
    }
    Ok(id.get(..12).unwrap_or(id).to_owned())
}

/// With the host's network its names come along, but not where that is only the default until there are others.
fn is_the_hosts(args: &ContainerArgs) -> bool {
    args.network.as_deref() == Some("host")
}

pub(super) fn file(
    args: &ContainerArgs,
    confinement: &Confinement,
    hostname: &str,
    more: &[(String, IpAddr)],
) -> Vec<u8> {
    if is_the_hosts(args) {
        let mut text = fs::read("/etc/hosts").unwrap_or_default();
        if text.last().is_some_and(|byte| *byte != b'\n') {
            text.push(b'\n');
        }
        for (name, address) in more {
            text.extend(format!("{address}\t{name}\n").into_bytes());
        }
        return text;
    }
    match confinement.domainname() {
        Some(domain) => etc::hosts(&format!("{hostname}.{domain} {hostname}"), more),
        None => etc::hosts(hostname, more),
    }
}

/// What `host-gateway` stands for: with its own network, this machine.
pub(super) fn gateway(network: NetworkMode) -> Option<IpAddr> {
    (network == NetworkMode::Host).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))
}
