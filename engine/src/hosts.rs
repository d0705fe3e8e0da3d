//! What the container is called, and the names it knows: its own in /etc/hosts, and the host's.

use std::fs;

use runtime::{NamespaceMode, etc};

use crate::request::{ContainerRequest, HostNames};
use crate::{EngineError, Result};

/// The kernel's limit.
const LONGEST: usize = 64;

/// As it was asked for; the host's own name where that is shared; else the ID.
pub(crate) fn own_name(request: &ContainerRequest, id: &str) -> Result<String> {
    if let Some(name) = &request.names.hostname {
        if name.is_empty() || name.len() > LONGEST || name.contains(char::is_whitespace) {
            return Err(EngineError::HostName { name: name.clone(), longest: LONGEST });
        }
        return Ok(name.clone());
    }
    let shares = request.confinement.namespaces.uts == NamespaceMode::Host;
    if shares || request.names.of_the_host {
        let name = fs::read_to_string("/proc/sys/kernel/hostname");
        let name = name.map_err(|source| EngineError::ReadHostName { source })?;
        return Ok(name.trim_end().to_owned());
    }
    Ok(id.get(..12).unwrap_or(id).to_owned())
}

pub(crate) fn file(names: &HostNames, hostname: &str) -> Vec<u8> {
    if names.of_the_host {
        let mut text = fs::read("/etc/hosts").unwrap_or_default();
        if text.last().is_some_and(|byte| *byte != b'\n') {
            text.push(b'\n');
        }
        for (name, address) in &names.hosts {
            text.extend(format!("{address}\t{name}\n").into_bytes());
        }
        return text;
    }
    match &names.domainname {
        Some(domain) => etc::hosts(&format!("{hostname}.{domain} {hostname}"), &names.hosts),
        None => etc::hosts(hostname, &names.hosts),
    }
}
