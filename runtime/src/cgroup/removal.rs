//! The end of groups: what is in them is killed, and they are removed with those that were made below them.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::put;

/// How long processes that are dying may keep their groups, all of them together: what waits for a disk may never end.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(5);

/// Kills what is in these groups and removes them. What cannot be removed in time is no obstacle to the others; why is
/// told of the first one.
pub(super) fn kill_and_remove(groups: impl IntoIterator<Item = PathBuf>) -> io::Result<()> {
    let mut left: Vec<PathBuf> = groups.into_iter().collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut first = Ok(());
        left.retain(|group| match remove(group, deadline) {
            Ok(()) => false,
            Err(error) => {
                if first.is_ok() {
                    first = Err(error);
                }
                true
            }
        });
        if left.is_empty() || Instant::now() > deadline {
            return first;
        }
        sleep(PAUSE);
    }
}

/// What it has in it is killed if it cannot be removed at once.
fn remove(group: &Path, deadline: Instant) -> io::Result<()> {
    if remove_one(group).is_ok() {
        return Ok(());
    }
    // First, so that nobody makes groups faster than they are listed.
    kill(group);
    let all = with_those_below(group, deadline);
    all.iter().for_each(|group| kill(group));
    all.iter().rev().try_for_each(|group| remove_one(group))
}

fn remove_one(group: &Path) -> io::Result<()> {
    match fs::remove_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Each before those below it: a container may make groups of its own, if it is trusted with that.
fn with_those_below(group: &Path, deadline: Instant) -> Vec<PathBuf> {
    let mut all = vec![group.to_owned()];
    let mut next = 0;
    while let Some(group) = all.get(next).filter(|_| Instant::now() <= deadline) {
        let entries = fs::read_dir(group).into_iter().flatten().flatten();
        let groups = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let below: Vec<PathBuf> = groups.map(|entry| entry.path()).collect();
        all.extend(below);
        next += 1;
    }
    all
}

/// By the v2 file when there is one, else process by process, frozen where that is possible.
fn kill(group: &Path) {
    if put(&group.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let freezer = group.join("freezer.state");
    let frozen = put(&freezer, "FROZEN").is_ok();
    let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines().filter_map(|line| line.parse().ok()).filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
    if frozen {
        let _ = put(&freezer, "THAWED");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directories with a file in them are as stubborn as groups with a process that does not die.
    #[test]
    fn many_that_stay_are_waited_for_as_one() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: String| parent.path().join(name);
        for number in 0..20 {
            fs::create_dir_all(path(format!("stays{number}"))).unwrap();
            fs::write(path(format!("stays{number}/file")), "").unwrap();
            fs::create_dir_all(path(format!("goes{number}/with/all/below"))).unwrap();
        }
        let groups = fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().path());
        let began = Instant::now();
        let error = kill_and_remove(groups).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::DirectoryNotEmpty);
        // One after the other took longer than that.
        assert!(began.elapsed() < 10 * PATIENCE, "{:?}", began.elapsed());
        let left = fs::read_dir(parent.path()).unwrap();
        let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert!(left.len() == 20 && left[0] == "stays0", "{left:?}");
        kill_and_remove([path("absent".into())]).unwrap();
    }
}
