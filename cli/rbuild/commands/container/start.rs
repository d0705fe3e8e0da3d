//! `rbuild start`, `rbuild restart`

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::{Exit, output};
use runtime::ProcessView;
use runtime::containers::{Container, Containers};
use runtime::shim::{AttachStreams, Connection, NewShim};

use super::session::{self, Bond, ContainerTarget, Ends, Manner, Session};
use super::{for_each, not_started, open, stop};
use crate::args::{StartArgs, StopArgs};

pub(crate) fn run(args: &StartArgs, environment: &Environment) -> Result<Exit> {
    let (_store, containers) = open(environment)?;
    if !args.attach && !args.interactive {
        return Ok(for_each(&args.containers, |text| {
            start_one(&containers, &containers.find(text)?)?;
            Ok(output::line(text)?)
        }));
    }
    let [text] = args.containers.as_slice() else {
        bail!("`--attach` and `--interactive` take one container");
    };
    let container = containers.find(text)?;
    Ok(start_attached(args, &containers, &container).unwrap_or_else(|error| not_started(&error)))
}

/// Starts a container that does not run. Before any thread exists.
pub(crate) fn start_one(containers: &Containers, container: &Container) -> Result<()> {
    if container.state.status.is_alive() {
        return Ok(());
    }
    fork_shim(containers, container)?.begin((0, 0))?;
    Ok(())
}

fn fork_shim(containers: &Containers, container: &Container) -> Result<NewShim> {
    let (root, state) = (containers.root(), containers.state_directory());
    let view = ProcessView::needed_by(&container.definition.spec);
    Ok(NewShim::fork(root, state, container.id(), view)?)
}

fn start_attached(
    args: &StartArgs,
    containers: &Containers,
    container: &Container,
) -> Result<Exit> {
    let definition = &container.definition;
    if container.state.status.is_alive() {
        bail!("container {} runs already; use `rbuild attach`", container.short_id());
    }
    let input = args.interactive && definition.open_stdin;
    let manner = Manner {
        tty: definition.terminal,
        input,
        sig_proxy: args.client.sig_proxy.unwrap_or(true),
        detach_keys: args.client.detach_keys.as_deref(),
    };
    let shim = fork_shim(containers, container)?;
    let session = Session::open(manner)?;
    let streams = shim.attach(input, true, !definition.terminal)?;
    let connection = shim.begin(session::size())?;
    follow(session, streams, connection, Bond { goes: definition.auto_remove, owns: false })
}

/// Copies and forwards until the container ends.
pub(crate) fn follow(
    session: Session,
    streams: AttachStreams,
    connection: Connection,
    bond: Bond,
) -> Result<Exit> {
    let ends = Ends {
        input: streams.input.map(|end| File::from(OwnedFd::from(end))),
        output: streams.output.map(|end| File::from(OwnedFd::from(end))),
        errors: streams.errors.map(|end| File::from(OwnedFd::from(end))),
    };
    let target = Arc::new(ContainerTarget::new(connection, bond));
    Ok(session.follow(ends, target)?.exit())
}

pub(crate) fn restart(args: &StopArgs, environment: &Environment) -> Result<Exit> {
    let (_store, containers) = open(environment)?;
    Ok(for_each(&args.containers, |text| {
        let container = containers.find(text)?;
        stop::stop_one(&container, args)?;
        start_one(&containers, &containers.read(container.id())?)?;
        Ok(output::line(text)?)
    }))
}
