//! Devices of the host in a container: nodes, and rules about which may be used.
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bytes;

/// A node that is made in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    #[serde(with = "bytes")]
    pub path: PathBuf,
    pub kind: DeviceKind,
    pub major: u32,
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceKind {
    Character,
    Block,
}

/// Devices that may be used besides the usual ones; `None` stands for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRule {
    pub kind: Option<DeviceKind>,
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub access: DeviceAccess,
}

/// What may be done with a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAccess {
    pub read: bool,
    pub write: bool,
    pub make: bool,
}

impl DeviceAccess {
    pub const ALL: DeviceAccess = DeviceAccess { read: true, write: true, make: true };
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceRuleError {
    #[error("`{text}` is no device access; write some of `r`, `w`, `m`, each once")]
    Access { text: String },
    #[error("`{text}` is no device rule; write `KIND MAJOR:MINOR ACCESS`, as in `c 10:* rwm`")]
    Form { text: String },
}

impl FromStr for DeviceAccess {
    type Err = DeviceRuleError;

    fn from_str(text: &str) -> Result<DeviceAccess, DeviceRuleError> {
        let wrong = || DeviceRuleError::Access { text: text.to_owned() };
        let mut access = DeviceAccess::default();
        for letter in text.chars() {
            let flag = match letter {
                'r' => &mut access.read,
                'w' => &mut access.write,
                'm' => &mut access.make,
                _ => return Err(wrong()),
            };
            if std::mem::replace(flag, true) {
                return Err(wrong());
            }
        }
        if access == DeviceAccess::default() { Err(wrong()) } else { Ok(access) }
    }
}

impl fmt::Display for DeviceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (flag, letter) in [(self.read, "r"), (self.write, "w"), (self.make, "m")] {
            f.write_str(if flag { letter } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for DeviceRule {
    type Err = DeviceRuleError;

    /// As `--device-cgroup-rule` has them, and the v1 controller.
    fn from_str(text: &str) -> Result<DeviceRule, DeviceRuleError> {
        let form = || DeviceRuleError::Form { text: text.to_owned() };
        let mut words = text.split(' ');
        let (Some(kind), Some(numbers), Some(access), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(form());
        };
        let kind = match kind {
            "a" => None,
            "c" => Some(DeviceKind::Character),
            "b" => Some(DeviceKind::Block),
            _ => return Err(form()),
        };
        let number = |text: &str| match text {
            "*" => Ok(None),
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map(Some).map_err(|_| form())
            }
            _ => Err(form()),
        };
        let (major, minor) = numbers.split_once(':').ok_or_else(form)?;
        Ok(DeviceRule {
            kind,
            major: number(major)?,
            minor: number(minor)?,
            access: access.parse()?,
        })
    }
}

impl fmt::Display for DeviceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            None => 'a',
            Some(DeviceKind::Character) => 'c',
            Some(DeviceKind::Block) => 'b',
        };
        let number = |number: Option<u32>| number.map_or("*".to_owned(), |n| n.to_string());
        write!(f, "{kind} {}:{} {}", number(self.major), number(self.minor), self.access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_are_written() {
        for text in ["c 1:3 rwm", "b *:* m", "a *:* rw", "c 136:* r"] {
            assert_eq!(text.parse::<DeviceRule>().unwrap().to_string(), text);
        }
        for wrong in [
            "", "c 1:3", "x 1:3 r", "c 1 r", "c 1:x r", "c 1:3 q", "c 1:3 rr", "c 1:3 ", "c  1:3 r",
        ] {
            assert!(wrong.parse::<DeviceRule>().is_err(), "{wrong}");
        }
    }
}
