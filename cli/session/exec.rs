//! A session with a program that was started in a container, whose parent we are.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use runtime::Execution;

use super::{Ends, Session, Target};
use crate::Exit;

/// Copies and forwards until the program ends. `input`: what we read is for it.
pub fn follow_program(session: Session, mut execution: Execution, input: bool) -> Result<Exit> {
    let terminal = |execution: &Execution| {
        let copy = execution.terminal.as_ref().map(|terminal| terminal.try_clone());
        copy.transpose().context("cannot use the terminal")
    };
    let ends = match execution.terminal.is_some() {
        true => Ends {
            input: terminal(&execution)?.filter(|_| input),
            output: terminal(&execution)?,
            errors: None,
        },
        false => Ends {
            input: execution.stdin.take(),
            output: execution.stdout.take(),
            errors: execution.stderr.take(),
        },
    };
    Ok(session.follow(ends, Arc::new(ExecTarget::new(execution)))?.exit())
}

/// Where the thread that waits leaves the exit code.
#[derive(Debug, Default)]
struct Ended {
    code: Mutex<Option<Result<i32, String>>>,
    changed: Condvar,
}

/// A program in a container, whose parent we are.
#[derive(Debug)]
struct ExecTarget {
    execution: Arc<Execution>,
    ended: Arc<Ended>,
    left: AtomicBool,
}

impl ExecTarget {
    fn new(execution: Execution) -> ExecTarget {
        let (execution, ended) = (Arc::new(execution), Arc::default());
        let target = ExecTarget { execution, ended, left: AtomicBool::new(false) };
        let (execution, ended) = (Arc::clone(&target.execution), Arc::clone(&target.ended));
        thread::spawn(move || {
            let status = execution.wait().map(|status| status.code());
            let mut slot = ended.code.lock().unwrap_or_else(PoisonError::into_inner);
            *slot = Some(status.map_err(|error| error.to_string()));
            ended.changed.notify_all();
        });
        target
    }
}

impl Target for ExecTarget {
    // What comes too late for the program is of no use to anyone.
    fn signal(&self, signal: i32) {
        let _late = self.execution.kill(signal);
    }

    fn resize(&self, rows: u16, columns: u16) {
        let _late = self.execution.resize(rows, columns);
    }

    /// Pipes close by themselves; who has a terminal is told as by one that was closed.
    fn close_output(&self) {
        const HANG_UP: i32 = 1;
        if self.execution.terminal.is_some() {
            let _late = self.execution.kill(HANG_UP);
        }
    }

    fn leave(&self) {
        let _slot = self.ended.code.lock().unwrap_or_else(PoisonError::into_inner);
        self.left.store(true, Ordering::SeqCst);
        self.ended.changed.notify_all();
    }

    fn wait(&self) -> Result<Option<i32>> {
        let mut slot = self.ended.code.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*slot {
                Some(Ok(code)) => return Ok(Some(*code)),
                Some(Err(error)) => bail!("cannot wait for the program: {error}"),
                None if self.left.load(Ordering::SeqCst) => return Ok(None),
                None => {}
            }
            slot = self.ended.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
