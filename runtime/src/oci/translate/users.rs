//! Users of the container's own: `linux.uidMappings`, `linux.gidMappings`, and those of single mounts.
use std::path::PathBuf;

use crate::oci::document::{IdMapping, Linux, MountDocument};
use crate::oci::error::DocumentError;
use crate::spec::{IdRange, UserIds};

/// What a document says of the container's user namespace.
#[derive(Debug, Default)]
pub(super) struct Users {
    pub(super) ids: Option<UserIds>,
    /// One that is there already.
    pub(super) namespace: Option<PathBuf>,
}

/// `listed`: the user namespace is among the namespaces, perhaps with a path.
pub(super) fn of(linux: &Linux, listed: Option<Option<PathBuf>>) -> Result<Users, DocumentError> {
    let ids = ids(&linux.uid_mappings, &linux.gid_mappings, "linux")?;
    match (listed, ids) {
        (None, None) => Ok(Users::default()),
        (None, Some(_)) => {
            let (at, value) = ("linux.uidMappings".to_owned(), "no user namespace".to_owned());
            Err(DocumentError::RefusedValue { at, value })
        }
        // Its maps are what they are; if some are given, they have to be these.
        (Some(Some(path)), ids) => Ok(Users { ids, namespace: Some(path) }),
        (Some(None), None) => Err(DocumentError::Missing { at: "linux.uidMappings" }),
        (Some(None), Some(ids)) if ids.root().is_none() => {
            let (at, value) = ("linux.uidMappings".to_owned(), "no ID for root".to_owned());
            Err(DocumentError::RefusedValue { at, value })
        }
        (Some(None), Some(ids)) => Ok(Users { ids: Some(ids), namespace: None }),
    }
}

/// Whose the files of a mount are: those of its own maps, or of the container's if an option asks for that.
pub(super) fn of_mount(
    mount: &MountDocument,
    asked: bool,
    container: Option<&UserIds>,
    at: &str,
) -> Result<Option<UserIds>, DocumentError> {
    let own = ids(&mount.uid_mappings, &mount.gid_mappings, at)?;
    match (own, asked, container) {
        (Some(ids), ..) => Ok(Some(ids)),
        (None, false, _) => Ok(None),
        (None, true, Some(ids)) => Ok(Some(ids.clone())),
        (None, true, None) => {
            let (at, value) = (format!("{at}.options"), "idmap".to_owned());
            Err(DocumentError::Wrong { at, value, what: "option of a mount without maps" })
        }
    }
}

fn ids(
    users: &[IdMapping],
    groups: &[IdMapping],
    at: &str,
) -> Result<Option<UserIds>, DocumentError> {
    let ranges = |list: &[IdMapping]| -> Vec<IdRange> {
        let range = |one: &IdMapping| {
            let IdMapping { inside, outside, count } = *one;
            IdRange { inside, outside, count }
        };
        list.iter().map(range).collect()
    };
    match (users.is_empty(), groups.is_empty()) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(UserIds { users: ranges(users), groups: ranges(groups) })),
        (no_users, _) => {
            let missing = if no_users { "uidMappings" } else { "gidMappings" };
            let (at, value) = (at.to_owned(), format!("no {missing}"));
            Err(DocumentError::RefusedValue { at, value })
        }
    }
}
