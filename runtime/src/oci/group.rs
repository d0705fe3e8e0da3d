//! Where the cgroups of a container are: the document says it, not the engine.
use std::fmt::Display;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::error::OciError;
use crate::cgroup::{Cgroups, DeviceRules, Leaf};
use crate::spec::ContainerSpec;

/// Below the root of each hierarchy, where the document names no place.
const USUAL: &str = "rbuild-oci";

/// From the root of each hierarchy. A path that is not absolute is below a group of ours, as the specification allows.
/// Where there is none, containers of the same ID below another `--root` have another: `root` is its name.
pub(super) fn path_of(wanted: Option<&Path>, root: &impl Display, id: &str) -> PathBuf {
    let usual = Path::new(USUAL);
    let path = match wanted {
        None => usual.join(format!("{root}-{id}")),
        Some(path) if path.is_absolute() => path.to_owned(),
        Some(path) => usual.join(path),
    };
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// The group above and its name there.
fn split(path: &Path) -> (PathBuf, String) {
    let parent = path.parent().unwrap_or(Path::new("")).to_owned();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    (parent, name)
}

/// Makes what is above the group, which must be nobody's yet.
pub(super) fn prepare(path: &Path, id: &str) -> Result<(Cgroups, String), OciError> {
    let (parent, name) = split(path);
    if name.is_empty() {
        let cause = "`linux.cgroupsPath` is the root of the hierarchy".to_owned();
        return Err(OciError::Cgroup { id: id.to_owned(), cause });
    }
    let cgroups = Cgroups::prepare_at(parent, &name);
    match cgroups.busy(&name) {
        Some(path) => Err(OciError::BusyCgroup { path }),
        None => Ok((cgroups, name)),
    }
}

/// That of a container which exists.
pub(super) fn existing(
    path: &Path,
    devices: DeviceRules,
    spec: &ContainerSpec,
) -> Result<(Cgroups, Leaf), OciError> {
    let (parent, name) = split(path);
    let cgroups = Cgroups::look_at(parent, devices);
    let leaf = Leaf::existing(&cgroups, &name, spec)
        .map_err(|error| OciError::Cgroup { id: spec.id.clone(), cause: error.to_string() })?;
    Ok((cgroups, leaf))
}

/// Removes what is above the group if it is ours and nobody else has a group there.
pub(super) fn remove_parent(path: &Path, cgroups: &Cgroups) {
    if path.parent() == Some(Path::new(USUAL)) {
        for hierarchy in &cgroups.hierarchies {
            // It is not empty, or was not there.
            let _used = fs::remove_dir(hierarchy.mount.join(USUAL));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_below_the_roots() {
        for (wanted, expected) in [
            (None, "rbuild-oci/7-c1"),
            (Some("/docker/c1"), "docker/c1"),
            (Some("pod/c1"), "rbuild-oci/pod/c1"),
            (Some("/../a/./b"), "a/b"),
            (Some("/"), ""),
        ] {
            assert_eq!(path_of(wanted.map(Path::new), &7, "c1"), Path::new(expected), "{wanted:?}");
        }
    }
}
