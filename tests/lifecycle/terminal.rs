//! Containers with a terminal, driven by one.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::pty::{posix_openpt, ptsname_r, unlockpt};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{LocalModes, Termios, Winsize as Size, tcgetattr, tcsetwinsize};

use super::place::Place;

/// Our side of a terminal that a command runs on.
struct Screen {
    near: File,
    far: OwnedFd,
    before: Termios,
    seen: String,
    child: Child,
}

impl Screen {
    fn run(command: &mut Command) -> Screen {
        // Nobody inherits our side: it hangs up when we let go of it.
        let near = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        unlockpt(&near).unwrap();
        let path = ptsname_r(&near).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let far = rustix::fs::open(path, flags, Mode::empty()).unwrap();
        let size = Size { ws_row: 31, ws_col: 97, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&far, size).unwrap();
        let before = tcgetattr(&far).unwrap();
        let end = || Stdio::from(far.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let near = File::from(OwnedFd::from(near));
        Screen { near, far, before, seen: String::new(), child }
    }

    fn write(&mut self, text: &str) {
        self.near.write_all(text.as_bytes()).unwrap();
    }

    /// Reads until the text has come, and forgets what came before it.
    #[track_caller]
    fn expect(&mut self, text: &str) {
        let began = Instant::now();
        while !self.seen.contains(text) {
            assert!(began.elapsed() < Duration::from_secs(60), "no `{text}` in `{}`", self.seen);
            self.read();
        }
        let at = self.seen.find(text).unwrap();
        self.seen.drain(..at + text.len());
    }

    /// Types it again and again until the text has come.
    #[track_caller]
    fn insist(&mut self, keys: &str, text: &str) {
        let began = Instant::now();
        while !self.seen.contains(text) {
            assert!(began.elapsed() < Duration::from_secs(60), "no `{text}` in `{}`", self.seen);
            self.write(keys);
            let typed = Instant::now();
            while typed.elapsed() < Duration::from_secs(1) && !self.seen.contains(text) {
                self.read();
            }
        }
    }

    fn read(&mut self) {
        let mut set = [PollFd::new(&self.near, PollFlags::IN)];
        let pause = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        if poll(&mut set, Some(&pause)).unwrap() > 0 {
            let mut buffer = [0; 4096];
            let count = self.near.read(&mut buffer).unwrap();
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    /// The exit code; the terminal is as it was before.
    #[track_caller]
    fn end(mut self) -> Option<i32> {
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                // What is not read may be in its way.
                None => self.read(),
            }
        };
        self.assert_as_before();
        status.code()
    }

    /// Its modes, of input, output, control and local, its characters and speeds.
    #[track_caller]
    fn assert_as_before(&self) {
        let (before, after) = (&self.before, tcgetattr(self.far.as_fd()).unwrap());
        assert_eq!(format!("{after:?}"), format!("{before:?}"), "the terminal is not as it was");
    }
}

#[test]
fn a_terminal_is_passed_through_resized_and_restored() {
    let Some(place) = Place::new() else { return };
    let words = ["run", "-it", "--name", "shell", "busybox", "sh"];
    let mut screen = Screen::run(&mut place.sandbox.rbuild_command(words));
    screen.expect("# ");
    assert!(!tcgetattr(&screen.far).unwrap().local_modes.contains(LocalModes::ICANON));
    screen.write("stty size\n");
    screen.expect("31 97");
    let size = Size { ws_row: 12, ws_col: 34, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&screen.near, size).unwrap();
    let pid = rustix::process::Pid::from_child(&screen.child);
    rustix::process::kill_process(pid, rustix::process::Signal::WINCH).unwrap();
    screen.write("until stty size | grep '12 34'; do sleep 0.05; done\n");
    screen.expect("\n12 34");
    // Ctrl-C is the container's.
    screen.write("sh -c 'echo go-$((1 + 1)); sleep 60'\n");
    screen.expect("go-2");
    screen.write("\x03");
    screen.write("echo alive-$((40 + 2))\n");
    screen.expect("alive-42");
    screen.write("exit 6\n");
    assert_eq!(screen.end(), Some(6));
}

#[test]
fn the_detach_keys_leave_it_running_and_attach_comes_back() {
    let Some(place) = Place::new() else { return };
    let words = ["run", "-it", "--name", "kept", "busybox", "sh"];
    let mut screen = Screen::run(&mut place.sandbox.rbuild_command(words));
    screen.expect("# ");
    screen.write("x=41\n\x10\x11");
    assert_eq!(screen.end(), Some(0));
    assert_eq!(place.look("kept", "{{.State.Running}}"), "true");
    let words = ["attach", "--detach-keys", "ctrl-],d", "kept"];
    let mut screen = Screen::run(&mut place.sandbox.rbuild_command(words));
    screen.write("echo still-$((x + 1))\n");
    screen.expect("still-42");
    screen.write("\x1dd");
    assert_eq!(screen.end(), Some(0));
    // A signal that is for us alone.
    let words = ["attach", "--sig-proxy=false", "kept"];
    let mut screen = Screen::run(&mut place.sandbox.rbuild_command(words));
    screen.write("echo third-$((x + 1))\n");
    screen.expect("third-42");
    let pid = rustix::process::Pid::from_child(&screen.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(screen.end(), Some(143));
    let words = ["exec", "-it", "kept", "sh"];
    let mut screen = Screen::run(&mut place.sandbox.rbuild_command(words));
    screen.expect("# ");
    screen.write("stty size; tty; exit 8\n");
    screen.expect("31 97");
    screen.expect("/dev/pts/");
    assert_eq!(screen.end(), Some(8));
    assert_eq!(place.look("kept", "{{.State.Running}}"), "true");
}

#[test]
fn every_way_out_restores_the_terminal() {
    let Some(place) = Place::new() else { return };
    for (words, expected) in [
        (&["run", "-it", "--rm", "busybox", "absent"][..], Some(127)),
        (&["run", "-it", "--rm", "busybox", "sh", "-c", "kill -9 $$; sleep 9"], None),
        (&["run", "-it", "--rm", "-u", "nobody:absent", "busybox", "true"], Some(125)),
        (&["run", "-it", "--rm", "absent"], Some(125)),
    ] {
        let screen = Screen::run(&mut place.sandbox.rbuild_command(words));
        let code = screen.end();
        assert!(expected.is_none() || code == expected, "{words:?}: {code:?}");
    }
    place.shell("run -d --name dies", "while :; do sleep 0.05; done").success();
    let mut screen = Screen::run(&mut place.sandbox.rbuild_command(["exec", "-it", "dies", "sh"]));
    screen.expect("# ");
    place.rbuild("rm -f dies").success();
    assert_eq!(screen.end(), Some(137));
}

#[test]
fn a_terminal_without_input_and_input_without_a_terminal() {
    let Some(place) = Place::new() else { return };
    let output = place.shell("run -t --rm", "test -t 1 && test -t 0 && echo both").success();
    output.prints("both\r\n");
    place.shell("run -t -d --name quiet", "stty size; echo done").success();
    place.rbuild("wait quiet").success().prints("0\n");
    assert!(place.rbuild("logs quiet").success().stdout.ends_with("done\r\n"));
    let output = place.sandbox.rbuild_with_input(["run", "-i", "--rm", "busybox", "cat"], "typed");
    output.success().prints("typed");
}

/// Ctrl-Z, `bg` and `fg` are the container's, as the terminal is.
#[test]
fn jobs_are_the_shells_inside() {
    let Some(place) = Place::new() else { return };
    let words = ["run", "-it", "--name", "jobs", "busybox", "sh"];
    let mut screen = Screen::run(&mut place.sandbox.rbuild_command(words));
    screen.expect("# ");
    screen.write("echo 'echo go-$((1 + 1)); until test -e /flag; do sleep 0.05; done' > /job\n");
    // Those of /proc/PID/stat: its own group of processes, and the one in front.
    let fields = "a b c d own e f front g";
    screen.write("echo 'echo flag-$((1 + 1))' >> /job\n");
    screen.write(&format!("echo 'until read -r {fields} < /proc/$$/stat' >> /job\n"));
    screen.write("echo 'test $own = $front; do sleep 0.05; done' >> /job\n");
    screen.write("echo 'echo front-$((1 + 1)); while :; do sleep 0.05; done' >> /job\n");
    screen.write("sh /job\n");
    screen.expect("go-2");
    screen.write("\x1a");
    screen.expect("Stopped");
    assert_eq!(screen.child.try_wait().unwrap(), None, "the command has stopped or ended");
    // It goes on behind the shell.
    screen.write("bg; touch /flag\n");
    screen.expect("flag-2");
    screen.write("echo behind-$((1 + 1))\n");
    screen.expect("behind-2");
    // What is typed behind a Ctrl-C may be flushed with it, as long as the shell does not read keys by itself.
    screen.expect("# ");
    screen.write("fg\n");
    screen.expect("sh /job");
    // In front of it, it is what Ctrl-C ends; before that it would be the `fg`.
    screen.expect("front-2");
    screen.insist("\x03echo alive-$((40 + 2))\n", "alive-42");
    let programs = place.rbuild("top jobs").success().stdout;
    assert!(!programs.contains("sh /job"), "{programs}");
    screen.write("exit 4\n");
    assert_eq!(screen.end(), Some(4));
}

/// Who sits there has gone, by a line that is cut for example.
#[test]
fn a_hang_up_ends_the_command() {
    let Some(place) = Place::new() else { return };
    let plain = place.sandbox.rbuild_command(["run", "-it", "--name", "box", "busybox", "sh"]);
    // Its terminal is the one of its session.
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait"]).arg(plain.get_program()).args(plain.get_args()).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(plain.get_current_dir().unwrap());
    let mut screen = Screen::run(&mut command);
    screen.expect("# ");
    let Screen { near, far, mut child, .. } = screen;
    drop((near, far));
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it goes on");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(129));
    // The first program of a container does not hear what it has no handler for.
    assert_eq!(place.look("box", "{{.State.Running}}"), "true");
    place.rbuild("rm -f box").success();
    place.assert_nothing_left();
}

#[test]
fn detach_keys_are_those_that_were_chosen() {
    let Some(place) = Place::new() else { return };
    let keys = ["--detach-keys", "ctrl-x,y"];
    let run = [&["run", "-it", "--name", "box"][..], &keys, &["busybox", "sh"]].concat();
    let mut screen = Screen::run(&mut place.sandbox.rbuild_command(run));
    screen.expect("# ");
    // Docker's own mean nothing then.
    screen.write("\x10\x11\x03echo still-$((40 + 2))\n");
    screen.expect("still-42");
    screen.write("\x18y");
    assert_eq!(screen.end(), Some(0));
    assert_eq!(place.look("box", "{{.State.Running}}"), "true");
    let exec = [&["exec", "-it"][..], &keys, &["box", "sh"]].concat();
    let mut screen = Screen::run(&mut place.sandbox.rbuild_command(exec));
    screen.expect("# ");
    screen.write("\x18y");
    screen.end();
    place.rbuild("stop -t 0 box").success();
    let start = [&["start", "-ai"][..], &keys, &["box"]].concat();
    let mut screen = Screen::run(&mut place.sandbox.rbuild_command(start));
    screen.expect("# ");
    screen.write("\x18y");
    assert_eq!(screen.end(), Some(0));
    assert_eq!(place.look("box", "{{.State.Running}}"), "true");
    place.rbuild("rm -f box").success();
    place.assert_nothing_left();
}
