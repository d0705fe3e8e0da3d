//! Exit codes, environment, users, streams, signals.
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use runtime::{
    ContainerSpec, CpuTime, Mount, MountSource, NetworkMode, Outcome, StartFailure, Stdio,
};

use super::Case;
use super::support::{World, read, success};

pub(crate) const CASES: &[Case] = &[
    ("process::exit_codes_and_signals", exit_codes_and_signals),
    ("process::start_failures_name_the_step", start_failures_name_the_step),
    ("process::environment_and_directory", environment_and_directory),
    ("process::directories_outside_are_refused", directories_outside_are_refused),
    ("process::users_and_groups", users_and_groups),
    ("process::standard_streams", standard_streams),
    ("process::named_pipes_keep_their_owner", named_pipes_keep_their_owner),
    ("process::terminal", terminal),
    ("process::kill_reaches_everything", kill_reaches_everything),
    ("process::ulimits_and_umask", ulimits_and_umask),
    ("process::thirty_two_at_once", thirty_two_at_once),
    ("process::hundreds_from_many_threads", hundreds_from_many_threads),
    ("process::limits", limits),
    ("process::made_ahead", made_ahead),
];

fn exit_codes_and_signals(world: &World) {
    for (script, outcome) in [
        ("true", Outcome::Exited(0)),
        ("false", Outcome::Exited(1)),
        ("exit 42", Outcome::Exited(42)),
        ("sh -c 'kill -9 $$'; exit $?", Outcome::Exited(137)),
    ] {
        assert_eq!(world.run(&world.shell(script)).outcome, outcome, "{script}");
    }
}

fn start_failures_name_the_step(world: &World) {
    for (args, failure, code) in [
        (["/bin/nothing"], StartFailure::NotFound, Some(127)),
        (["nothing"], StartFailure::NotFound, Some(127)),
        (["/etc/passwd"], StartFailure::NotExecutable, Some(126)),
        (["/etc"], StartFailure::NotExecutable, Some(126)),
    ] {
        let error = world.start(&world.command(&args)).unwrap_err();
        assert_eq!(error.exit_code(), code, "{error}");
        let runtime::RuntimeError::Start { failure: found, .. } = &error else { panic!("{error}") };
        assert_eq!(*found, failure, "{error}");
    }
    let mut spec = world.shell("true");
    spec.user = "stranger".to_owned();
    let text = world.start(&spec).unwrap_err().to_string();
    assert!(
        text.ends_with("find user: user `stranger` is not in the image's /etc/passwd"),
        "{text}"
    );
    spec.user = String::new();
    spec.id = "../x".to_owned();
    assert!(world.start(&spec).is_err());
    let sleeper = world.shell("sleep 60");
    let running = world.start(&sleeper).unwrap();
    let text = world.start(&sleeper).unwrap_err().to_string();
    assert!(text.ends_with("a container of this name is running"), "{text}");
    drop(running);
    let mut script = world.shell("echo '#!/no/such/shell' >/s; chmod 755 /s");
    success(world.run(&script));
    script.args = vec!["/s".into()];
    let error = world.start(&script).unwrap_err();
    assert_eq!(error.exit_code(), Some(127), "{error}");
}

/// Descriptors of the engine's must not become a way out: no working directory leads to one.
fn directories_outside_are_refused(world: &World) {
    for number in 3..30 {
        let mut spec = world.shell("pwd; ls");
        spec.cwd = format!("/proc/self/fd/{number}").into();
        let text = world.start(&spec).unwrap_err().to_string();
        assert!(!text.contains("exec"), "{text}");
    }
    let mut spec = world.shell("pwd");
    success(world.run(&world.shell("true")));
    std::os::unix::fs::symlink("/proc/self/fd/9", world.upper(&spec).join("work")).unwrap();
    spec.cwd = "/work".into();
    assert!(world.start(&spec).is_err());
}

fn environment_and_directory(world: &World) {
    let mut spec = world.shell("pwd; env; readlink /proc/self/cwd; hostname");
    spec.env = vec!["A=b c".to_owned(), "PATH=/bin".to_owned()];
    spec.cwd = "/made/here".into();
    spec.hostname = "box".to_owned();
    let text = success(world.run(&spec));
    assert!(text.starts_with("/made/here\n"), "{text}");
    assert!(text.contains("A=b c\n") && text.contains("HOME=/root\n"), "{text}");
    assert!(text.ends_with("/made/here\nbox\n"), "{text}");
    assert!(world.upper(&spec).join("made/here").is_dir());
}

fn users_and_groups(world: &World) {
    for (user, expected) in [
        ("web", "uid=33(web) gid=34(www) groups=9(logs),34(www)"),
        ("web:logs", "uid=33(web) gid=9(logs) groups=9(logs)"),
        ("1234", "uid=1234 gid=0(root) groups=0(root)"),
        ("", "uid=0(root) gid=0(root) groups=0(root)"),
    ] {
        let mut spec = world.shell("id; echo $HOME");
        spec.user = user.to_owned();
        let text = success(world.run(&spec));
        assert!(text.starts_with(expected), "{user}: {text}");
    }
    let mut spec = world.shell("echo $HOME; echo hi > /dev/stdout; cat /proc/self/status");
    spec.user = "web".to_owned();
    let text = success(world.run(&spec));
    assert!(text.starts_with("/home/web\nhi\n"), "{text}");
    assert!(text.contains("CapEff:\t0000000000000000"), "{text}");
}

fn standard_streams(world: &World) {
    let spec = world.shell("cat; echo err >&2");
    let mut container = world.zygote.spawn(&spec, Stdio::Pipes { stdin: true }).unwrap();
    let mut stdin = container.take_stdin().unwrap();
    stdin.write_all(b"through").unwrap();
    drop(stdin);
    assert_eq!(read(&mut container.take_stdout().unwrap()), "through");
    assert_eq!(read(&mut container.take_stderr().unwrap()), "err\n");
    assert!(container.wait().unwrap().success());
}

fn named_pipes_keep_their_owner(world: &World) {
    let path = world.path("fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
    let fifo = File::options().read(true).write(true).open(&path).unwrap();
    let mut spec = world.shell("true");
    spec.user = "web".to_owned();
    let end = || fifo.try_clone().unwrap().into();
    let stdio = Stdio::Fds { stdin: end(), stdout: end(), stderr: end() };
    assert!(world.zygote.spawn(&spec, stdio).unwrap().wait().unwrap().success());
    assert_eq!(fs::metadata(&path).unwrap().uid(), 0);
}

fn terminal(world: &World) {
    let spec = world.shell(
        "stty size; tty; test -t 0 && test -c /dev/console && echo yes; read x; stty size; echo $x",
    );
    let stdio = Stdio::Terminal { rows: 33, columns: 77 };
    let container = world.zygote.spawn(&spec, stdio).unwrap();
    let mut near = container.terminal().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    container.resize(44, 99).unwrap();
    near.write_all(b"typed\n").unwrap();
    let text = read(&mut near.try_clone().unwrap());
    for expected in ["33 77", "yes", "44 99", "typed"] {
        assert!(text.contains(expected), "{expected}: {text:?}");
    }
    assert!(container.wait().unwrap().success());
}

fn kill_reaches_everything(world: &World) {
    let start = Instant::now();
    let spec = world.shell("trap '' TERM; sleep 60 & sleep 60 & wait");
    let container = world.start(&spec).unwrap();
    container.kill(libc::SIGTERM).unwrap();
    assert_eq!(container.try_wait().unwrap(), None);
    container.kill_all().unwrap();
    assert_eq!(container.wait().unwrap().outcome, Outcome::Signalled(libc::SIGKILL));
    assert_eq!(container.wait().unwrap().code(), 137);
    container.kill_all().unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
}

fn ulimits_and_umask(world: &World) {
    let mut spec = world.shell("ulimit -n; umask; cat /proc/1/oom_score_adj");
    spec.ulimits = vec!["nofile=123:456".parse().unwrap()];
    assert!(success(world.run(&spec)).starts_with("123\n0022\n"));
}

fn thirty_two_at_once(world: &World) {
    std::thread::scope(|scope| {
        for number in 0..32 {
            scope.spawn(move || {
                let text = world
                    .output(&format!("echo {number}; sleep 0.2; echo {number} >/file; cat /file"));
                assert_eq!(text, format!("{number}\n{number}\n"));
            });
        }
    });
}

/// Among them requests far larger than what the zygote's socket holds.
fn hundreds_from_many_threads(world: &World) {
    std::thread::scope(|scope| {
        for thread in 0..16 {
            scope.spawn(move || {
                for number in 0..20 {
                    let mut spec = world.shell("wc -c </big; exit 5");
                    let size = (thread * number) << 10;
                    let content = vec![b'x'; size];
                    let source = MountSource::File { content, mode: 0o444, uid: 0, gid: 0 };
                    spec.mounts = vec![Mount { target: "/big".into(), source, read_only: true }];
                    let output = world.run(&spec);
                    assert_eq!(output.stdout.trim(), size.to_string(), "{output:?}");
                    assert_eq!(output.outcome, Outcome::Exited(5));
                }
            });
        }
    });
}

fn limits(world: &World) {
    let mut spec = world.shell("dd if=/dev/zero of=/dev/null bs=200M count=1");
    spec.limits.memory = Some(32 << 20);
    let container = match world.start(&spec) {
        Ok(container) => container,
        Err(error) => return println!("skipped: {error}"),
    };
    let status = container.wait().unwrap();
    assert!(status.oom_killed && !status.success(), "{status}");
    let mut spec = world.shell("for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait; echo done");
    spec.limits.pids = Some(4);
    spec.limits.cpu = Some(CpuTime::of_nano_cpus(500_000_000));
    let output = world.run(&spec);
    assert!(output.stderr.contains("fork"), "{output:?}");
    if !fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - cgroup cgroup ") {
        return;
    }
    // Version 1 is for those with limits, where version 2 knows about devices.
    let shown =
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes; ls -d /sys/fs/cgroup/cpuset/tasks";
    let mut spec = world.shell(shown);
    assert!(world.run(&spec).stdout.is_empty());
    spec.limits.memory = Some(32 << 20);
    let text = world.run(&spec).stdout;
    assert_eq!(text, "33554432\n/sys/fs/cgroup/cpuset/tasks\n");
}

/// Processes that wait to become containers are like any other: in groups of their own, with nobody's streams.
fn made_ahead(world: &World) {
    let script =
        "cat /proc/self/cgroup; ls -l /proc/self/fd | wc -l; readlink /proc/self/ns/cgroup";
    let run = |following: usize, network: NetworkMode| {
        let spec = ContainerSpec { network, ..world.shell(script) };
        let started =
            world.zygote.spawn_before(&spec, Stdio::Pipes { stdin: false }, None, following);
        let mut container = started.unwrap_or_else(|error| panic!("{error}"));
        // Its end is seen although the next one's process is there already.
        let text = read(&mut container.take_stdout().unwrap());
        assert_eq!(container.wait().unwrap().outcome, Outcome::Exited(0), "{text}");
        text
    };
    let network = NetworkMode::None;
    let (first, ahead, after) = (run(9, network), run(2, network), run(0, network));
    // The last line tells one namespace from another.
    let rest = |text: &str| text.trim_end().rsplit_once('\n').unwrap().0.to_owned();
    assert_eq!((rest(&first), rest(&first)), (rest(&ahead), rest(&after)));
    // Another kind than the one that is ready.
    run(9, network);
    for following in [1, 0] {
        assert_eq!(rest(&run(following, NetworkMode::Host)), rest(&first));
    }
    let mut spec = world.shell("true");
    run(9, network);
    spec.user = "stranger".to_owned();
    let text = world
        .zygote
        .spawn_before(&spec, Stdio::Pipes { stdin: false }, None, 0)
        .unwrap_err()
        .to_string();
    assert!(text.contains("find user: user `stranger`"), "{text}");
    assert_eq!(rest(&run(0, network)), rest(&first));
}
