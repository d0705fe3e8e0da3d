//! From the arguments of `run` and `create` to a [`ContainerRequest`]: the one place where flags become values.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Result, bail};
use cli::environment::Environment;
use engine::{ContainerRequest, HostNames, Program};
use runtime::NetworkMode;
use runtime::network::{HostAddress, NetworkSettings};

use super::{confinement, connections, lifecycle, variables};
use crate::args::ContainerArgs;
use crate::commands::settings;

/// The kernel's limit.
const LONGEST_NAME: usize = 64;

/// Everything that can be found wrong with the arguments is found here, before anything is made. `stdin_once`: its
/// standard input ends with the first client.
pub(crate) fn request(
    args: &ContainerArgs,
    stdin_once: bool,
    environment: &Environment,
) -> Result<ContainerRequest> {
    if let Some(path) = args.workdir.as_deref().filter(|path| !path.starts_with('/')) {
        bail!("`--workdir {path}`: it must be an absolute path");
    }
    if let Some(name) = &args.lifecycle.name {
        runtime::containers::check_name(name.strip_prefix('/').unwrap_or(name))?;
    }
    let mut request = ContainerRequest::of(&args.image);
    request.name = args.lifecycle.name.clone();
    (request.network, request.connections) = connections::resolve(args, environment)?;
    request.names = names(args, &mut request.connections, request.network)?;
    request.program = program(args, stdin_once, environment)?;
    request.mounts = confinement::mounts(args)?;
    request.volumes_from = confinement::volumes_from(&args.confinement)?;
    if let Some(driver) = &args.confinement.volume_driver {
        crate::commands::volume::check_driver(driver)?;
    }
    request.confinement = confinement::resolve(args)?;
    lifecycle::apply(&mut request, &args.lifecycle, environment)?;
    Ok(request)
}

fn program(args: &ContainerArgs, stdin_once: bool, environment: &Environment) -> Result<Program> {
    let entrypoint = args.entrypoint.as_deref().map(|program| match program {
        "" => Vec::new(),
        program => vec![OsString::from(program)],
    });
    let command = Some(args.command.clone()).filter(|words| !words.is_empty());
    Ok(Program {
        entrypoint,
        command,
        env: variables::read(&args.env_file, &args.env, environment)?,
        working_directory: args.workdir.clone(),
        user: args.user.clone(),
        groups: args.confinement.groups.clone(),
        terminal: args.tty,
        open_stdin: args.interactive,
        stdin_once,
        init: args.confinement.init,
    })
}

/// Added hosts of a container on networks may name the gateway, which is not known yet: they go to its connections.
fn names(
    args: &ContainerArgs,
    connections: &mut NetworkSettings,
    network: NetworkMode,
) -> Result<HostNames> {
    if let Some(name) = &args.hostname
        && (name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_whitespace))
    {
        bail!("`--hostname {name}`: a name has 1 to {LONGEST_NAME} characters and no spaces");
    }
    let mut hosts = Vec::new();
    for text in &args.add_hosts {
        match text.split_once([':', '=']) {
            Some((name, "host-gateway")) if network == NetworkMode::Sandbox && !name.is_empty() => {
                connections.extra_hosts.push((name.to_owned(), HostAddress::Gateway));
            }
            _ => {
                let host = settings::host(text, gateway(network))?;
                hosts.push((host.host, host.address));
            }
        }
    }
    let domainname = args.confinement.domainname.clone();
    Ok(HostNames {
        hostname: args.hostname.clone(),
        domainname: domainname.filter(|name| !name.is_empty()),
        // Not where that is only the default of this machine.
        of_the_host: args.connections.networks == ["host"],
        hosts,
        resolv_conf: confinement::resolv_conf(&args.confinement)?,
    })
}

/// What `host-gateway` stands for: with its own network, this machine.
fn gateway(network: NetworkMode) -> Option<IpAddr> {
    (network == NetworkMode::Host).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use engine::Variable;

    use super::*;
    use crate::args::{Args, Command};

    fn of(words: &[&str]) -> ContainerRequest {
        let words = ["rbuild", "run", "--rm"].iter().chain(words);
        let Command::Run(args) = Args::parse_from(words).command else { panic!("run") };
        request(&args.container, false, &Environment::default()).unwrap()
    }

    #[test]
    fn the_command_line_says_what_runs() {
        for (words, entrypoint, command) in [
            (vec!["img"], None, None),
            (vec!["img", "x", "-y"], None, Some(vec!["x", "-y"])),
            (vec!["--entrypoint", "/other", "img"], Some(vec!["/other"]), None),
            (vec!["--entrypoint", "", "img", "x"], Some(vec![]), Some(vec!["x"])),
        ] {
            let list = |words: Option<Vec<&str>>| {
                words.map(|words| words.into_iter().map(OsString::from).collect::<Vec<_>>())
            };
            let program = of(&words).program;
            assert_eq!(program.entrypoint, list(entrypoint), "{words:?}");
            assert_eq!(program.command, list(command), "{words:?}");
        }
    }

    #[test]
    fn variables_are_set_and_taken_away() {
        let env = of(&["-e", "B=mine", "-e", "ABSENT", "img"]).program.env;
        assert_eq!(env, [Variable::Set("B=mine".into()), Variable::Removed("ABSENT".into())]);
    }
}
