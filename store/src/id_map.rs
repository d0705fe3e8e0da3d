//! [`IdMap`]: the one place where owners inside images meet owners on disk.

/// Maps the user and group ids an image speaks of to those its files have on disk, and back.
///
/// Of a store that is the identity: containers whose users are their own see its files by mounts that map their owners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdMap {
    #[default]
    Identity,
    /// The image's users from root on are these on disk.
    Range { first: u32, count: u32 },
}

/// Who a user is that has no place in a map.
const NOBODY: u32 = 65_534;

/// A user and a group id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

impl IdMap {
    /// The owner on disk of what the image says belongs to `owner`.
    pub fn to_disk(self, owner: Owner) -> Owner {
        let IdMap::Range { first, count } = self else { return owner };
        owner.each(|id| first + if id < count { id } else { NOBODY.min(count - 1) })
    }

    /// The owner to write into a layer for a file that belongs to `owner` on disk.
    pub fn to_image(self, owner: Owner) -> Owner {
        let IdMap::Range { first, count } = self else { return owner };
        owner.each(|id| match id.checked_sub(first) {
            Some(inside) if inside < count => inside,
            _ => NOBODY,
        })
    }
}

impl Owner {
    fn each(self, change: impl Fn(u32) -> u32) -> Owner {
        Owner { uid: change(self.uid), gid: change(self.gid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_that_have_no_place_are_nobody() {
        let map = IdMap::Range { first: 1000, count: 65_536 };
        for (image, disk) in [(0, 1000), (5, 1005), (65_535, 66_535)] {
            let (inside, outside) = (Owner { uid: image, gid: 0 }, Owner { uid: disk, gid: 1000 });
            assert_eq!((map.to_disk(inside), map.to_image(outside)), (outside, inside));
        }
        let stranger = Owner { uid: 999, gid: 66_536 };
        assert_eq!(map.to_image(stranger), Owner { uid: NOBODY, gid: NOBODY });
        let beyond = Owner { uid: 65_536, gid: 0 };
        assert_eq!(map.to_disk(beyond), Owner { uid: 66_534, gid: 1000 });
        assert_eq!(IdMap::Identity.to_disk(stranger), stranger);
    }
}
