//! Limits of a service: its own attributes, and those of `deploy.resources`, which win.

use engine::values::devices;
use runtime::{Amount, CpuTime, DeviceRate, Limits, RateKind, Ulimit};

use super::{About, Result};
use crate::model::{Bytes, Resource};

const NANO: f64 = 1e9;

impl About<'_> {
    pub(super) fn limits(&self) -> Result<Limits> {
        let service = self.service;
        let resources = service.deploy.as_ref().map(|deploy| &deploy.resources);
        let limit = resources.and_then(|resources| resources.limits.as_ref());
        let reserved = resources.and_then(|resources| resources.reservations.as_ref());
        let of = |resource: Option<&Resource>, own: Bytes| {
            bytes(resource.map_or(0, |it| it.memory.0)).or(bytes(own.0))
        };
        let pids = limit.map(|it| it.pids).filter(|pids| *pids != 0).unwrap_or(service.pids_limit);
        let swap = match service.memswap_limit.0 {
            0 => None,
            -1 => Some(Amount::Unlimited),
            amount => bytes(amount).map(Amount::Of),
        };
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let limits = Limits {
            memory: of(limit, service.mem_limit),
            memory_and_swap: swap,
            memory_reservation: of(reserved, service.mem_reservation),
            swappiness: u8::try_from(service.mem_swappiness.0).ok().filter(|number| *number > 0),
            oom_kill_disable: service.oom_kill_disable,
            cpu: self.cpu(limit),
            cpu_shares: bytes(service.cpu_shares),
            cpuset_cpus: text(&service.cpuset),
            cpuset_mems: None,
            pids: bytes(pids),
            blkio_weight: service.blkio_config.as_ref().map(|it| it.weight).filter(|it| *it > 0),
            rates: self.rates()?,
        };
        limits.check().map_err(self.wrong("its limits"))?;
        Ok(limits)
    }

    fn cpu(&self, limit: Option<&Resource>) -> Option<CpuTime> {
        let service = self.service;
        let count = limit.map(|it| it.cpus).filter(|count| *count > 0.0).unwrap_or(service.cpus);
        if count > 0.0 {
            return Some(CpuTime::of_nano_cpus((f64::from(count) * NANO).round() as u64));
        }
        let (period, quota) = (bytes(service.cpu_period), bytes(service.cpu_quota));
        let asked = period.is_some() || quota.is_some();
        asked.then_some(CpuTime { quota, period: period.unwrap_or(CpuTime::USUAL_PERIOD) })
    }

    fn rates(&self) -> Result<Vec<DeviceRate>> {
        let Some(config) = &self.service.blkio_config else { return Ok(Vec::new()) };
        if !config.weight_device.is_empty() {
            let why = "only the weight of all disks together can be set";
            return Err(self.unsupported("`blkio_config.weight_device`", why));
        }
        let mut rates = Vec::new();
        for (name, list, kind) in [
            ("device_read_bps", &config.device_read_bps, RateKind::ReadBytes),
            ("device_write_bps", &config.device_write_bps, RateKind::WriteBytes),
            ("device_read_iops", &config.device_read_iops, RateKind::ReadOperations),
            ("device_write_iops", &config.device_write_iops, RateKind::WriteOperations),
        ] {
            for device in list {
                let wrong = self.wrong(format!("`blkio_config.{name}`"));
                let (major, minor) = devices::disk(&device.path).map_err(wrong)?;
                let value = bytes(device.rate.0).unwrap_or(0);
                rates.push(DeviceRate { major, minor, kind, value });
            }
        }
        Ok(rates)
    }

    pub(super) fn ulimits(&self) -> Result<Vec<Ulimit>> {
        let mut ulimits = Vec::new();
        for (name, limit) in &self.service.ulimits {
            let (soft, hard) = match limit.single {
                0 => (limit.soft, limit.hard),
                single => (single, single),
            };
            let text = format!("{name}={soft}:{hard}");
            ulimits.push(text.parse().map_err(self.wrong(format!("`ulimits.{name}`")))?);
        }
        Ok(ulimits)
    }
}

/// None for zero, which is no limit, and what is below it.
fn bytes(number: i64) -> Option<u64> {
    u64::try_from(number).ok().filter(|number| *number > 0)
}
