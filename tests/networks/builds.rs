//! The network of RUN.

use std::process::Stdio;

use super::world::{HOST, OUTSIDE, World, until};
use crate::support::{Output, run};

impl World {
    /// `rbuild build` of this Dockerfile; `through` runs it, as `unshare` does.
    #[track_caller]
    fn build(&self, dockerfile: &str, flags: &str, through: &[&str]) -> Output {
        self.sandbox.write("context/Dockerfile", dockerfile);
        let mut words = vec!["build", "--progress", "plain"];
        words.extend(flags.split_whitespace());
        words.push("context");
        run(&mut self.rbuild_through(through, words), "")
    }
}

#[test]
fn run_is_on_a_network_of_its_own_behind_nat() {
    let Some(world) = World::new() else { return };
    world.outside.serve_address(OUTSIDE, 8000);
    world.host.serve_address("127.0.0.1", 9000);
    let look = format!(
        "FROM busybox\n\
         RUN ls /sys/class/net && wget -q -O - http://{OUTSIDE}:8000/ && echo\n\
         RUN timeout 2 wget -q -O - http://127.0.0.1:9000/ || echo not the host\n\
         RUN ip -4 -o addr show\n"
    );
    let built = world.build(&look, "", &[]).success();
    for expected in ["eth0\n", &format!(" {HOST}\n"), "not the host\n", "inet 192.168.240."] {
        assert!(built.stderr.contains(expected), "{expected:?} in {built}");
    }
    assert!(!built.stderr.contains("up0"), "{built}");
    world.until_nothing_is_left();
    // The machine's own, and none.
    let built = world.build(&look, "--no-cache --network host", &[]).success();
    assert!(built.stderr.contains("up0\n") && built.stderr.contains(" 127.0.0.1\n"), "{built}");
    let built =
        world.build("FROM busybox\nRUN ls /sys/class/net\n", "--network none", &[]).success();
    assert!(!built.stderr.contains("eth0"), "{built}");
    assert_eq!(world.left(), Vec::<String>::new());
}

#[test]
fn names_that_only_the_host_can_ask_for_are_found() {
    let Some(world) = World::new() else { return };
    world.host.serve_names("127.0.0.1", [192, 0, 2, 7]);
    world.sandbox.write("resolv.conf", "nameserver 127.0.0.1\n");
    let bind = format!(
        "mount --bind {} /etc/resolv.conf; exec \"$@\"",
        world.sandbox.path("resolv.conf").display()
    );
    let through = ["unshare", "--mount", "sh", "-c", &bind, "sh"];
    let dockerfile = "FROM busybox\nRUN cat /etc/resolv.conf; nslookup -type=a anything.example\n";
    let built = world.build(dockerfile, "", &through).success();
    assert!(built.stderr.contains("nameserver 127.0.0.11\n"), "{built}");
    assert!(built.stderr.contains("192.0.2.7"), "{built}");
}

#[test]
fn steps_at_once_do_not_share_ports_and_steps_one_after_the_other_do() {
    let Some(world) = World::new() else { return };
    let server = "httpd -p 7000 -h /bin && sleep 1 && wget -q -O /out http://127.0.0.1:7000/true";
    let dockerfile = format!(
        "FROM busybox AS a\nRUN {server}\nRUN {server}\nFROM busybox AS b\nRUN : b; {server}\n\
         FROM busybox\nCOPY --from=a /out /a\nCOPY --from=b /out /b\n"
    );
    world.build(&dockerfile, "", &[]).success();
    let gateway = "FROM busybox\nRUN grep machine /etc/hosts\n";
    let built = world.build(gateway, "--add-host machine:host-gateway", &[]).success();
    assert!(built.stderr.contains("192.168.240.1\tmachine"), "{built}");
    world.rbuild("network rm rbuild-build").exits(1).says("always there");
    world.rbuild("network create rbuild-build").exits(1).says("always there");
    world.until_nothing_is_left();
}

#[test]
fn a_build_that_is_killed_leaves_its_network_to_the_next_command() {
    let Some(world) = World::new() else { return };
    world.sandbox.write("context/Dockerfile", "FROM busybox\nRUN sleep 1000\n");
    let mut command = world.rbuild_through(&[], ["build", "context"]);
    let mut build = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it has a network", || !world.left().is_empty());
    let shown = || world.rbuild("network inspect --graph").success().stdout;
    until("its endpoint is in the picture", || shown().contains("build"));
    build.kill().unwrap();
    build.wait().unwrap();
    world.rbuild("ps").success();
    world.until_nothing_is_left();
}
