//! A program in a container, for a process that has threads.
//!
//! [`exec::start`] forks, which is safe only in a process with one thread. Who has many starts its own program again: that
//! process has one thread, starts the program, passes on what it writes and tells how it ended.
//!
//! ```text
//! run ──stdin: order──→ main ──→ the program in the container
//!     ←─stderr: what it writes──
//!     ←─stdout: how it ended────
//! ```

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use runtime::Execution;
use runtime::containers::{Container, Containers};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde::{Deserialize, Serialize};
use store::Store;

use crate::exec::{self, ExecRequest};
use crate::{EngineError, Result};

/// What the command line of such a process begins with; a program that calls [`run`] hands it to [`main`].
pub const VERB: &str = "container-exec";

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    root: PathBuf,
    state: PathBuf,
    id: String,
    request: ExecRequest,
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Ended { code: i32 },
    Failed { causes: Vec<String> },
}

/// Runs the program, hands over what it writes as it comes, and gives its exit code.
pub fn run(
    store: &Store,
    container: &Container,
    request: &ExecRequest,
    output: &mut dyn FnMut(&[u8]),
) -> Result<i32> {
    let name = || container.definition.name.clone();
    let failed = |source| EngineError::Apart { name: name(), source };
    let order = Order {
        root: store.root().to_owned(),
        state: store.state().to_owned(),
        id: container.id().to_owned(),
        request: request.clone(),
    };
    let mut child = start(&order).map_err(failed)?;
    let passed_on = child.stderr.take().map_or(Ok(()), |stream| pass_on(stream, output));
    let mut answer = Vec::new();
    let read = child.stdout.take().map_or(Ok(0), |mut stream| stream.read_to_end(&mut answer));
    let ended = child.wait().map_err(failed)?;
    passed_on.and(read.map(drop)).map_err(failed)?;
    match serde_json::from_slice(&answer) {
        Ok(Answer::Ended { code }) => Ok(code),
        Ok(Answer::Failed { causes }) => {
            Err(EngineError::ApartFailed { name: name(), causes: causes.join(": ") })
        }
        Err(_) => Err(failed(io::Error::other(format!("it ended with {ended}")))),
    }
}

/// Signals of the terminal are not for it.
fn start(order: &Order) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg(VERB).env_clear().process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        serde_json::to_writer(&mut stdin, order)?;
        stdin.flush()?;
    }
    Ok(child)
}

fn pass_on(mut stream: impl Read, output: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = [0; 8 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => output(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The life of such a process: to be called before it has threads. False when the one that started it is not there to be
/// told.
pub fn main() -> bool {
    let answer = match serde_json::from_reader(io::stdin().lock()) {
        Ok(order) => carry_out(&order).unwrap_or_else(|error| failure(&error)),
        Err(error) => failure(&error),
    };
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, &answer).is_ok() && stdout.flush().is_ok()
}

fn failure(error: &(dyn std::error::Error + 'static)) -> Answer {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    // Some tell their cause themselves.
    texts.dedup_by(|later, earlier| earlier.contains(later.as_str()));
    Answer::Failed { causes: texts }
}

fn carry_out(order: &Order) -> Result<Answer> {
    let store = Store::open(&order.root, &order.state)?;
    let containers = Containers::open(store.root(), store.state());
    let container = containers.read(&order.id)?;
    let spec = exec::program(&order.request, &container)?;
    let apart = |source| EngineError::Apart { name: container.definition.name.clone(), source };
    let (reader, writer) = io::pipe().map_err(apart)?;
    let null = std::fs::File::open("/dev/null").map_err(apart)?;
    let stdio = runtime::Stdio::Fds {
        stdin: null.into(),
        stdout: writer.try_clone().map_err(apart)?.into(),
        stderr: writer.into(),
    };
    let execution = exec::start(&store, &container, &spec, stdio)?;
    let code = follow(execution, reader).map_err(apart)?;
    Ok(Answer::Ended { code })
}

/// Until it has ended, and what it wrote until then is passed on. Processes that it leaves may keep the pipe open.
fn follow(execution: Execution, mut reader: io::PipeReader) -> io::Result<i32> {
    let (over, tell) = io::pipe()?;
    let waiting = thread::spawn(move || {
        let ended = execution.wait();
        drop(tell);
        ended
    });
    loop {
        let mut watched = [
            PollFd::new(&reader, PollFlags::IN),
            PollFd::from_borrowed_fd(over.as_fd(), PollFlags::IN),
        ];
        match poll(&mut watched, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let (written, ended) = (watched[0].revents(), watched[1].revents());
        if !written.is_empty() && !copy_once(&mut reader)? || !ended.is_empty() {
            break;
        }
    }
    let ended =
        waiting.join().map_err(|_| io::Error::other("the thread that waited is gone"))??;
    fcntl_setfl(&reader, fcntl_getfl(&reader)? | OFlags::NONBLOCK)?;
    while copy_once(&mut reader)? {}
    Ok(ended.code())
}

/// Passes on what is there. False at the end, or when nothing is there.
fn copy_once(reader: &mut io::PipeReader) -> io::Result<bool> {
    let mut buffer = [0; 8 << 10];
    match reader.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(length) => {
            // Who does not listen any more still gets the exit code.
            let _unread = io::stderr().write_all(&buffer[..length]);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(error),
    }
}
