//! `linux.resources`
use super::refused;
use crate::oci::document::{BlockIo, DeviceRuleDocument, Resources, Throttle};
use crate::oci::error::DocumentError;
use crate::spec::{
    Amount, CpuTime, DeviceAccess, DeviceKind, DeviceRate, DeviceRule, Limits, RateKind,
};

pub(in crate::oci) fn limits_of(resources: &Resources) -> Result<Limits, DocumentError> {
    refused::check_resources(resources)?;
    let (memory, cpu) = (&resources.memory, &resources.cpu);
    Ok(Limits {
        memory: positive(memory.limit),
        memory_and_swap: memory
            .swap
            .filter(|bytes| *bytes != 0)
            .map(|bytes| u64::try_from(bytes).map_or(Amount::Unlimited, Amount::Of)),
        memory_reservation: positive(memory.reservation),
        swappiness: match memory.swappiness {
            // Containerd's way to say nothing.
            None | Some(u64::MAX) => None,
            Some(value) => Some(u8::try_from(value).ok().filter(|value| *value <= 100).ok_or(
                DocumentError::Wrong {
                    at: "linux.resources.memory.swappiness".to_owned(),
                    value: value.to_string(),
                    what: "number from 0 to 100",
                },
            )?),
        },
        oom_kill_disable: memory.disable_oom_killer.unwrap_or(false),
        cpu: match (positive(cpu.quota), cpu.period.filter(|period| *period != 0)) {
            (None, None) => None,
            (quota, period) => {
                Some(CpuTime { quota, period: period.unwrap_or(CpuTime::USUAL_PERIOD) })
            }
        },
        cpu_shares: cpu.shares.filter(|shares| *shares != 0),
        cpuset_cpus: cpu.cpus.clone().filter(|text| !text.is_empty()),
        cpuset_mems: cpu.mems.clone().filter(|text| !text.is_empty()),
        pids: positive(resources.pids.limit),
        blkio_weight: resources.block_io.weight.filter(|weight| *weight != 0),
        rates: rates(&resources.block_io),
    })
}

/// Zero says nothing, and below it is no limit.
fn positive(value: Option<i64>) -> Option<u64> {
    value.and_then(|value| u64::try_from(value).ok()).filter(|value| *value != 0)
}

fn rates(io: &BlockIo) -> Vec<DeviceRate> {
    let all = [
        (&io.throttle_read_bps_device, RateKind::ReadBytes),
        (&io.throttle_write_bps_device, RateKind::WriteBytes),
        (&io.throttle_read_iops_device, RateKind::ReadOperations),
        (&io.throttle_write_iops_device, RateKind::WriteOperations),
    ];
    let rate = |Throttle { major, minor, rate }: Throttle, kind| DeviceRate {
        major,
        minor,
        kind,
        value: rate,
    };
    all.iter().flat_map(|(list, kind)| list.iter().map(|one| rate(*one, *kind))).collect()
}

/// Those of `new` where it has any, else those of `old`.
pub(in crate::oci) fn over(old: &Limits, new: Limits) -> Limits {
    let old = old.clone();
    Limits {
        memory: new.memory.or(old.memory),
        memory_and_swap: new.memory_and_swap.or(old.memory_and_swap),
        memory_reservation: new.memory_reservation.or(old.memory_reservation),
        swappiness: new.swappiness.or(old.swappiness),
        oom_kill_disable: new.oom_kill_disable || old.oom_kill_disable,
        cpu: new.cpu.or(old.cpu),
        cpu_shares: new.cpu_shares.or(old.cpu_shares),
        cpuset_cpus: new.cpuset_cpus.or(old.cpuset_cpus),
        cpuset_mems: new.cpuset_mems.or(old.cpuset_mems),
        pids: new.pids.or(old.pids),
        blkio_weight: new.blkio_weight.or(old.blkio_weight),
        rates: if new.rates.is_empty() { old.rates } else { new.rates },
    }
}

/// What is allowed beyond the usual, and whether that is everything. A later rule takes back what one before it gives, as
/// far as it takes back the whole of it; the usual devices stay.
pub(super) fn device_rules(
    resources: &Resources,
) -> Result<(Vec<DeviceRule>, bool), DocumentError> {
    let (mut rules, mut all) = (Vec::new(), false);
    for (position, document) in resources.devices.iter().enumerate() {
        let at = || format!("linux.resources.devices[{position}]");
        let rule = rule(document, &at)?;
        let everything =
            rule == DeviceRule { kind: None, major: None, minor: None, access: DeviceAccess::ALL };
        match document.allow {
            true if everything => all = true,
            true => rules.push(rule),
            false => {
                all &= !everything;
                rules.retain(|given| !covers(&rule, given));
                if all || rules.iter().any(|given| meet(&rule, given)) {
                    return Err(DocumentError::DeviceDenied { at: at() });
                }
            }
        }
    }
    Ok((rules, all))
}

/// Whether a rule is about everything that the other one is about.
fn covers(rule: &DeviceRule, other: &DeviceRule) -> bool {
    let part = |mine: Option<u32>, its: Option<u32>| mine.is_none() || mine == its;
    let access = (rule.access.read || !other.access.read)
        && (rule.access.write || !other.access.write)
        && (rule.access.make || !other.access.make);
    (rule.kind.is_none() || rule.kind == other.kind)
        && part(rule.major, other.major)
        && part(rule.minor, other.minor)
        && access
}

/// Whether there is something that both are about.
fn meet(rule: &DeviceRule, other: &DeviceRule) -> bool {
    let part = |mine: Option<u32>, its: Option<u32>| mine.is_none() || its.is_none() || mine == its;
    let access = rule.access.read && other.access.read
        || rule.access.write && other.access.write
        || rule.access.make && other.access.make;
    (rule.kind.is_none() || other.kind.is_none() || rule.kind == other.kind)
        && part(rule.major, other.major)
        && part(rule.minor, other.minor)
        && access
}

fn rule(
    document: &DeviceRuleDocument,
    at: &impl Fn() -> String,
) -> Result<DeviceRule, DocumentError> {
    let kind = match document.kind.as_deref() {
        None | Some("a" | "") => None,
        Some("c" | "u") => Some(DeviceKind::Character),
        Some("b") => Some(DeviceKind::Block),
        Some(other) => {
            let (at, value) = (format!("{}.type", at()), other.to_owned());
            return Err(DocumentError::Wrong { at, value, what: "kind of device" });
        }
    };
    // Below zero is any.
    let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let access = document.access.as_deref().filter(|access| !access.is_empty()).unwrap_or("rwm");
    let access = access.parse();
    let access = access.map_err(|source| DocumentError::DeviceAccess { at: at(), source })?;
    Ok(DeviceRule { kind, major: number(document.major), minor: number(document.minor), access })
}
