//! Published ports, from everywhere.

use std::io::{Read, Write};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::world::{HOST, OUTSIDE, World};

const HELLO: &str = "hello web\n";

#[test]
fn a_published_port_is_reached_from_everywhere() {
    let Some(world) = World::new() else { return };
    world.serve("web", "-p 8080:80 -p 127.0.0.1:8081:80 -p [::1]:8082:80");
    world.serve("other", "");
    world.rbuild("network create far").success();
    world.serve("third", "--network far");
    for bridged in ["1", "0"] {
        // Whether the host's firewall sees what stays on a bridge.
        let file = "/proc/sys/net/bridge/bridge-nf-call-iptables";
        let set = format!("[ ! -e {file} ] || echo {bridged} > {file}");
        world.host.command("sh", ["-c", &set]);
        let own = format!("http://{HOST}:8080/");
        assert_eq!(world.outside.fetch(&own).as_deref(), Some(HELLO), "from outside");
        for (url, what) in [
            (own.as_str(), "by the host's own address"),
            ("http://127.0.0.1:8080/", "by 127.0.0.1"),
            ("http://[::1]:8080/", "by ::1"),
            ("http://127.0.0.1:8081/", "by 127.0.0.1 only"),
            ("http://[::1]:8082/", "by ::1 only"),
        ] {
            assert_eq!(world.host.fetch(url).as_deref(), Some(HELLO), "{what}");
        }
        for from in ["web", "other", "third"] {
            let found = world.fetch_in(from, HOST, 8080);
            assert_eq!(found.as_deref(), Some("hello web"), "from {from}, bridged {bridged}");
        }
        assert_eq!(world.outside.fetch(&format!("http://{HOST}:8081/")), None);
    }
}

/// Although the address is changed before the kernel sees that it came to the loopback from outside.
#[test]
fn a_port_of_the_loopback_is_not_for_neighbours() {
    let Some(world) = World::new() else { return };
    world.serve("web", "-p 127.0.0.1:8081:80 -p 8080:80");
    world.outside.command("ip", ["addr", "del", "127.0.0.1/8", "dev", "lo"]);
    let script = format!(
        "ip route del table local 127.0.0.0/8 dev lo; ip route add 127.0.0.1 via {HOST} dev up1"
    );
    world.outside.attempt("sh", ["-c", &script]);
    for setting in ["all", "up1"] {
        let path = format!("/proc/sys/net/ipv4/conf/{setting}/route_localnet");
        world.outside.command("sh", ["-c", &format!("echo 1 > {path}")]);
    }
    let way = world.outside.command("ip", ["route", "get", "127.0.0.1"]).stdout;
    assert!(way.contains("dev up1"), "{way}");
    let url = "http://127.0.0.1:8081/";
    assert_eq!(world.outside.fetch(url), None);
    assert_eq!(world.host.fetch(url).as_deref(), Some(HELLO));
    // It is our rule that keeps it away: without the chain the packet would be led to the container.
    if crate::support::installed("nft") {
        let tables = world.host.command("nft", ["list", "tables", "ip"]).stdout;
        let table = tables.trim().rsplit(' ').next().unwrap().to_owned();
        world.host.command("nft", ["flush", "chain", "ip", &table, "martians"]);
        assert_eq!(world.outside.fetch(url).as_deref(), Some(HELLO));
    }
}

#[test]
fn who_comes_from_outside_is_seen_as_who_it_is() {
    let Some(world) = World::new() else { return };
    let script = "while true; do echo hi | nc -l -p 7 >/dev/null; done";
    world.shell("run -d --name web -p 7:7 -p 9:9/udp busybox", script).success();
    // httpd tells in its log who came.
    world
        .shell("run -d --name log -p 8080:80 busybox", "exec httpd -f -vv -p 80 -h /bin 2>&1")
        .success();
    super::world::until("the log's server answers", || {
        world.outside.fetch(&format!("http://{HOST}:8080/nothing")).is_some()
    });
    let log = world.rbuild("logs log").success();
    assert!(log.stdout.contains(OUTSIDE), "{log}");
    assert!(world.outside.connects(HOST, 7));
}

#[test]
fn udp_is_published_and_old_connections_do_not_matter() {
    let Some(world) = World::new() else { return };
    let server = format!("{HOST}:5353").parse().unwrap();
    // This is remembered by the kernel as a connection to the host itself.
    assert_eq!(world.outside.ask_udp(server, "early"), None);
    world.rbuild("run -d --name echo -p 5353:53/udp busybox sleep 1000").success();
    world.echo_udp("echo", 53);
    let answers = || world.outside.ask_udp(server, "hello").as_deref() == Some("hello");
    super::world::until("the UDP server answers", answers);
    let local = "[::1]:5353".parse().unwrap();
    let answers = || world.host.ask_udp(local, "hello").as_deref() == Some("hello");
    super::world::until("it answers by IPv6 too", answers);
}

#[test]
fn a_busy_port_is_found_before_anything_starts() {
    let Some(world) = World::new() else { return };
    world.host.serve_address("0.0.0.0", 9000);
    world.serve("web", "-p 8080:80");
    let taken = world.rbuild("run --name late -p 9000:80 busybox true");
    taken.exits(125).says("port 9000/tcp of 0.0.0.0 is in use, by `").says("publish another port");
    let taken = world.rbuild("run --rm -p 8080:80 busybox true");
    taken.exits(125).says("port 8080/tcp of 0.0.0.0 is in use, by container `web`");
    world.host.serve_address(HOST, 9100);
    world.rbuild("run -d --name loop -p 127.0.0.1:9100:80 busybox sleep 1000").success();
    let taken = world.rbuild(&format!("run --rm -p {HOST}:9100:80 busybox true"));
    taken.exits(125).says(&format!("port 9100/tcp of {HOST} is in use, by `main"));
    assert_eq!(world.look("late", "{{.State.Status}}"), "created");
    // It is free as soon as the container has ended.
    world.rbuild("stop -t 0 web").success();
    world.rbuild("run --rm -p 8080:80 busybox true").success();
}

#[test]
fn ports_are_listed_and_chosen() {
    let Some(world) = World::new() else { return };
    world.serve("web", "--expose 81 -p 8000-8005:80 -P");
    let port = |line: &str| world.rbuild(line).success().stdout;
    assert_eq!(port("port web 80"), "0.0.0.0:8000\n[::]:8000\n");
    let chosen = port("port web 81/tcp");
    let number = chosen.lines().next().unwrap().strip_prefix("0.0.0.0:").unwrap().to_owned();
    assert_eq!(port("port web").lines().count(), 4);
    world.rbuild("port web 82").exits(1).says("no public port '82/tcp' published for web");
    let shown = port("ps --format {{.Ports}}");
    let expected = format!(
        "0.0.0.0:8000->80/tcp, [::]:8000->80/tcp, 0.0.0.0:{number}->81/tcp, [::]:{number}->81/tcp\n"
    );
    assert_eq!(shown, expected);
    let template = "{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}";
    assert_eq!(world.look("web", template), "8000");
    // The next of the range.
    world.serve("second", "-p 8000-8005:80");
    assert_eq!(port("port second 80"), "0.0.0.0:8001\n[::]:8001\n");
}

#[test]
fn ports_that_move_to_another_network_lead_back_too() {
    let Some(world) = World::new() else { return };
    for network in ["one", "two"] {
        world.rbuild(&format!("network create {network}")).success();
    }
    world.serve("web", "--network one -p 8080:80");
    world.rbuild("network connect two web").success();
    world.rbuild("network disconnect one web").success();
    for bridged in ["1", "0"] {
        let file = "/proc/sys/net/bridge/bridge-nf-call-iptables";
        world.host.command("sh", ["-c", &format!("[ ! -e {file} ] || echo {bridged} > {file}")]);
        assert_eq!(world.outside.fetch(&format!("http://{HOST}:8080/")).as_deref(), Some(HELLO));
        let own = world.fetch_in("web", HOST, 8080);
        assert_eq!(own.as_deref(), Some("hello web"), "bridged {bridged}");
    }
}

/// As docker's documentation has it: who comes by the network is seen as who it is, who comes by a loopback address as
/// the gateway.
#[test]
fn sources_are_kept_where_docker_keeps_them() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create far").success();
    let flags = "run -d --name web -p 8080:80 -p 8080:80/udp busybox sleep 1000";
    world.rbuild(flags).success();
    world.tell_peers("web", 80);
    world.rbuild("run -d --name other busybox sleep 1000").success();
    world.rbuild("run -d --name third --network far busybox sleep 1000").success();
    let gateway = world.look("web", "{{.NetworkSettings.Gateway}}");
    let (own, other) = (world.address("web"), world.address("other"));
    for bridged in ["1", "0"] {
        let file = "/proc/sys/net/bridge/bridge-nf-call-iptables";
        world.host.command("sh", ["-c", &format!("[ ! -e {file} ] || echo {bridged} > {file}")]);
        // Without the module nothing is seen there, whatever is written.
        let there = world.host.attempt("test", ["-e", file]).status == Some(0);
        let seen = there && bridged == "1";
        for (namespace, from, to, expected) in [
            (&world.outside, "outside", HOST, OUTSIDE),
            (&world.host, "the host by its address", HOST, HOST),
            (&world.host, "the host by 127.0.0.1", "127.0.0.1", &gateway),
            (&world.host, "the host by ::1", "[::1]", &gateway),
            (&world.host, "the host by the container's address", &own, &gateway),
        ] {
            let port = if to == own { 80 } else { 8080 };
            let by_tcp = namespace.fetch(&format!("http://{to}:{port}/"));
            assert_eq!(by_tcp.as_deref(), Some(expected), "TCP from {from}");
            let server = format!("{to}:{port}").parse().unwrap();
            let answered = || namespace.ask_udp(server, "?");
            super::world::until(&format!("UDP from {from}"), || answered().is_some());
            assert_eq!(answered().as_deref(), Some(expected), "UDP from {from}");
        }
        for (from, to, port, expected) in [
            ("other", own.as_str(), 80, &other),
            // Where the firewall does not see what stays on a bridge, the answer has to come back by the host.
            ("other", HOST, 8080, if seen { &other } else { &gateway }),
            // It leaves its own network, as for anywhere else.
            ("third", HOST, 8080, &gateway),
            ("web", HOST, 8080, &gateway),
        ] {
            let found = world.fetch_in(from, to, port);
            assert_eq!(found.as_deref(), Some(expected.as_str()), "{from} to {to}, {bridged}");
        }
    }
}

#[test]
fn what_an_image_exposes_is_published_when_asked() {
    let Some(world) = World::new() else { return };
    let dockerfile = "FROM busybox\nEXPOSE 80 53/udp 90-91/tcp\n";
    world.sandbox.write("exposing/Dockerfile", dockerfile);
    let context = world.sandbox.path("exposing");
    world.rbuild(&format!("build -q -t exposing {}", context.display())).success();
    world.rbuild("run -d --name web -P -p 8053:53/udp exposing httpd -f -p 80").success();
    let ports = world.rbuild("port web").success().stdout;
    let line = |text: &str| ports.lines().filter(|line| line.starts_with(text)).count();
    assert_eq!(ports.lines().count(), 8, "{ports}");
    for (text, count) in [("80/tcp -> ", 2), ("90/tcp -> ", 2), ("91/tcp -> ", 2)] {
        assert_eq!(line(text), count, "{ports}");
    }
    assert_eq!(line("53/udp -> 0.0.0.0:8053") + line("53/udp -> [::]:8053"), 2, "{ports}");
    let chosen = world.rbuild("port web 80").success().stdout;
    let number = chosen.lines().next().unwrap().strip_prefix("0.0.0.0:").unwrap().to_owned();
    assert!(world.outside.connects(HOST, number.parse().unwrap()));
    world.rbuild("run -d --name shut exposing sleep 1000").success();
    assert_eq!(world.rbuild("port shut").success().stdout, "");
}

#[test]
fn ports_are_published_while_a_network_leads_out() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create --internal inner").success();
    world.rbuild("network create out").success();
    world.serve("web", "--network inner -p 8080:80");
    let ports = || world.rbuild("port web").success().stdout;
    let url = format!("http://{HOST}:8080/");
    assert_eq!((ports(), world.outside.fetch(&url)), (String::new(), None));
    // Somebody else has the port by now: the container stays where it was.
    world.rbuild("run -d --name taker -p 8080:80 busybox sleep 1000").success();
    let refused = world.rbuild("network connect out web");
    refused.exits(1).says("port 8080/tcp of 0.0.0.0 is in use, by container `taker`");
    let networks =
        || world.look("web", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}");
    assert_eq!(networks(), "inner");
    world.rbuild("rm -f taker").success();
    world.rbuild("network connect out web").success();
    assert_eq!(ports(), "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n");
    assert_eq!(world.outside.fetch(&url).as_deref(), Some(HELLO));
    assert_eq!(world.host.fetch("http://[::1]:8080/").as_deref(), Some(HELLO));
    world.rbuild("network disconnect out web").success();
    assert_eq!((ports(), world.outside.fetch(&url)), (String::new(), None));
    world.rbuild("run --rm -p 8080:80 busybox true").success();
}

/// What NAT cannot redirect is copied by a process that a change of networks does not concern.
#[test]
fn a_connection_by_ipv6_outlives_a_change_of_networks() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create two").success();
    world.rbuild("run -d --name echo -p 7007:7 busybox nc -ll -p 7 -e cat").success();
    super::world::until("the server listens", || world.outside.connects(HOST, 7007));
    let connect = || std::net::TcpStream::connect("[::1]:7007").unwrap();
    let mut stream = world.host.thread(connect).join().unwrap();
    stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let mut echoes = |text: &str| {
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = vec![0; text.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, text.as_bytes());
    };
    echoes("before");
    world.rbuild("network connect two echo").success();
    echoes("with another network");
    world.rbuild("network disconnect two echo").success();
    echoes("without it");
}

#[test]
fn thousands_of_ports_are_published_at_once() {
    let Some(world) = World::new() else { return };
    let range = "20000-23999:20000-23999";
    let line = format!("run -d --name many -p {range} -p {range}/udp busybox sleep 1000");
    world.rbuild(&line).success();
    world.echo_udp("many", 23999);
    for (from, server) in
        [(&world.outside, format!("{HOST}:23999")), (&world.host, "[::1]:23999".into())]
    {
        let server = server.parse().unwrap();
        let answers = || from.ask_udp(server, "hello").as_deref() == Some("hello");
        super::world::until("the UDP server answers", answers);
    }
    // What copies has threads for the ports that something came to, and not for all.
    let shim = world.shim("many");
    let children = format!("/proc/{shim}/task/{shim}/children");
    let children = std::fs::read_to_string(children).unwrap();
    let threads =
        |pid: &str| std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    let most = children.split_whitespace().map(threads).max();
    assert!(most.is_some_and(|most| (2..20).contains(&most)), "{most:?} threads");
    world.rbuild("rm -f many").success();
    assert_eq!(world.outside.ask_udp(format!("{HOST}:23999").parse().unwrap(), "late"), None);
}

/// The name server and what copies are processes, which somebody may kill.
#[test]
fn processes_beside_a_container_are_replaced_when_they_die() {
    let Some(world) = World::new() else { return };
    world.rbuild("network create net").success();
    world.serve("web", "--network net -p 8080:80");
    let helpers = || {
        let shim = world.shim("web");
        let text = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap();
        let all = text.split_whitespace().map(|pid| pid.parse::<i32>().unwrap());
        let program = |pid: &i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let own = program(&shim);
        all.filter(|pid| program(pid) == own).collect::<Vec<_>>()
    };
    let works = || {
        world.host.fetch("http://[::1]:8080/").as_deref() == Some(HELLO)
            && world.rbuild("exec web nslookup -type=a web").status == Some(0)
    };
    // Nothing copies until something comes.
    let before = helpers();
    assert!(works());
    let after = helpers();
    assert_eq!(after.len(), before.len() + 1, "{before:?} {after:?}");
    for helper in &after {
        kill(Pid::from_raw(*helper), Signal::SIGKILL).unwrap();
    }
    super::world::until("both work again", works);
    assert!(after.iter().all(|helper| !helpers().contains(helper)));
    assert_eq!(world.look("web", "{{.State.Running}}"), "true");
}
