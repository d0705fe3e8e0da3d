//! Which extended attributes belong to an image, and in which form.

use super::entry::Xattrs;

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
    fn host_bookkeeping_stays_out() {
        let names = ["trusted.overlay.opaque", "trusted.x", "user.overlay.origin"];
        assert!(names.iter().all(|name| !belongs_to_image(name.as_bytes())));
        assert!(belongs_to_image(b"user.mime_type"));
        assert!(belongs_to_image(CAPABILITY));
    }
}
