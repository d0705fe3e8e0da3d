//! Removing what was set aside, and writing to the disk what is not there yet, in a process of its own that nobody waits for.
//!
//! The process has no terminal, no pipe of ours and no directory but `/`, works at the lowest priority and ends when
//! there is nothing left. Its standard input is the locked file that says that it is the only one: the kernel
//! releases the lock however it ends.

use std::io;
use std::process::{Command, Stdio};

use anyhow::Result;
use cli::Exit;
use cli::environment::Environment;
use rustix::fs::{FlockOperation, flock};
use store::Store;

use super::open_store;
use crate::args::RemoveLeftoversArgs;

/// Starts the process if there is something to remove and none yet. A failure is none of the command's: the next
/// one tries again.
pub(super) fn start(environment: &Environment) {
    if store::aside::may_have_leftovers(&environment.locations().root) {
        let _next_time = start_if_needed(environment);
    }
}

fn start_if_needed(environment: &Environment) -> Result<()> {
    let store = open_store(environment)?;
    if store.leftovers()?.is_empty() {
        return Ok(());
    }
    spawn(&store, environment)
}

/// Has the process write what `store` has not synced. Without it that is written by the next command that syncs.
pub(super) fn sync_later(store: &Store, environment: &Environment) {
    let _next_time = spawn(store, environment);
}

/// Unless there is one.
fn spawn(store: &Store, environment: &Environment) -> Result<()> {
    let Some(remover) = store.try_remover()? else { return Ok(()) };
    let locations = environment.locations();
    Command::new("/proc/self/exe")
        .args(["system", "remove-leftovers", "--only-one"])
        .env_clear()
        .env("RBUILD_ROOT", &locations.root)
        .env("RBUILD_STATE", &locations.state)
        .current_dir("/")
        .stdin(remover.into_file())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(())
}

/// Removes everything, and has everything on the disk, and waits for it.
pub(super) fn remove(args: &RemoveLeftoversArgs, environment: &Environment) -> Result<Exit> {
    if args.only_one {
        step_back();
    }
    let store = open_store(environment)?;
    let synced = store.sync();
    let mut failed = store.remove_leftovers()?;
    if args.only_one {
        flock(io::stdin(), FlockOperation::Unlock)?;
        failed = remove_what_came(&store, failed)?;
        store.sync()?;
    }
    synced?;
    Ok(if failed == 0 { Exit::Success } else { Exit::Failure })
}

/// Out of the terminal's reach and of everybody's way. Refused, it works as it is.
fn step_back() {
    let _same = rustix::process::setsid();
    let _same = rustix::process::nice(19);
}

/// Who set something aside while the lock was still held has started nobody.
fn remove_what_came(store: &Store, mut failed: usize) -> Result<usize> {
    while store.leftovers()?.len() > failed {
        let Some(_remover) = store.try_remover()? else { break };
        failed = store.remove_leftovers()?;
    }
    Ok(failed)
}
