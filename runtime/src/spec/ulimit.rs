//! Limits of each process: `--ulimit`.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One `--ulimit`: `nofile=1024:2048`; `unlimited` and `-1` mean no limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ulimit {
    /// Lower-case, without `RLIMIT_`: one of [`Ulimit::NAMES`].
    pub name: String,
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

impl Ulimit {
    /// Sorted; the kernel's RLIMIT numbers beside them.
    pub(crate) const NAMES: [(&'static str, u32); 15] = [
        ("core", 4),
        ("cpu", 0),
        ("data", 2),
        ("fsize", 1),
        ("locks", 10),
        ("memlock", 8),
        ("msgqueue", 12),
        ("nice", 13),
        ("nofile", 7),
        ("nproc", 6),
        ("rss", 5),
        ("rtprio", 14),
        ("rttime", 15),
        ("sigpending", 11),
        ("stack", 3),
    ];
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UlimitError {
    #[error("ulimit `{text}` is not of the form name=soft[:hard]")]
    Form { text: String },
    #[error("unknown ulimit `{name}`; known are {known}", known = known_ulimits())]
    Name { name: String },
    #[error("ulimit `{text}`: `{value}` is not a number")]
    Value { text: String, value: String },
    #[error("ulimit `{text}`: the soft limit is above the hard limit")]
    Order { text: String },
}

fn known_ulimits() -> String {
    Ulimit::NAMES.map(|(name, _)| name).join(", ")
}

impl FromStr for Ulimit {
    type Err = UlimitError;

    fn from_str(text: &str) -> Result<Ulimit, UlimitError> {
        let form = || UlimitError::Form { text: text.to_owned() };
        let (name, values) = text.split_once('=').ok_or_else(form)?;
        if !Ulimit::NAMES.iter().any(|(known, _)| *known == name) {
            return Err(UlimitError::Name { name: name.to_owned() });
        }
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        if soft.is_empty() || hard.is_empty() {
            return Err(form());
        }
        let number = |value: &str| match value {
            "-1" | "unlimited" => Ok(None),
            _ => value
                .parse::<u64>()
                .map(Some)
                .map_err(|_| UlimitError::Value { text: text.to_owned(), value: value.to_owned() }),
        };
        let (soft, hard) = (number(soft)?, number(hard)?);
        if soft.unwrap_or(u64::MAX) > hard.unwrap_or(u64::MAX) {
            return Err(UlimitError::Order { text: text.to_owned() });
        }
        Ok(Ulimit { name: name.to_owned(), soft, hard })
    }
}

impl fmt::Display for Ulimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: Option<u64>| value.map_or("-1".to_owned(), |n| n.to_string());
        write!(f, "{}={}:{}", self.name, show(self.soft), show(self.hard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulimits_are_read_as_docker_writes_them() {
        let parsed = "nofile=10:20".parse::<Ulimit>().unwrap();
        assert_eq!((parsed.soft, parsed.hard), (Some(10), Some(20)));
        assert_eq!("core=-1".parse::<Ulimit>().unwrap().to_string(), "core=-1:-1");
        assert_eq!("nproc=5".parse::<Ulimit>().unwrap().to_string(), "nproc=5:5");
        for wrong in ["nofile", "nofile=", "nofile=2:1", "nofile=-1:1", "files=1", "core=x"] {
            assert!(wrong.parse::<Ulimit>().is_err(), "{wrong}");
        }
    }
}
