//! What the host cannot give.

use std::collections::BTreeSet;

use super::Look;
use crate::model::Service;

const CAPABILITIES: &[&str] = &[
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

pub(super) fn check(look: &mut Look<'_>) {
    let project = &look.loaded.project;
    for (name, service) in &project.services {
        capabilities(look, name, service);
        controllers(look, name, service);
        sizes(look, name, service);
        platform(look, name, service);
    }
}

fn capabilities(look: &mut Look<'_>, name: &str, service: &Service) {
    for (key, list) in [("cap_add", &service.cap_add), ("cap_drop", &service.cap_drop)] {
        for (at, text) in list.iter().enumerate() {
            let upper = text.to_uppercase();
            let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
            let at = at.to_string();
            let keys = ["services", name, key, &at];
            if !CAPABILITIES.contains(&bare) {
                let nearest = crate::schema::nearest(bare, CAPABILITIES.iter().copied());
                let hint = nearest.map(|nearest| format!("did you mean `{nearest}`?"));
                let message = format!("there is no capability `{text}`");
                look.report("capability-unknown", &keys, message, hint.as_deref());
            } else if key == "cap_add" && bare != "ALL" && lacks(&look.facts.capabilities, bare) {
                let message =
                    format!("this host cannot give capability `{text}` to service `{name}`");
                look.report("capability-missing", &keys, message, None);
            }
        }
    }
}

/// Known, and not among them.
fn lacks(known: &Option<BTreeSet<String>>, name: &str) -> bool {
    known.as_ref().is_some_and(|known| !known.contains(name))
}

fn controllers(look: &mut Look<'_>, name: &str, service: &Service) {
    let limits = service.deploy.as_ref().and_then(|deploy| deploy.resources.limits.as_ref());
    let limit = |key: &'static str, set: bool, deployed: bool, controller: &'static str| {
        let keys = match (set, deployed) {
            (true, _) => vec!["services", name, key],
            (false, true) => vec!["services", name, "deploy", "resources", "limits"],
            (false, false) => return None,
        };
        Some((keys, key, controller))
    };
    let wanted = [
        limit(
            "mem_limit",
            service.mem_limit.0 != 0,
            limits.is_some_and(|it| it.memory.0 != 0),
            "memory",
        ),
        limit("cpus", service.cpus != 0.0, limits.is_some_and(|it| it.cpus != 0.0), "cpu"),
        limit("pids_limit", service.pids_limit > 0, limits.is_some_and(|it| it.pids > 0), "pids"),
        limit("cpuset", !service.cpuset.is_empty(), false, "cpuset"),
    ];
    for (keys, key, controller) in wanted.into_iter().flatten() {
        if lacks(&look.facts.controllers, controller) {
            let message = format!(
                "service `{name}` asks for `{key}`, but the cgroup controller `{controller}` is not available"
            );
            look.report("limit-unavailable", &keys, message, None);
        }
    }
}

fn sizes(look: &mut Look<'_>, name: &str, service: &Service) {
    if let Some(processors) = look.facts.processors {
        if service.cpus > processors as f32 {
            let message = format!(
                "service `{name}` may use {} processors, the host has {processors}",
                service.cpus
            );
            look.report("limit-beyond-host", &["services", name, "cpus"], message, None);
        }
        if highest(&service.cpuset).is_some_and(|highest| highest >= processors) {
            let message = format!(
                "service `{name}` is bound to processors {}, the host has 0-{}",
                service.cpuset,
                processors.saturating_sub(1)
            );
            look.report("limit-beyond-host", &["services", name, "cpuset"], message, None);
        }
    }
    if let Some(memory) = look.facts.memory
        && u64::try_from(service.mem_reservation.0).is_ok_and(|wanted| wanted > memory)
    {
        let message = format!("service `{name}` reserves more memory than the host has");
        look.report("limit-beyond-host", &["services", name, "mem_reservation"], message, None);
    }
}

/// The highest number of `0-3,5`.
fn highest(cpuset: &str) -> Option<u32> {
    cpuset.split([',', '-']).filter_map(|part| part.trim().parse().ok()).max()
}

fn platform(look: &mut Look<'_>, name: &str, service: &Service) {
    let wanted = service.platform.as_str();
    // A system alone is for whatever processor there is.
    let is_system = ["linux", "windows", "darwin", "freebsd"].contains(&wanted);
    if !wanted.is_empty() && !is_system && lacks(&look.facts.platforms, &general(wanted)) {
        let message = format!("service `{name}` is for {wanted}, which this host does not run");
        let hint = "register an emulator with binfmt_misc";
        look.report("platform-foreign", &["services", name, "platform"], message, Some(hint));
    }
}

/// `linux/arm64` of `linux/arm64/v8`, `aarch64` and the like.
fn general(platform: &str) -> String {
    let lower = platform.to_lowercase();
    let (system, rest) = lower.split_once('/').unwrap_or(("linux", &lower));
    let architecture = match rest.split('/').next().unwrap_or_default() {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "armhf" | "armel" => "arm",
        "i386" => "386",
        other => other,
    };
    format!("{system}/{architecture}")
}
