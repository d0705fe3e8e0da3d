//! `rbuild oci`: the OCI runtime that conmon, podman, containerd and dockerd call. See docs/oci.md.

mod args;
mod exec;
mod features;
mod log;
mod run;
mod show;
mod spec;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Parser;
use cli::environment::Environment;
use cli::{Exit, report};
use engine::values::signal;
use runtime::oci::{self, OciContainers, OciError, Signalled};

use args::{KillArgs, OciArgs, OciCommand, UpdateArgs};
use log::Log;

/// A link of this name to the program is the runtime: callers take a path and no words behind it.
const FILE_NAME: &str = "rbuild-oci";
const VERB: &str = "oci";

/// What was typed, if it is for an OCI runtime. To be asked first of all: nothing else may run before.
pub(crate) fn words(all: impl IntoIterator<Item = OsString>) -> Option<Vec<OsString>> {
    args::words(all)
}

pub(crate) fn run(words: Vec<OsString>) -> Exit {
    let args = match OciArgs::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => return report::usage(&error),
    };
    let mut log = Log::new(args.log.as_deref(), args.log_format, args.debug);
    log.debug(&format!("{:?}", args.command));
    act(&args, &mut log).unwrap_or_else(|error| {
        log.error(&error);
        exit_of(&args.command, &error)
    })
}

/// Programs that cannot be run end with a shell's numbers, as far as anybody waits for them.
fn exit_of(command: &OciCommand, error: &anyhow::Error) -> Exit {
    let code = error.chain().find_map(|cause| cause.downcast_ref::<OciError>()?.exit_code());
    match command {
        OciCommand::Run(_) | OciCommand::Exec(_) => {
            Exit::Container(code.unwrap_or(match command {
                OciCommand::Exec(_) => 255,
                _ => 1,
            }))
        }
        _ => Exit::Failure,
    }
}

fn act(args: &OciArgs, log: &mut Log) -> Result<Exit> {
    if args.systemd_cgroup {
        bail!("`--systemd-cgroup` is not supported: cgroups are made without systemd");
    }
    let root = match &args.root {
        Some(root) => root.clone(),
        None => Environment::process().locations().state.join("oci"),
    };
    let containers = OciContainers::at(&root);
    match &args.command {
        OciCommand::Create(args) => run::create(&containers, args, log),
        OciCommand::Run(args) => run::run(&containers, args, log),
        OciCommand::Start(args) => {
            log.warn_all(oci::start(&containers, &args.id)?);
            Ok(Exit::Success)
        }
        OciCommand::Exec(args) => exec::run(&containers, args, log),
        OciCommand::State(args) => show::state(&containers.read(&args.id)?),
        OciCommand::Kill(args) => kill(&containers, args),
        OciCommand::Delete(args) => {
            log.warn_all(oci::delete(&containers, &args.id, args.force)?);
            Ok(Exit::Success)
        }
        OciCommand::List(args) => show::list(&containers, args),
        OciCommand::Ps(args) => show::ps(&containers, args),
        OciCommand::Pause(args) => done(oci::pause(&containers, &args.id)),
        OciCommand::Resume(args) => done(oci::resume(&containers, &args.id)),
        OciCommand::Update(args) => update(&containers, args),
        OciCommand::Events(args) => show::events(&containers, args),
        OciCommand::Spec(args) => spec::write(args),
        OciCommand::Features => features::show(),
    }
}

fn done(result: Result<(), OciError>) -> Result<Exit> {
    result?;
    Ok(Exit::Success)
}

fn kill(containers: &OciContainers, args: &KillArgs) -> Result<Exit> {
    let signal = signal::parse(&args.signal)?;
    let whom = if args.all { Signalled::All } else { Signalled::First };
    done(oci::kill(containers, &args.id, signal, whom))
}

fn update(containers: &OciContainers, args: &UpdateArgs) -> Result<Exit> {
    let text = read(&args.resources)?;
    done(oci::update(containers, &args.id, &text))
}

/// A file, or standard input for `-`.
fn read(path: &Path) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    match path == Path::new("-") {
        true => io::stdin().read_to_end(&mut text).map(drop),
        false => fs::File::open(path).and_then(|mut file| file.read_to_end(&mut text)).map(drop),
    }
    .with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(text)
}
