//! `mounts`
use std::path::{Path, PathBuf};

use super::options::{Meaning, meaning};
use super::users::{self, Users};
use crate::oci::document::MountDocument;
use crate::oci::error::DocumentError;
use crate::spec::{ListedMount, ListedSource, MountAttributes};

pub(super) fn of(
    mounts: &[MountDocument],
    bundle: &Path,
    users: &Users,
) -> Result<Vec<ListedMount>, DocumentError> {
    mounts.iter().enumerate().map(|(position, mount)| one(mount, position, bundle, users)).collect()
}

fn one(
    mount: &MountDocument,
    position: usize,
    bundle: &Path,
    users: &Users,
) -> Result<ListedMount, DocumentError> {
    let at = |name: &str| format!("mounts[{position}].{name}");
    if mount.destination.as_os_str().is_empty() {
        let (value, what) = (String::new(), "path");
        return Err(DocumentError::Wrong { at: at("destination"), value, what });
    }
    let kind = mount.kind.as_deref().unwrap_or_default();
    let mut bind = (kind == "bind").then_some(false);
    let mut settings = Vec::new();
    let mut listed = ListedMount {
        // Older versions of the specification let it be relative, to the root.
        target: Path::new("/").join(&mount.destination),
        source: ListedSource::Cgroups,
        attributes: MountAttributes::default(),
        below: MountAttributes::default(),
        propagation: None,
        copy_up: false,
        owners: None,
    };
    let mut mapped: Option<bool> = None;
    for option in &mount.options {
        match meaning(option) {
            Meaning::Nothing => {}
            Meaning::Bind { recursive } => bind = Some(recursive || bind == Some(true)),
            Meaning::Attribute { change, below: false } => listed.attributes.add(change),
            Meaning::Attribute { change, below: true } => listed.below.add(change),
            Meaning::Propagation(propagation) => listed.propagation = Some(propagation),
            Meaning::Owners { recursive } => mapped = Some(recursive || mapped == Some(true)),
            Meaning::CopyUp if kind == "tmpfs" => listed.copy_up = true,
            // Every devpts is one of its own.
            Meaning::Setting if kind == "devpts" && option == "newinstance" => {}
            Meaning::Setting => settings.push(option.clone()),
            Meaning::CopyUp | Meaning::Refused => {
                return Err(DocumentError::RefusedValue {
                    at: at("options"),
                    value: option.clone(),
                });
            }
        }
    }
    listed.source = source(mount, kind, bind, settings, bundle, &at)?;
    let own = format!("mounts[{position}]");
    if mapped.is_some() && mount.uid_mappings.is_empty() && users.namespace.is_some() {
        // Nothing is looked up here.
        let (at, value) = (at("options"), "idmap in a user namespace with a path".to_owned());
        return Err(DocumentError::RefusedValue { at, value });
    }
    let ids = users::of_mount(mount, mapped.is_some(), users.ids.as_ref(), &own)?;
    listed.owners = ids.map(|ids| (ids, mapped == Some(true)));
    if listed.owners.is_some() && !matches!(listed.source, ListedSource::Bind { .. }) {
        let (at, value) = (at("type"), format!("{kind} with maps of IDs"));
        return Err(DocumentError::RefusedValue { at, value });
    }
    Ok(listed)
}

fn source(
    mount: &MountDocument,
    kind: &str,
    bind: Option<bool>,
    settings: Vec<String>,
    bundle: &Path,
    at: &impl Fn(&str) -> String,
) -> Result<ListedSource, DocumentError> {
    let no_settings = |source: ListedSource| match settings.first() {
        Some(value) => Err(DocumentError::RefusedValue { at: at("options"), value: value.clone() }),
        None => Ok(source),
    };
    let given = mount.source.clone().filter(|source| !source.as_os_str().is_empty());
    if let Some(recursive) = bind {
        let source: PathBuf = given.ok_or_else(|| DocumentError::Wrong {
            at: at("source"),
            value: String::new(),
            what: "path",
        })?;
        return no_settings(ListedSource::Bind { source: bundle.join(source), recursive });
    }
    match kind {
        "cgroup" | "cgroup2" => no_settings(ListedSource::Cgroups),
        "" => Err(DocumentError::Wrong {
            at: at("type"),
            value: String::new(),
            what: "file system, and no option says `bind`",
        }),
        _ => Ok(ListedSource::Filesystem {
            kind: kind.to_owned(),
            source: given.map_or(kind.to_owned(), |source| source.display().to_string()),
            settings,
        }),
    }
}
