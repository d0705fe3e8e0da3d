//! `rbuild exec`

use anyhow::{Result, bail};
use cli::Exit;
use cli::environment::Environment;
use cli::session::{self, Manner, Session};
use engine::Variable;
use engine::exec::ExecRequest;
use runtime::containers::{Container, Status};
use runtime::{ContainerSpec, Stdio};

use super::{not_started, variables};
use crate::args::ExecArgs;
use crate::commands::open_store;

pub(crate) fn run(args: &ExecArgs, environment: &Environment) -> Exit {
    exec(args, environment).unwrap_or_else(|error| not_started(&error))
}

fn exec(args: &ExecArgs, environment: &Environment) -> Result<Exit> {
    let variables = variables::read(&args.env_file, &args.env, environment)?;
    let manner = Manner {
        tty: args.tty,
        input: args.interactive,
        // A terminal's signals are typed; without one they are ours to hand on.
        sig_proxy: true,
        detach_keys: args.detach_keys.as_deref(),
    };
    if !args.detach {
        manner.check()?;
    }
    let store = open_store(environment)?;
    let containers = engine::containers_of(&store);
    let container = containers.find(&args.container)?;
    if container.state.status == Status::Paused {
        bail!("container `{0}` is paused; `rbuild unpause {0}` lets it go on", args.container);
    }
    if container.state.status != Status::Running {
        bail!("container `{}` is not running; `rbuild start` starts it", args.container);
    }
    runtime::expect_joins(&container.definition.spec.limits);
    let spec = program(args, &container, variables)?;
    if args.detach {
        if args.tty {
            bail!("`--detach` and `--tty` exclude each other: nobody would hold the terminal");
        }
        // Its input ends at once, with `--interactive` too, as with docker.
        engine::exec::start_detached(&store, &container, &spec)?;
        return Ok(Exit::Success);
    }
    let session = Session::open(manner)?;
    let stdio = match args.tty {
        true => {
            let (rows, columns) = session::size();
            Stdio::Terminal { rows, columns }
        }
        false => Stdio::Pipes { stdin: args.interactive },
    };
    // Before any thread exists.
    let execution = engine::exec::start(&store, &container, &spec, stdio)?;
    session::follow_program(session, execution, args.interactive)
}

/// What it runs, as whom and with what.
fn program(
    args: &ExecArgs,
    container: &Container,
    variables: Vec<Variable>,
) -> Result<ContainerSpec> {
    if let Some(directory) = args.workdir.as_deref().filter(|path| !path.starts_with('/')) {
        bail!("`--workdir {directory}` is not an absolute path");
    }
    let request = ExecRequest {
        command: args.command.clone(),
        env: variables,
        user: args.user.clone(),
        working_directory: args.workdir.as_ref().map(Into::into),
        terminal: args.tty,
        privileged: args.privileged,
    };
    Ok(engine::exec::program(&request, container)?)
}
