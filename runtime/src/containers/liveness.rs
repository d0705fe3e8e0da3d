//! Who lives: processes by PID and start time, boots by their ID.
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::state::ProcessName;

/// Replaces the kernel's boot ID where it is in the state directory: for tests of a reboot.
const BOOT_OVERRIDE: &str = "boot_id";

/// The ID of this boot.
pub(crate) fn boot_id(state: &Path) -> String {
    let own = fs::read_to_string(state.join(BOOT_OVERRIDE));
    let text = own.or_else(|_| fs::read_to_string("/proc/sys/kernel/random/boot_id"));
    text.unwrap_or_default().trim().to_owned()
}

impl ProcessName {
    /// This process, as the host numbers it.
    pub(crate) fn of_self() -> io::Result<ProcessName> {
        read_stat("/proc/self/stat").map(|(name, _)| name)
    }

    /// The process behind a PID of the host.
    pub fn of(pid: i32) -> io::Result<ProcessName> {
        read_stat(&format!("/proc/{pid}/stat")).map(|(name, _)| name)
    }

    /// Whether it runs: not one that got its number later, nor what is left of it until it is waited for.
    pub fn is_alive(self) -> bool {
        read_stat(&format!("/proc/{}/stat", self.pid))
            .is_ok_and(|(name, state)| name == self && state != "Z")
    }

    /// Until it has gone, but not for longer than `most`.
    pub(super) fn wait_for_end(self, most: Duration) {
        let Some(pid) = Pid::from_raw(self.pid) else { return };
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        if !self.is_alive() {
            return;
        }
        let mut set = [PollFd::new(&descriptor, PollFlags::IN)];
        let most = Timespec::try_from(most).unwrap_or_default();
        // What comes of it is looked at again.
        let _ended_or_not = poll(&mut set, Some(&most));
    }
}

fn read_stat(path: &str) -> io::Result<(ProcessName, String)> {
    let stat = fs::read_to_string(path)?;
    let pid = stat.split(' ').next().and_then(|pid| pid.parse().ok());
    // The second field is the program's name in parentheses and may hold anything.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let field = |n| rest.split_whitespace().nth(n);
    let start = field(19).and_then(|start| start.parse().ok());
    match (pid, start) {
        (Some(pid), Some(start)) => {
            Ok((ProcessName { pid, start }, field(0).unwrap_or_default().to_owned()))
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Whether somebody holds this lock.
pub(super) fn is_locked(path: &Path) -> bool {
    File::open(path)
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
