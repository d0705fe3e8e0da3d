//! Limits as docker's flags have them.

use anyhow::{Context, Result, bail};
use engine::values;
use runtime::{Amount, CpuTime, DeviceRate, Limits, RateKind};
use rustix::thread::sched_getaffinity;

use crate::args::LimitArgs;
use crate::commands::settings;

pub(super) fn resolve(args: &LimitArgs) -> Result<Limits> {
    let limits = read(args)?;
    limits.check()?;
    Ok(limits)
}

/// As they are written, which may make sense only beside others.
pub(crate) fn read(args: &LimitArgs) -> Result<Limits> {
    let bytes = |flag: &str, text: &Option<String>| -> Result<Option<u64>> {
        let read = |text| settings::bytes(text).with_context(|| format!("`--{flag} {text}`"));
        // Zero is docker's word for none.
        Ok(text.as_deref().map(read).transpose()?.filter(|bytes| *bytes > 0))
    };
    Ok(Limits {
        memory: bytes("memory", &args.memory)?,
        memory_and_swap: swap(args)?,
        memory_reservation: bytes("memory-reservation", &args.memory_reservation)?,
        swappiness: swappiness(args)?,
        oom_kill_disable: args.oom_kill_disable,
        cpu: cpu(args)?,
        cpu_shares: args.cpu_shares.filter(|shares| *shares > 0),
        cpuset_cpus: args.cpuset_cpus.clone().filter(|set| !set.is_empty()),
        cpuset_mems: args.cpuset_mems.clone().filter(|set| !set.is_empty()),
        pids: args.pids_limit.and_then(|count| u64::try_from(count).ok()).filter(|n| *n > 0),
        blkio_weight: args.blkio_weight.filter(|weight| *weight > 0),
        rates: rates(args)?,
    })
}

fn swap(args: &LimitArgs) -> Result<Option<Amount>> {
    match args.memory_swap.as_deref() {
        None | Some("0") => Ok(None),
        Some("-1") => Ok(Some(Amount::Unlimited)),
        Some(text) => {
            let bytes = settings::bytes(text).with_context(|| format!("`--memory-swap {text}`"))?;
            Ok(Some(Amount::Of(bytes)))
        }
    }
}

fn swappiness(args: &LimitArgs) -> Result<Option<u8>> {
    match args.memory_swappiness {
        None | Some(-1) => Ok(None),
        Some(number) => {
            let checked = u8::try_from(number).ok().filter(|number| *number <= 100);
            let wrong = || format!("`--memory-swappiness {number}`: it must be from 0 to 100");
            checked.with_context(wrong).map(Some)
        }
    }
}

fn cpu(args: &LimitArgs) -> Result<Option<CpuTime>> {
    let cpus = args.cpus.as_deref().map(nano_cpus).transpose()?.filter(|count| *count > 0);
    let period = args.cpu_period.filter(|period| *period > 0);
    let quota = args.cpu_quota.and_then(|quota| u64::try_from(quota).ok()).filter(|n| *n > 0);
    let Some(count) = cpus else {
        let period_or_usual = period.unwrap_or(CpuTime::USUAL_PERIOD);
        let asked = period.is_some() || quota.is_some();
        return Ok(asked.then_some(CpuTime { quota, period: period_or_usual }));
    };
    if period.is_some() || quota.is_some() {
        bail!("`--cpus` is a quota in a period: give it, or `--cpu-period` and `--cpu-quota`");
    }
    let there = u64::from(processors());
    if count > there * NANO || count < NANO / 100 {
        let given = args.cpus.as_deref().unwrap_or_default();
        bail!("`--cpus {given}`: it must be from 0.01 to {there}, the processors of this machine");
    }
    Ok(Some(CpuTime::of_nano_cpus(count)))
}

const NANO: u64 = 1_000_000_000;

/// `1.5` in billionths; more digits than that would be lost.
fn nano_cpus(text: &str) -> Result<u64> {
    let wrong = || format!("`--cpus {text}`: write a number of processors, as in `1.5`");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole)
        || !digits(fraction)
        || fraction.len() > 9
        || (whole.len() + fraction.len()) == 0
    {
        bail!(wrong());
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().with_context(wrong)? };
    let fraction: u64 = format!("{fraction:0<9}").parse().with_context(wrong)?;
    whole.checked_mul(NANO).and_then(|n| n.checked_add(fraction)).with_context(wrong)
}

/// Those that we may use ourselves.
fn processors() -> u32 {
    sched_getaffinity(None).map_or(1, |set| set.count())
}

/// `--device-read-bps` and the three like it.
fn rates(args: &LimitArgs) -> Result<Vec<DeviceRate>> {
    let mut rates = Vec::new();
    for (flag, texts, kind) in [
        ("device-read-bps", &args.device_read_bps, RateKind::ReadBytes),
        ("device-write-bps", &args.device_write_bps, RateKind::WriteBytes),
        ("device-read-iops", &args.device_read_iops, RateKind::ReadOperations),
        ("device-write-iops", &args.device_write_iops, RateKind::WriteOperations),
    ] {
        for text in texts {
            rates.push(rate(text, kind).with_context(|| format!("`--{flag} {text}`"))?);
        }
    }
    Ok(rates)
}

fn rate(text: &str, kind: RateKind) -> Result<DeviceRate> {
    let (path, value) = text.rsplit_once(':').context("expected DEVICE:RATE")?;
    let (major, minor) = values::devices::disk(path)?;
    let value = match kind {
        RateKind::ReadBytes | RateKind::WriteBytes => settings::bytes(value)?,
        _ => value.parse().with_context(|| format!("`{value}` is no number"))?,
    };
    if value == 0 {
        bail!("a rate of 0 would stop it; leave the flag out for no limit");
    }
    Ok(DeviceRate { major, minor, kind, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_disks() {
        for (text, expected) in [
            ("/dev/zero", "expected DEVICE:RATE"),
            ("/dev/zero:1m", "`/dev/zero` is no disk"),
            ("/dev/absent-disk:1m", "cannot find"),
        ] {
            let error = format!("{:#}", rate(text, RateKind::ReadBytes).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    fn with(change: impl FnOnce(&mut LimitArgs)) -> Result<Limits> {
        let mut args = LimitArgs::default();
        change(&mut args);
        resolve(&args)
    }

    #[test]
    fn flags_become_limits() {
        let limits = with(|args| {
            args.memory = Some("64m".to_owned());
            args.memory_swap = Some("-1".to_owned());
            args.cpus = Some("0.5".to_owned());
            args.pids_limit = Some(-1);
            args.memory_swappiness = Some(-1);
        })
        .unwrap();
        assert_eq!(limits.memory, Some(64 << 20));
        assert_eq!(limits.memory_and_swap, Some(Amount::Unlimited));
        assert_eq!(limits.cpu, Some(CpuTime { quota: Some(50_000), period: 100_000 }));
        assert_eq!((limits.pids, limits.swappiness), (None, None));
        assert_eq!(with(|_| ()).unwrap(), Limits::default());
        let quota = with(|args| args.cpu_quota = Some(2000)).unwrap();
        assert_eq!(quota.cpu, Some(CpuTime { quota: Some(2000), period: 100_000 }));
    }

    #[test]
    fn mistakes_are_named() {
        let text = |change: fn(&mut LimitArgs)| format!("{:#}", with(change).unwrap_err());
        assert!(text(|a| a.memory = Some("x".into())).contains("`--memory x`: `x` is not a size"));
        assert!(text(|a| a.memory = Some("1k".into())).contains("6 MiB"));
        assert!(text(|a| a.memory_swap = Some("64m".into())).contains("needs one on memory"));
        assert!(text(|a| a.cpus = Some("many".into())).contains("write a number of processors"));
        assert!(text(|a| a.cpus = Some("-1".into())).contains("write a number of processors"));
        assert!(text(|a| a.cpus = Some("9999".into())).contains("processors of this machine"));
        assert!(text(|a| a.cpus = Some("0.001".into())).contains("from 0.01"));
        let both = |a: &mut LimitArgs| (a.cpus, a.cpu_quota) = (Some("1".into()), Some(5000));
        assert!(text(both).contains("give it, or"));
        assert!(text(|a| a.memory_swappiness = Some(101)).contains("0 to 100"));
        assert!(text(|a| a.cpuset_cpus = Some("a".into())).contains("no list of processors"));
        assert!(text(|a| a.cpu_shares = Some(1)).contains("2 to 262144"));
    }

    #[test]
    fn processors_are_counted_in_billionths() {
        for (text, expected) in [("1", NANO), (".5", NANO / 2), ("1.000000001", NANO + 1), ("0", 0)]
        {
            assert_eq!(nano_cpus(text).unwrap(), expected, "{text}");
        }
        for wrong in ["", ".", "1.0000000001", "1e3", "+1", "1 "] {
            assert!(nano_cpus(wrong).is_err(), "{wrong}");
        }
    }
}
