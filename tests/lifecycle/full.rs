//! Containers on a disk that is full: they end, and what became of them is known.

use std::fs::File;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::place::Place;
use crate::support::{Sandbox, SmallDisk, busybox_rootfs, privileged, until};

const ENOUGH: u64 = 64 << 10;
/// Ends by itself when it is asked to.
const OBEYS: &str = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done";
const STATE: &str = "{{.State.Status}} {{.State.ExitCode}}{{.State.Error}}";

fn on_a_small_disk() -> Option<(SmallDisk, Place)> {
    if !privileged() {
        return None;
    }
    let sandbox = Sandbox::new();
    let disk = SmallDisk::new(&sandbox);
    sandbox.rbuild(["import".as_ref(), busybox_rootfs().as_os_str(), "busybox".as_ref()]).success();
    Some((disk, Place { sandbox }))
}

/// What ends while nothing can be written has ended with its own code, and by whose will.
#[test]
fn how_a_container_ended_is_known_on_a_full_disk() {
    let Some((disk, place)) = on_a_small_disk() else { return };
    for name in ["stopped", "killed", "ends"] {
        place.shell(&format!("run -d --restart unless-stopped --name {name}"), OBEYS).success();
        place.until_logs(name, "ready");
    }
    place.rbuild("update --restart no ends").success();
    place.rbuild("create --name made busybox sleep 60").success();
    place.rbuild("run --name once busybox true").success();
    disk.resize(disk.used());
    place.rbuild("stop -t 30 stopped").success();
    assert_eq!(place.look("stopped", STATE), "exited 3");
    place.rbuild("kill -s KILL killed").success();
    place.until("killed", STATE, "exited 137");
    place.rbuild("exec ends kill -TERM 1").success();
    place.until("ends", STATE, "exited 3");
    place.rbuild("start made").success();
    assert_eq!(place.look("made", STATE), "running 0");
    place.rbuild("pause made").success();
    assert_eq!(place.look("made", STATE), "paused 0");
    place.rbuild("unpause made").success();
    place.rbuild("stop -t 0 made").success();
    assert_eq!(place.look("made", STATE), "exited 137");
    place.rbuild("start -a once").success();
    assert_eq!(place.look("once", STATE), "exited 0");
    // Also when its shim is killed.
    place.rbuild("start made").success();
    super::recovery::kill(place.shim("made"));
    let killed = "exited 137the process that watched it was killed";
    place.until("made", STATE, killed);
    for line in ["create --name new busybox true", "run -d --name new busybox true"] {
        let refused = place.rbuild(line);
        assert_eq!(refused.status, Some(125), "{refused}");
        assert!(refused.stderr.to_lowercase().contains("no space left on device"), "{refused}");
        assert!(refused.stderr.contains("rbuild system prune"), "{refused}");
    }
    // When there is room, what was kept elsewhere comes home: nothing of it is lost at the next boot.
    disk.resize(ENOUGH);
    place.rbuild("ps -aq").success();
    std::fs::write(place.sandbox.path("state/boot_id"), "the next boot").unwrap();
    std::fs::remove_dir_all(place.sandbox.path("state/containers")).unwrap();
    for (name, expected) in [("stopped", "exited 3"), ("ends", "exited 3"), ("made", killed)] {
        assert_eq!(place.look(name, STATE), expected);
    }
    place.rbuild("system start").success();
    assert_eq!(place.look("stopped", STATE), "exited 3");
    place.rbuild("rm stopped killed ends made once").success();
    place.assert_nothing_left();
}

/// Where its state can be kept nowhere, whoever stops it hears that.
#[test]
fn a_stop_of_which_nothing_can_be_written_says_so() {
    let Some((disk, place)) = on_a_small_disk() else { return };
    place.shell("run -d --name box", OBEYS).success();
    place.until_logs("box", "ready");
    let id = place.look("box", "{{.Id}}");
    // In the way of the file that would be written.
    let kept = place.sandbox.path("state/containers").join(id).join("state.json.new");
    std::fs::create_dir(&kept).unwrap();
    disk.resize(disk.used());
    let stopped = place.rbuild("stop -t 30 box");
    assert_eq!(stopped.status, Some(1), "{stopped}");
    assert!(stopped.stderr.contains("it has ended, but nothing could be written"), "{stopped}");
    assert!(stopped.stderr.to_lowercase().contains("no space left on device"), "{stopped}");
    disk.resize(ENOUGH);
    std::fs::remove_dir(&kept).unwrap();
    place.until("box", "{{.State.Status}}", "exited");
    place.rbuild("rm box").success();
    place.assert_nothing_left();
}

/// Waits until somebody has looked at a lock again and again while `act` is under way. Each look is too short to be found
/// in /proc.
fn until_looked_at<T>(lock: &Path, act: impl FnOnce() -> T) -> T {
    let looks = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&looks, lock, WatchFlags::OPEN).unwrap();
    let acts = act();
    // More often than whoever does not wait would.
    for _ in 0..5 {
        until("the lock is looked at", || rustix::io::read(&looks, &mut [0; 4096]).is_ok());
    }
    acts
}

/// A command that finds a shim at work, whose own command was killed say, waits for what comes of it.
#[test]
fn a_start_waits_for_a_shim_that_is_at_work() {
    let Some(place) = Place::new() else { return };
    place.rbuild("create --name box busybox sleep 60").success();
    let directory = place.sandbox.path("state/containers").join(place.look("box", "{{.Id}}"));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("lock");
    let lock = File::create(&path).unwrap();
    lock.lock().unwrap();
    let mut start = until_looked_at(&path, || place.sandbox.spawn(&["start", "box"]));
    assert_eq!(start.try_wait().unwrap(), None, "it does not wait");
    std::fs::remove_file(path).unwrap();
    drop(lock);
    assert!(start.wait().unwrap().success());
    assert_eq!(place.look("box", STATE), "running 0");
    place.rbuild("rm -f box").success();
    place.assert_nothing_left();
}
