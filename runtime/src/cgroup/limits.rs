//! Limits as the control files of either version have them. Pure: says what to write, writes nothing.
use super::Version;
use crate::spec::{Amount, DeviceRate, Limits, RateKind};

/// One value of one control file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) controller: &'static str,
    /// The same control on different kernels, name and value: the first that is there.
    pub(super) choices: Vec<(&'static str, String)>,
    /// It was not asked for, and can be done without where it does not exist.
    pub(super) implied: bool,
}

/// A limit that this version of cgroups does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) controller: &'static str,
    pub(super) limit: &'static str,
}

fn setting(controller: &'static str, file: &'static str, value: impl ToString) -> Setting {
    Setting { controller, choices: vec![(file, value.to_string())], implied: false }
}

/// What these limits need, in the order in which it has to be written. `version` tells where a controller is.
pub(super) fn settings(
    limits: &Limits,
    version: impl Fn(&str) -> Version,
) -> Result<Vec<Setting>, Missing> {
    let mut settings = memory(limits, version("memory"))?;
    settings.extend(cpu(limits, version("cpu")));
    for (file, value) in
        [("cpuset.cpus", &limits.cpuset_cpus), ("cpuset.mems", &limits.cpuset_mems)]
    {
        settings.extend(value.iter().map(|value| setting("cpuset", file, value)));
    }
    settings.extend(limits.pids.map(|count| setting("pids", "pids.max", count)));
    settings.extend(io(limits, version("io")));
    Ok(settings)
}

/// The controllers that are needed only when they are asked for.
pub(super) fn on_demand(limits: &Limits) -> Vec<&'static str> {
    let cpuset = limits.cpuset_cpus.is_some() || limits.cpuset_mems.is_some();
    let io = limits.blkio_weight.is_some() || !limits.rates.is_empty();
    [(cpuset, "cpuset"), (io, "io")].into_iter().filter(|(is, _)| *is).map(|(_, n)| n).collect()
}

fn memory(limits: &Limits, version: Version) -> Result<Vec<Setting>, Missing> {
    let of = |file, value: &dyn ToString| setting("memory", file, value.to_string());
    let mut settings = Vec::new();
    let swap = both(limits);
    match version {
        Version::V1 => {
            settings.extend(limits.memory.map(|n| of("memory.limit_in_bytes", &n)));
            if let Some((Amount::Of(bytes), implied)) = swap {
                let file = "memory.memsw.limit_in_bytes";
                settings.push(Setting { implied, ..of(file, &bytes) });
            }
            let reservation = limits.memory_reservation;
            settings.extend(reservation.map(|n| of("memory.soft_limit_in_bytes", &n)));
            settings.extend(limits.swappiness.map(|n| of("memory.swappiness", &n)));
            if limits.oom_kill_disable {
                settings.push(of("memory.oom_control", &1));
            }
        }
        Version::V2 => {
            for (asked, limit) in [
                (limits.swappiness.is_some(), "swappiness"),
                (limits.oom_kill_disable, "switching off the OOM killer"),
            ] {
                if asked {
                    return Err(Missing { controller: "memory", limit });
                }
            }
            settings.extend(limits.memory.map(|n| of("memory.max", &n)));
            let memory = limits.memory.unwrap_or_default();
            match swap {
                Some((Amount::Of(bytes), implied)) => {
                    let file = "memory.swap.max";
                    settings.push(Setting { implied, ..of(file, &bytes.saturating_sub(memory)) });
                }
                // As it is from the beginning.
                Some((Amount::Unlimited, _)) | None => {}
            }
            settings.extend(limits.memory_reservation.map(|n| of("memory.low", &n)));
        }
    }
    Ok(settings)
}

/// Memory and swap together, and whether that only follows from the limit on memory.
fn both(limits: &Limits) -> Option<(Amount, bool)> {
    match (limits.memory_and_swap, limits.memory) {
        (Some(amount), _) => Some((amount, false)),
        (None, Some(memory)) => Some((Amount::Of(memory.saturating_mul(2)), true)),
        (None, None) => None,
    }
}

fn cpu(limits: &Limits, version: Version) -> Vec<Setting> {
    let of = |file, value: String| setting("cpu", file, value);
    let mut settings = Vec::new();
    match version {
        Version::V1 => {
            if let Some(cpu) = limits.cpu {
                settings.push(of("cpu.cfs_period_us", cpu.period.to_string()));
                settings.extend(cpu.quota.map(|n| of("cpu.cfs_quota_us", n.to_string())));
            }
            settings.extend(limits.cpu_shares.map(|n| of("cpu.shares", n.to_string())));
        }
        Version::V2 => {
            if let Some(cpu) = limits.cpu {
                let quota = cpu.quota.map_or("max".to_owned(), |quota| quota.to_string());
                settings.push(of("cpu.max", format!("{quota} {}", cpu.period)));
            }
            let weight = limits.cpu_shares.map(weight_of_shares);
            settings.extend(weight.map(|n| of("cpu.weight", n.to_string())));
        }
    }
    settings
}

/// From 2…1024…262144 to 1…100…10000, the usual to the usual: the runtimes' common formula.
fn weight_of_shares(shares: u64) -> u64 {
    let log = (shares as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    (10_f64.powf(exponent) - 1e-9).ceil() as u64
}

fn io(limits: &Limits, version: Version) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(weight) = limits.blkio_weight {
        settings.push(match version {
            Version::V1 => Setting {
                controller: "blkio",
                choices: ["blkio.weight", "blkio.bfq.weight"]
                    .map(|f| (f, weight.to_string()))
                    .to_vec(),
                implied: false,
            },
            Version::V2 => Setting {
                controller: "io",
                choices: vec![
                    ("io.bfq.weight", weight.to_string()),
                    // From 10…1000 to 1…10000.
                    ("io.weight", (1 + (u64::from(weight) - 10) * 9999 / 990).to_string()),
                ],
                implied: false,
            },
        });
    }
    settings.extend(limits.rates.iter().map(|rate| self::rate(rate, version)));
    settings
}

fn rate(rate: &DeviceRate, version: Version) -> Setting {
    let DeviceRate { major, minor, kind, value } = rate;
    let (file, key): (&'static str, _) = match kind {
        RateKind::ReadBytes => ("blkio.throttle.read_bps_device", "rbps"),
        RateKind::WriteBytes => ("blkio.throttle.write_bps_device", "wbps"),
        RateKind::ReadOperations => ("blkio.throttle.read_iops_device", "riops"),
        RateKind::WriteOperations => ("blkio.throttle.write_iops_device", "wiops"),
    };
    match version {
        Version::V1 => setting("blkio", file, format!("{major}:{minor} {value}")),
        Version::V2 => setting("io", "io.max", format!("{major}:{minor} {key}={value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::CpuTime;

    fn limits() -> Limits {
        Limits {
            memory: Some(100 << 20),
            memory_and_swap: Some(Amount::Of(150 << 20)),
            memory_reservation: Some(50 << 20),
            cpu: Some(CpuTime { quota: Some(50_000), period: 100_000 }),
            cpu_shares: Some(512),
            cpuset_cpus: Some("0-1".to_owned()),
            pids: Some(7),
            blkio_weight: Some(300),
            rates: vec![DeviceRate { major: 8, minor: 0, kind: RateKind::ReadBytes, value: 9 }],
            ..Limits::default()
        }
    }

    fn written(limits: &Limits, version: Version) -> Vec<String> {
        let settings = settings(limits, |_| version).unwrap();
        settings.iter().map(|s| format!("{}={}", s.choices[0].0, s.choices[0].1)).collect()
    }

    #[test]
    fn each_version_has_its_own_files() {
        assert_eq!(
            written(&limits(), Version::V1),
            [
                "memory.limit_in_bytes=104857600",
                "memory.memsw.limit_in_bytes=157286400",
                "memory.soft_limit_in_bytes=52428800",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=50000",
                "cpu.shares=512",
                "cpuset.cpus=0-1",
                "pids.max=7",
                "blkio.weight=300",
                "blkio.throttle.read_bps_device=8:0 9",
            ]
        );
        assert_eq!(
            written(&limits(), Version::V2),
            [
                "memory.max=104857600",
                "memory.swap.max=52428800",
                "memory.low=52428800",
                "cpu.max=50000 100000",
                "cpu.weight=59",
                "cpuset.cpus=0-1",
                "pids.max=7",
                "io.bfq.weight=300",
                "io.max=8:0 rbps=9",
            ]
        );
        assert_eq!(on_demand(&limits()), ["cpuset", "io"]);
        assert!(on_demand(&Limits::default()).is_empty());
    }

    #[test]
    fn swap_is_limited_to_the_memory_again_unless_told_otherwise() {
        let mut limits = Limits { memory: Some(1 << 20), ..Limits::default() };
        let both = |limits: &Limits| {
            let settings = settings(limits, |_| Version::V2).unwrap();
            settings.get(1).map(|setting| (setting.choices[0].1.clone(), setting.implied))
        };
        assert_eq!(both(&limits), Some(("1048576".to_owned(), true)));
        limits.memory_and_swap = Some(Amount::Of(1 << 20));
        assert_eq!(both(&limits), Some(("0".to_owned(), false)));
        limits.memory_and_swap = Some(Amount::Unlimited);
        assert_eq!(both(&limits), None);
    }

    #[test]
    fn what_a_version_lacks_is_an_error() {
        let swappiness = Limits { swappiness: Some(3), ..Limits::default() };
        let oom = Limits { oom_kill_disable: true, ..Limits::default() };
        for limits in [swappiness, oom] {
            assert!(settings(&limits, |_| Version::V1).is_ok());
            assert_eq!(settings(&limits, |_| Version::V2).unwrap_err().controller, "memory");
        }
    }

    #[test]
    fn usual_shares_are_the_usual_weight() {
        for (shares, weight) in [(2, 1), (1024, 100), (262_144, 10_000)] {
            assert_eq!(weight_of_shares(shares), weight, "{shares}");
        }
    }
}
