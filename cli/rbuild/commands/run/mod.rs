//! `rbuild run`: one container in the foreground, on top of an image, gone when it ends.

mod attach;

use anyhow::{Context, Result};
use cli::Exit;
use cli::environment::Environment;
use cli::report::Report;
use runtime::{ContainerSpec, ExitStatus, Outcome, RuntimeError, Zygote};
use store::{ActiveSnapshot, Image, Store};

use super::container::spec;
use super::engine::Engine;
use super::{report_of, snapshots};
use crate::args::{ContainerArgs, RunArgs};

/// Docker's statuses: 125 when it is our fault, 126 and 127 when the program cannot be started.
pub(crate) fn run(args: &RunArgs, environment: &Environment) -> Exit {
    let args = &args.container;
    if !args.rm {
        Report::error("`rbuild run` without `--rm` is not supported")
            .hint("containers are not kept yet: add `--rm`")
            .print();
        return Exit::NotStarted;
    }
    match start(args, environment) {
        Ok(status) => exit_of(&status),
        Err(err) => {
            report_of(&err).print();
            let runtime = err.downcast_ref::<RuntimeError>();
            match runtime.and_then(RuntimeError::exit_code) {
                Some(126) => Exit::NotExecutable,
                Some(127) => Exit::NotFound,
                _ => Exit::NotStarted,
            }
        }
    }
}

fn start(args: &ContainerArgs, environment: &Environment) -> Result<ExitStatus> {
    let settings = spec::settings(args, environment)?;
    // Before any thread exists.
    let engine = Engine::start(environment)?;
    let zygote = engine.require_zygote()?;
    let store = Store::open(&engine.locations.root, &engine.locations.state)?;
    snapshots::choose(&store, Some(zygote), environment)?;
    let image = store.resolve(&args.image)?;
    let rootfs = Rootfs::prepare(&store, &image)?;
    let spec = spec::container(args, &settings, &image.config, &rootfs.active)?;
    let status = attach_and_wait(zygote, &spec, args);
    rootfs.discard()?;
    status
}

fn attach_and_wait(
    zygote: &Zygote,
    spec: &ContainerSpec,
    args: &ContainerArgs,
) -> Result<ExitStatus> {
    let streams = attach::Streams::open(args)?;
    let container = zygote.spawn(spec, streams.stdio())?;
    streams.follow(container)
}

fn exit_of(status: &ExitStatus) -> Exit {
    match status.outcome {
        Outcome::Exited(code) => Exit::Container(u8::try_from(code).unwrap_or(255)),
        Outcome::Signalled(signal) => Exit::killed_by(signal),
    }
}

/// The image's files with a layer on top that is thrown away.
struct Rootfs {
    store: Store,
    active: ActiveSnapshot,
}

impl Rootfs {
    fn prepare(store: &Store, image: &Image) -> Result<Rootfs> {
        let cannot = || format!("cannot unpack image {}", image.id());
        let layers = store.unpack(image).with_context(cannot)?;
        let stack: Vec<_> = layers.into_iter().map(|layer| layer.snapshot).collect();
        let active = store.snapshotter().prepare(&stack).with_context(cannot)?;
        Ok(Rootfs { store: store.clone(), active })
    }

    fn discard(self) -> Result<()> {
        Ok(self.store.snapshotter().discard(self.active)?)
    }
}
