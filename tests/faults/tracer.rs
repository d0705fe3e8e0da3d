//! Runs a command so that every system call of it and its children that changes a file is a point where the
//! command can be killed, or where the call fails.
//!
//! The product has no such points itself: what is tested is the program as it is, and no call is forgotten.
//! `ptrace` sees the calls of all threads in one order, which `strace --inject` (it counts for each thread)
//! does not.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rustix::process::{WaitOptions, WaitStatus};

use super::calls::Call;

/// What happens at one of the calls.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Before the `at`-th call, the command (not its children) is killed.
    Kill { at: usize },
    /// Before the `at`-th call, the process that makes it is killed, whoever that is.
    KillCaller { at: usize },
    /// The `at`-th call fails.
    Fail { at: usize, errno: Errno },
}

/// Which calls are points.
#[derive(Clone, Copy, Debug)]
pub(super) enum Points {
    /// Those that change a file or a mount.
    Changes,
    /// Those that make a descriptor.
    Descriptors,
}

/// A command that ended.
#[derive(Debug)]
pub(super) struct Traced {
    /// None when a signal ended it.
    pub(super) status: Option<i32>,
    pub(super) stderr: String,
    /// Every call that is a point, in order, up to the kill.
    pub(super) calls: Vec<String>,
}

/// How long the children of a killed command may take to notice.
const PATIENCE: Duration = Duration::from_secs(20);
const SYSCALL_STOP: i32 = libc::SIGTRAP | 0x80;

/// Runs `command`; of calls that name files those count whose are below one of `roots`. The calls of `others`, which
/// run already and end with what the command does, count too. After a kill they may go on: they are let go with the
/// calling thread.
pub(super) fn run(
    command: &Command,
    others: &[i32],
    roots: &[PathBuf],
    points: Points,
    fault: Option<Fault>,
) -> Traced {
    // Not pipes: nobody could read them while the tracer waits.
    let scratch = tempfile::tempdir().unwrap();
    let (stdout, stderr) = (scratch.path().join("stdout"), scratch.path().join("stderr"));
    let (main, go) = start_waiting(command, &stdout, &stderr);
    let mut tracer = Tracer {
        main,
        roots,
        points,
        fault,
        calls: Vec::new(),
        failing: HashMap::new(),
        started: false,
        killed: None,
        status: None,
        has_others: !others.is_empty(),
    };
    tracer.attach(others, go);
    tracer.follow();
    let text = |path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let (status, calls) = (tracer.status.and_then(WaitStatus::exit_status), tracer.calls);
    Traced { status, stderr: text(&stderr), calls }
}

/// A shell that becomes the command when it is told to go: what is being started cannot ask to be traced
/// without unsafe code.
fn start_waiting(command: &Command, stdout: &Path, stderr: &Path) -> (Pid, impl Write + use<>) {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "read go; exec \"$@\"", "sh"]).arg(command.get_program());
    shell.args(command.get_args()).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(dir) = command.get_current_dir() {
        shell.current_dir(dir);
    }
    shell.stdin(Stdio::piped());
    shell.stdout(File::create(stdout).unwrap()).stderr(File::create(stderr).unwrap());
    #[expect(clippy::zombie_processes, reason = "the tracer reaps it, and those it inherits")]
    let mut child = shell.spawn().unwrap();
    let go = child.stdin.take().unwrap();
    (Pid::from_raw(child.id().cast_signed()), go)
}

struct Tracer<'a> {
    main: Pid,
    roots: &'a [PathBuf],
    points: Points,
    fault: Option<Fault>,
    calls: Vec<String>,
    /// Threads in a call that is to fail.
    failing: HashMap<i32, Errno>,
    /// The shell has become the command.
    started: bool,
    killed: Option<Instant>,
    status: Option<WaitStatus>,
    has_others: bool,
}

impl Tracer<'_> {
    fn attach(&mut self, others: &[i32], mut go: impl Write) {
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEEXEC;
        let others = others.iter().map(|pid| (Pid::from_raw(*pid), options));
        let main = (self.main, options | Options::PTRACE_O_EXITKILL);
        for (pid, options) in std::iter::once(main).chain(others) {
            ptrace::seize(pid, options).unwrap();
            ptrace::interrupt(pid).unwrap();
        }
        go.write_all(b"go\n").unwrap();
    }

    /// Until nobody is left.
    fn follow(&mut self) {
        while let Some((pid, status)) = self.wait() {
            if !status.stopped() {
                if pid == self.main {
                    self.status = Some(status);
                }
                self.failing.remove(&pid.as_raw());
                continue;
            }
            let (event, signal) = (status.as_raw() >> 16, (status.as_raw() >> 8) & 0xff);
            let mut deliver = None;
            if event == libc::PTRACE_EVENT_EXEC && pid == self.main {
                self.started = true;
            } else if event == 0 && signal == SYSCALL_STOP {
                self.at_call(pid);
            } else if event == 0 {
                deliver = Signal::try_from(signal).ok();
            }
            // Gone meanwhile: then the next wait says so.
            let _gone = match self.killed {
                Some(_) => ptrace::cont(pid, deliver),
                None => ptrace::syscall(pid, deliver),
            };
        }
    }

    fn wait(&self) -> Option<(Pid, WaitStatus)> {
        // Of all children of this test only those of this thread: others wait for theirs.
        let mine =
            WaitOptions::from_bits_retain((libc::__WALL | libc::__WNOTHREAD).cast_unsigned());
        loop {
            // A command that fails may not have told the others to end.
            let failed = self.status.is_some_and(|status| status.exit_status() != Some(0));
            if self.has_others && self.status.is_some() && (failed || self.killed.is_some()) {
                return None;
            }
            let options = if self.killed.is_some() { mine | WaitOptions::NOHANG } else { mine };
            match rustix::process::wait(options) {
                Ok(Some((pid, status))) => {
                    return Some((Pid::from_raw(pid.as_raw_nonzero().get()), status));
                }
                Ok(None) => {
                    let late = self.killed.is_some_and(|killed| killed.elapsed() > PATIENCE);
                    assert!(!late, "processes outlive the killed command");
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_nobody) => return None,
            }
        }
    }

    fn at_call(&mut self, pid: Pid) {
        let Ok(info) = ptrace::syscall_info(pid) else { return };
        match info.op {
            libc::PTRACE_SYSCALL_INFO_ENTRY => self.enter(pid),
            libc::PTRACE_SYSCALL_INFO_EXIT => self.leave(pid),
            _ => {}
        }
    }

    fn enter(&mut self, pid: Pid) {
        if !self.started || self.killed.is_some() {
            return;
        }
        let Ok(mut registers) = ptrace::getregs(pid) else { return };
        let call = Call {
            number: registers.orig_rax.cast_signed(),
            args: [
                registers.rdi,
                registers.rsi,
                registers.rdx,
                registers.r10,
                registers.r8,
                registers.r9,
            ],
        };
        let point = match self.points {
            Points::Changes => call.change_below(pid.as_raw(), self.roots),
            Points::Descriptors => call.descriptor_below(pid.as_raw(), self.roots),
        };
        let Some(words) = point else { return };
        self.calls.push(words);
        match self.fault {
            Some(Fault::Kill { at }) if at == self.calls.len() => {
                nix::sys::signal::kill(self.main, Signal::SIGKILL).unwrap();
                self.killed = Some(Instant::now());
            }
            Some(Fault::KillCaller { at }) if at == self.calls.len() => {
                nix::sys::signal::kill(pid, Signal::SIGKILL).unwrap();
                self.killed = Some(Instant::now());
            }
            Some(Fault::Fail { at, errno }) if at == self.calls.len() => {
                // No call has this number: the kernel does nothing.
                registers.orig_rax = u64::MAX;
                ptrace::setregs(pid, registers).unwrap();
                self.failing.insert(pid.as_raw(), errno);
            }
            _ => {}
        }
    }

    fn leave(&mut self, pid: Pid) {
        if let Some(errno) = self.failing.remove(&pid.as_raw())
            && let Ok(mut registers) = ptrace::getregs(pid)
        {
            registers.rax = i64::from(-(errno as i32)).cast_unsigned();
            ptrace::setregs(pid, registers).unwrap();
        }
    }
}
