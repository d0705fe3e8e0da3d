//! Which extended attributes belong to an image, and in which form.

use rustix::io::Errno;

use super::entry::{EntryKind, Xattrs};

const CAPABILITY: &[u8] = b"security.capability";
pub(crate) const OVERLAY_OPAQUE: &[u8] = b"trusted.overlay.opaque";

/// Attributes that describe this host's storage, not the image: overlayfs bookkeeping and other
/// `trusted.*` (an image must not steer our mounts), labels of the host's security module.
pub(crate) fn belongs_to_image(name: &[u8]) -> bool {
    !(name.starts_with(b"trusted.")
        || name.starts_with(b"user.overlay.")
        || name == b"security.selinux"
        || name == b"security.ima"
        || name == b"security.evm")
}

/// Whether overlayfs hides what the directories below this one contain. Our mounts are without `userxattr`,
/// so `user.overlay.opaque`, which any program in a container may set, means nothing.
pub(crate) fn is_overlay_opaque(xattrs: &Xattrs) -> bool {
    xattrs.get(OVERLAY_OPAQUE).is_some_and(|value| value == b"y")
}

/// The attributes of a file on disk that go into a layer.
pub(crate) fn for_image(xattrs: Xattrs) -> Xattrs {
    xattrs
        .into_iter()
        .filter(|(name, _)| belongs_to_image(name))
        .map(|(name, value)| {
            let value = if name == CAPABILITY { without_root_id(value) } else { value };
            (name, value)
        })
        .collect()
}

/// Whether an attribute that the kernel refuses may be missing on disk; the layer and its index keep it.
///
/// `EPERM`: `user.*` is for files and directories only. `ENOTSUP`: the file system does not know such
/// attributes. What grants or limits rights must not get lost where it means something.
pub(crate) fn may_be_missing(name: &[u8], kind: &EntryKind, errno: Option<i32>) -> bool {
    let refused = [Errno::PERM, Errno::NOTSUP].map(|errno| Some(errno.raw_os_error()));
    let about_rights = name == CAPABILITY || name.starts_with(b"system.posix_acl_");
    let effective = matches!(kind, EntryKind::File { .. } | EntryKind::Dir { .. });
    refused.contains(&errno) && !(about_rights && effective)
}

/// File capabilities of version 3 name the user namespace's root by its id on this host. Images
/// carry version 2, which is the same without that field.
fn without_root_id(value: Vec<u8>) -> Vec<u8> {
    const VERSION_2: u32 = 0x0200_0000;
    const VERSION_3: u32 = 0x0300_0000;
    const VERSION_MASK: u32 = 0xff00_0000;
    let Some((header, data)) = value.split_first_chunk::<4>() else { return value };
    let magic = u32::from_le_bytes(*header);
    if magic & VERSION_MASK != VERSION_3 || data.len() != 20 {
        return value;
    }
    let magic = magic & !VERSION_MASK | VERSION_2;
    [&magic.to_le_bytes(), &data[..16]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_lose_the_root_id() {
        let v3 = [b"\x01\0\0\x03".as_slice(), &[7; 16], &1000_u32.to_le_bytes()].concat();
        let v2 = [b"\x01\0\0\x02".as_slice(), &[7; 16]].concat();
        assert_eq!(without_root_id(v3), v2);
        assert_eq!(without_root_id(v2.clone()), v2);
        assert_eq!(without_root_id(vec![1]), vec![1]);
    }

    #[test]
    fn only_what_grants_no_rights_may_be_missing() {
        let file = EntryKind::File { size: 0, digest: None, offset: None };
        let may = |name: &str, kind: &EntryKind, errno: Errno| {
            may_be_missing(name.as_bytes(), kind, Some(errno.raw_os_error()))
        };
        assert!(may("user.x", &EntryKind::Fifo, Errno::PERM));
        assert!(may("user.x", &file, Errno::NOTSUP));
        assert!(!may("user.x", &file, Errno::NOSPC));
        assert!(!may("security.capability", &file, Errno::NOTSUP));
        assert!(!may("system.posix_acl_access", &file, Errno::NOTSUP));
        assert!(may("system.posix_acl_access", &EntryKind::Fifo, Errno::NOTSUP));
    }

    #[test]
    fn host_bookkeeping_stays_out() {
        let names = ["trusted.overlay.opaque", "trusted.x", "user.overlay.origin"];
        assert!(names.iter().all(|name| !belongs_to_image(name.as_bytes())));
        assert!(belongs_to_image(b"user.mime_type"));
        assert!(belongs_to_image(CAPABILITY));
    }
}
