//! Flags of docker's command line that `rbuild` cannot honour yet, and why.

use clap::{ArgMatches, Command};
use cli::refused::{self, Flag, RefusedFlag, Takes, argument, switch, value, with};

const ATTESTATIONS: &str = "attestations are not made yet";
const LIMITS: &str = "resource limits of RUN steps are not supported yet";
const CLASSIC: &str = "this flag belongs to docker's classic builder";
const LINKS: &str =
    "docker has replaced links by networks: containers of one network find each other by name";
const IPV6: &str = "networks are IPv4 only so far";
const REAL_TIME: &str = "real-time scheduling of groups exists in no usual kernel";
const KERNEL_MEMORY: &str = "docker has removed it; `--memory` counts the kernel's too";
const WINDOWS: &str = "this flag belongs to containers of Windows";
const HARDENING: &str = "containers always have docker's default confinement for now";

const BUILD: &[Flag] = &[
    value("annotation", "use `--label` to describe the image"),
    value("attest", ATTESTATIONS),
    value("builder", "there is no daemon to choose: the build runs in this process"),
    value("cgroup-parent", LIMITS),
    switch("compress", CLASSIC),
    value("cpu-period", LIMITS),
    value("cpu-quota", LIMITS),
    Flag { name: "cpu-shares", short: Some('c'), takes: Takes::Value, hint: LIMITS },
    value("cpuset-cpus", LIMITS),
    value("cpuset-mems", LIMITS),
    Flag { name: "debug", short: Some('D'), takes: Takes::Switch, hint: "use `--progress plain`" },
    value("isolation", "RUN steps always run in namespaces of their own"),
    Flag { name: "memory", short: Some('m'), takes: Takes::Value, hint: LIMITS },
    value("memory-swap", LIMITS),
    value("policy", "source policies are not supported yet"),
    Flag { name: "provenance", short: None, takes: Takes::SwitchOrValue, hint: ATTESTATIONS },
    Flag { name: "sbom", short: None, takes: Takes::SwitchOrValue, hint: ATTESTATIONS },
    value("security-opt", HARDENING),
    switch("squash", CLASSIC),
];

const RUN: &[Flag] = &[
    value(
        "annotation",
        "there is no other runtime that would read it; describe the container with `--label`",
    ),
    value(
        "blkio-weight-device",
        "weights of single disks are not supported; `--blkio-weight` is for all",
    ),
    value("cpu-count", WINDOWS),
    value("cpu-percent", WINDOWS),
    value("cpu-rt-period", REAL_TIME),
    value("cpu-rt-runtime", REAL_TIME),
    switch("disable-content-trust", "signatures of images are not looked at"),
    value("gpus", "give it the devices by `--device`"),
    value("io-maxbandwidth", WINDOWS),
    value("io-maxiops", WINDOWS),
    value("isolation", "containers always have namespaces of their own"),
    value("kernel-memory", KERNEL_MEMORY),
    value("ip6", IPV6),
    value("link", LINKS),
    value("link-local-ip", "only addresses of the network's subnet can be had"),
    value("platform", "only images of this machine's platform can run"),
    value("runtime", "there is one runtime, and it is built in"),
    value("storage-opt", "the size of a container's layer cannot be limited yet"),
    switch("use-api-socket", "there is no daemon whose socket a container could be given"),
];

const IMAGES: &[Flag] = &[switch("tree", "images of several platforms are not supported yet")];

const ALL_TAGS: &str = "give the tags one by one";

const PULL: &[Flag] =
    &[Flag { name: "all-tags", short: Some('a'), takes: Takes::Switch, hint: ALL_TAGS }];

const PUSH: &[Flag] =
    &[Flag { name: "all-tags", short: Some('a'), takes: Takes::Switch, hint: ALL_TAGS }];

const RMI: &[Flag] = &[value("platform", "names are removed for all platforms")];

const CHECKPOINTS: &str = "processes are not saved to the disk and brought back";

const UPDATE: &[Flag] = &[
    value("cpu-rt-period", REAL_TIME),
    value("cpu-rt-runtime", REAL_TIME),
    value("kernel-memory", KERNEL_MEMORY),
];

const START: &[Flag] = &[value("checkpoint", CHECKPOINTS), value("checkpoint-dir", CHECKPOINTS)];

const RM: &[Flag] = &[Flag { name: "link", short: Some('l'), takes: Takes::Switch, hint: LINKS }];

const SWARM: &str = "there is no swarm: every container of this machine may come to every network";
const IPAM: &str =
    "addresses come from the network's subnet; `--subnet` and `--ip-range` choose them";

const NETWORK_CREATE: &[Flag] = &[
    switch("attachable", SWARM),
    value("config-from", SWARM),
    switch("config-only", SWARM),
    switch("ingress", SWARM),
    value("ipam-driver", IPAM),
    value("ipam-opt", IPAM),
    Flag { name: "ipv4", short: None, takes: Takes::SwitchOrValue, hint: IPV6 },
    Flag { name: "ipv6", short: None, takes: Takes::SwitchOrValue, hint: IPV6 },
    value("scope", SWARM),
];

const NETWORK_CONNECT: &[Flag] = &[
    value("driver-opt", "the interface is set by the container's own `--sysctl`"),
    value("ip6", IPV6),
    value("link", LINKS),
    value("link-local-ip", "only addresses of the network's subnet can be had"),
];

const NETWORK_INSPECT: &[Flag] =
    &[Flag { name: "verbose", short: Some('v'), takes: Takes::Switch, hint: SWARM }];

const COMMANDS: &[(&str, &[Flag])] = &[
    ("build", BUILD),
    ("run", RUN),
    ("create", RUN),
    ("images", IMAGES),
    ("pull", PULL),
    ("push", PUSH),
    ("rmi", RMI),
    ("rm", RM),
    ("start", START),
    ("update", UPDATE),
];

/// What the commands of groups are by themselves.
const GROUPS: &[(&str, &[(&str, &str)])] = &[
    (
        "image",
        &[("build", "build"), ("ls", "images"), ("pull", "pull"), ("push", "push"), ("rm", "rmi")],
    ),
    (
        "container",
        &[
            ("create", "create"),
            ("rm", "rm"),
            ("run", "run"),
            ("start", "start"),
            ("update", "update"),
        ],
    ),
    (
        "network",
        &[
            ("create", "network create"),
            ("connect", "network connect"),
            ("inspect", "network inspect"),
        ],
    ),
];

/// Commands that are there within their group only.
const OF_GROUPS: &[(&str, &[Flag])] = &[
    ("network create", NETWORK_CREATE),
    ("network connect", NETWORK_CONNECT),
    ("network inspect", NETWORK_INSPECT),
];

/// Adds the refused flags to their commands. The help has them at its end, each with the reason.
pub(super) fn declare(mut root: Command) -> Command {
    for (name, flags) in COMMANDS {
        root = root.mut_subcommand(name, |command| with(command, flags));
    }
    for (group, commands) in GROUPS {
        root = root.mut_subcommand(group, |mut group| {
            for (name, alone) in *commands {
                let flags = flags_of(alone);
                group = group.mut_subcommand(name, |command| with(command, flags));
            }
            group
        });
    }
    root
}

/// The same for a command alone.
pub(super) fn declare_for(name: &str, command: Command) -> Command {
    command.args(flags_of(name).iter().map(argument))
}

fn flags_of(command: &str) -> &'static [Flag] {
    let mut all = COMMANDS.iter().chain(OF_GROUPS);
    all.find(|(name, _)| *name == command).map_or(&[], |(_, flags)| flags)
}

/// The first refused flag among the arguments.
pub(super) fn find(matches: &ArgMatches) -> Option<RefusedFlag> {
    let (given, mut matches) = matches.subcommand()?;
    let mut alone = given;
    if let Some((_, commands)) = GROUPS.iter().find(|(group, _)| *group == given) {
        let (name, inner) = matches.subcommand()?;
        matches = inner;
        alone = commands.iter().find(|(command, _)| *command == name).map(|(_, alone)| *alone)?;
    }
    let mut all = COMMANDS.iter().chain(OF_GROUPS);
    let (command, flags) = all.find(|(name, _)| *name == alone)?;
    let flag = refused::find(flags, matches)?;
    Some(RefusedFlag { program: "rbuild", command, flag })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::CommandFactory;

    use super::*;

    /// Of docker 28.
    const DOCKERS: &str = "add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns \
        cidfile cpu-count cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus \
        cpuset-mems detach detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps \
        device-write-iops disable-content-trust dns dns-option dns-search domainname entrypoint env env-file expose gpus \
        group-add health-cmd health-interval health-retries health-start-interval health-start-period health-timeout \
        help hostname init interactive io-maxbandwidth io-maxiops ip ip6 ipc isolation kernel-memory label label-file \
        link link-local-ip log-driver log-opt mac-address memory memory-reservation memory-swap memory-swappiness mount \
        name network network-alias no-healthcheck oom-kill-disable oom-score-adj pid pids-limit platform privileged \
        publish publish-all pull read-only restart rm runtime security-opt shm-size sig-proxy stop-signal stop-timeout \
        storage-opt sysctl tmpfs tty ulimit use-api-socket user userns uts volume volume-driver volumes-from workdir";

    #[test]
    fn every_flag_of_dockers_run_is_known_and_what_is_refused_is_documented() {
        let mut root = declare(super::super::Args::command());
        root.build();
        let run = root.find_subcommand("run").unwrap();
        let known = |name: &str| run.get_arguments().any(|arg| arg.get_long() == Some(name));
        let unknown: Vec<&str> = DOCKERS.split(' ').filter(|name| !known(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/cli.md");
        let text = fs::read_to_string(path).unwrap();
        let missing: Vec<String> = RUN
            .iter()
            .map(|flag| format!("| `--{}` | {} |", flag.name, flag.hint))
            .filter(|line| !text.contains(line))
            .collect();
        assert!(missing.is_empty(), "not in docs/cli.md:\n{}", missing.join("\n"));
    }
}
