//! `rcompose port`

use anyhow::{Result, bail};
use cli::{Exit, output, ports};

use super::stack::{Call, container_of};
use crate::args::PortArgs;

pub(super) fn run(args: &PortArgs, call: Call<'_>) -> Result<Exit> {
    if !["tcp", "udp"].contains(&args.protocol.as_str()) {
        bail!("`--protocol {}`: known are tcp and udp", args.protocol);
    }
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    let member = container_of(&host, &project, &args.service, args.index)?;
    let published = member.container.state.ports.iter().find(|port| {
        port.container.port == args.port && port.container.protocol.name() == args.protocol
    });
    let address = published.and_then(|port| ports::addresses(port).into_iter().next());
    let Some(address) = address else {
        let (port, protocol) = (args.port, &args.protocol);
        bail!("no port {port}/{protocol} for container {}", member.name());
    };
    output::line(&address)?;
    Ok(Exit::Success)
}
