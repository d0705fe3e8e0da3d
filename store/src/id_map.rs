//! [`IdMap`]: the one place where owners inside images meet owners on disk.

/// Maps the user and group ids an image speaks of to those its files have on disk, and back.
///
/// Today only the identity exists; rootless stores and idmapped mounts become further variants
/// without a change to any caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdMap {
    #[default]
    Identity,
}

/// A user and a group id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

impl IdMap {
    /// The owner on disk of what the image says belongs to `owner`.
    pub fn to_disk(self, owner: Owner) -> Owner {
        match self {
            IdMap::Identity => owner,
        }
    }

    /// The owner to write into a layer for a file that belongs to `owner` on disk.
    pub fn to_image(self, owner: Owner) -> Owner {
        match self {
            IdMap::Identity => owner,
        }
    }
}
