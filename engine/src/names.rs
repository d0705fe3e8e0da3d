//! Names for containers that were given none, as docker makes them: an adjective and a noun.

use std::fs::File;
use std::io::Read;

use crate::{EngineError, Result};

const ADJECTIVES: [&str; 64] = [
    "able", "agile", "amber", "ample", "basic", "bold", "brave", "brief", "bright", "brisk",
    "calm", "candid", "clear", "clever", "cosy", "crisp", "curious", "deft", "eager", "early",
    "easy", "even", "fair", "fleet", "fresh", "gentle", "glad", "golden", "grand", "handy",
    "happy", "honest", "humble", "ideal", "jolly", "keen", "kind", "lively", "loyal", "lucid",
    "mellow", "merry", "mild", "modest", "neat", "noble", "patient", "plain", "polite", "prompt",
    "proud", "quick", "quiet", "ready", "robust", "sharp", "silent", "simple", "smart", "steady",
    "sunny", "swift", "tidy", "warm",
];

const NOUNS: [&str; 64] = [
    "acorn", "anchor", "anvil", "arch", "aspen", "badger", "basin", "beacon", "birch", "bridge",
    "brook", "canal", "candle", "cedar", "cliff", "comet", "compass", "coral", "crane", "delta",
    "ember", "falcon", "fern", "fjord", "garnet", "glacier", "harbor", "hazel", "heron", "island",
    "juniper", "kettle", "lagoon", "lantern", "larch", "ledge", "magnet", "maple", "marble",
    "meadow", "mill", "needle", "oak", "orchard", "otter", "pebble", "pine", "plover", "prism",
    "quarry", "raven", "reef", "ridge", "river", "sail", "sparrow", "spruce", "summit", "thistle",
    "tide", "tower", "valley", "willow", "wren",
];

/// The 64 hexadecimal digits of a new container's ID.
pub fn random_id() -> Result<String> {
    let bytes: [u8; 32] = random()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// `steady_heron`; from the second attempt on with a number behind it.
pub(crate) fn random_name(attempt: usize) -> Result<String> {
    let [adjective, noun, number] = random::<3>()?.map(usize::from);
    let name = format!("{}_{}", ADJECTIVES[adjective % 64], NOUNS[noun % 64]);
    Ok(if attempt == 0 { name } else { format!("{name}{number}") })
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let path = "/dev/urandom";
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|source| EngineError::Read { path: path.into(), source })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn words_are_different_and_names_are_names() {
        for words in [ADJECTIVES, NOUNS] {
            assert_eq!(words.iter().collect::<HashSet<_>>().len(), 64);
        }
        for attempt in 0..50 {
            runtime::containers::check_name(&random_name(attempt).unwrap()).unwrap();
        }
        assert_eq!(random_id().unwrap().len(), 64);
    }
}
