//! Which arguments are git repositories.

use std::path::Path;

use anyhow::Result;
use builder::fetch::GitRef;

/// The repository that `text` means, if it means one. Directories of this machine come first; a repository of this
/// machine is `file:///PATH`, or a directory with a fragment or a query.
pub(super) fn repository(text: &str) -> Result<Option<GitRef>> {
    if text.starts_with("file://") {
        return Ok(Some(GitRef::of_this_machine(text)?));
    }
    if Path::new(text).exists() {
        return Ok(None);
    }
    if let Some(found) = GitRef::parse(text)? {
        return Ok(Some(found));
    }
    let end = text.find(['#', '?']).filter(|_| !text.contains("://"));
    let directory = end.map(|end| Path::new(&text[..end])).filter(|path| path.is_dir());
    let Some(directory) = directory else { return Ok(None) };
    let mut found = GitRef::of_this_machine(text)?;
    found.remote = std::path::absolute(directory)?.to_string_lossy().into_owned();
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder::fetch::git::Transport;

    #[test]
    fn directories_come_first() {
        let temp = tempfile::tempdir().unwrap();
        let directory = temp.path().to_str().unwrap();
        let remote = |text: &str| repository(text).unwrap().map(|found| found.remote);
        assert_eq!(remote(directory), None);
        assert_eq!(remote(&format!("{directory}#main:sub")).as_deref(), Some(directory));
        assert_eq!(remote(&format!("{directory}?branch=main")).as_deref(), Some(directory));
        assert_eq!(remote(&format!("{directory}/absent#main")), None);
        std::fs::create_dir(temp.path().join("a#b")).unwrap();
        assert_eq!(remote(&format!("{directory}/a#b")), None);
        let found = repository("file:///absent/x.git#v1").unwrap().unwrap();
        assert_eq!((found.transport, found.name.as_str()), (Transport::File, "v1"));
        assert_eq!(remote("git@host:x").as_deref(), Some("git@host:x"));
        assert!(repository("https://host/x.git?what=1").is_err());
    }
}
