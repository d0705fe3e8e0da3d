//! File systems that are mounted for one container: what `mount -t KIND -o OPTIONS DEVICE` would do.
//!
//! Options that are the same for every file system are attributes of the mount; the file system is told the others. They are
//! mounted by who starts the container: it may open the disk that they are on, as the container need not.
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;

use sys::mount::{Setting, new_mount_of};

use crate::spec::{ContainerSpec, MountAttributes, MountSource, MountedFilesystem};
use crate::zygote::message::{Step, StepError};

/// Those of the specification, mounted nowhere, by position.
pub(crate) type Filesystems = HashMap<usize, OwnedFd>;

pub(crate) fn mount_all(spec: &ContainerSpec) -> Result<Filesystems, StepError> {
    let mut mounted = Filesystems::new();
    for (position, mount) in spec.mounts.iter().enumerate() {
        if let MountSource::Filesystem { filesystem, .. } = &mount.source {
            let step = || format!("mount `{}`", mount.target.display());
            mounted.insert(position, self::mount(filesystem).step(step())?);
        }
    }
    Ok(mounted)
}

pub(super) fn has_any(spec: &ContainerSpec) -> bool {
    spec.mounts.iter().any(|mount| matches!(mount.source, MountSource::Filesystem { .. }))
}

pub(super) fn mount(wanted: &MountedFilesystem) -> io::Result<OwnedFd> {
    let options = resolved(wanted)?;
    let (attributes, settings) = split(&options);
    Ok(new_mount_of(&wanted.kind, &wanted.device, &settings, attributes)?)
}

/// The kernel knows no names of servers. As docker does, `addr=` is looked up each time.
fn resolved(wanted: &MountedFilesystem) -> io::Result<Vec<String>> {
    let of_network = ["nfs", "nfs4", "cifs"].contains(&wanted.kind.as_str());
    let options = wanted.options.iter().map(|option| match option.strip_prefix("addr=") {
        Some(name) if of_network && name.parse::<IpAddr>().is_err() => {
            Ok(format!("addr={}", address_of(name)?))
        }
        _ => Ok(option.clone()),
    });
    options.collect()
}

/// The first of IPv4, else of IPv6.
fn address_of(name: &str) -> io::Result<IpAddr> {
    let failed =
        |cause: String| io::Error::other(format!("cannot find the server `{name}`: {cause}"));
    let found = (name, 0).to_socket_addrs().map_err(|error| failed(error.to_string()))?;
    let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.first().copied().ok_or_else(|| failed("it has no address".to_owned()))
}

/// `MOUNT_ATTR_*` bits, and what is left for the file system itself. Of contrary options the last counts.
fn split(options: &[String]) -> (u64, Vec<Setting<'_>>) {
    let (mut attributes, mut settings) = (MountAttributes::default(), Vec::new());
    for option in options.iter().filter(|option| *option != "defaults") {
        match MountAttributes::of_option(option) {
            Some(change) => attributes.add(change),
            None => settings.push(match option.split_once('=') {
                Some((name, value)) => Setting::Text(name, value),
                None => Setting::Flag(option),
            }),
        }
        // Some file systems write although the mount is read-only, unless they are told.
        if option == "ro" {
            settings.push(Setting::Flag("ro"));
        }
    }
    (attributes.set, settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_found_by_their_names() {
        let of = |kind: &str, option: &str| {
            let options = vec!["vers=4".to_owned(), option.to_owned()];
            let (kind, device) = (kind.to_owned(), ":/x".to_owned());
            resolved(&MountedFilesystem { kind, device, options }).map(|mut all| all.remove(1))
        };
        assert_eq!(of("nfs", "addr=localhost").unwrap(), "addr=127.0.0.1");
        assert_eq!(of("nfs", "addr=10.0.0.1").unwrap(), "addr=10.0.0.1");
        assert_eq!(of("cifs", "addr=::1").unwrap(), "addr=::1");
        assert_eq!(of("ext4", "addr=localhost").unwrap(), "addr=localhost");
        let error = of("nfs", "addr=no..name").unwrap_err().to_string();
        assert!(error.starts_with("cannot find the server `no..name`: "), "{error}");
    }

    #[test]
    fn options_are_the_mounts_or_the_file_systems() {
        let options = ["noexec", "size=1m", "nosuid", "suid", "noatime", "inode64", "ro"];
        let options = options.map(str::to_owned);
        let (attributes, settings) = split(&options);
        let expected = libc::MOUNT_ATTR_NOEXEC | libc::MOUNT_ATTR_NOATIME | libc::MOUNT_ATTR_RDONLY;
        assert_eq!(attributes, expected);
        let shown: Vec<String> = settings
            .iter()
            .map(|setting| match setting {
                Setting::Flag(name) => (*name).to_owned(),
                Setting::Text(name, value) => format!("{name}={value}"),
                Setting::Descriptor(name, _) => format!("{name}=fd"),
            })
            .collect();
        assert_eq!(shown, ["size=1m", "inode64", "ro"]);
    }
}
