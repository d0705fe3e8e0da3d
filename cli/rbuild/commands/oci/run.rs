//! `create` and `run`

use anyhow::{Result, bail};
use cli::Exit;
use cli::session::{self, Manner, Session};
use runtime::Execution;
use runtime::oci::{self, CreateRequest, Created, OciContainers};
use std::io::IsTerminal;

use super::args::{BundleArgs, RunArgs};
use super::log::Log;

pub(super) fn create(containers: &OciContainers, args: &BundleArgs, log: &mut Log) -> Result<Exit> {
    make(containers, args, false, log)?;
    Ok(Exit::Success)
}

fn make(
    containers: &OciContainers,
    args: &BundleArgs,
    keep_terminal: bool,
    log: &mut Log,
) -> Result<Execution> {
    if args.no_pivot {
        bail!("`--no-pivot` is not supported: without pivot_root the host's root stays in reach");
    }
    if args.no_new_keyring {
        bail!("`--no-new-keyring` is not supported: the keys of the caller's session stay its own");
    }
    let request = CreateRequest {
        id: &args.id,
        bundle: &args.bundle,
        pid_file: args.program.pid_file.as_deref(),
        console_socket: args.program.console_socket.as_deref(),
        preserved: args.program.preserve_fds,
        keep_terminal,
    };
    let Created { process, warnings } = oci::create(containers, &request)?;
    log.warn_all(warnings);
    Ok(process)
}

pub(super) fn run(containers: &OciContainers, args: &RunArgs, log: &mut Log) -> Result<Exit> {
    let id = &args.bundle.id;
    let process = make(containers, &args.bundle, !args.detach, log)?;
    let ended = begin(containers, args, process, log);
    if !(args.detach && ended.is_ok() || args.keep) {
        let removed = oci::delete(containers, id, true);
        // What went wrong first is told.
        if ended.is_ok() {
            log.warn_all(removed?);
        }
    }
    ended
}

fn begin(
    containers: &OciContainers,
    args: &RunArgs,
    process: Execution,
    log: &mut Log,
) -> Result<Exit> {
    if args.detach {
        log.warn_all(oci::start(containers, &args.bundle.id)?);
        return Ok(Exit::Success);
    }
    follow(process, || {
        log.warn_all(oci::start(containers, &args.bundle.id)?);
        Ok(())
    })
}

/// Signals are handed on, and a terminal that is kept is shown, until the process ends. `start` lets it begin.
pub(super) fn follow(process: Execution, start: impl FnOnce() -> Result<()>) -> Result<Exit> {
    let tty = process.terminal.is_some();
    let manner = Manner {
        tty,
        input: tty && std::io::stdin().is_terminal(),
        sig_proxy: true,
        // Nobody could attach to it again.
        detach_keys: Some(""),
    };
    let session = Session::open(manner)?;
    if tty {
        let (rows, columns) = session::size();
        process.resize(rows, columns)?;
    }
    start()?;
    session::follow_program(session, process, tty)
}
