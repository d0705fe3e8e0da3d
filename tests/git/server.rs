//! Servers of repositories on 127.0.0.1, each built on git's own programs: plain files by HTTP, the smart HTTP
//! protocol, and git's own protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::support::{HttpServer, response};

/// The files below `root`.
pub(super) fn plain(root: &Path) -> HttpServer {
    let root = root.to_owned();
    HttpServer::start(move |head| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        match std::fs::read(root.join(path.trim_start_matches('/'))) {
            Ok(bytes) => response("200 OK", &[], &bytes),
            Err(_) => response("404 Not Found", &[], b""),
        }
    })
}

/// `git http-backend` for the repositories below a directory.
pub(super) struct SmartServer {
    pub(super) port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

/// What has to stand in a request for it to be answered, or another answer.
type Gate = dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync;

impl SmartServer {
    pub(super) fn start(root: &Path) -> SmartServer {
        SmartServer::gated(root, |_| None)
    }

    /// What `gate` answers to the head of a request is the answer.
    pub(super) fn gated(
        root: &Path,
        gate: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> SmartServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (root, log, gate) = (root.to_owned(), requests.clone(), Arc::new(gate));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, log, gate) = (root.clone(), log.clone(), gate.clone());
                // A client may hang up whenever it likes.
                std::thread::spawn(move || drop(serve(stream, &root, &log, &*gate)));
            }
        });
        SmartServer { port, requests }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The heads of the requests since the last call.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

/// One request of a connection.
fn serve(
    stream: TcpStream,
    root: &PathBuf,
    log: &Mutex<Vec<String>>,
    gate: &Gate,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    log.lock().unwrap().push(head.clone());
    if let Some(answer) = gate(&head) {
        return stream.write_all(&answer);
    }
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let length: u64 = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut command = Command::new("git");
    command.arg("http-backend").stdin(Stdio::piped()).stdout(Stdio::piped());
    command.env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query);
    command.env("CONTENT_LENGTH", length.to_string());
    for (variable, name) in [
        ("CONTENT_TYPE", "content-type"),
        ("HTTP_CONTENT_ENCODING", "content-encoding"),
        ("GIT_PROTOCOL", "git-protocol"),
    ] {
        command.envs(header(name).map(|value| (variable, value)));
    }
    let mut child = command.spawn()?;
    child.stdin.take().unwrap().write_all(&body)?;
    let output = child.wait_with_output()?.stdout;
    let status = output.strip_prefix(b"Status: ".as_slice());
    let line =
        status.and_then(|rest| rest.split(|byte| *byte == b'\r').next()).unwrap_or(b"200 OK");
    stream.write_all(&[b"HTTP/1.1 ", line, b"\r\nConnection: close\r\n"].concat())?;
    stream.write_all(&output)
}

/// A server that starts `command` for each connection, with the connection as stdin and stdout.
pub(super) fn per_connection(command: impl Fn() -> Command + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let stdin: std::os::fd::OwnedFd = stream.try_clone().unwrap().into();
            let stdout: std::os::fd::OwnedFd = stream.into();
            let mut command = command();
            let mut child =
                command.stdin(stdin).stdout(stdout).stderr(Stdio::null()).spawn().unwrap();
            std::thread::spawn(move || child.wait());
        }
    });
    port
}

/// `git://`, for the repositories below a directory.
pub(super) fn daemon(root: &Path) -> u16 {
    let root = root.to_owned();
    per_connection(move || {
        let mut command = Command::new("git");
        command.args(["daemon", "--inetd", "--export-all"]);
        command.arg(format!("--base-path={}", root.display()));
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        command
    })
}
