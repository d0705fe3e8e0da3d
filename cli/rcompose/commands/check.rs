//! `rcompose check`

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;
use cli::environment::Environment;
use cli::report::{self, compose_checks};
use cli::{Exit, output};
use compose::findings::{self, HostFacts};
use compose::load::{LoadOptions, load};

use super::find;
use crate::args::{CheckArgs, CheckFormat, ProjectArgs};
use crate::disk::Disk;

/// Ends with failure when there are findings, as `rbuild check` does.
pub(super) fn run(
    args: &CheckArgs,
    project: &ProjectArgs,
    environment: &Environment,
) -> Result<Exit> {
    // Missing env files are findings here, not errors.
    let options =
        LoadOptions { resolve_environment: false, discard_env_files: false, ..LoadOptions::ALL };
    let found = find(project, options, environment)?;
    let loaded = load(&found.request, &Disk)?;
    report::compose::warnings(&loaded.warnings);
    let findings = findings::check(&loaded, &facts(&findings::paths(&loaded.project)));
    output::write(&match args.format {
        CheckFormat::Text => compose_checks::text(&loaded.sources, &findings),
        CheckFormat::Json => compose_checks::json(&loaded.sources, &findings),
        CheckFormat::Sarif => compose_checks::sarif(&loaded.sources, &findings),
    })?;
    Ok(if findings.is_empty() { Exit::Success } else { Exit::Failure })
}

fn facts(paths: &[String]) -> HostFacts {
    let existing = paths.iter().filter(|path| Path::new(path).exists()).cloned();
    HostFacts {
        existing: Some(existing.collect()),
        capabilities: bounding_set(),
        controllers: controllers(),
        processors: std::thread::available_parallelism().ok().map(|it| it.get() as u32),
        memory: memory(),
        platforms: None,
        routes: Vec::new(),
    }
}

/// The names of this process's bounding set, by their numbers.
fn bounding_set() -> Option<BTreeSet<String>> {
    const NAMES: &[&str] = &[
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE",
        "NET_BROADCAST",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_PACCT",
        "SYS_ADMIN",
        "SYS_BOOT",
        "SYS_NICE",
        "SYS_RESOURCE",
        "SYS_TIME",
        "SYS_TTY_CONFIG",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "AUDIT_CONTROL",
        "SETFCAP",
        "MAC_OVERRIDE",
        "MAC_ADMIN",
        "SYSLOG",
        "WAKE_ALARM",
        "BLOCK_SUSPEND",
        "AUDIT_READ",
        "PERFMON",
        "BPF",
        "CHECKPOINT_RESTORE",
    ];
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:"))?;
    let set = u64::from_str_radix(line.trim(), 16).ok()?;
    let held = NAMES.iter().enumerate().filter(|(number, _)| set >> number & 1 == 1);
    Some(held.map(|(_, name)| (*name).to_owned()).collect())
}

/// Controllers of the unified hierarchy, and of the old ones.
fn controllers() -> Option<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    if let Ok(text) = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers") {
        found.extend(text.split_whitespace().map(str::to_owned));
    }
    let table = fs::read_to_string("/proc/cgroups").ok()?;
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, hierarchy, _, enabled] = fields[..] else { continue };
        if enabled == "1" && hierarchy != "0" {
            found.insert(name.to_owned());
        }
    }
    Some(found)
}

fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
