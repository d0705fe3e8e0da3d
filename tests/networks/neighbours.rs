//! Beside others who have rules about what is forwarded.

use super::world::{HOST, OUTSIDE, World, until};
use crate::interop::daemon::Daemon;
use crate::support::{busybox_rootfs, installed};

/// Whether the host's firewall sees what stays on a bridge.
fn set_bridged(world: &World, bridged: &str) {
    let file = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    let set = format!("[ ! -e {file} ] || echo {bridged} > {file}");
    world.host.command("sh", ["-c", &set]);
}

/// Everything that a network has to do, with containers `web` (port 8080) and `other`.
#[track_caller]
fn assert_all_works(world: &World, when: &str) {
    for bridged in ["1", "0"] {
        set_bridged(world, bridged);
        let when = format!("{when}, bridged {bridged}");
        let url = format!("http://{HOST}:8080/");
        assert!(world.outside.fetch(&url).is_some(), "from outside {when}");
        assert!(world.host.fetch("http://127.0.0.1:8080/").is_some(), "from here {when}");
        let address = world.address("web");
        assert!(world.fetch_in("other", &address, 80).is_some(), "within {when}");
        assert!(world.fetch_in("other", HOST, 8080).is_some(), "by the published port {when}");
        assert_eq!(world.fetch_in("other", OUTSIDE, 8000).as_deref(), Some(HOST), "out {when}");
    }
}

#[test]
fn a_real_docker_and_its_containers_live_beside_ours() {
    let Some(world) = World::new() else { return };
    world.outside.serve_address(OUTSIDE, 8000);
    // Where docker turns forwarding on, it drops by policy what is forwarded.
    world.host.command("sh", ["-c", "echo 0 > /proc/sys/net/ipv4/ip_forward"]);
    let Some(docker) = Daemon::start_in(&world.sandbox, &world.host.path()) else { return };
    docker.docker(&["import", busybox_rootfs().to_str().unwrap(), "own"]).success();
    let script = "mkdir /www; echo hello docker > /www/index.html; httpd -p 81 -h /www; exec httpd -f -p 80 -h /www";
    let start = |name: &str, port: &str| {
        let args = ["run", "-d", "--name", name, "-p", port, "own", "sh", "-c", script];
        docker.docker(&args).success();
    };
    start("theirs", "9090:80");
    let theirs = format!("http://{HOST}:9090/");
    let answers = || world.outside.fetch(&theirs).as_deref() == Some("hello docker\n");
    until("docker's container answers", answers);

    world.serve("web", "-p 8080:80");
    world.serve("other", "");
    assert_all_works(&world, "beside docker");
    assert!(answers(), "docker's container");
    assert_eq!(world.fetch_in("other", HOST, 9090).as_deref(), Some("hello docker"));
    let fetch = ["exec", "theirs", "timeout", "2", "wget", "-q", "-O", "-"];
    let with = |url: &str| docker.docker(&[&fetch[..], &[url]].concat());
    assert_eq!(with(&format!("http://{HOST}:8080/")).success().stdout, "hello web\n");
    // Neither reaches what the other has not published.
    assert_ne!(with(&format!("http://{}/", world.address("web"))).status, Some(0));
    let inner = docker.docker(&["inspect", "--format", "{{.NetworkSettings.IPAddress}}", "theirs"]);
    let inner = inner.success().stdout.trim().to_owned();
    assert!(world.host.fetch(&format!("http://{inner}:81/")).is_some(), "docker's other port");
    assert_eq!(world.fetch_in("other", &inner, 81), None);
    // A port is one or the other's.
    world.rbuild("run --rm -p 9090:80 busybox true").exits(125).says("port 9090/tcp");

    // What either takes away is its own.
    world.rbuild("rm -f web other").success();
    until("our rules are gone", || {
        let rules = world.host.command("iptables-save", [""; 0]).stdout;
        !rules.contains("rbuild-")
    });
    assert!(answers(), "docker's container, after ours");
    world.serve("web", "-p 8080:80");
    docker.docker(&["rm", "-f", "theirs"]).success();
    world.serve("other", "");
    assert_all_works(&world, "after docker's container");
    drop(docker);
    // Docker leaves its rules; ours are still among them.
    assert_all_works(&world, "after docker");
}

#[test]
fn a_docker_that_comes_later_is_met_by_the_next_command() {
    let Some(world) = World::new() else { return };
    world.outside.serve_address(OUTSIDE, 8000);
    world.serve("web", "-p 8080:80");
    world.serve("other", "");
    world.host.command("sh", ["-c", "echo 0 > /proc/sys/net/ipv4/ip_forward"]);
    let Some(_docker) = Daemon::start_in(&world.sandbox, &world.host.path()) else { return };
    world.rbuild("ps").success();
    assert_all_works(&world, "with docker since a moment ago");
}

#[test]
fn chains_that_drop_are_named_or_asked_for_a_place() {
    let Some(world) = World::new() else { return };
    if !installed("nft") {
        return;
    }
    world.outside.serve_address(OUTSIDE, 8000);
    let nft = |line: &str| world.host.command("nft", [line]);
    nft("add table inet fence");
    nft("add chain inet fence through { type filter hook forward priority 0; policy drop; }");
    for bridged in ["1", "0"] {
        set_bridged(&world, bridged);
        let refused = world.rbuild("run --rm busybox true");
        refused.exits(125).says("the chain `fence through` of another firewall drops").says("`rb`");
    }
    // As firewalld's: not the policy is it, but a last rule about everything.
    nft("add chain inet fence through { policy accept; }");
    nft("add rule inet fence through ct state established,related accept");
    world.rbuild("run --rm busybox true").success();
    // Others are looked at when a bridge is made.
    until("nothing of ours is left", || world.left() == ["table inet fence"]);
    nft("add rule inet fence through counter reject with icmpx admin-prohibited");
    world.rbuild("run --rm busybox true").exits(125).says("the chain `fence through` of another");
    nft("flush chain inet fence through");
    nft("add chain inet fence through { policy drop; }");
    // Whoever lets our bridges through has thought of us.
    nft("add rule inet fence through iifname \"rb*\" accept");
    nft("add rule inet fence through oifname \"rb*\" accept");
    world.serve("web", "-p 8080:80");
    world.serve("other", "");
    assert_all_works(&world, "with a fence that lets us through");
    // Nothing of ours is wrong, and nothing of ours would help.
    nft("flush chain inet fence through");
    let rules = world.rbuild("network rules").exits(1);
    assert!(!rules.stdout.contains("`rbuild network reload` mends it"), "{rules}");
    let rules = format!("{rules}");
    let expected = "  `fence through` of another firewall drops what is forwarded: let `fence through` accept, before it drops, what comes";
    assert!(rules.contains(expected), "{rules}");
}

#[test]
fn a_network_can_do_without_rules_among_those_of_others() {
    let Some(world) = World::new() else { return };
    if !installed("iptables") {
        return;
    }
    let iptables = |line: &str| world.host.command("iptables", line.split(' '));
    iptables("-N DOCKER-USER").success();
    iptables("-A FORWARD -j DOCKER-USER").success();
    iptables("-P FORWARD DROP").success();
    world.rbuild("network create --opt host_firewall=false apart").success();
    let ours = || world.host.command("iptables-save", [""; 0]).stdout.contains("rbuild-");
    // Rules of ours for another bridge are nobody's thought of this one.
    world.serve("other", "");
    assert!(ours());
    let refused = world.rbuild("run --rm --network apart busybox true");
    refused.exits(125).says("the chain `filter FORWARD` of another firewall drops");
    world.rbuild("rm -f other").success();
    until("our rules are gone", || !ours());
    iptables("-I DOCKER-USER -i rb+ -j ACCEPT").success();
    world.rbuild("run --rm --network apart busybox true").success();
    world.serve("web", "--network apart");
    world.rbuild("network reload").success();
    assert!(!ours());
}

#[test]
fn rules_of_the_old_iptables_are_seen() {
    let Some(world) = World::new() else { return };
    if !installed("iptables-legacy") {
        return;
    }
    world.outside.serve_address(OUTSIDE, 8000);
    let old = |line: &str| world.host.attempt("iptables-legacy", line.split(' '));
    if old("-P FORWARD DROP").status != Some(0) {
        println!("skipped: this kernel has no old iptables");
        return;
    }
    let refused = world.rbuild("run --rm busybox true");
    refused.exits(125).says("the chain `iptables-legacy FORWARD` of another firewall drops");
    old("-A FORWARD -i rb+ -j ACCEPT").success();
    old("-A FORWARD -o rb+ -j ACCEPT").success();
    world.serve("web", "-p 8080:80");
    world.serve("other", "");
    assert_all_works(&world, "with rules for us");
    world.rbuild("rm -f web other").success();
    world.until_nothing_is_left();
    old("-F FORWARD").success();
    old("-P FORWARD ACCEPT").success();
    old("-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT").success();
    old("-A FORWARD -j REJECT").success();
    let refused = world.rbuild("run --rm busybox true");
    refused.exits(125).says("the chain `iptables-legacy FORWARD` of another firewall drops");
    old("-F FORWARD").success();
    old("-A FORWARD -s 203.0.113.0/24 -j DROP").success();
    world.serve("web", "-p 8080:80");
    world.serve("other", "");
    assert_all_works(&world, "with rules about others");
}
