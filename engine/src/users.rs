//! User IDs of the machine for containers whose users are their own.

use runtime::containers::Containers;
use runtime::{EngineId, UserIds};

use crate::{EngineError, Result};

/// As many as an image has users, by old custom.
const COUNT: u32 = 65_536;
/// Above what `useradd` gives away as subordinate IDs and what systemd has for its containers, below what it calls foreign.
const FIRST: u32 = 0x7000_0000;
const RANGES: u32 = (0x7ffe_0000 - FIRST) / COUNT;

/// One that no container of this store has; what a container had is free again when it has gone. Other stores of the
/// machine begin elsewhere. What that does not promise: docs/decisions/0020. To be called under the lock of the containers.
pub(crate) fn free_range(containers: &Containers) -> Result<UserIds> {
    let list = containers.list()?;
    let used = list.iter().filter_map(|it| it.definition.spec.user_namespace.as_ref()?.root());
    let used: Vec<u32> = used.map(|(first, _)| first).collect();
    let engine = EngineId::of_root(containers.root())?.to_string();
    let begin = engine.bytes().fold(0, |sum: u32, byte| sum.wrapping_mul(31) + u32::from(byte));
    let range = |number: u32| FIRST + (begin % RANGES + number) % RANGES * COUNT;
    let free = (0..RANGES).map(range).find(|first| !used.contains(first));
    free.map(|first| UserIds::from_root(first, COUNT)).ok_or(EngineError::NoUsers)
}
