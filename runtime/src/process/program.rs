//! The program: its environment, where it is, and executing it through the launcher.
use std::ffi::{CString, OsStr};
use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::fcntl::AtFlags as NixAtFlags;
use nix::unistd::execveat;
use rustix::fs::{Access, AtFlags, CWD, FileType, accessat, stat};
use rustix::io::{FdFlags, fcntl_setfd};
use sys::RootDir;

use super::{Launch, c_string};
use crate::error::StartFailure;
use crate::spec::ContainerSpec;
use crate::user::ResolvedUser;
use crate::zygote::message::{Step, StepError};

/// Docker's, for images that set none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// More than any real /etc/passwd.
const SMALL: u64 = 16 << 20;

/// The text of a file in the rootfs; empty when it does not exist. Not every image's passwd is
/// UTF-8; the entries that are can still be found.
pub(super) fn read_small(root: &RootDir, path: &str) -> Result<String, StepError> {
    let file = match root.open_file(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error).step(format!("read {path}")),
    };
    let mut bytes = Vec::new();
    file.take(SMALL).read_to_end(&mut bytes).step(format!("read {path}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The specification's, with HOME added.
pub(super) fn environment(env: &[String], user: &ResolvedUser) -> Result<Vec<CString>, StepError> {
    let mut environment: Vec<CString> =
        env.iter().map(|entry| c_string(entry.as_bytes())).collect::<Result<_, _>>()?;
    if !env.iter().any(|entry| entry.starts_with("HOME=")) {
        environment.push(c_string(format!("HOME={}", user.home))?);
    }
    Ok(environment)
}

/// The path of the program: as it is written if it has a slash, else the first in PATH that this
/// user may execute.
pub(super) fn find(spec: &ContainerSpec) -> Result<PathBuf, StepError> {
    let Some(program) = spec.args.first().filter(|program| !program.is_empty()) else {
        return Err(StepError::new("exec", "no command is given", StartFailure::NotFound));
    };
    if program.as_bytes().contains(&b'/') {
        return executable(Path::new(program)).map_err(|cause| failed(program, cause));
    }
    let path = spec.env.iter().find_map(|entry| entry.strip_prefix("PATH="));
    let mut denied = false;
    for directory in path.unwrap_or(DEFAULT_PATH).split(':') {
        let directory = if directory.is_empty() { "." } else { directory };
        match executable(&Path::new(directory).join(program)) {
            Ok(found) => return Ok(found),
            Err(cause) => denied |= cause == rustix::io::Errno::ACCESS,
        }
    }
    if denied {
        return Err(failed(program, rustix::io::Errno::ACCESS));
    }
    Err(StepError::new(
        format!("exec `{}`", program.display()),
        "executable file not found in $PATH",
        StartFailure::NotFound,
    ))
}

fn executable(path: &Path) -> Result<PathBuf, rustix::io::Errno> {
    let found = stat(path)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
        return Err(rustix::io::Errno::ACCESS);
    }
    accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)?;
    Ok(path.to_owned())
}

fn failed(program: &OsStr, cause: rustix::io::Errno) -> StepError {
    exec_failure(program, cause.raw_os_error())
}

/// A failed exec in words; the exit code follows from which one it was.
pub(crate) fn exec_failure(program: &OsStr, errno: i32) -> StepError {
    let failure = match errno {
        libc::ENOENT | libc::ENOTDIR => StartFailure::NotFound,
        _ => StartFailure::NotExecutable,
    };
    let cause = nix::errno::Errno::from_raw(errno).desc().to_lowercase();
    StepError::new(format!("exec `{}`", program.display()), cause, failure)
}

/// Becomes the launcher, which becomes the program. Returns only on failure.
pub(super) fn execute(launch: &Launch<'_>, path: &Path, environment: &[CString]) -> StepError {
    match try_execute(launch, path, environment) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn try_execute(
    launch: &Launch<'_>,
    path: &Path,
    environment: &[CString],
) -> Result<super::Never, StepError> {
    let step = "start the launcher";
    let init = launch.spec.init;
    let mut arguments = vec![
        c_string(if init { "init" } else { "launcher" })?,
        c_string(format!("{}{}", if init { "i" } else { "" }, launch.status.as_raw_fd()))?,
        c_string(path.as_os_str().as_bytes())?,
    ];
    for argument in &launch.spec.args {
        arguments.push(c_string(argument.as_bytes())?);
    }
    sys::clone::close_others_on_exec(launch.first_own()).step(step)?;
    // The launcher marks it again before it executes the program.
    fcntl_setfd(launch.status, FdFlags::empty()).step(step)?;
    match execveat(launch.launcher, c"", &arguments, environment, NixAtFlags::AT_EMPTY_PATH) {
        Ok(never) => match never {},
        // E2BIG is about the program's arguments, not the launcher.
        Err(nix::errno::Errno::E2BIG) => Err(exec_failure(path.as_os_str(), libc::E2BIG)),
        Err(errno) => Err(errno).step(step),
    }
}
