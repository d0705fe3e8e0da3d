//! `rcompose check`: each rule finds what it is for, at its place, and a good project gives no findings.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::BTreeSet;

use compose::findings::{HostFacts, RULES, Route, check, paths};
use support::Tree;

/// Rule, line and message of each finding.
fn findings(text: &str, facts: &HostFacts) -> Vec<String> {
    let tree = Tree::of([("/p/compose.yaml", text)]);
    let mut request = tree.request("/p/compose.yaml", support::options());
    request.options.resolve_environment = false;
    request.options.check_consistency = !text.contains("# inconsistent");
    let loaded = compose::load(&request, &tree).unwrap();
    check(&loaded, facts)
        .into_iter()
        .map(|it| format!("{} {}: {}", it.rule.name, it.span.start.line, it.message))
        .collect()
}

fn names(list: &[&str]) -> Option<BTreeSet<String>> {
    Some(list.iter().map(|name| (*name).to_owned()).collect())
}

fn route(address: &str, length: u8, bridge: bool) -> Route {
    Route { address: address.parse().unwrap(), length, bridge }
}

#[test]
fn each_rule_finds_what_it_is_for() {
    let facts = HostFacts {
        existing: names(&[]),
        capabilities: names(&["CHOWN"]),
        controllers: names(&["cpu"]),
        processors: Some(2),
        memory: Some(1 << 30),
        platforms: names(&["linux/amd64"]),
        routes: vec![route("10.0.0.0", 8, false)],
    };
    let table = [
        (
            "services:\n  a: {image: x, ports: ['80:80']}\n  b: {image: x, ports: ['127.0.0.1:80:1']}",
            "port-published-twice 3: `a` and `b` both publish port 80/tcp",
        ),
        (
            "services:\n  a: {image: x, scale: 2, ports: ['80:80']}",
            "replicas-share-port 2: 2 replicas of `a` cannot share port 80 of the host",
        ),
        (
            "services: {a: {image: x, networks: [n, m]}}\nnetworks:\n  m: {ipam: {config: [{subnet: 172.30.0.0/16}]}}\n  n: {ipam: {config: [{subnet: 172.30.4.0/24}]}}",
            "subnets-overlap 4: subnet 172.30.4.0/24 of network `n` overlaps 172.30.0.0/16 of network `m`",
        ),
        (
            "services: {a: {image: x}}\nnetworks:\n  default: {ipam: {config: [{subnet: 10.1.0.0/16}]}}",
            "subnet-in-use 3: subnet 10.1.0.0/16 of network `default` is routed elsewhere by the host (10.0.0.0/8)",
        ),
        (
            "services:\n  a: {image: x, env_file: [e]}",
            "file-missing 2: env file of service `a` does not exist: `/p/e`",
        ),
        (
            "services: {a: {image: x, secrets: [s]}}\nsecrets:\n  s: {file: ./s}",
            "file-missing 3: file of secret `s` does not exist: `/p/s`",
        ),
        (
            "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, profiles: [p], depends_on: [a]} # inconsistent",
            "dependency-cycle 2: services wait for each other: a -> b -> a",
        ),
        (
            "services:\n  a: {image: x, profiles: [q], depends_on: [b]}\n  b: {image: x, profiles: [p]}",
            "profile-unreachable 2: `a` needs `b`, which only the profiles p enable",
        ),
        (
            "services:\n  a: {image: x, depends_on: {b: {condition: service_healthy}}}\n  b: {image: x, healthcheck: {disable: true}}",
            "health-unknown 2: `a` waits for `b` to be healthy, but its health check is off",
        ),
        (
            "services:\n  a: {image: x, cap_add: [NET_ADMN]}",
            "capability-unknown 2: there is no capability `NET_ADMN`",
        ),
        (
            "services:\n  a: {image: x, cap_add: [NET_ADMIN]}",
            "capability-missing 2: this host cannot give capability `NET_ADMIN` to service `a`",
        ),
        (
            "services:\n  a: {image: x, mem_limit: 1g}",
            "limit-unavailable 2: service `a` asks for `mem_limit`, but the cgroup controller `memory` is not available",
        ),
        (
            "services:\n  a: {image: x, cpus: 4}",
            "limit-beyond-host 2: service `a` may use 4 processors, the host has 2",
        ),
        (
            "services:\n  a: {image: x, platform: linux/riscv64}",
            "platform-foreign 2: service `a` is for linux/riscv64, which this host does not run",
        ),
        (
            "services: {a: {image: x}}\nvolumes:\n  v: {}",
            "unused-resource 3: no service uses volume `v`",
        ),
    ];
    let mut seen = BTreeSet::new();
    for (text, expected) in table {
        let found = findings(text, &facts);
        assert!(found.iter().any(|it| it == expected), "{text}\nfound {found:#?}");
        seen.insert(expected.split(' ').next().unwrap());
    }
    for rule in RULES {
        assert!(seen.contains(rule.name), "no case for {}", rule.name);
    }
}

#[test]
fn a_good_project_gives_no_findings() {
    let text = "services:\n  a: {image: x, ports: ['80:80'], depends_on: [b], volumes: ['v1:/v']}\n  b: {image: y, ports: ['80:80/udp', '81'], cap_add: [CHOWN]}\nvolumes: {v1: }";
    let facts = HostFacts { capabilities: names(&["CHOWN"]), ..HostFacts::default() };
    assert_eq!(findings(text, &facts), Vec::<String>::new());
}

#[test]
fn other_words_for_a_platform_are_known() {
    let facts =
        HostFacts { platforms: names(&["linux/amd64", "linux/arm64"]), ..HostFacts::default() };
    for platform in
        ["linux/amd64", "amd64", "linux/x86_64", "linux/arm64/v8", "linux/aarch64", "linux"]
    {
        let text = format!("services:\n  a: {{image: x, platform: {platform}}}");
        assert_eq!(findings(&text, &facts), Vec::<String>::new(), "{platform}");
    }
    let text = "services:\n  a: {image: x, platform: windows/amd64}";
    assert_eq!(findings(text, &facts).len(), 1);
}

#[test]
fn subnets_of_the_host_are_found_in_both_versions() {
    let facts = HostFacts {
        routes: vec![
            route("192.168.0.0", 16, false),
            route("fd00:1234::", 32, false),
            route("172.28.0.0", 16, true),
        ],
        ..HostFacts::default()
    };
    let found = |subnet: &str| {
        let network = format!("{{ipam: {{config: [{{subnet: '{subnet}'}}]}}}}");
        let text = format!("services: {{a: {{image: x}}}}\nnetworks: {{default: {network}}}");
        findings(&text, &facts).len()
    };
    assert_eq!([found("192.168.7.0/24"), found("fd00:1234:5::/48")], [1, 1]);
    // A bridge for the same addresses is the network itself; for others it is somebody else's.
    assert_eq!([found("172.28.0.0/16"), found("172.28.4.0/24")], [0, 1]);
    assert_eq!([found("10.0.0.0/8"), found("fd00:1235::/48"), found("0.0.0.0/0")], [0, 0, 1]);
}

#[test]
fn nothing_known_of_the_host_is_nothing_found() {
    let text =
        "services:\n  a: {image: x, mem_limit: 1g, cap_add: [SYS_ADMIN], env_file: [e], cpus: 100}";
    assert_eq!(findings(text, &HostFacts::default()), Vec::<String>::new());
}

#[test]
fn paths_are_those_that_are_looked_for() {
    let text = "services: {a: {image: x, env_file: [e, {path: f, required: false}], secrets: [s]}}\nsecrets: {s: {file: ./s}, t: {file: ./t}}";
    let tree = Tree::of([("/p/compose.yaml", text)]);
    let mut request = tree.request("/p/compose.yaml", support::options());
    request.options.resolve_environment = false;
    let loaded = compose::load(&request, &tree).unwrap();
    assert_eq!(paths(&loaded.project), ["/p/e", "/p/s"]);
}
