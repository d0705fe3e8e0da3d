//! Names of kernel objects: made of the engine's and the object's, so that two stores never share one.
use crate::containers::ProcessName;
use crate::engine::EngineId;

/// The kernel's limit for names of interfaces is 15 bytes.
const ENGINE: usize = 6;
const OBJECT: usize = 7;

/// What an engine's kernel objects are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelNames {
    engine: String,
}

impl KernelNames {
    pub fn of(engine: &EngineId) -> KernelNames {
        KernelNames { engine: letters(&engine.to_string(), ENGINE) }
    }

    /// `rb`, six letters for the engine, seven for the network.
    pub fn bridge(&self, network: &str) -> String {
        format!("rb{}{}", self.engine, letters(network, OBJECT))
    }

    /// The host's end of a container's pair: `rv`, the engine's letters, and seven for the container, the network, and
    /// the shim: the kernel takes a while to remove the pair of the one before.
    pub fn veth(&self, container: &str, network: &str, shim: ProcessName) -> String {
        format!(
            "rv{}{}",
            self.engine,
            letters(&format!("{container} {network} {} {}", shim.pid, shim.start), OBJECT)
        )
    }

    /// What the names of all its bridges begin with.
    pub fn bridge_prefix(&self) -> String {
        format!("rb{}", self.engine)
    }

    pub fn veth_prefix(&self) -> String {
        format!("rv{}", self.engine)
    }

    /// 64 digits for what is not made by anybody.
    pub(super) fn builtin_id(&self, name: &str) -> String {
        let part = |number| hash(format!("{} {name} {number}", self.engine).as_bytes());
        (0..4).map(|number| format!("{:016x}", part(number))).collect()
    }

    /// Its tables of nf_tables, one in the family `ip` and one in `bridge`.
    pub fn table(&self) -> String {
        format!("rbuild-{}", self.engine)
    }
}

/// Letters and digits that stand for a text: five bits of its hash each.
fn letters(text: &str, count: usize) -> String {
    let alphabet = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut hash = hash(text.as_bytes());
    let mut out = String::new();
    for _ in 0..count {
        out.push(char::from(alphabet[(hash & 31) as usize]));
        hash >>= 5;
    }
    out
}

/// FNV-1a with the finish of MurmurHash3, which spreads the last bytes. The standard library's hashes may change from one
/// release to the next; these names may not.
fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const SHIM: ProcessName = ProcessName { pid: 7, start: 9 };

    fn names(root: &str) -> KernelNames {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(root);
        std::fs::create_dir(&path).unwrap();
        KernelNames::of(&EngineId::of_root(&path).unwrap())
    }

    #[test]
    fn names_fit_the_kernel_and_differ() {
        let engine = names("a");
        let mut seen = HashSet::new();
        for number in 0..5000 {
            let (network, container) = (format!("net{number}"), format!("container{number}"));
            for name in [engine.bridge(&network), engine.veth(&container, &network, SHIM)] {
                assert_eq!(name.len(), 15, "{name}");
                assert!(seen.insert(name));
            }
        }
        assert!(engine.bridge("x").starts_with(&engine.bridge_prefix()));
        assert!(engine.veth("x", "y", SHIM).starts_with(&engine.veth_prefix()));
    }

    /// Running containers have them: a later version must find them.
    #[test]
    fn names_do_not_change_from_version_to_version() {
        assert_eq!(letters("bridge", 7), letters("bridge", 13)[..7]);
        assert_eq!(hash(b""), 0xefd0_1f60_ba99_2926);
    }
}
