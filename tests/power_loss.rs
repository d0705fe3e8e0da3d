//! The power fails: what a command has reported as done is there after the reboot, and what had not reached the disk
//! does no harm.
//!
//! The store lies on an ext4 of its own that writes nothing back by itself. What has reached its device at some moment
//! is what is in the file behind the loop device; a copy of that file, mounted anew, is the disk after the failure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Output, Registry, Sandbox, installed, online, privileged};

const SIZE: u64 = 256 << 20;
/// The file system keeps everything in memory as long as it may, and orders nothing.
const LAZY: &str = "loop,commit=600,noauto_da_alloc,data=writeback";
const DOCKERFILE: &str = "FROM busybox\nCOPY data /data\nRUN cp /data /copy\nRUN --mount=type=cache,target=/c date > /c/d\n";

/// A file system in a file, unmounted and removed at the end.
struct Disk {
    mounted: PathBuf,
    file: PathBuf,
    _dir: TempDir,
}

impl Disk {
    fn new() -> Disk {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("disk");
        fs::File::create(&file).unwrap().set_len(SIZE).unwrap();
        execute("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), &file]);
        Disk::mount(dir, file, LAZY)
    }

    /// What would be there if the power failed now.
    fn after_power_loss(&self) -> Disk {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("disk");
        let sparse = "--sparse=always".as_ref();
        execute("cp", &[sparse, self.file.as_path(), file.as_path()]);
        let disk = Disk::mount(dir, file, "loop");
        let unsynced = disk.store().join("unsynced");
        for entry in fs::read_dir(&unsynced).into_iter().flatten() {
            // The machine has booted meanwhile.
            let name = entry.unwrap().file_name().into_string().unwrap();
            let (_boot, thing) = name.split_once('.').unwrap();
            let other = unsynced.join(format!("0f0f0f0f.{thing}"));
            fs::rename(unsynced.join(&name), other).unwrap();
        }
        disk
    }

    fn mount(dir: TempDir, file: PathBuf, options: &str) -> Disk {
        let mounted = dir.path().join("mounted");
        fs::create_dir(&mounted).unwrap();
        execute("mount", &["-o".as_ref(), options.as_ref(), &file, &mounted]);
        Disk { mounted, file, _dir: dir }
    }

    fn store(&self) -> PathBuf {
        self.mounted.join("store")
    }

    fn rbuild(&self, sandbox: &Sandbox, args: &[&str]) -> Output {
        let mut command = sandbox.rbuild_command(args);
        command.env("RBUILD_ROOT", self.store());
        crate::support::run(&mut command, "")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a container may still be dying in there. The loop device goes with the mount.
        let _ended = Command::new("umount").arg("-l").arg(&self.mounted).status();
    }
}

fn execute(program: &str, args: &[&Path]) {
    let output = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}");
}

/// False, with the reason printed, where no file systems can be made and mounted.
fn may_mount() -> bool {
    let devices = Path::new("/dev/loop-control").exists();
    if !devices {
        println!("skipped: there are no loop devices");
    }
    privileged() && devices && installed("mkfs.ext4") && installed("losetup")
}

#[test]
fn what_a_command_reported_is_there_after_a_power_loss() {
    if !may_mount() {
        return;
    }
    let (sandbox, disk) = (Sandbox::new(), Disk::new());
    let rootfs = crate::support::busybox_rootfs();
    sandbox.write("context/Dockerfile", DOCKERFILE);
    sandbox.write("context/data", &"data\n".repeat(50_000));
    let steps: [(&[&str], &[&str]); 6] = [
        (&["import", rootfs.to_str().unwrap(), "busybox"], &["busybox"]),
        (&["build", "-t", "app", "context"], &["busybox", "app"]),
        (&["tag", "app", "other"], &["busybox", "app", "other"]),
        (&["save", "-o", "app.tar", "app"], &["busybox", "app", "other"]),
        (&["rmi", "-f", "app", "other"], &["busybox"]),
        (&["load", "-i", "app.tar"], &["busybox", "app"]),
    ];
    for (args, images) in steps {
        disk.rbuild(&sandbox, args).success();
        let after = disk.after_power_loss();
        assert_whole(&sandbox, &after, images, &format!("after {args:?}"));
    }
}

/// A pull waits for the disk to have its blobs and no more: what it has unpacked is made again.
#[test]
fn what_was_pulled_is_there_after_a_power_loss() {
    if !may_mount() {
        return;
    }
    let (sandbox, disk) = (Sandbox::with_busybox(), Disk::new());
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    let name = registry.name("app:1");
    sandbox.rbuild(["tag", "busybox", &name]).success();
    online(&sandbox, &["push", "-q", &name]).success();
    let mut pull = sandbox.rbuild_command(["pull", &name]);
    pull.env("RBUILD_ROOT", disk.store()).env_remove("RBUILD_OFFLINE");
    crate::support::run(&mut pull, "").success();
    let left = unsynced(&disk);
    let snapshots = left.iter().all(|marker| marker.contains(".snapshot."));
    assert!(snapshots && !left.is_empty(), "{left:?}");
    assert_whole(&sandbox, &disk.after_power_loss(), &[&name], "after the pull");
}

/// A RUN of very many files is waited for by nobody: its layer is what has to be there. Somebody writes the files
/// later, but not as long as the test has the lock.
#[test]
fn an_image_of_many_files_is_there_after_a_power_loss() {
    if !may_mount() {
        return;
    }
    let (sandbox, disk) = (Sandbox::new(), Disk::new());
    let rootfs = crate::support::busybox_rootfs();
    disk.rbuild(&sandbox, &["import", rootfs.to_str().unwrap(), "busybox"]).success();
    let many =
        "RUN mkdir /many; cd /many; i=0; while [ $i -lt 3000 ]; do echo $i > $i; i=$((i+1)); done";
    let dockerfile =
        format!("FROM busybox AS other\n{many}\nRUN rm -r /many/2*\nFROM other\nRUN echo x > /x\n");
    sandbox.write("context/Dockerfile", &dockerfile);
    let lock = fs::File::create(disk.store().join("locks/leftovers")).unwrap();
    lock.lock().unwrap();
    disk.rbuild(&sandbox, &["build", "-t", "app", "context"]).success();
    let left = unsynced(&disk);
    let snapshots = left.iter().all(|marker| marker.contains(".snapshot."));
    assert!(snapshots && !left.is_empty(), "{left:?}");
    let after = disk.after_power_loss();
    assert_whole(&sandbox, &after, &["busybox", "app"], "after the build");
    let count = after.rbuild(&sandbox, &["run", "--rm", "app", "sh", "-c", "ls /many | wc -l"]);
    count.success().prints("1889\n");
    let again = after.rbuild(&sandbox, &["build", "-t", "app", "context"]);
    assert_eq!(again.status, Some(0), "{again}");
    // Who has time for it makes the rest last.
    drop(lock);
    disk.rbuild(&sandbox, &["system", "remove-leftovers"]).success();
    assert_eq!(unsynced(&disk), [] as [String; 0]);
}

fn unsynced(disk: &Disk) -> Vec<String> {
    let names = fs::read_dir(disk.store().join("unsynced")).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A moment in the middle of a build, some of which may have reached the disk.
#[test]
fn a_build_that_the_power_cut_short_does_no_harm() {
    if !may_mount() {
        return;
    }
    let (sandbox, disk) = (Sandbox::new(), Disk::new());
    let rootfs = crate::support::busybox_rootfs();
    disk.rbuild(&sandbox, &["import", rootfs.to_str().unwrap(), "busybox"]).success();
    sandbox.write("context/data", &"data\n".repeat(50_000));
    for moment in 0..6_u64 {
        sandbox.write(
            "context/Dockerfile",
            &DOCKERFILE.replace("cp ", &format!("echo {moment}; cp ")),
        );
        let mut command = sandbox.rbuild_command(["build", "-t", "app", "context"]);
        command.env("RBUILD_ROOT", disk.store()).stdout(std::process::Stdio::null());
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(10 * moment));
        // As the kernel does it from time to time.
        execute("sync", &["-f".as_ref(), &disk.mounted]);
        std::thread::sleep(std::time::Duration::from_millis(10));
        let after = disk.after_power_loss();
        child.wait().unwrap();
        mend_records(&sandbox, &after);
        assert_whole(&sandbox, &after, &["busybox"], &format!("moment {moment}"));
        let again = after.rbuild(&sandbox, &["build", "-t", "app", "context"]);
        assert_eq!(again.status, Some(0), "moment {moment}: {again}");
        assert_whole(&sandbox, &after, &["busybox", "app"], &format!("moment {moment}"));
    }
}

/// A record of a step whose name reached the disk before its text did is as good as none; nothing else may be damaged.
#[track_caller]
fn mend_records(sandbox: &Sandbox, disk: &Disk) {
    let check = disk.rbuild(sandbox, &["store", "check"]);
    let is_record =
        |line: &str| line.starts_with("cache/steps/") && line.ends_with("the record is damaged");
    assert!(check.stdout.lines().all(is_record), "{check}");
    if check.status != Some(0) {
        disk.rbuild(sandbox, &["store", "check", "--repair"]);
    }
}

#[track_caller]
fn assert_whole(sandbox: &Sandbox, disk: &Disk, images: &[&str], when: &str) {
    let check = disk.rbuild(sandbox, &["store", "check"]);
    assert!(check.status == Some(0), "{when}: {check}");
    for image in images {
        let run = disk.rbuild(sandbox, &["run", "--rm", image, "true"]);
        assert_eq!(run.status, Some(0), "{when}: {run}");
    }
}
