//! The one table of attributes that are read and shown, but not acted upon.
//!
//! `config --unsupported` and the page about compose files are made from it.

use std::fmt;

use crate::Project;
use crate::render::{Data, Form};

/// Why an attribute is not acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// For clusters; Docker Compose ignores it too.
    Swarm,
    /// For Windows containers.
    Windows,
    /// Asks for something that only a daemon has.
    Daemon,
    /// Asks for a program that is not part of this one.
    OtherProgram,
    /// Not yet.
    Later,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Reason::Swarm => "only clusters use it",
            Reason::Windows => "only Windows containers use it",
            Reason::Daemon => "there is no daemon that could",
            Reason::OtherProgram => "another program would have to",
            Reason::Later => "not yet",
        })
    }
}

/// Attributes as paths; `*` is any name or index.
pub const UNSUPPORTED: &[(&str, Reason)] = &[
    ("services.*.cpu_count", Reason::Windows),
    ("services.*.cpu_percent", Reason::Windows),
    ("services.*.credential_spec", Reason::Windows),
    ("services.*.isolation", Reason::Windows),
    ("services.*.build.isolation", Reason::Windows),
    ("services.*.build.provenance", Reason::Later),
    ("services.*.build.sbom", Reason::Later),
    ("services.*.deploy.restart_policy.delay", Reason::Later),
    ("services.*.deploy.restart_policy.window", Reason::Later),
    ("services.*.pull_refresh_after", Reason::Later),
    ("services.*.deploy.mode", Reason::Swarm),
    ("services.*.deploy.endpoint_mode", Reason::Swarm),
    ("services.*.deploy.labels", Reason::Swarm),
    ("services.*.deploy.placement", Reason::Swarm),
    ("services.*.deploy.update_config", Reason::Swarm),
    ("services.*.deploy.rollback_config", Reason::Swarm),
    ("services.*.deploy.resources.reservations.generic_resources", Reason::Swarm),
    ("networks.*.attachable", Reason::Swarm),
    ("configs.*.template_driver", Reason::Swarm),
    ("secrets.*.template_driver", Reason::Swarm),
    ("secrets.*.driver", Reason::Swarm),
    ("secrets.*.driver_opts", Reason::Swarm),
    ("services.*.use_api_socket", Reason::Daemon),
    ("services.*.annotations", Reason::OtherProgram),
    ("services.*.runtime", Reason::OtherProgram),
    ("services.*.models", Reason::OtherProgram),
    ("models.*", Reason::OtherProgram),
    ("services.*.gpus", Reason::Later),
    ("services.*.deploy.resources.reservations.devices", Reason::Later),
    ("services.*.storage_opt", Reason::Later),
    ("services.*.pre_start", Reason::Later),
    ("services.*.cpu_rt_runtime", Reason::Later),
    ("services.*.cpu_rt_period", Reason::Later),
    ("services.*.provider", Reason::Later),
    ("services.*.blkio_config.weight_device", Reason::Later),
];

/// An attribute of a project that is not acted upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Keys from the top.
    pub path: Vec<String>,
    pub reason: Reason,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path.join("."), self.reason)
    }
}

/// Those that a project uses.
pub fn used(project: &Project) -> Vec<Unsupported> {
    let document = project.document(Form::Yaml);
    let mut found = Vec::new();
    for (pattern, reason) in UNSUPPORTED {
        let parts: Vec<&str> = pattern.split('.').collect();
        walk(&document, &parts, &mut Vec::new(), *reason, &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn walk(
    data: &Data,
    parts: &[&str],
    path: &mut Vec<String>,
    reason: Reason,
    found: &mut Vec<Unsupported>,
) {
    let Some((part, rest)) = parts.split_first() else {
        // What is not wanted is not missed.
        if *data == Data::text("false") {
            return;
        }
        found.push(Unsupported { path: path.clone(), reason });
        return;
    };
    let (Data::Record(fields) | Data::Map(fields)) = data else { return };
    for (key, value) in fields.iter().filter(|(key, _)| *part == "*" || key == part) {
        path.push(key.clone());
        walk(value, rest, path, reason, found);
        path.pop();
    }
}

/// The table as the page shows it.
pub fn page() -> String {
    let mut text = "| attribute | why |\n|---|---|\n".to_owned();
    for (pattern, reason) in UNSUPPORTED {
        text.push_str(&format!("| `{pattern}` | {reason} |\n"));
    }
    text
}
