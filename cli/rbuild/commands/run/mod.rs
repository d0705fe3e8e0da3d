//! `rbuild run`: a new container, which is then started.

pub(crate) mod floor;
mod trace;

use anyhow::{Result, bail};
use cli::environment::Environment;
use cli::registries::find_image;
use cli::session::{self, Bond, Manner, Session};
use cli::zygote::lazy_snapshotter;
use cli::{Exit, output};
use engine::{containers_of, names};
use runtime::Phase;
use runtime::shim::{AttachStreams, Connection, NewShim, Seed, ShimOrder};
use store::Store;

use super::container::make::Plan;
use super::container::not_started;
use crate::args::RunArgs;
use trace::Trace;

/// Docker's statuses: 125 when it is our fault, 126 and 127 when the program cannot be started.
pub(crate) fn run(args: &RunArgs, environment: &Environment) -> Exit {
    start(args, environment).unwrap_or_else(|error| not_started(&error))
}

/// Which streams we are attached to.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    input: bool,
    output: bool,
    errors: bool,
}

fn start(args: &RunArgs, environment: &Environment) -> Result<Exit> {
    let mut trace = Trace::begin(args.trace_start);
    let wanted = wanted(args)?;
    let container = &args.container;
    let manner = Manner {
        tty: container.tty,
        input: wanted.input,
        sig_proxy: args.client.sig_proxy.unwrap_or(true),
        detach_keys: args.client.detach_keys.as_deref(),
    };
    manner.check()?;
    let plan = Plan::of(container, container.interactive && !args.detach, environment)?;
    let locations = environment.locations();
    let store = Store::open(&locations.root, &locations.state)?;
    let id = names::random_id()?;
    trace.end(Phase::Open);
    // Before any thread exists, and any password of a registry is in our memory, whose copy a shim keeps. It gets ready while the
    // image is looked for and the container is made, and ends if nothing comes of that.
    let main = |seed: Seed| cli::shim::run(seed, Some(&store)).status();
    let shim = NewShim::fork(ShimOrder {
        root: store.root(),
        state: store.state(),
        id: &id,
        processes: plan.process_view(),
        traced: trace.is_wanted(),
        usual: plan.usual(),
        main: Some(&main),
    })?;
    trace.end(Phase::Fork);
    runtime::expect_joins(plan.limits());
    let containers = containers_of(&store);
    let mut make = || -> Result<()> {
        let (name, pull, quiet) = (&container.image, container.pull.into(), container.quiet);
        let image = find_image(&store, name, pull, quiet, environment)?;
        store.mark_used(&image);
        lazy_snapshotter(&store, environment)?;
        trace.end(Phase::Find);
        plan.make(&store, &containers, &image, &id)?;
        Ok(())
    };
    if let Err(error) = make() {
        shim.give_up();
        return Err(error);
    }
    trace.end(Phase::Make);
    let started = match args.detach {
        true => shim.begin((0, 0)).map(|connection| (connection, None)).map_err(Into::into),
        false => begin_attached(shim, wanted, manner),
    };
    let (connection, attached) = match started {
        Ok(started) => started,
        Err(error) => {
            engine::remove_unstarted(&store, &containers, &id, error.downcast_ref());
            return Err(error);
        }
    };
    trace.end(Phase::Begun);
    trace.listen(&connection);
    let Some((session, streams)) = attached else {
        trace.print(environment);
        output::line(&id)?;
        return Ok(Exit::Success);
    };
    // The container's own lease holds what it needs; nobody waits for the end of ours now.
    drop(store);
    let bond = Bond { goes: container.lifecycle.rm, owns: true };
    let exit = session::follow(session, streams, connection, bond)?;
    trace.end(Phase::Heard);
    trace.print(environment);
    Ok(exit)
}

type Attached = (Session, AttachStreams);

fn begin_attached(
    shim: NewShim,
    wanted: Wanted,
    manner: Manner<'_>,
) -> Result<(Connection, Option<Attached>)> {
    let session = Session::open(manner)?;
    let streams = shim.attach(wanted.input, wanted.output, wanted.errors && !manner.tty)?;
    let connection = shim.begin(session::size())?;
    Ok((connection, Some((session, streams))))
}

/// Without `--attach`: everything, but standard input only if it is kept open.
fn wanted(args: &RunArgs) -> Result<Wanted> {
    let interactive = args.container.interactive;
    if args.attach.is_empty() {
        return Ok(Wanted { input: interactive, output: true, errors: true });
    }
    if args.detach {
        bail!("`--attach` and `--detach` exclude each other");
    }
    let mut wanted = Wanted { input: false, output: false, errors: false };
    for stream in &args.attach {
        match stream.to_lowercase().as_str() {
            "stdin" => wanted.input = interactive,
            "stdout" => wanted.output = true,
            "stderr" => wanted.errors = true,
            other => bail!("`--attach {other}`: the streams are stdin, stdout and stderr"),
        }
    }
    Ok(wanted)
}
