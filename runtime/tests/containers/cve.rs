//! The ways out that other runtimes have had: one case for each class, named after it.
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};

use runtime::{
    Capability, CapabilitySet, ContainerSpec, EngineId, Mount, Outcome, Rootfs, Seccomp,
    StartFailure, Stdio, Sysctl, Tmpfs, Zygote,
};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};

use super::Case;
use super::support::{World, bind, read, success};

pub(crate) const CASES: &[Case] = &[
    ("cve::cve_2019_5736_proc_self_exe", proc_self_exe),
    ("cve::cve_2019_5736_the_init_cannot_be_written", the_init_cannot_be_written),
    ("cve::cve_2024_21626_leaked_descriptors", leaked_descriptors),
    ("cve::cve_2024_21626_working_directories", working_directories),
    ("cve::cve_2025_31133_masks_by_another_null", masks_by_another_null),
    ("cve::cve_2025_31133_the_images_null", the_images_null),
    (
        "cve::cve_2025_31133_directories_exchanged_while_masking",
        directories_exchanged_while_masking,
    ),
    ("cve::cve_2025_52565_console", console),
    ("cve::cve_2025_52881_sysctls_are_the_containers", sysctls_are_the_containers),
    ("cve::cve_2019_19921_mounts_over_proc", mounts_over_proc),
    ("cve::cve_2026_41579_links_for_base_mounts", links_for_base_mounts),
    ("cve::cve_2021_30465_targets_swapped_for_links", targets_swapped_for_links),
    ("cve::cve_2026_30892_numbers_of_users", numbers_of_users),
    ("cve::cve_2022_27650_inheritable_capabilities", inheritable_capabilities),
    ("cve::cve_2022_0492_release_agents", release_agents),
    ("cve::cve_2020_15257_abstract_sockets", abstract_sockets),
    ("cve::session_keyrings", session_keyrings),
    ("cve::signals_to_the_engine", signals_to_the_engine),
];

fn with_ptrace(mut spec: ContainerSpec) -> ContainerSpec {
    spec.capabilities = CapabilitySet::docker_default().with(Capability::SYS_PTRACE);
    spec.seccomp = Seccomp::Unconfined;
    spec
}

/// The engine would run this test program again, which succeeds; the launcher ends with 126.
fn proc_self_exe(world: &World) {
    for allow in [|spec| spec, with_ptrace] {
        for line in ["#!/proc/self/exe", "#!/proc/1/exe", "#!/proc/thread-self/exe"] {
            let script = format!("echo '{line}' >/entry; chmod 755 /entry; readlink /proc/1/exe");
            let mut spec = allow(world.shell(&script));
            assert_eq!(success(world.run(&spec)), "/bin/busybox\n");
            spec.args = vec!["/entry".into(), "probe".into(), "af_inet".into()];
            assert_eq!(world.run(&spec).outcome, Outcome::Exited(126), "{line}");
        }
        let mut link = allow(world.shell("ln -s /proc/self/exe /entry"));
        success(world.run(&link));
        link.args = vec!["/entry".into(), "probe".into(), "af_inet".into()];
        assert_ne!(world.run(&link).outcome, Outcome::Exited(0));
    }
}

/// Our only program that a container can see for as long as it likes.
fn the_init_cannot_be_written(world: &World) {
    let mut spec = with_ptrace(world.shell(
        "readlink /proc/1/exe; (echo x >/proc/1/exe) 2>/dev/null && echo written; \
         exec 5</proc/1/exe; (echo x >/proc/self/fd/5) 2>/dev/null && echo written; wc -c </proc/1/exe",
    ));
    spec.init = true;
    let text = success(world.run(&spec));
    assert!(text.starts_with("/memfd:launcher (deleted)\n"), "{text}");
    let size: u32 = text.lines().last().unwrap().trim().parse().unwrap();
    assert!(text.lines().count() == 2 && size < 16 << 10, "{text}");
    // As long as it runs nobody can write to it anyway; whoever keeps it open could later.
    let mut spec = with_ptrace(world.probe("seals_of_init"));
    spec.init = true;
    let seals = success(world.run(&spec));
    for seal in ["WRITE", "SHRINK", "GROW", "SEAL"] {
        assert!(seals.contains(seal), "{seals}");
    }
}

/// The world has one that was left open on purpose.
fn leaked_descriptors(world: &World) {
    // 0, 1, 2 and the directory that ls reads.
    let links = world.output("ls -l /proc/self/fd /proc/1/fd");
    let opened = links.lines().filter(|line| line.contains(" -> "));
    let odd: Vec<_> =
        opened.filter(|line| !line.contains("pipe:") && !line.contains("/dev/null")).collect();
    assert!(odd.iter().all(|line| line.contains("/proc/")), "{links}");
    assert_eq!(world.output("ls /proc/self/fd | wc -l"), "4\n");
}

/// While it sets up, the process has descriptors of the host's.
fn working_directories(world: &World) {
    for number in 3..40 {
        for path in ["/proc/self/fd", "/proc/1/fd", "/proc/thread-self/fd"] {
            let mut spec = world.shell("pwd; ls");
            spec.cwd = format!("{path}/{number}").into();
            let started = world.start(&spec);
            assert!(started.is_err(), "{path}/{number}: {started:?}");
        }
    }
    for way in ["../../../../..", "/proc/self/cwd/../..", "/proc/1/root/../.."] {
        let mut spec = world.shell("ls /");
        spec.cwd = way.into();
        // Where it starts, it is inside.
        if let Ok(mut container) = world.start(&spec) {
            let listed = read(&mut container.take_stdout().unwrap());
            assert!(listed.contains("plain") && !listed.contains("lost+found"), "{way}: {listed}");
        }
    }
}

/// In a place where /dev/null is something else, no container is started.
fn masks_by_another_null(world: &World) {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("null")
        .arg(world.path("null-state"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("/dev/null is not the null device"), "{text}");
}

/// The other process of the case above.
pub(crate) fn another_null(arguments: &[String]) -> ExitCode {
    let state = Path::new(&arguments[0]);
    fs::create_dir_all(state).unwrap();
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
    mount_bind("/etc/passwd", "/dev/null").unwrap();
    let engine = EngineId::of_root(state).unwrap();
    let zygote = Zygote::start(&engine, state).unwrap();
    println!("{}", zygote.warnings().map_or_else(|e| e.to_string(), |_| String::new()));
    ExitCode::SUCCESS
}

/// What the image has for /dev/null does not become what covers files.
fn the_images_null(world: &World) {
    let spec = world.shell(
        "stat -c %t:%T /proc/keys /proc/timer_list /dev/null; cat /proc/keys; \
         ls /sys/firmware; cat /proc/sys/kernel/core_pattern | wc -l",
    );
    let dev = world.upper(&spec).join("dev");
    fs::create_dir_all(&dev).unwrap();
    symlink("/proc/sys/kernel/core_pattern", dev.join("null")).unwrap();
    assert_eq!(success(world.run(&spec)), "1:3\n1:3\n1:3\n1\n");
}

/// Somebody exchanges /proc, /sys and /dev of the image for links while containers begin: wherever /proc is to be seen in what
/// has begun, its masks are there too.
fn directories_exchanged_while_masking(world: &World) {
    // From within, for what a name leads to changes all the time.
    let script = "for d in /proc /other /link; do cd $d || continue; \
                  for f in keys timer_list; do test ! -e $f || stat -c %t:%T $f; done; \
                  for f in sys/kernel/core_pattern sysrq-trigger; do \
                  test -e $f && { : >>$f; } 2>/dev/null && echo writable $d/$f; done; done";
    let mut masked = 0;
    for round in 0..60 {
        // Not an overlay, which does not notice.
        let root = world.path(&format!("exchanged-{round}"));
        let copied = Command::new("cp").arg("-a").args([&world.path("base"), &root]).status();
        assert!(copied.unwrap().success());
        for real in ["proc", "sys", "dev", "other"] {
            fs::create_dir_all(root.join(real)).unwrap();
        }
        let mut spec = world.shell(script);
        // A link, or a directory that is as good as the first.
        let (name, other) = [("proc", "link"), ("proc", "other"), ("dev", "link")][round % 3];
        symlink("other", root.join("link")).unwrap();
        let names = (root.join(name), root.join(other));
        spec.rootfs = Rootfs::Directory { path: root, read_only: false };
        let output = while_exchanged((&names.0, &names.1), || {
            let mut container = world.start(&spec).ok()?;
            let text = read(&mut container.take_stdout().unwrap());
            container.wait().unwrap();
            Some(text)
        });
        for line in output.iter().flat_map(|text| text.lines()) {
            assert_eq!(line, "1:3", "round {round}, /{name}: {output:?}");
            masked += 1;
        }
    }
    assert!(masked > 0, "nothing was masked");
}

/// Exchanges two names for each other, again and again, while something is done.
fn while_exchanged<T>((a, b): (&Path, &Path), act: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        stop.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn console(world: &World) {
    let spec = world.shell(
        "stat -c %t /dev/console; readlink -f /dev/console; tty; cat /proc/sys/kernel/core_pattern",
    );
    let dev = world.upper(&spec).join("dev");
    fs::create_dir_all(&dev).unwrap();
    symlink("/proc/sys/kernel/core_pattern", dev.join("console")).unwrap();
    symlink("/proc/sys/kernel", dev.join("pts")).unwrap();
    let container = world.zygote.spawn(&spec, Stdio::Terminal { rows: 24, columns: 80 }).unwrap();
    let text = read(&mut container.terminal().unwrap().try_clone().unwrap());
    assert!(text.starts_with("88\r\n/dev/console\r\n/dev/pts/0\r\n"), "{text}");
    assert!(container.wait().unwrap().success());
}

/// They are written where the container's own are, and never to the host's.
fn sysctls_are_the_containers(world: &World) {
    let path = "/proc/sys/kernel/shmmni";
    let before = fs::read_to_string(path).unwrap();
    let mut spec = world.shell("cat /proc/sys/kernel/shmmni");
    spec.sysctls = vec!["kernel.shmmni=123".parse::<Sysctl>().unwrap()];
    assert_eq!(success(world.run(&spec)), "123\n");
    assert_eq!(fs::read_to_string(path).unwrap(), before);
    for text in ["net/../kernel/core_pattern=x", "net.ipv4./../../kernel/core_pattern=x"] {
        assert!(text.parse::<Sysctl>().is_err(), "{text}");
    }
    // What is not a plain file of this very /proc is not written.
    spec.sysctls = vec!["net.no.such.setting=1".parse().unwrap()];
    let text = world.start(&spec).unwrap_err().to_string();
    assert!(text.contains("set sysctl `net.no.such.setting`"), "{text}");
}

/// Whoever chooses what is at /proc chooses where labels and settings are written.
fn mounts_over_proc(world: &World) {
    let prepare = world.shell("ln -s /proc /p; ln -s proc/self/attr /a");
    success(world.run(&prepare));
    let tmpfs = || runtime::MountSource::Tmpfs(Tmpfs::default());
    for target in
        ["/proc", "/proc/sys", "/proc/self/attr", "/p", "/p/sys/kernel", "/a", "/x/../proc"]
    {
        let mut spec = prepare.clone();
        spec.args[2] = "true".into();
        for source in [tmpfs(), bind(&world.path("base"), "/").source] {
            spec.mounts = vec![Mount { target: target.into(), source, read_only: false }];
            let text = world.start(&spec).unwrap_err().to_string();
            assert!(text.contains("nothing is mounted over /proc"), "{target}: {text}");
        }
    }
}

/// An image in which /dev, /proc or /sys lead elsewhere is not started. (Nor do they lead out of it.)
fn links_for_base_mounts(world: &World) {
    let outside = world.path("outside-base");
    fs::create_dir_all(&outside).unwrap();
    for name in ["dev", "proc", "sys"] {
        for target in [Path::new("/tmp"), Path::new("tmp"), &outside, Path::new("/proc/self/cwd")] {
            let spec = world.shell("true");
            symlink(target, world.upper(&spec).join(name)).unwrap();
            let text = world.start(&spec).unwrap_err().to_string();
            assert!(text.contains(&format!("mount /{name}")), "{name} {target:?}: {text}");
        }
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

/// Somebody exchanges a directory and a link to the host for each other, again and again, below a directory in which
/// mounts are made. (CVE-2024-45310 is about the empty files and directories that this left behind.)
fn targets_swapped_for_links(world: &World) {
    let outside = world.path("outside-race");
    let shared = world.path("shared-race");
    for path in [&outside, &shared, &shared.join("a")] {
        fs::create_dir_all(path).unwrap();
    }
    symlink(&outside, shared.join("b")).unwrap();
    let mut started = 0;
    while_exchanged((&shared.join("a"), &shared.join("b")), || {
        for round in 0..60 {
            let mut spec = world.shell("cat /proc/self/mountinfo");
            let tmpfs = runtime::MountSource::Tmpfs(Tmpfs::default());
            let target = format!("/v/a/m{round}");
            spec.mounts = vec![
                Mount { read_only: false, ..bind(&shared, "/v") },
                Mount { target: target.into(), source: tmpfs, read_only: false },
            ];
            // Whether it starts depends on the moment; where things are made does not.
            if let Ok(container) = world.start(&spec) {
                assert!(container.wait().unwrap().success());
                started += 1;
            }
        }
    });
    assert!(started > 0, "none was started");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

fn numbers_of_users(world: &World) {
    for user in [
        "4294967296",
        "2147483648",
        "-1",
        "+0",
        "0x0",
        "0 ",
        " 0",
        "1e3",
        "0:-1",
        "0:4294967296",
        "0\u{a0}",
    ] {
        let mut spec = world.shell("id -u");
        spec.user = user.to_owned();
        let error = world.start(&spec).unwrap_err();
        let runtime::RuntimeError::Start { failure, .. } = &error else { panic!("{error}") };
        assert_eq!(*failure, StartFailure::User, "{user}: {error}");
    }
}

/// A program with file capabilities would add them to what it may do.
fn inheritable_capabilities(world: &World) {
    for user in ["", "web"] {
        let mut spec = world.shell("cat /proc/self/status");
        spec.user = user.to_owned();
        let status = success(world.run(&spec));
        for kind in ["CapInh", "CapAmb"] {
            assert!(status.contains(&format!("{kind}:\t0000000000000000")), "{user}: {status}");
        }
    }
}

/// A program of the host's choosing would be run outside when a cgroup empties.
fn release_agents(world: &World) {
    let mut spec = world.shell(
        "for f in /sys/fs/cgroup/release_agent /sys/fs/cgroup/*/release_agent \
         /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do \
           test -e $f || continue; (echo 0 >$f) 2>/dev/null && echo written $f; done; \
         mkdir /sys/fs/cgroup/x 2>/dev/null && echo made; \
         unshare -C true 2>/dev/null && echo unshared; \
         mount -t cgroup -o memory x /tmp 2>/dev/null && echo mounted; echo end",
    );
    // With limits there are groups of version 1 where the machine has that.
    for pids in [None, Some(100)] {
        spec.limits.pids = pids;
        assert_eq!(world.run(&spec).stdout, "end\n", "{pids:?}");
    }
}

/// The abstract ones of the host belong to its network namespace.
fn abstract_sockets(world: &World) {
    let name = rustix::net::SocketAddrUnix::new_abstract_name(b"rbuild-test-abstract").unwrap();
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    rustix::net::bind(&socket, &name).unwrap();
    let listed = "cat /proc/net/unix";
    assert!(!world.output(listed).contains("@rbuild-test-abstract"));
    assert!(fs::read_to_string("/proc/net/unix").unwrap().contains("@rbuild-test-abstract"));
}

fn session_keyrings(world: &World) {
    sys::keyring::join_new_session().unwrap();
    let own = sys::keyring::session().unwrap();
    let mut spec = world.probe("session_keyring");
    spec.seccomp = Seccomp::Unconfined;
    let inside = success(world.run(&spec));
    let inside: i32 = inside.trim().parse().unwrap_or_else(|_| panic!("{inside}"));
    assert_ne!(inside, own);
    assert_ne!(inside, success(world.run(&spec)).trim().parse::<i32>().unwrap());
}

/// Nobody outside has a number inside.
fn signals_to_the_engine(world: &World) {
    let text = world.output("kill -9 -1; kill -9 1; ls -d /proc/[0-9]* | wc -l");
    // The shell and ls.
    assert!(text.trim().parse::<u32>().unwrap() <= 3, "{text}");
    assert_eq!(world.output("echo alive"), "alive\n");
}
