//! A machine of two network namespaces: `host`, where rbuild runs, and `outside`, which the host's default route leads to.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

pub(super) use crate::support::until;
use crate::support::{Output, PATIENCE, Sandbox, installed, privileged, run};

pub(super) const HOST: &str = "10.99.0.1";
pub(super) const OUTSIDE: &str = "10.99.0.2";

pub(super) struct World {
    pub(super) sandbox: Sandbox,
    pub(super) host: Namespace,
    pub(super) outside: Namespace,
}

/// A network namespace, kept by a process.
pub(crate) struct Namespace {
    holder: Child,
}

impl Namespace {
    pub(crate) fn new() -> Namespace {
        let own = fs::read_link("/proc/self/ns/net").unwrap();
        let mut command = Command::new("unshare");
        let holder = command.args(["--net", "sleep", "1000"]).stdin(Stdio::null()).spawn().unwrap();
        let namespace = Namespace { holder };
        let made = || fs::read_link(namespace.path()).is_ok_and(|found| found != own);
        until("the namespace is made", made);
        namespace.command("ip", ["link", "set", "lo", "up"]);
        namespace
    }

    /// The same one, kept by another process.
    fn again(&self) -> Namespace {
        let mut command = Command::new("nsenter");
        command.args(self.prefix()).args(["sleep", "1000"]).stdin(Stdio::null());
        let namespace = Namespace { holder: command.spawn().unwrap() };
        let own = fs::read_link(self.path()).unwrap();
        let entered = || fs::read_link(namespace.path()).is_ok_and(|found| found == own);
        until("the namespace is entered", entered);
        namespace
    }

    pub(super) fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }

    fn prefix(&self) -> Vec<String> {
        vec![format!("--net={}", self.path()), "--".to_owned()]
    }

    /// What starts a program there.
    pub(crate) fn through(&self) -> Vec<String> {
        std::iter::once("nsenter".to_owned()).chain(self.prefix()).collect()
    }

    /// The host's interfaces that are not its own, and what the firewall has.
    pub(crate) fn left(&self) -> Vec<String> {
        let links = self.command("ip", ["-brief", "link"]).stdout;
        let names = links.lines().filter_map(|line| line.split([' ', '@']).next());
        let mut left: Vec<String> =
            names.filter(|name| !["lo", "up0"].contains(name)).map(str::to_owned).collect();
        if installed("nft") {
            let tables = self.command("nft", ["list", "tables"]).stdout;
            left.extend(tables.lines().map(str::to_owned));
        }
        left
    }

    /// Runs a program there and fails the test if it fails.
    #[track_caller]
    pub(super) fn command<A: AsRef<OsStr>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Output {
        self.attempt(program, args).success()
    }

    pub(super) fn attempt<A: AsRef<OsStr>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Output {
        let mut command = Command::new("nsenter");
        command.args(self.prefix()).arg(program).args(args).stdin(Stdio::null());
        run(&mut command, "")
    }

    /// What a URL gives, or nothing within two seconds.
    pub(super) fn fetch(&self, url: &str) -> Option<String> {
        let output = self.attempt("curl", ["--silent", "--max-time", "2", "--noproxy", "*", url]);
        (output.status == Some(0)).then_some(output.stdout)
    }

    /// A thread in this namespace.
    pub(super) fn thread<T: Send + 'static>(
        &self,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        thread_in(&self.path(), body)
    }

    /// Answers every TCP connection with the address that it came from, until the namespace goes.
    pub(super) fn serve_address(&self, address: &'static str, port: u16) {
        serve_address_in(&self.path(), address, port);
    }

    /// A name server that answers every question with this code: 2 is SERVFAIL.
    pub(super) fn serve_failures(&self, address: &'static str, code: u8) {
        let socket = self.thread(move || UdpSocket::bind((address, 53)).unwrap()).join().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                (buffer[2], buffer[3]) = (buffer[2] | 0x80, code);
                let _gone = socket.send_to(&buffer[..length], client);
            }
        });
    }

    /// Answers name questions, each with this address; counts them.
    pub(super) fn serve_names(&self, address: &'static str, answer: [u8; 4]) -> Arc<AtomicUsize> {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let socket = self.thread(move || UdpSocket::bind((address, 53)).unwrap()).join().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                count.fetch_add(1, Ordering::Relaxed);
                let mut reply = buffer[..length].to_vec();
                reply[2] |= 0x80;
                reply[7] = 1;
                // The question's additional records are not repeated.
                reply[11] = 0;
                let question = 12 + reply[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
                reply.truncate(question);
                reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                reply.extend(answer);
                let _gone = socket.send_to(&reply, client);
            }
        });
        asked
    }

    /// What a UDP server says to `text`, or nothing within a second.
    pub(super) fn ask_udp(&self, server: SocketAddr, text: &'static str) -> Option<String> {
        self.thread(move || {
            let local: IpAddr = match server {
                SocketAddr::V4(_) => [0, 0, 0, 0].into(),
                SocketAddr::V6(_) => [0; 16].into(),
            };
            let socket = UdpSocket::bind((local, 0)).unwrap();
            socket.connect(server).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            socket.send(text.as_bytes()).ok()?;
            let mut buffer = [0; 512];
            let length = socket.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
        })
        .join()
        .unwrap()
    }

    /// Whether a TCP connection comes about within two seconds.
    pub(super) fn connects(&self, address: &str, port: u16) -> bool {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        let patience = Duration::from_secs(2);
        self.thread(move || TcpStream::connect_timeout(&address, patience).is_ok()).join().unwrap()
    }
}

pub(super) fn thread_in<T: Send + 'static>(
    path: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let namespace = File::open(path).unwrap();
    thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        body()
    })
}

fn serve_address_in(namespace: &str, address: &'static str, port: u16) {
    let listener = thread_in(namespace, move || TcpListener::bind((address, port)).unwrap());
    let listener = listener.join().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let peer = stream.peer_addr().unwrap().ip();
            let _gone = stream.write_all(answer(&peer).as_bytes());
            // Until the client has read it all.
            let _ended = stream.shutdown(std::net::Shutdown::Write);
            let _rest = stream.read_to_end(&mut Vec::new());
        }
    });
}

fn answer(peer: &IpAddr) -> String {
    let text = peer.to_string();
    format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _gone = self.holder.kill();
        let _status = self.holder.wait();
    }
}

impl World {
    /// None, with the reason printed, where it cannot be.
    pub(super) fn new() -> Option<World> {
        if !privileged() || !["nsenter", "ip", "curl"].iter().all(|program| installed(program)) {
            return None;
        }
        let (host, outside) = (Namespace::new(), Namespace::new());
        let there = outside.holder.id().to_string();
        let ip = |namespace: &Namespace, line: &str| {
            namespace.command("ip", line.split_whitespace());
        };
        ip(&host, &format!("link add up0 type veth peer name up1 netns {there}"));
        ip(&host, &format!("addr add {HOST}/24 dev up0"));
        ip(&host, "link set up0 up");
        ip(&outside, &format!("addr add {OUTSIDE}/24 dev up1"));
        ip(&outside, "link set up1 up");
        ip(&host, &format!("route add default via {OUTSIDE}"));
        Some(World { sandbox: Sandbox::with_busybox(), host, outside })
    }

    /// The same machine with another store.
    pub(super) fn beside(&self) -> World {
        World {
            sandbox: Sandbox::with_busybox(),
            host: self.host.again(),
            outside: self.outside.again(),
        }
    }

    fn rbuild_command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        self.rbuild_through(&[], args)
    }

    /// On the host, started by another program.
    pub(super) fn rbuild_through<A: AsRef<OsStr>>(
        &self,
        through: &[&str],
        args: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = self.sandbox.command("nsenter");
        command.env_remove("RBUILD_NETWORK");
        command.args(self.host.prefix()).args(through);
        command.arg(env!("CARGO_BIN_EXE_rbuild")).args(args);
        command
    }

    /// The words of a command line, on the host.
    #[track_caller]
    pub(super) fn rbuild(&self, line: &str) -> Output {
        run(&mut self.rbuild_command(line.split_whitespace()), "")
    }

    /// `rbuild LINE sh -c SCRIPT`
    #[track_caller]
    pub(super) fn shell(&self, line: &str, script: &str) -> Output {
        run(&mut self.rbuild_command(line.split_whitespace().chain(["sh", "-c", script])), "")
    }

    /// Starts a container that answers `hello` followed by its name at port 80.
    #[track_caller]
    pub(super) fn serve(&self, name: &str, flags: &str) {
        let script =
            format!("mkdir /www; echo hello {name} > /www/index.html; exec httpd -f -p 80 -h /www");
        self.shell(&format!("run -d --name {name} {flags} busybox"), &script).success();
        let listens =
            || self.rbuild(&format!("exec {name} nc -w 1 127.0.0.1 80 -e true")).status == Some(0);
        until("the server listens", listens);
    }

    /// Tells everybody who comes to this port of the container from which address that was, by TCP and UDP.
    pub(super) fn tell_peers(&self, container: &str, port: u16) {
        let namespace = self.look(container, "{{.NetworkSettings.SandboxKey}}");
        serve_address_in(&namespace, "0.0.0.0", port);
        let socket = thread_in(&namespace, move || UdpSocket::bind(("0.0.0.0", port)).unwrap());
        let socket = socket.join().unwrap();
        thread::spawn(move || {
            while let Ok((_, client)) = socket.recv_from(&mut [0; 512]) {
                let _gone = socket.send_to(client.ip().to_string().as_bytes(), client);
            }
        });
    }

    /// Sends every packet back that comes to this UDP port of the container.
    pub(super) fn echo_udp(&self, container: &str, port: u16) {
        let namespace = self.look(container, "{{.NetworkSettings.SandboxKey}}");
        let socket = thread_in(&namespace, move || UdpSocket::bind(("0.0.0.0", port)).unwrap());
        let socket = socket.join().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, client)) = socket.recv_from(&mut buffer) {
                let _gone = socket.send_to(&buffer[..length], client);
            }
        });
    }

    /// What the server at this address says to the container, or nothing within two seconds.
    pub(super) fn fetch_in(&self, container: &str, host: &str, port: u16) -> Option<String> {
        let script =
            format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {host} {port} | tail -n 1");
        let output = self.shell(&format!("exec {container}"), &script);
        let text = output.stdout.trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// The container's address.
    pub(super) fn address(&self, container: &str) -> String {
        self.look(container, "{{.NetworkSettings.IPAddress}}")
    }

    #[track_caller]
    pub(super) fn look(&self, name: &str, template: &str) -> String {
        let mut command = self.rbuild_command(["inspect", "--format", template, name]);
        run(&mut command, "").success().stdout.trim_end().to_owned()
    }

    /// See [`Namespace::left`].
    pub(super) fn left(&self) -> Vec<String> {
        self.host.left()
    }

    #[track_caller]
    pub(super) fn until_nothing_is_left(&self) {
        let began = Instant::now();
        while !self.left().is_empty() {
            assert!(began.elapsed() < PATIENCE, "left: {:?}", self.left());
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(super) fn shim(&self, name: &str) -> i32 {
        let id = self.look(name, "{{.Id}}");
        let path = self.sandbox.root().join("containers").join(id).join("state.json");
        let state: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        i32::try_from(state["shim"]["pid"].as_i64().unwrap()).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let all = self.rbuild("ps -aq --no-trunc").stdout;
        for id in all.lines() {
            let _removed = self.rbuild(&format!("rm -f {id}"));
        }
    }
}
