//! User and group names, as the tree below a step knows them.

use std::io::Read;

use runtime::user;
use store::tree::Tree;

use super::StepError;

/// `--chown`
pub(crate) fn of_chown(spec: &str, tree: &Tree) -> Result<user::Owner, StepError> {
    let (passwd, group) = files(spec, tree)?;
    user::lookup_owner(&passwd, &group, spec)
        .map_err(|source| StepError::Owner { spec: spec.to_owned(), source })
}

/// `USER`
pub(crate) fn of_user(spec: &str, tree: &Tree) -> Result<(u32, u32), StepError> {
    let (passwd, group) = files(spec, tree)?;
    let user = user::lookup(&passwd, &group, spec)
        .map_err(|source| StepError::User { spec: spec.to_owned(), source })?;
    Ok((user.uid, user.gid))
}

fn files(spec: &str, tree: &Tree) -> Result<(String, String), StepError> {
    // A number may still have a primary group in passwd when it is a user's.
    if spec.is_empty() {
        return Ok((String::new(), String::new()));
    }
    Ok((read(tree, "etc/passwd")?, read(tree, "etc/group")?))
}

/// The text of a file; empty if there is none.
fn read(tree: &Tree, path: &str) -> Result<String, StepError> {
    const LIMIT: u64 = 16 << 20;
    let resolved = tree.resolve(path, true)?;
    match tree.lookup(&resolved) {
        Some(found) if found.entry.is_file() => {
            let mut bytes = Vec::new();
            let reader = tree.open_entry(&found)?;
            reader
                .take(LIMIT)
                .read_to_end(&mut bytes)
                .map_err(super::io_error("read", &resolved))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => Ok(String::new()),
    }
}
