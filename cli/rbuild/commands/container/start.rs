//! `rbuild start`, `rbuild restart`

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::session::{self, Bond, Manner, Session};
use cli::{Exit, output};
use runtime::containers::{Container, Containers};

use super::{for_each, not_started, open, stop};
use crate::args::{StartArgs, StopArgs};

pub(crate) fn run(args: &StartArgs, environment: &Environment) -> Result<Exit> {
    let (_store, containers) = open(environment)?;
    if !args.attach && !args.interactive {
        return Ok(for_each(&args.containers, |text| {
            engine::start(&containers, &containers.find(text)?)?;
            Ok(output::line(text)?)
        }));
    }
    let [text] = args.containers.as_slice() else {
        bail!("`--attach` and `--interactive` take one container");
    };
    let container = containers.find(text)?;
    Ok(start_attached(args, &containers, &container).unwrap_or_else(|error| not_started(&error)))
}

fn start_attached(
    args: &StartArgs,
    containers: &Containers,
    container: &Container,
) -> Result<Exit> {
    let container = &engine::at_rest_or_alive(containers, container)?;
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
    let shim = engine::fork_shim(containers, container)?;
    let session = Session::open(manner)?;
    let streams = shim.attach(input, true, !definition.terminal)?;
    let connection = shim.begin(session::size())?;
    session::follow(
        session,
        streams,
        connection,
        Bond { goes: definition.auto_remove, owns: false },
    )
}

pub(crate) fn restart(args: &StopArgs, environment: &Environment) -> Result<Exit> {
    let (_store, containers) = open(environment)?;
    Ok(for_each(&args.containers, |text| {
        let container = containers.find(text)?;
        stop::stop_one(&container, args)?;
        engine::start(&containers, &containers.read(container.id())?)?;
        Ok(output::line(text)?)
    }))
}
