//! Packets that are too large for the way, and whoever is not told of it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::world::{HOST, Namespace, OUTSIDE, World};
use crate::support::installed;

const LENGTH: usize = 10_000_000;

/// Bytes that are different everywhere.
fn content() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..LENGTH).map(|_| next()).collect()
}

/// Answers each connection with the content.
fn serve_content(namespace: &Namespace, address: &'static str, port: u16) {
    let listener = namespace.thread(move || TcpListener::bind((address, port)).unwrap()).join();
    let listener = listener.unwrap();
    thread::spawn(move || {
        let content = content();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 1024];
            let _request = stream.read(&mut request);
            let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
            let _gone = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&content));
        }
    });
}

#[test]
fn ten_megabytes_pass_where_nobody_is_told_that_packets_are_too_large() {
    let Some(world) = World::new() else { return };
    if !installed("nft") {
        return;
    }
    // The way out takes less than the network's interfaces and those beyond it, and nobody is told.
    world.host.command("ip", "link set up0 mtu 1400".split(' '));
    let nft = |line: &str| world.host.command("nft", line.split(' '));
    nft("add table ip silent");
    nft("add chain ip silent out { type filter hook output priority 0; }");
    nft("add rule ip silent out icmp type destination-unreachable drop");
    world.rbuild("network create --opt mtu=1500 large").success();
    world.serve("web", "--network large -p 8080:80");
    serve_content(&world.outside, OUTSIDE, 8000);
    std::fs::write(world.sandbox.path("content"), content()).unwrap();
    let sum = |text: String| text.split(' ').next().unwrap_or_default().to_owned();
    let file = world.sandbox.path("content");
    let expected = sum(world.host.command("sha256sum", [file.as_os_str()]).stdout);
    world.rbuild(&format!("cp {} web:/www/content", file.display())).success();

    let inwards = format!("timeout 20 wget -q -O - http://{OUTSIDE}:8000/ | sha256sum");
    assert_eq!(sum(world.shell("exec web", &inwards).success().stdout), expected);
    let fetch = |seconds: &str| {
        let to = world.sandbox.path("fetched");
        let url = format!("http://{HOST}:8080/content");
        let args = ["--silent", "--max-time", seconds, "--output", to.to_str().unwrap(), &url];
        let done = world.outside.attempt("curl", args).status == Some(0);
        done.then(|| sum(world.host.command("sha256sum", [to.as_os_str()]).stdout))
    };
    assert_eq!(fetch("20"), Some(expected));

    // Without our rules about the size of segments nothing would come through.
    let listed = nft("-a list ruleset").stdout;
    let table = listed.split_whitespace().find(|word| word.starts_with("rbuild-")).unwrap();
    let handles = listed.lines().filter(|line| line.contains("maxseg size set rt mtu"));
    let handles: Vec<&str> = handles.filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(handles.len(), 2, "{listed}");
    for handle in handles {
        nft(&format!("delete rule ip {table} forwarded handle {handle}"));
    }
    assert_eq!(fetch("3"), None);
}
