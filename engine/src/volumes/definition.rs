//! What a volume is: written once, when it is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::{Result, VolumeError};

/// Of the form below; a definition of a higher one is refused.
pub(super) const SCHEMA: u32 = 1;
/// Of a file's name.
const LONGEST: usize = 255;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub(super) schema: u32,
    pub name: String,
    /// RFC 3339, with nanoseconds.
    pub created: String,
    pub labels: BTreeMap<String, String>,
    /// As they were given to the driver `local`, of which there is no other.
    pub options: BTreeMap<String, String>,
    /// Nobody gave it a name.
    pub anonymous: bool,
}

/// A volume that somebody asks for. One that exists is taken, if it is not said to be another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewVolume {
    /// None for one that is to be anonymous.
    pub name: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub options: BTreeMap<String, String>,
}

impl NewVolume {
    pub fn named(name: impl Into<String>) -> NewVolume {
        NewVolume { name: Some(name.into()), ..NewVolume::default() }
    }
}

impl Volume {
    /// Whether it is what is asked for: who says nothing about labels or options takes what there is.
    pub(super) fn check_is(&self, new: &NewVolume) -> Result<()> {
        let differs = |what, own: &BTreeMap<_, _>, asked: &BTreeMap<_, _>| {
            let differs = !asked.is_empty() && own != asked;
            differs.then(|| VolumeError::Different { name: self.name.clone(), what })
        };
        let options = differs("options", &self.options, &new.options);
        match options.or_else(|| differs("labels", &self.labels, &new.labels)) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
pub fn check_name(name: &str) -> Result<()> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if first && rest && (2..=LONGEST).contains(&name.len()) {
        return Ok(());
    }
    Err(VolumeError::BadName { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dockers() {
        for good in ["ab", "a.b-c_d", "0x", &"f".repeat(64)] {
            check_name(good).unwrap();
        }
        for wrong in ["", "a", ".a", "-a", "a/b", "a b", "é0", "..", &"x".repeat(256)] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_volume_is_taken_by_who_asks_for_nothing_else() {
        let map = |text: &str| BTreeMap::from([(text.to_owned(), String::new())]);
        let volume = Volume {
            schema: SCHEMA,
            name: "data".to_owned(),
            created: String::new(),
            labels: map("a"),
            options: BTreeMap::new(),
            anonymous: false,
        };
        let new = NewVolume::named("data");
        volume.check_is(&new).unwrap();
        volume.check_is(&NewVolume { labels: map("a"), ..new.clone() }).unwrap();
        for other in [
            NewVolume { labels: map("b"), ..new.clone() },
            NewVolume { options: map("type"), ..new.clone() },
        ] {
            assert!(matches!(volume.check_is(&other), Err(VolumeError::Different { .. })));
        }
    }
}
