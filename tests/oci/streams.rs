//! Standard streams, terminals, descriptors that are handed on, exit codes.

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::json;

use super::bundle::{Bundle, script};
use crate::support::run;

#[test]
fn streams_and_exit_codes_pass_through() {
    let Some(bundle) = Bundle::new(|config| {
        config["process"]["args"] = script("read line; echo out $line; echo err >&2; exit 42");
    }) else {
        return;
    };
    let mut command = bundle.command(&["run", "--bundle", "bundle", "c1"]);
    let output = run(command.stdin(Stdio::piped()), "typed\n").exits(42);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out typed\n", "err\n"));
    bundle.oci("list -q").success().prints("");
    bundle.configure(|config| config["process"]["args"] = script("sleep 1000"));
    bundle.create("c1").success();
    bundle.oci("start c1").success();
    // The first process of a namespace is killed from outside only; who runs it ends as it did.
    let run = bundle.command(&["run", "--bundle", "bundle", "c2"]).stdin(Stdio::null()).spawn();
    let mut run = run.unwrap();
    while bundle.oci("kill c2 KILL").status != Some(0) {}
    assert_eq!(run.wait().unwrap().code(), Some(137));
}

/// The descriptor that comes over the socket.
fn receive(listener: &UnixListener) -> OwnedFd {
    let (socket, _) = listener.accept().unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut name = [0; 64];
    recvmsg(&socket, &mut [IoSliceMut::new(&mut name)], &mut control, RecvFlags::empty()).unwrap();
    let descriptors = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    descriptors.expect("a terminal")
}

/// Until the terminal is closed, which is an error.
fn all_of(terminal: OwnedFd) -> String {
    let mut text = Vec::new();
    let _closed = File::from(terminal).read_to_end(&mut text);
    String::from_utf8_lossy(&text).replace("\r\n", "\n")
}

#[test]
fn a_terminal_goes_to_whoever_listens() {
    let Some(bundle) = Bundle::new(|config| {
        config["process"]["terminal"] = true.into();
        config["process"]["consoleSize"] = json!({ "height": 33, "width": 77 });
        config["process"]["args"] =
            script("tty; stty size; ls -l /dev/console | cut -c1; tty <>/dev/console");
    }) else {
        return;
    };
    bundle.create("c1").exits(1).says("`--console-socket`");
    let path = bundle.path("s");
    let listener = UnixListener::bind(&path).unwrap();
    let socket = path.to_str().unwrap();
    let line = ["create", "--bundle", "bundle", "--console-socket", socket, "c1"];
    bundle.detached(&line).success();
    let terminal = receive(&listener);
    bundle.oci("start c1").success();
    assert_eq!(all_of(terminal), "/dev/pts/0\n33 77\nc\n/dev/console\n");
    bundle.wait_for("c1", "stopped");
    bundle.oci("delete c1").success();

    bundle.configure(|config| config["process"]["args"] = script("sleep 1000"));
    bundle.detached(&line).exits(1).says("`process.terminal` is not set");
    bundle.create("c1").success();
    bundle.oci("start c1").success();
    let line = [
        "exec",
        "--tty",
        "--detach",
        "--console-socket",
        socket,
        "c1",
        "sh",
        "-c",
        "tty; read x; echo $x",
    ];
    bundle.detached(&line).success();
    let terminal = receive(&listener);
    File::from(terminal.try_clone().unwrap()).write_all(b"typed\n").unwrap();
    // What is typed may be echoed before the program says anything.
    let text = all_of(terminal);
    assert!(text.contains("/dev/pts/0\n") && text.matches("typed\n").count() == 2, "{text}");
}

#[test]
fn descriptors_are_handed_on_when_that_is_asked_for() {
    let Some(bundle) = Bundle::new(|config| {
        config["process"]["args"] = script("ls /proc/self/fd | tr '\\n' ' '; cat <&3");
    }) else {
        return;
    };
    bundle.sandbox.write("file", "inherited\n");
    let binary = env!("CARGO_BIN_EXE_rbuild");
    let root = bundle.path("oci");
    let line = format!(
        "exec 3<file 4<file; {binary} oci --root {} run --preserve-fds 1 --bundle bundle c1",
        root.display()
    );
    let shell = |line: &str| run(bundle.sandbox.command("sh").args(["-c", line]), "");
    // `ls` itself opens the directory.
    shell(&line).success().prints("0 1 2 3 4 inherited\n");
    let closed = line.replace("exec 3<file 4<file;", "exec 3<&- 4<&-;");
    shell(&closed).exits(1).says("descriptor 3 is to be preserved, but is not open");
    let without = line.replace("--preserve-fds 1", "");
    let output = shell(&without);
    assert!(output.stdout.starts_with("0 1 2 3 "), "{output}");
    assert!(!output.stdout.contains("inherited"), "{output}");
}

/// While it waits for its start, and in what it runs: nothing of the host's is open.
#[test]
fn nothing_of_the_hosts_is_open_in_a_container_that_waits() {
    let Some(bundle) = Bundle::new(|_| ()) else { return };
    let root = bundle.path("oci");
    let binary = env!("CARGO_BIN_EXE_rbuild");
    let line = format!(
        "exec 5</ 6</etc; {binary} oci --root {} create --bundle bundle --pid-file pid c1 >out 2>err",
        root.display()
    );
    run(bundle.sandbox.command("sh").args(["-c", &line]), "").success().prints("");
    let pid = bundle.sandbox.read("pid");
    let mut open = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let path = entry.unwrap().path();
        let number: i32 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        if number > 2 {
            open.push(std::fs::read_link(path).unwrap().display().to_string());
        }
    }
    open.sort();
    let expected = ["begin", "report"].map(|name| root.join("c1").join(name).display().to_string());
    assert_eq!(open[..2], ["/memfd:launcher (deleted)".to_owned(), expected[0].clone()]);
    assert_eq!(open[2..], [expected[1].clone()]);
    assert!(File::open(format!("/proc/{pid}/fd")).unwrap().as_raw_fd() > 2);
}
