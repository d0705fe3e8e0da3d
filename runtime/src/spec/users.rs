//! Users and groups of a container whose they are outside of it: the maps of a user namespace.
use serde::{Deserialize, Serialize};

/// Where a user namespace's IDs are on the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserIds {
    pub users: Vec<IdRange>,
    pub groups: Vec<IdRange>,
}

/// So many IDs from the first one on, there and here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdRange {
    pub inside: u32,
    pub outside: u32,
    pub count: u32,
}

impl UserIds {
    /// The same for users and groups, from root on.
    pub fn from_root(outside: u32, count: u32) -> UserIds {
        let range = IdRange { inside: 0, outside, count };
        UserIds { users: vec![range], groups: vec![range] }
    }

    /// The user and the group that root is outside.
    pub fn root(&self) -> Option<(u32, u32)> {
        let of = |ranges: &[IdRange]| of_root(ranges).map(|range| range.outside);
        Some((of(&self.users)?, of(&self.groups)?))
    }

    /// The last of the groups that follow root's without a gap.
    pub(crate) fn last_group(&self) -> Option<u32> {
        of_root(&self.groups).map(|range| range.count - 1)
    }

    /// As the kernel writes one of the two maps.
    pub(crate) fn parse_map(text: &str) -> Option<Vec<IdRange>> {
        let range = |line: &str| {
            let mut numbers = line.split_whitespace().map(str::parse);
            let mut next = || numbers.next()?.ok();
            Some(IdRange { inside: next()?, outside: next()?, count: next()? })
        };
        text.lines().map(range).collect()
    }
}

fn of_root(ranges: &[IdRange]) -> Option<&IdRange> {
    ranges.iter().find(|range| range.inside == 0 && range.count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read_as_the_kernel_writes_them() {
        let text = "         0     100000      65536\n     70000          5          1\n";
        let users = UserIds::parse_map(text).unwrap();
        let expected = [
            IdRange { inside: 0, outside: 100_000, count: 65_536 },
            IdRange { inside: 70_000, outside: 5, count: 1 },
        ];
        assert_eq!(users, expected);
        let ids = UserIds { groups: users.clone(), users };
        assert_eq!((ids.root(), ids.last_group()), (Some((100_000, 100_000)), Some(65_535)));
        assert_eq!(UserIds::default().root(), None);
        assert_eq!(UserIds::parse_map("0 x 1"), None);
    }
}
