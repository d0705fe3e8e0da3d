//! From a runtime-spec document to what is to be done. Pure: nothing is looked up, and equal documents give equal plans.
//!
//! What the specification has and we do not is refused by name where it asks for something; empty values ask for nothing.
mod mounts;
mod options;
mod process;
mod refused;
mod resources;
mod users;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::document::{DeviceDocument, Document, Linux};
use super::error::DocumentError;
use crate::seccomp::Profile;
use crate::spec::{
    ContainerSpec, Device, DeviceKind, Hook, HookState, Listed, NamespaceMode, NetworkMode,
    Propagation, PropagationKind, Rootfs, Seccomp, Sysctl,
};
pub use options::MOUNT_OPTIONS;
pub(super) use process::process_into;
pub(super) use resources::{limits_of, over};

/// What a document asks for.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub spec: ContainerSpec,
    /// Rows and columns of its terminal, if it has one.
    pub terminal: Option<(u16, u16)>,
    /// Below the root of each hierarchy, if the document says where.
    pub cgroup: Option<PathBuf>,
    /// The network namespace to join.
    pub network: Option<PathBuf>,
    /// The user namespace to join, whose maps are the specification's then.
    pub users: Option<PathBuf>,
    pub prestart: Vec<Hook>,
    pub create_runtime: Vec<Hook>,
    pub poststart: Vec<Hook>,
    pub poststop: Vec<Hook>,
    /// What is asked for and cannot be had, where the specification does not allow an error.
    pub warnings: Vec<String>,
}

/// `bundle` is the directory that the document is in, absolute.
pub fn translate(document: &Document, bundle: &Path, id: &str) -> Result<Plan, DocumentError> {
    check_version(&document.oci_version)?;
    refused::check_document(document)?;
    let root = document.root.as_ref().ok_or(DocumentError::Missing { at: "root" })?;
    let process = document.process.as_ref().ok_or(DocumentError::Missing { at: "process" })?;
    let linux = &document.linux;

    let path = bundle.join(&root.path);
    let rootfs = Rootfs::Directory { path, read_only: false };
    let mut spec = ContainerSpec::new(id, rootfs, Vec::new());
    spec.read_only_rootfs = root.readonly;
    spec.hostname = document.hostname.clone().unwrap_or_default();
    spec.domainname = document.domainname.clone().filter(|name| !name.is_empty());
    let Found { network, users } = namespaces(linux, &mut spec)?;
    let users = users::of(linux, users)?;
    spec.user_namespace = users.ids.clone();
    let (rules, all_devices) = resources::device_rules(&linux.resources)?;
    spec.device_rules = rules;
    spec.devices = linux.devices.iter().enumerate().map(device).collect::<Result<_, _>>()?;
    spec.limits = limits_of(&linux.resources)?;
    spec.sysctls = sysctls(&linux.sysctl)?;
    spec.seccomp = seccomp(linux.seccomp.as_ref())?;
    let hooks = &document.hooks;
    spec.listed = Some(Box::new(Listed {
        mounts: mounts::of(&document.mounts, bundle, &users)?,
        masked: linux.masked_paths.clone(),
        read_only: linux.readonly_paths.clone(),
        all_devices,
        root_propagation: root_propagation(linux.rootfs_propagation.as_deref())?,
        create_container: process::hooks(&hooks.create_container, "hooks.createContainer")?,
        start_container: process::hooks(&hooks.start_container, "hooks.startContainer")?,
        told: told(document, bundle, id),
        ..Listed::default()
    }));
    let mut plan = Plan {
        spec,
        terminal: None,
        cgroup: linux.cgroups_path.clone().filter(|path| !path.as_os_str().is_empty()),
        network,
        users: users.namespace,
        prestart: process::hooks(&hooks.prestart, "hooks.prestart")?,
        create_runtime: process::hooks(&hooks.create_runtime, "hooks.createRuntime")?,
        poststart: process::hooks(&hooks.poststart, "hooks.poststart")?,
        poststop: process::hooks(&hooks.poststop, "hooks.poststop")?,
        warnings: Vec::new(),
    };
    process_into(process, &mut plan)?;
    Ok(plan)
}

fn check_version(version: &str) -> Result<(), DocumentError> {
    let mut parts = version.split('.');
    match (parts.next(), parts.next()) {
        (Some("1"), Some(minor)) if minor.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
        _ if version.is_empty() => Err(DocumentError::Missing { at: "ociVersion" }),
        _ => Err(DocumentError::Version { version: version.to_owned() }),
    }
}

/// What hooks are told while the container is made.
fn told(document: &Document, bundle: &Path, id: &str) -> HookState {
    HookState {
        oci_version: document.oci_version.clone(),
        id: id.to_owned(),
        status: "creating".to_owned(),
        pid: None,
        bundle: bundle.display().to_string(),
        annotations: document.annotations.clone(),
    }
}

/// Namespaces that the specification of a container does not tell of.
#[derive(Debug, Default)]
struct Found {
    network: Option<PathBuf>,
    /// It is listed, and where it is if it is there already.
    users: Option<Option<PathBuf>>,
}

/// A kind that is not listed is shared with whoever makes the container.
fn namespaces(linux: &Linux, spec: &mut ContainerSpec) -> Result<Found, DocumentError> {
    const AT: &str = "linux.namespaces";
    let mut seen: Vec<&str> = Vec::new();
    spec.namespaces.pid = NamespaceMode::Host;
    spec.namespaces.ipc = NamespaceMode::Host;
    spec.namespaces.uts = NamespaceMode::Host;
    spec.namespaces.cgroup = NamespaceMode::Host;
    spec.network = NetworkMode::Host;
    let mut found = Found::default();
    for namespace in &linux.namespaces {
        let (kind, path) = (namespace.kind.as_str(), namespace.path.clone());
        let path = path.filter(|path| !path.as_os_str().is_empty());
        if seen.contains(&kind) {
            return Err(DocumentError::Twice { at: AT, value: kind.to_owned() });
        }
        seen.push(kind);
        if let Some(path) = path.as_ref().filter(|path| path.is_relative()) {
            return Err(DocumentError::Relative { at: AT.to_owned(), path: path.clone() });
        }
        let mode = path.clone().map_or(NamespaceMode::Own, NamespaceMode::At);
        let refused = |value: &str| {
            Err(DocumentError::RefusedValue { at: AT.to_owned(), value: value.to_owned() })
        };
        match kind {
            "pid" => spec.namespaces.pid = mode,
            "ipc" => spec.namespaces.ipc = mode,
            "uts" => spec.namespaces.uts = mode,
            "cgroup" => spec.namespaces.cgroup = mode,
            "network" => {
                spec.network =
                    if path.is_some() { NetworkMode::Sandbox } else { NetworkMode::None };
                found.network = path;
            }
            "mount" if path.is_none() => {}
            "mount" => return refused("mount with a path"),
            "user" => found.users = Some(path),
            "time" => return refused(kind),
            _ => {
                let value = kind.to_owned();
                return Err(DocumentError::Wrong { at: AT.to_owned(), value, what: "namespace" });
            }
        }
    }
    if !seen.contains(&"mount") {
        let value = "no mount namespace of its own".to_owned();
        return Err(DocumentError::RefusedValue { at: AT.to_owned(), value });
    }
    Ok(found)
}

fn device((position, device): (usize, &DeviceDocument)) -> Result<Device, DocumentError> {
    let at = |name: &str| format!("linux.devices[{position}].{name}");
    let kind = match device.kind.as_str() {
        "c" | "u" => DeviceKind::Character,
        "b" => DeviceKind::Block,
        "p" => {
            return Err(DocumentError::RefusedValue { at: at("type"), value: "p".to_owned() });
        }
        other => {
            let value = other.to_owned();
            return Err(DocumentError::Wrong { at: at("type"), value, what: "kind of device" });
        }
    };
    if device.path.is_relative() {
        return Err(DocumentError::Relative { at: at("path"), path: device.path.clone() });
    }
    let number = |name: &str, number: i64| {
        u32::try_from(number).map_err(|_| DocumentError::Wrong {
            at: at(name),
            value: number.to_string(),
            what: "device number",
        })
    };
    Ok(Device {
        path: device.path.clone(),
        kind,
        major: number("major", device.major)?,
        minor: number("minor", device.minor)?,
        mode: device.file_mode.unwrap_or(0o666) & 0o7777,
        uid: device.uid.unwrap_or(0),
        gid: device.gid.unwrap_or(0),
    })
}

fn sysctls(wanted: &Map<String, Value>) -> Result<Vec<Sysctl>, DocumentError> {
    let one = |(name, value): (&String, &Value)| {
        let value = value.as_str().ok_or_else(|| DocumentError::Wrong {
            at: format!("linux.sysctl.{name}"),
            value: value.to_string(),
            what: "text",
        })?;
        format!("{name}={value}").parse().map_err(|source| DocumentError::Sysctl { source })
    };
    wanted.iter().map(one).collect()
}

fn seccomp(wanted: Option<&Value>) -> Result<Seccomp, DocumentError> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_null()) else {
        return Ok(Seccomp::Unconfined);
    };
    let profile = Profile::parse(&wanted.to_string());
    let profile = profile.map_err(|source| DocumentError::Seccomp { source })?;
    Ok(Seccomp::Profile(Box::new(profile)))
}

/// Each mount follows the host's as its own options say; only the root's is meant here.
fn root_propagation(wanted: Option<&str>) -> Result<Option<Propagation>, DocumentError> {
    let wanted = wanted.unwrap_or_default();
    let recursive = wanted.starts_with('r');
    Ok(match wanted {
        // What is mounted below the root later on is nobody's to see: nothing comes that could be followed.
        "" | "private" | "rprivate" | "slave" | "rslave" => None,
        "shared" | "rshared" => Some(Propagation { kind: PropagationKind::Shared, recursive }),
        other => {
            let (at, value) = ("linux.rootfsPropagation".to_owned(), other.to_owned());
            return Err(match other {
                "unbindable" | "runbindable" => DocumentError::RefusedValue { at, value },
                _ => DocumentError::Wrong { at, value, what: "propagation" },
            });
        }
    })
}
