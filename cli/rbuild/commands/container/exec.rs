//! `rbuild exec`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use cli::Exit;
use cli::environment::Environment;
use runtime::containers::{Container, Status};
use runtime::{CapabilitySet, ContainerSpec, EngineId, Execution, Seccomp, Stdio};

use super::session::{self, Ends, Manner, Session, Target};
use super::variables::{self, Variable};
use super::{not_started, of_store};
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
    let containers = of_store(&store);
    let container = containers.find(&args.container)?;
    if container.state.status != Status::Running {
        bail!("container `{}` is not running; `rbuild start` starts it", args.container);
    }
    let spec = program(args, &container, &variables)?;
    let engine = EngineId::of_root(store.root())?;
    if args.detach {
        if args.tty {
            bail!("`--detach` and `--tty` exclude each other: nobody would hold the terminal");
        }
        if args.interactive {
            bail!(
                "`--detach` and `--interactive` exclude each other: nobody would write to its input"
            );
        }
        return start_detached(&engine, &container, &spec);
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
    let mut execution = runtime::exec(&engine, &container, &spec, stdio)?;
    let terminal = |execution: &Execution| {
        let copy = execution.terminal.as_ref().map(|terminal| terminal.try_clone());
        copy.transpose().context("cannot use the terminal")
    };
    let ends = match args.tty {
        true => Ends {
            input: terminal(&execution)?.filter(|_| args.interactive),
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

/// What it runs, as whom and with what.
fn program(
    args: &ExecArgs,
    container: &Container,
    variables: &[Variable],
) -> Result<ContainerSpec> {
    let mut spec = container.definition.spec.clone();
    spec.args = args.command.clone();
    // The container has one.
    spec.init = false;
    if args.tty {
        variables::set(&mut spec.env, &Variable::Set("TERM=xterm".to_owned()));
    }
    variables.iter().for_each(|variable| variables::set(&mut spec.env, variable));
    if let Some(user) = &args.user {
        spec.user = user.clone();
        // That user's own, unless somebody has said otherwise.
        spec.env.retain(|variable| {
            !variable.starts_with("HOME=") || variables.contains(&Variable::Set(variable.clone()))
        });
    }
    if let Some(directory) = &args.workdir {
        if !directory.starts_with('/') {
            bail!("`--workdir {directory}` is not an absolute path");
        }
        spec.cwd = directory.into();
    }
    if args.privileged {
        spec.capabilities = CapabilitySet::all();
        spec.seccomp = Seccomp::Unconfined;
    }
    Ok(spec)
}

/// Nobody is attached: it reads nothing, and what it writes is lost.
fn start_detached(engine: &EngineId, container: &Container, spec: &ContainerSpec) -> Result<Exit> {
    let null = || {
        let file = std::fs::File::options().read(true).write(true).open("/dev/null");
        file.map(Into::into).context("cannot open /dev/null")
    };
    let stdio = Stdio::Fds { stdin: null()?, stdout: null()?, stderr: null()? };
    runtime::exec(engine, container, spec, stdio)?;
    Ok(Exit::Success)
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
