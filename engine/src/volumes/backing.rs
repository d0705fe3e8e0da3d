//! Options of the driver `local`: where a volume's files are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use runtime::MountedFilesystem;

use super::error::{Result, VolumeError};

/// Where the files of a volume are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backing {
    /// In its own directory.
    Own,
    /// In another directory of this machine: `o=bind`.
    Directory { path: PathBuf, read_only: bool },
    /// In a file system that is mounted in each container anew. The kernel shows all of them the same, but for kinds
    /// that exist in memory only: of a tmpfs each container has its own.
    Filesystem(MountedFilesystem),
}

impl Backing {
    pub fn of(options: &BTreeMap<String, String>) -> Result<Backing> {
        let known = ["type", "o", "device"];
        if let Some(option) = options.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(VolumeError::UnknownOption { option: option.clone() });
        }
        let get = |key: &str| options.get(key).map(String::as_str).unwrap_or_default();
        let (kind, device) = (get("type"), get("device"));
        let words = get("o").split(',').filter(|word| !word.is_empty());
        if options.values().all(String::is_empty) {
            return Ok(Backing::Own);
        }
        let needs = |given, missing| Err(VolumeError::MissingOption { given, missing });
        match (kind, device) {
            ("", "") => return needs("o", "type"),
            ("", _) => return needs("device", "type"),
            (_, "") => return needs("type", "device"),
            _ => {}
        }
        if words.clone().any(|word| word == "bind" || word == "rbind") {
            return directory(device, words.clone().any(|word| word == "ro"));
        }
        let words: Vec<String> = words.map(str::to_owned).collect();
        Ok(Backing::Filesystem(MountedFilesystem {
            kind: kind.to_owned(),
            device: device.to_owned(),
            options: words,
        }))
    }
}

fn directory(device: &str, read_only: bool) -> Result<Backing> {
    if !Path::new(device).is_absolute() {
        return Err(VolumeError::RelativeDevice { device: device.to_owned() });
    }
    Ok(Backing::Directory { path: device.into(), read_only })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backing(options: &[(&str, &str)]) -> Result<Backing> {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Backing::of(&options.iter().map(pair).collect())
    }

    #[test]
    fn options_say_where_the_files_are() {
        assert_eq!(backing(&[]).unwrap(), Backing::Own);
        assert_eq!(backing(&[("type", ""), ("device", "")]).unwrap(), Backing::Own);
        let bind = backing(&[("type", "none"), ("o", "bind,ro"), ("device", "/srv")]).unwrap();
        assert_eq!(bind, Backing::Directory { path: "/srv".into(), read_only: true });
        let tmpfs = backing(&[("type", "tmpfs"), ("o", "size=1m,uid=7"), ("device", "tmpfs")]);
        let Backing::Filesystem(tmpfs) = tmpfs.unwrap() else { panic!("a file system") };
        assert_eq!((tmpfs.kind.as_str(), tmpfs.options.len()), ("tmpfs", 2));
    }

    #[test]
    fn mistakes_are_named() {
        for (options, expected) in [
            (&[("size", "1g")][..], "the option `size`"),
            (&[("type", "tmpfs")], "needs the option `device`"),
            (&[("device", "/x")], "needs the option `type`"),
            (&[("o", "bind")], "needs the option `type`"),
            (&[("type", "none"), ("o", "bind"), ("device", "x")], "an absolute path"),
        ] {
            let error = backing(options).unwrap_err().to_string();
            assert!(error.contains(expected), "{options:?}: {error}");
        }
    }
}
