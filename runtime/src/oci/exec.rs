//! `exec`: another program in a container that runs.
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::create::{check_console, check_preserved, give_terminal, own_streams};
use super::directory::{OciContainers, OciStatus, write_whole};
use super::document::ProcessDocument;
use super::error::OciError;
use super::group;
use super::translate::process_into;
use crate::container::Stdio;
use crate::exec::{Execution, Room, start};
use crate::user_namespace::UserNamespace;
use crate::zygote::launcher;
use crate::zygote::message::Step;
use crate::zygote::streams::Streams;

#[derive(Clone, Copy, Debug)]
pub struct ExecRequest<'a> {
    pub id: &'a str,
    pub process: &'a ProcessDocument,
    pub pid_file: Option<&'a Path>,
    pub console_socket: Option<&'a Path>,
    pub preserved: u32,
    /// Who calls keeps the terminal, if there is one.
    pub keep_terminal: bool,
}

#[derive(Debug)]
pub struct Executed {
    /// The program, and its terminal if that is kept.
    pub process: Execution,
    pub warnings: Vec<String>,
}

const ACT: &str = "exec in";

/// To be called from a process with one thread, whose standard streams become the program's.
pub fn exec(containers: &OciContainers, request: &ExecRequest<'_>) -> Result<Executed, OciError> {
    let id = request.id;
    let container = containers.read(id)?;
    let status = container.status();
    if !matches!(status, OciStatus::Running | OciStatus::Created) {
        return Err(OciError::Status { act: ACT, id: id.to_owned(), status });
    }
    let mut plan = container.plan()?;
    plan.warnings.clear();
    process_into(request.process, &mut plan).map_err(|source| OciError::Given { source })?;
    check_console(&plan, request.console_socket, request.keep_terminal)?;
    check_preserved(request.preserved)?;

    let failed = |error| OciError::of_step(ACT, id, error);
    let gone = || OciError::NotRunning { act: ACT, id: id.to_owned() };
    let process = container.kept.process.ok_or_else(gone)?;
    let pid = Pid::from_raw(process.pid).ok_or_else(gone)?;
    let first = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())?;
    // Only now is the number known to be that of the process which is meant.
    if !process.is_alive() {
        return Err(gone());
    }
    if plan.users.is_some() {
        let path = format!("/proc/{}/ns/user", process.pid);
        let (_, ids) = UserNamespace::open(Path::new(&path)).map_err(failed)?;
        plan.spec.user_namespace = Some(ids);
    }
    let (cgroups, leaf) =
        group::existing(&container.kept.cgroup, container.kept.devices, &plan.spec)?;
    let room = Room { first, leaf, cgroups, preserved: request.preserved };
    let stdio = match plan.terminal {
        Some((rows, columns)) => Stdio::Terminal { rows, columns },
        None => {
            let [stdin, stdout, stderr] =
                own_streams().step("use the standard streams").map_err(failed)?;
            Stdio::Fds { stdin, stdout, stderr }
        }
    };
    let streams = Streams::new(stdio).step("connect standard streams").map_err(failed)?;
    let launcher = launcher::sealed().step("make the launcher").map_err(failed)?;
    let mut execution = start(&room, &plan.spec, streams, &launcher, None).map_err(failed)?;
    if let (Some(socket), Some(terminal)) = (request.console_socket, &execution.terminal) {
        give_terminal(socket, terminal.as_fd())?;
        execution.terminal = None::<File>;
    }
    if let Some(path) = request.pid_file {
        write_whole(path, execution.pid().to_string().as_bytes())?;
    }
    Ok(Executed { process: execution, warnings: plan.warnings })
}
