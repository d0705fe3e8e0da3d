//! Devices of this machine: `--device`, `--device-cgroup-rule`, and disks whose use is limited.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use runtime::{Device, DeviceAccess, DeviceKind, DeviceRate, DeviceRule, RateKind};
use rustix::fs::{major, minor};

use super::target;
use crate::args::{ConfinementArgs, LimitArgs};
use crate::commands::settings;

#[derive(Debug, Default)]
pub(super) struct Devices {
    pub(super) nodes: Vec<Device>,
    pub(super) rules: Vec<DeviceRule>,
}

pub(super) fn resolve(args: &ConfinementArgs) -> Result<Devices> {
    let mut devices = Devices::default();
    for text in &args.devices {
        devices.add(text).with_context(|| format!("`--device {text}`"))?;
    }
    for text in &args.device_rules {
        let rule = text.parse().with_context(|| format!("`--device-cgroup-rule {text}`"))?;
        devices.rules.push(rule);
    }
    Ok(devices)
}

/// Where it is, where it is to be, and what may be done with it.
fn split(text: &str) -> Result<(&Path, PathBuf, DeviceAccess)> {
    let parts: Vec<&str> = text.split(':').collect();
    let (from, to, access) = match parts.as_slice() {
        [from] => (*from, *from, "rwm"),
        [from, access] if access.parse::<DeviceAccess>().is_ok() => (*from, *from, *access),
        [from, to] => (*from, *to, "rwm"),
        [from, to, access] => (*from, *to, *access),
        _ => bail!("expected PATH[:PATH_INSIDE][:rwm]"),
    };
    if !from.starts_with('/') {
        bail!("`{from}` is not an absolute path; devices by other names (CDI) are not supported");
    }
    Ok((Path::new(from), target(to)?, access.parse()?))
}

impl Devices {
    fn add(&mut self, text: &str) -> Result<()> {
        let (from, to, access) = split(text)?;
        let found =
            fs::metadata(from).with_context(|| format!("cannot find `{}`", from.display()))?;
        if found.is_dir() {
            return self.add_all(from, &to, access);
        }
        match node(&found, to) {
            Some(device) => self.push(device, access),
            None => bail!("`{}` is no device", from.display()),
        }
        Ok(())
    }

    /// The devices below a directory, at the same places below another.
    fn add_all(&mut self, from: &Path, to: &Path, access: DeviceAccess) -> Result<()> {
        let cannot = || format!("cannot list `{}`", from.display());
        let mut entries = fs::read_dir(from)
            .with_context(cannot)?
            .collect::<Result<Vec<_>, _>>()
            .with_context(cannot)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let found = entry.metadata().with_context(cannot)?;
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

/// `--device-read-bps` and the three like it.
pub(super) fn rates(args: &LimitArgs) -> Result<Vec<DeviceRate>> {
    let mut rates = Vec::new();
    for (flag, texts, kind) in [
        ("device-read-bps", &args.device_read_bps, RateKind::ReadBytes),
        ("device-write-bps", &args.device_write_bps, RateKind::WriteBytes),
        ("device-read-iops", &args.device_read_iops, RateKind::ReadOperations),
        ("device-write-iops", &args.device_write_iops, RateKind::WriteOperations),
    ] {
        for text in texts {
            rates.push(rate(text, kind).with_context(|| format!("`--{flag} {text}`"))?);
        }
    }
    Ok(rates)
}

fn rate(text: &str, kind: RateKind) -> Result<DeviceRate> {
    let (path, value) = text.rsplit_once(':').context("expected DEVICE:RATE")?;
    let found = fs::metadata(path).with_context(|| format!("cannot find `{path}`"))?;
    if !found.file_type().is_block_device() {
        bail!("`{path}` is no disk");
    }
    let value = match kind {
        RateKind::ReadBytes | RateKind::WriteBytes => settings::bytes(value)?,
        _ => value.parse().with_context(|| format!("`{value}` is no number"))?,
    };
    if value == 0 {
        bail!("a rate of 0 would stop it; leave the flag out for no limit");
    }
    Ok(DeviceRate { major: major(found.rdev()), minor: minor(found.rdev()), kind, value })
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
            let error = format!("{:#}", add(text).expect_err(text));
            assert!(error.contains(expected), "{text}: {error}");
        }
        for (text, expected) in [
            ("/dev/zero", "expected DEVICE:RATE"),
            ("/dev/zero:1m", "`/dev/zero` is no disk"),
            ("/dev/absent-disk:1m", "cannot find"),
        ] {
            let error = format!("{:#}", rate(text, RateKind::ReadBytes).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
