//! `rbuild build`: resolve the arguments, build, show what was built.

mod call;
pub(super) mod check;
mod context;
mod fetch;
mod git;
mod interrupt;
pub(super) mod output;
mod request;
mod result;
mod secret;
mod space;
mod ssh;

use anyhow::{Result, bail};
use builder::progress::{BuildEvent, Progress};
use builder::{BuildRequest, Cancel};
use cli::Exit;
use cli::environment::Environment;
use cli::progress::{Display, Mode, Outcome};
use cli::registries::until_cancelled;
use cli::report::{self, build as failure, checks};
use parser::Source;
use store::Store;

use fetch::Fetcher;

use super::{leftovers, snapshots};
use crate::args::{BuildArgs, ProgressMode};
use cli::zygote::Engine;

pub(crate) fn run(args: &BuildArgs, environment: &Environment) -> Result<Exit> {
    if let Some(call) = call::asked(args)? {
        return call::answer(args, call, environment);
    }
    let mode = progress_mode(args, environment)?;
    let cap = space::cap(args.cache_max_size.as_deref(), environment)?;
    let age = space::age(args.cache_max_age.as_deref(), environment)?;
    let workers = space::workers(environment)?;
    // Before any thread exists.
    let engine = Engine::start(environment)?;
    let store = Store::open(&engine.locations.root, &engine.locations.state)?;
    if let Some(count) = workers {
        store.set_workers(count);
        builder::set_workers(count);
    }
    let cancel = Cancel::default();
    interrupt::watch(&cancel)?;
    let request = match request(args, Some(&store), environment, &cancel) {
        Err(_) if cancel.is_cancelled() => return Ok(interrupted()),
        request => request?,
    };
    snapshots::choose(&store, engine.zygote(), environment)?;
    let display = Display::start(mode, environment.colour_wanted());
    let watched = Watched { display: &display, engine: &engine };
    let built = builder::build(&request, &store, engine.zygote(), &watched, &cancel);
    let outcome = display.finish();
    let source = source(&request);
    if mode != Mode::Quiet {
        warnings(&source, &outcome);
    }
    if args.explain {
        outcome.explanation.iter().for_each(|line| report::print(line));
    }
    if store.is_far_from_synced() {
        leftovers::sync_later(&store, environment);
    }
    drop(store);
    if request.private_network {
        cli::networks::sweep(&engine.locations);
    }
    // What made nothing left the cache as large as it was.
    let grew = built.as_ref().map_or(true, |built| built.cached < built.steps);
    if grew || !request.outputs.is_empty() || cap != space::Cap::Default || age.is_some() {
        space::keep_within(cap, age, environment);
    }
    match built {
        Ok(built) => {
            result::write_files(args, &built)?;
            result::show(args, mode, &built)?;
            Ok(Exit::Success)
        }
        Err(_) if cancel.is_cancelled() => Ok(interrupted()),
        Err(error) => {
            failure::print(&error, &source, &outcome.failed);
            Ok(Exit::Failure)
        }
    }
}

/// The progress of a build, which also tells when there is nothing left to run: the engine then ends meanwhile.
struct Watched<'a> {
    display: &'a Display,
    engine: &'a Engine,
}

impl Progress for Watched<'_> {
    fn event(&self, event: BuildEvent) {
        match event {
            BuildEvent::Planned { runs: true, .. } => self.engine.warn(),
            BuildEvent::Planned { runs: false, .. } | BuildEvent::Solved => self.engine.dismiss(),
            _ => {}
        }
        self.display.event(event);
    }
}

/// Reads what the build starts from; contexts that are elsewhere are fetched.
fn request(
    args: &BuildArgs,
    store: Option<&Store>,
    environment: &Environment,
    cancel: &Cancel,
) -> Result<BuildRequest> {
    let fetcher = Fetcher::new(store, args, environment, cancel)?;
    let inputs = context::read(args, &fetcher)?;
    let mut request = request::resolve(args, inputs, fetcher.git(), environment)?;
    request.registries = request.registries.map(|found| until_cancelled(found, cancel));
    Ok(request)
}

/// For those who only look at a request.
fn look_at(
    args: &BuildArgs,
    environment: &Environment,
    look: impl FnOnce(&BuildRequest) -> Result<Exit>,
) -> Result<Exit> {
    let cancel = Cancel::default();
    interrupt::watch(&cancel)?;
    match request(args, None, environment, &cancel) {
        Err(_) if cancel.is_cancelled() => Ok(interrupted()),
        request => look(&request?),
    }
}

fn interrupted() -> Exit {
    report::Report::error("the build was interrupted").print();
    Exit::Interrupted
}

/// The option, else docker's variable, else what suits stderr.
fn progress_mode(args: &BuildArgs, environment: &Environment) -> Result<Mode> {
    if args.quiet {
        return Ok(Mode::Quiet);
    }
    let typed = match (args.progress, environment.text("BUILDKIT_PROGRESS")) {
        (Some(mode), _) => mode,
        (None, None | Some("auto")) => ProgressMode::Auto,
        (None, Some("tty")) => ProgressMode::Tty,
        (None, Some("plain")) => ProgressMode::Plain,
        (None, Some("quiet")) => ProgressMode::Quiet,
        (None, Some(other)) => {
            bail!("BUILDKIT_PROGRESS is `{other}`; known are auto, tty, plain and quiet")
        }
    };
    Ok(match typed {
        ProgressMode::Auto => Mode::automatic(environment),
        ProgressMode::Tty => Mode::Tty,
        ProgressMode::Plain => Mode::Plain,
        ProgressMode::Quiet => Mode::Quiet,
    })
}

fn source(request: &BuildRequest) -> Source {
    let text = String::from_utf8_lossy(&request.dockerfile.text);
    Source::new(request.dockerfile.name.clone(), text)
}

fn warnings(source: &Source, outcome: &Outcome) {
    for warning in &outcome.warnings {
        report::print("");
        checks::report(source, warning).print();
    }
    match outcome.warnings.len() {
        0 => {}
        1 => report::print("\n1 warning found"),
        count => report::print(&format!("\n{count} warnings found")),
    }
}
