//! File systems that are mounted for one container: what `mount -t KIND -o OPTIONS DEVICE` would do.
//!
//! Options that are the same for every file system are attributes of the mount; the file system is told the others.
use std::os::fd::OwnedFd;

use sys::mount::{Setting, new_mount_of};

use crate::spec::{MountAttributes, MountedFilesystem};

pub(super) fn mount(wanted: &MountedFilesystem) -> sys::Result<OwnedFd> {
    let (attributes, settings) = split(&wanted.options);
    new_mount_of(&wanted.kind, &wanted.device, &settings, attributes)
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
