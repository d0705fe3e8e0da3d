//! One file for each command; what they share about finding a project is here.

mod build;
mod check;
mod commit;
mod config;
mod cp;
mod digests;
mod display;
mod down;
mod events;
mod exec;
mod export;
mod external;
mod facts;
mod failure;
mod graph;
mod images;
mod interrupt;
mod lifecycle;
mod listing;
mod lock;
mod logs;
mod ls;
mod manual;
mod pause;
mod port;
mod printer;
mod ps;
mod pulls;
mod run;
mod stack;
mod stats;
mod top;
mod transfer;
mod up;
mod variables;
mod volumes;
mod wait;
mod watch;

use std::error::Error;

use anyhow::{Context, Result, bail};
use builder::BuildError;
use cli::environment::Environment;
use cli::format::TemplateError;
use cli::registries::RulesError;
use cli::report::{self, Report};
use cli::{Exit, output};
use compose::LoadError;
use compose::discover::{DiscoverError, Discovered, Invocation, discover};
use compose::load::LoadOptions;
use compose::model::SelectionError;
use compose::reconcile::ReconcileError;
use compose::stack::StackError;
use compose::stack::watch::WatchError;
use engine::EngineError;
use store::StoreError;
use store::registry::RegistryError;

use crate::args::{Args, Command, ProjectArgs, VersionArgs};
use crate::disk::Disk;
use stack::Call;

pub(crate) fn run(args: Args) -> Exit {
    let environment = Environment::process();
    let call = Call { project: &args.project, manner: &args.manner, environment: &environment };
    if args.manner.dry_run
        && let Some(name) = without_plan(&args.command)
    {
        Report::error(format!("`--dry-run` of `rcompose {name}` is not supported"))
            .hint("it is for commands that change what there is of a project")
            .print();
        return Exit::Failure;
    }
    let result = match &args.command {
        Command::Up(args) => up::run(args, call),
        Command::Down(args) => down::run(args, call),
        Command::Create(args) => up::create(args, call),
        Command::Start(args) => lifecycle::start(args, call),
        Command::Stop(args) => lifecycle::stop(args, call),
        Command::Restart(args) => lifecycle::restart(args, call),
        Command::Kill(args) => lifecycle::kill(args, call),
        Command::Rm(args) => lifecycle::rm(args, call),
        Command::Ps(args) => ps::run(args, call),
        Command::Ls(args) => ls::run(args, call),
        Command::Logs(args) => logs::run(args, call),
        Command::Exec(args) => Ok(exec::run(args, call)),
        Command::Attach(args) => exec::attach(args, call),
        Command::Run(args) => Ok(run::run(args, call)),
        Command::Wait(args) => wait::run(args, call),
        Command::Scale(args) => up::scale(args, call),
        Command::Images(args) => images::run(args, call),
        Command::Pause(args) => pause::pause(args, call),
        Command::Unpause(args) => pause::unpause(args, call),
        Command::Top(args) => top::run(args, call),
        Command::Port(args) => port::run(args, call),
        Command::Volumes(args) => volumes::run(args, call),
        Command::Events(args) => events::run(args, call),
        Command::Stats(args) => stats::run(args, call),
        Command::Cp(args) => cp::run(args, call),
        Command::Watch(args) => watch::run(args, call),
        Command::Build(args) => build::run(args, call),
        Command::Pull(args) => transfer::pull(args, call),
        Command::Push(args) => transfer::push(args, call),
        Command::Export(args) => export::run(args, call),
        Command::Commit(args) => commit::run(args, call),
        Command::External(args) => external::run(args, call),
        Command::Config(config) => config::run(config, &args.project, &environment),
        Command::Check(check) => check::run(check, &args.project, &environment),
        Command::Graph(graph) => graph::run(graph, &args.project, &environment),
        Command::Version(args) => version(args),
        Command::Completion(args) => manual::completion(args),
        Command::Man(args) => manual::pages(args),
        Command::Other(words) => Ok(refuse(words)),
    };
    result.unwrap_or_else(|error| failed(&error))
}

/// Shows an error; the status says whether it was asked for.
fn failed(error: &anyhow::Error) -> Exit {
    show(error.as_ref());
    let interrupted = |cause: &(dyn Error + 'static)| {
        matches!(cause.downcast_ref(), Some(StackError::Interrupted))
            || matches!(cause.downcast_ref(), Some(BuildError::Cancelled))
    };
    if error.chain().any(interrupted) { Exit::Interrupted } else { Exit::Failure }
}

/// Commands that do something which no plan says before.
fn without_plan(command: &Command) -> Option<&'static str> {
    Some(match command {
        Command::Run(_) => "run",
        Command::Exec(_) => "exec",
        Command::Attach(_) => "attach",
        Command::Wait(_) => "wait",
        Command::Export(_) => "export",
        Command::Commit(_) => "commit",
        Command::Cp(_) => "cp",
        Command::External(_) => "external",
        Command::Watch(_) => "watch",
        _ => return None,
    })
}

fn version(args: &VersionArgs) -> Result<Exit> {
    let number = env!("CARGO_PKG_VERSION");
    output::line(&match (args.short, args.format.as_str()) {
        (true, _) => number.to_owned(),
        (false, "" | "pretty") => format!("rcompose {number}"),
        (false, "json") => serde_json::json!({ "version": number }).to_string(),
        (false, other) => bail!("`--format {other}`: known are pretty and json"),
    })?;
    Ok(Exit::Success)
}

fn refuse(words: &[String]) -> Exit {
    let name = words.first().map_or("", String::as_str);
    let hint = match name {
        "publish" => "send the compose file as it is; `rcompose push` sends the images",
        "bridge" => {
            "there is no converter for other systems; `rcompose config` prints the whole project"
        }
        "alpha" => {
            "experiments of docker compose: `viz` is `rcompose graph`, the rest is not there"
        }
        _ => "`rcompose --help` lists what is",
    };
    Report::error(format!("`rcompose {name}` is not supported")).hint(hint).print();
    Exit::Failure
}

/// An error of this program's own libraries is shown with its places and hints.
fn show(error: &(dyn Error + 'static)) {
    if let Some(error) = error.downcast_ref::<TemplateError>() {
        error.report().print();
        return;
    }
    if let Some(error) = error.downcast_ref::<RulesError>() {
        error.report().print();
        return;
    }
    if let Some(error) = error.downcast_ref::<LoadError>() {
        report::compose::warnings(&error.warnings);
        report::compose::errors(error);
        return;
    }
    let mut report = Report::of(error);
    if let Some(DiscoverError::EnvFile { sources, span, .. }) = error.downcast_ref()
        && let Some(excerpt) = report::compose::excerpt(sources, *span)
    {
        report = report.excerpt(excerpt);
    }
    if let Some(hint) = error.downcast_ref::<DiscoverError>().and_then(DiscoverError::hint) {
        report = report.hint(hint);
    }
    if let Some(hint) = hint(error) {
        report = report.hint(hint);
    }
    if let Some(SelectionError::NoSuchService { nearest: Some(nearest), .. }) =
        error.downcast_ref::<SelectionError>()
    {
        report = report.hint(format!("did you mean `{nearest}`?"));
    }
    report.print();
}

/// Of whichever error in the chain has one.
fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    let mut hints = chain.filter_map(|cause| {
        let of_stack = || cause.downcast_ref::<StackError>()?.hint();
        let of_watch = || cause.downcast_ref::<WatchError>()?.hint();
        let of_plan = || cause.downcast_ref::<ReconcileError>()?.hint();
        let of_engine = || cause.downcast_ref::<EngineError>()?.hint();
        let of_store = || cause.downcast_ref::<StoreError>()?.hint();
        let of_registry = || cause.downcast_ref::<RegistryError>()?.hint();
        of_stack()
            .or_else(of_watch)
            .or_else(of_registry)
            .or_else(of_plan)
            .or_else(of_engine)
            .or_else(of_store)
    });
    hints.next()
}

/// Finds the files of the project that is meant.
fn find(
    project: &ProjectArgs,
    options: LoadOptions,
    environment: &Environment,
) -> Result<Discovered> {
    let directory = std::env::current_dir().context("cannot find the working directory")?;
    let texts = environment.texts();
    let invocation = Invocation {
        files: project.files.clone(),
        project_directory: project.project_directory.clone(),
        env_files: project.env_files.clone(),
        profiles: project.profiles.clone(),
        name: project.project_name.clone(),
        directory: directory.to_string_lossy().into_owned(),
        environment: texts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        options,
    };
    let found = discover(&invocation, &Disk)?;
    for warning in &found.warnings {
        Report::warning(warning).print();
    }
    Ok(found)
}
