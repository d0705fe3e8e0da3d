//! Devices of this machine, and disks whose use is limited.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use runtime::{Device, DeviceAccess, DeviceKind, DeviceRule};
use rustix::fs::{major, minor};

use super::{Result, ValueError, target};

/// Nodes in /dev, and what may be done with them.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    pub nodes: Vec<Device>,
    pub rules: Vec<DeviceRule>,
}

/// Where it is, where it is to be, and what may be done with it.
fn split(text: &str) -> Result<(&Path, PathBuf, DeviceAccess)> {
    let parts: Vec<&str> = text.split(':').collect();
    let (from, to, access) = match parts.as_slice() {
        [from] => (*from, *from, "rwm"),
        [from, access] if access.parse::<DeviceAccess>().is_ok() => (*from, *from, *access),
        [from, to] => (*from, *to, "rwm"),
        [from, to, access] => (*from, *to, *access),
        _ => return Err(ValueError::DeviceForm),
    };
    if !from.starts_with('/') {
        return Err(ValueError::DeviceName { text: from.to_owned() });
    }
    Ok((Path::new(from), target(to)?, access.parse()?))
}

impl Devices {
    /// `PATH[:PATH_INSIDE][:rwm]`, a device or a directory of them.
    pub fn add(&mut self, text: &str) -> Result<()> {
        let (from, to, access) = split(text)?;
        let found = fs::metadata(from)
            .map_err(|source| ValueError::Find { path: from.to_owned(), source })?;
        if found.is_dir() {
            return self.add_all(from, &to, access);
        }
        match node(&found, to) {
            Some(device) => self.push(device, access),
            None => return Err(ValueError::NoDevice { path: from.to_owned() }),
        }
        Ok(())
    }

    /// The devices below a directory, at the same places below another.
    fn add_all(&mut self, from: &Path, to: &Path, access: DeviceAccess) -> Result<()> {
        let cannot = |source| ValueError::List { path: from.to_owned(), source };
        let mut entries =
            fs::read_dir(from).map_err(cannot)?.collect::<Result<Vec<_>, _>>().map_err(cannot)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let found = entry.metadata().map_err(cannot)?;
            let inside = to.join(entry.file_name());
            if found.is_dir() {
                self.add_all(&entry.path(), &inside, access)?;
            } else if let Some(device) = node(&found, inside) {
                self.push(device, access);
            }
        }
        Ok(())
    }

    fn push(&mut self, device: Device, access: DeviceAccess) {
        self.rules.push(DeviceRule {
            kind: Some(device.kind),
            major: Some(device.major),
            minor: Some(device.minor),
            access,
        });
        self.nodes.push(device);
    }
}

fn node(found: &fs::Metadata, path: PathBuf) -> Option<Device> {
    let kind = if found.file_type().is_char_device() {
        DeviceKind::Character
    } else if found.file_type().is_block_device() {
        DeviceKind::Block
    } else {
        return None;
    };
    Some(Device {
        path,
        kind,
        major: major(found.rdev()),
        minor: minor(found.rdev()),
        mode: found.mode() & 0o7777,
        uid: found.uid(),
        gid: found.gid(),
    })
}

/// Major and minor number of a disk.
pub fn disk(path: &str) -> Result<(u32, u32)> {
    let path = PathBuf::from(path);
    let found = match fs::metadata(&path) {
        Ok(found) => found,
        Err(source) => return Err(ValueError::Find { path, source }),
    };
    match found.file_type().is_block_device() {
        true => Ok((major(found.rdev()), minor(found.rdev()))),
        false => Err(ValueError::NoDisk { path }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(text: &str) -> Result<Devices> {
        let mut devices = Devices::default();
        devices.add(text).map(|()| devices)
    }

    #[test]
    fn devices_get_a_node_and_a_rule() {
        for (text, path, rule) in [
            ("/dev/zero", "/dev/zero", "c 1:5 rwm"),
            ("/dev/zero:r", "/dev/zero", "c 1:5 r"),
            ("/dev/zero:/dev/nil", "/dev/nil", "c 1:5 rwm"),
            ("/dev/zero:/x/y:rw", "/x/y", "c 1:5 rw"),
        ] {
            let devices = add(text).unwrap();
            assert_eq!(devices.nodes[0].path, Path::new(path), "{text}");
            assert_eq!(devices.rules[0].to_string(), rule, "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("zero", "not an absolute path"),
            ("vendor.com/gpu=0", "CDI"),
            ("/dev/absent-device", "cannot find `/dev/absent-device`"),
            ("/etc/passwd", "is no device"),
            ("/dev/zero:x:rwm", "not an absolute path"),
            ("/dev/zero:/x:rwx", "no device access"),
            ("/dev/zero:/x:r:w", "expected PATH"),
        ] {
            let error = add(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert_eq!(disk("/dev/zero").unwrap_err().to_string(), "`/dev/zero` is no disk");
        assert!(disk("/dev/absent-disk").unwrap_err().to_string().contains("cannot find"));
    }
}
