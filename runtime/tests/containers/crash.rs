//! Sudden deaths: nothing outlives the caller.
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use runtime::{ContainerSpec, EngineId, Rootfs, Zygote};

use super::Case;
use super::support::World;

pub(crate) const CASES: &[Case] = &[
    ("crash::killed_callers_leave_nothing", killed_callers_leave_nothing),
    ("crash::killed_at_any_moment", killed_at_any_moment),
    ("crash::killed_zygotes_are_reconciled", killed_zygotes_are_reconciled),
    ("crash::neighbours_leave_each_other_alone", neighbours_leave_each_other_alone),
];

/// A process that starts a container and waits to be killed. Arguments: root, rootfs, marker.
pub(crate) fn victim(arguments: &[String]) -> ExitCode {
    let [root, rootfs, marker] = arguments else { return ExitCode::FAILURE };
    let engine = EngineId::of_root(Path::new(root)).unwrap();
    let zygote = Zygote::start(&engine, &Path::new(root).join("state")).unwrap();
    let rootfs = Rootfs::Overlay {
        lowers: vec![rootfs.into()],
        upper: Some(Path::new(root).join("upper")),
        work: Some(Path::new(root).join("work")),
        volatile: true,
    };
    let script = format!("sleep {marker} & sleep {marker}");
    let args = ["/bin/sh", "-c", &script].map(Into::into).to_vec();
    let spec = ContainerSpec::new("victim", rootfs, args);
    let container = zygote.spawn(&spec, runtime::Stdio::Pipes { stdin: false }).unwrap();
    println!("{engine}");
    let _ = container.wait();
    ExitCode::SUCCESS
}

/// A process that starts containers one after the other from four threads, for as long as it lives.
pub(crate) fn busy_victim(arguments: &[String]) -> ExitCode {
    let [root, base] = arguments else { return ExitCode::FAILURE };
    let engine = EngineId::of_root(Path::new(root)).unwrap();
    println!("{engine}");
    let zygote = Zygote::start(&engine, &Path::new(root).join("state")).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let zygote = &zygote;
            scope.spawn(move || {
                for number in 0.. {
                    let id = format!("b{thread}-{number}");
                    let own = Path::new(root).join(&id);
                    fs::create_dir_all(own.join("upper")).unwrap();
                    fs::create_dir_all(own.join("work")).unwrap();
                    let rootfs = Rootfs::Overlay {
                        lowers: vec![base.into()],
                        upper: Some(own.join("upper")),
                        work: Some(own.join("work")),
                        volatile: true,
                    };
                    let args = ["/bin/sh", "-c", "echo x >/x; sleep 0.003"].map(Into::into);
                    let mut spec = ContainerSpec::new(id, rootfs, args.to_vec());
                    spec.etc.hosts = Some(Vec::new());
                    let stdio = runtime::Stdio::Pipes { stdin: false };
                    zygote.spawn(&spec, stdio).unwrap().wait().unwrap();
                }
            });
        }
    });
    ExitCode::SUCCESS
}

/// A process of many on the same root. Arguments: root, rootfs, state directory.
pub(crate) fn neighbour(arguments: &[String]) -> ExitCode {
    let [root, base, state] = arguments else { return ExitCode::FAILURE };
    // As some supervisors leave it to their children: whose children then vanish unwaited for.
    sys::signal::ignore(&[libc::SIGCHLD]);
    let engine = EngineId::of_root(Path::new(root)).unwrap();
    let zygote = Zygote::start(&engine, Path::new(state)).unwrap();
    let rootfs = Rootfs::Directory { path: base.into(), read_only: true };
    let args = ["/bin/sleep", "0.01"].map(Into::into).to_vec();
    let spec = ContainerSpec::new("n", rootfs, args);
    let container = zygote.spawn(&spec, runtime::Stdio::Pipes { stdin: false }).unwrap();
    let status = container.wait().unwrap();
    assert!(status.success(), "{status}");
    ExitCode::SUCCESS
}

/// What one process cleans up when it starts is not what another one has just begun.
fn neighbours_leave_each_other_alone(world: &World) {
    let root = world.path("neighbours");
    fs::create_dir_all(&root).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            // Nor do two state directories of one root make a difference.
            let state = root.join(if thread < 3 { "state" } else { "another" });
            let root = &root;
            scope.spawn(move || {
                for _ in 0..40 {
                    let output = Command::new(std::env::current_exe().unwrap())
                        .arg("neighbour")
                        .args([root, &world.path("base"), &state])
                        .output()
                        .unwrap();
                    let text = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{text}");
                }
            });
        }
    });
    let engine = EngineId::of_root(&root).unwrap().to_string();
    assert!(cgroups(&engine).is_empty());
}

/// Command lines of processes that contain `marker`, with their pids.
fn processes(marker: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if line.contains(marker) {
            found.push((pid, line.replace('\0', " ")));
        }
    }
    found
}

fn cgroups(engine: &str) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts
        .lines()
        .filter(|line| line.split(' ').nth(2).is_some_and(|kind| kind.starts_with("cgroup")))
        .filter_map(|line| line.split(' ').nth(1))
        .map(|mount| Path::new(mount).join("rbuild").join(engine))
        .filter(|path| path.exists())
        .collect()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

struct Victim {
    child: std::process::Child,
    engine: String,
    root: PathBuf,
    marker: String,
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It is dead already unless the case has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start_victim(world: &World, marker: &str) -> Victim {
    let root = world.path(&format!("victim-{marker}"));
    for name in ["upper", "work"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("victim")
        .args([&root, &world.path("base")])
        .arg(marker)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut engine = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut engine).unwrap();
    let victim =
        Victim { child, engine: engine.trim().to_owned(), root, marker: marker.to_owned() };
    if world.zygote.warnings().unwrap().is_empty() {
        assert!(!cgroups(&victim.engine).is_empty());
    }
    wait_until("the victim's processes", || processes(&format!("sleep\0{marker}")).len() >= 2);
    victim
}

fn killed_callers_leave_nothing(world: &World) {
    let mut victim = start_victim(world, "7654321");
    victim.child.kill().unwrap();
    victim.child.wait().unwrap();
    let marker = &victim.marker;
    wait_until("its processes end", || processes(marker).is_empty());
    wait_until("its cgroups go", || cgroups(&victim.engine).is_empty());
    let zygotes = victim.root.join("state/zygotes");
    wait_until("its owner file goes", || fs::read_dir(&zygotes).unwrap().count() == 0);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(marker), "{mounts}");
}

/// Kills a process that is busy starting containers, at moments from before its zygote exists.
fn killed_at_any_moment(world: &World) {
    for round in 0..30_u64 {
        let root = world.path(&format!("busy-{round}"));
        fs::create_dir_all(&root).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("busy")
            .args([&root, &world.path("base")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut engine = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut engine).unwrap();
        std::thread::sleep(Duration::from_micros(round * round * 97));
        child.kill().unwrap();
        child.wait().unwrap();
        let marker = format!("busy\0{}", root.display());
        wait_until("its processes end", || processes(&marker).is_empty());
        let id = EngineId::of_root(&root).unwrap();
        assert_eq!(id.to_string(), engine.trim());
        wait_until("its cgroups go", || {
            runtime::reconcile(&id, &root.join("state")).unwrap();
            cgroups(engine.trim()).is_empty()
        });
        let zygotes = root.join("state/zygotes");
        assert_eq!(fs::read_dir(&zygotes).map_or(0, Iterator::count), 0);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(root.to_str().unwrap()), "{mounts}");
        fs::remove_dir_all(&root).unwrap();
    }
}

fn killed_zygotes_are_reconciled(world: &World) {
    let mut victim = start_victim(world, "7654322");
    let children =
        fs::read_to_string(format!("/proc/{0}/task/{0}/children", victim.child.id())).unwrap();
    let zygote: i32 = children.split_whitespace().next().unwrap().parse().unwrap();
    let zygote = rustix::process::Pid::from_raw(zygote).unwrap();
    rustix::process::kill_process(zygote, rustix::process::Signal::KILL).unwrap();
    // The caller hears of it and ends; the cgroups stay.
    victim.child.wait().unwrap();
    wait_until("its processes end", || processes(&victim.marker).is_empty());
    if world.zygote.warnings().unwrap().is_empty() {
        assert!(!cgroups(&victim.engine).is_empty());
    }
    let engine = EngineId::of_root(&victim.root).unwrap();
    runtime::reconcile(&engine, &victim.root.join("state")).unwrap();
    assert!(cgroups(&victim.engine).is_empty());
    // The living are left alone.
    runtime::reconcile(&world.engine, &world.path("state")).unwrap();
    assert_eq!(world.output("echo alive"), "alive\n");
}
