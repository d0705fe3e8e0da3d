//! Resource limits, which cgroups enforce.
use std::fmt;

use serde::{Deserialize, Serialize};

/// Resource limits. One that cannot be enforced makes the start fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of memory and swap together; twice the memory when only that is limited.
    pub memory_and_swap: Option<Amount>,
    /// Bytes of memory that are left to it when there is little.
    pub memory_reservation: Option<u64>,
    /// How readily it is swapped out, 0 to 100; cgroup v1 only.
    pub swappiness: Option<u8>,
    /// Processes that find no memory wait instead of being killed; cgroup v1 only.
    pub oom_kill_disable: bool,
    /// Time on processors.
    pub cpu: Option<CpuTime>,
    /// Its share of busy processors beside others', 1024 being usual: 2 to 262144.
    pub cpu_shares: Option<u64>,
    /// Which processors, and which nodes of memory: `0-2,4`.
    pub cpuset_cpus: Option<String>,
    pub cpuset_mems: Option<String>,
    /// Number of processes and threads.
    pub pids: Option<u64>,
    /// Its share of busy disks beside others', 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// The most that may go to and from single disks.
    pub rates: Vec<DeviceRate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Amount {
    Of(u64),
    Unlimited,
}

/// So many microseconds of processor time in each period of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuTime {
    pub quota: Option<u64>,
    pub period: u64,
}

impl CpuTime {
    pub const USUAL_PERIOD: u64 = 100_000;

    /// A number of processors, in billionths.
    pub fn of_nano_cpus(count: u64) -> CpuTime {
        let period = CpuTime::USUAL_PERIOD;
        CpuTime { quota: Some(count.saturating_mul(period) / 1_000_000_000), period }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRate {
    pub major: u32,
    pub minor: u32,
    pub kind: RateKind,
    /// In a second.
    pub value: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RateKind {
    ReadBytes,
    WriteBytes,
    ReadOperations,
    WriteOperations,
}

/// A limit that makes no sense on any machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    #[error("a limit of {given} bytes of memory is too low: no container starts below 6 MiB")]
    LowMemory { given: u64 },
    #[error("a limit on swap needs one on memory too")]
    SwapAlone,
    #[error(
        "memory and swap together ({both} bytes) cannot be less than the memory alone ({memory} bytes)"
    )]
    Swap { memory: u64, both: u64 },
    #[error(
        "the memory reserved ({reservation} bytes) cannot be more than the memory allowed ({memory} bytes)"
    )]
    Reservation { memory: u64, reservation: u64 },
    #[error("{what} must be from {low} to {high}, not {given}")]
    Range { what: &'static str, low: u64, high: u64, given: u64 },
    #[error("`{text}` is no list of {what}; write `0-2,4`")]
    Set { what: &'static str, text: String },
}

const LEAST_MEMORY: u64 = 6 << 20;

impl Limits {
    /// What can be known without asking the machine. The rules are docker's.
    pub fn check(&self) -> Result<(), LimitError> {
        let range = |what, low, high, given: Option<u64>| match given {
            Some(given) if !(low..=high).contains(&given) => {
                Err(LimitError::Range { what, low, high, given })
            }
            _ => Ok(()),
        };
        self.check_memory()?;
        range("swappiness", 0, 100, self.swappiness.map(u64::from))?;
        range("the period of processor time", 1000, 1_000_000, self.cpu.map(|cpu| cpu.period))?;
        range("processor time in a period", 1000, u64::MAX, self.cpu.and_then(|cpu| cpu.quota))?;
        range("the share of processors", 2, 262_144, self.cpu_shares)?;
        range("the weight of disks", 10, 1000, self.blkio_weight.map(u64::from))?;
        for (what, set) in [("processors", &self.cpuset_cpus), ("memory nodes", &self.cpuset_mems)]
        {
            if let Some(text) = set.as_ref().filter(|text| !is_set(text)) {
                return Err(LimitError::Set { what, text: text.clone() });
            }
        }
        Ok(())
    }

    fn check_memory(&self) -> Result<(), LimitError> {
        for given in [self.memory, self.memory_reservation].into_iter().flatten() {
            if given < LEAST_MEMORY {
                return Err(LimitError::LowMemory { given });
            }
        }
        match (self.memory, self.memory_and_swap) {
            (None, Some(Amount::Of(_))) => return Err(LimitError::SwapAlone),
            (Some(memory), Some(Amount::Of(both))) if both < memory => {
                return Err(LimitError::Swap { memory, both });
            }
            _ => {}
        }
        match (self.memory, self.memory_reservation) {
            (Some(memory), Some(reservation)) if reservation > memory => {
                Err(LimitError::Reservation { memory, reservation })
            }
            _ => Ok(()),
        }
    }
}

/// Numbers and ranges of them, with commas between.
fn is_set(text: &str) -> bool {
    let number = |text: &str| text.parse::<u16>().ok().filter(|_| !text.starts_with('+'));
    text.split(',').all(|part| match part.split_once('-') {
        None => number(part).is_some(),
        Some((low, high)) => number(low).zip(number(high)).is_some_and(|(low, high)| low <= high),
    })
}

impl fmt::Display for RateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RateKind::ReadBytes => "bytes read",
            RateKind::WriteBytes => "bytes written",
            RateKind::ReadOperations => "reads",
            RateKind::WriteOperations => "writes",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Limits)) -> String {
        let mut limits = Limits::default();
        change(&mut limits);
        limits.check().map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn what_makes_no_sense_is_an_error() {
        assert_eq!(check(|_| ()), "fine");
        assert_eq!(check(|l| l.memory = Some(64 << 20)), "fine");
        assert!(check(|l| l.memory = Some(1000)).contains("1000 bytes"));
        assert!(check(|l| l.memory_reservation = Some(1)).contains("6 MiB"));
        assert!(check(|l| l.memory_and_swap = Some(Amount::Of(64 << 20))).contains("needs one"));
        assert_eq!(check(|l| l.memory_and_swap = Some(Amount::Unlimited)), "fine");
        let both = |memory: u64, both: u64| {
            check(|l| {
                l.memory = Some(memory << 20);
                l.memory_and_swap = Some(Amount::Of(both << 20));
            })
        };
        assert_eq!((both(64, 64).as_str(), both(64, 128).as_str()), ("fine", "fine"));
        assert!(both(64, 63).contains("cannot be less"));
        let text = check(|l| {
            (l.memory, l.memory_reservation) = (Some(8 << 20), Some(9 << 20));
        });
        assert!(text.contains("reserved"), "{text}");
        assert!(check(|l| l.swappiness = Some(101)).contains("0 to 100, not 101"));
        assert!(check(|l| l.blkio_weight = Some(9)).contains("10 to 1000"));
        assert!(check(|l| l.cpu_shares = Some(1)).contains("2 to 262144"));
        let cpu = |quota, period| check(|l| l.cpu = Some(CpuTime { quota, period }));
        assert_eq!(cpu(Some(1000), 1000), "fine");
        assert!(cpu(Some(999), 1000).contains("processor time in a period"));
        assert!(cpu(None, 1_000_001).contains("period"));
    }

    #[test]
    fn sets_are_lists_of_numbers_and_ranges() {
        for text in ["0", "0-1", "0,2-3", "10"] {
            assert!(is_set(text), "{text}");
        }
        for wrong in ["", ",", "0-", "-1", "1-0", "a", "0 1", "+1", "0--1", "99999"] {
            assert!(!is_set(wrong), "{wrong}");
        }
    }

    #[test]
    fn processors_are_time_in_a_period() {
        let half = CpuTime::of_nano_cpus(500_000_000);
        assert_eq!((half.quota, half.period), (Some(50_000), 100_000));
    }
}
