//! Devices, accelerators, block I/O and limits of processes.

use super::attribute::{Attribute, Misfit, ValueError, integer};
use super::{Bytes, Options};
use crate::render::{Data, Form};
use crate::yaml::{Node, Value};

record! {
    /// A device node of the host, or a CDI name as source and target.
    pub struct Device {
        source: String = "source",
        target: String = "target",
        permissions: String = "permissions",
    }
}

record! {
    /// Accelerators by driver, number and capabilities.
    pub struct DeviceRequest {
        capabilities: Vec<String> = "capabilities",
        driver: String = "driver",
        count: DeviceCount = "count",
        device_ids: Vec<String> = "device_ids",
        options: Options = "options",
    }
}

/// How many devices; -1 for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceCount(pub i64);

impl Attribute for DeviceCount {
    fn decode(node: &Node) -> Result<DeviceCount, Misfit> {
        match &node.value {
            Value::String(text) if text.eq_ignore_ascii_case("all") => Ok(DeviceCount(-1)),
            Value::String(text) => match text.parse() {
                Ok(count) => Ok(DeviceCount(count)),
                Err(_) => Err(Misfit::new(ValueError::DeviceCount { text: text.clone() }, node)),
            },
            _ => integer(node).map(DeviceCount),
        }
    }

    fn encode(&self, _: Form) -> Data {
        Data::Int(self.0)
    }

    fn is_unset(&self, _: Form) -> bool {
        self.0 == 0
    }
}

record! {
    pub struct Blkio {
        weight: u16 = "weight",
        weight_device: Vec<WeightDevice> = "weight_device",
        device_read_bps: Vec<ThrottleDevice> = "device_read_bps",
        device_read_iops: Vec<ThrottleDevice> = "device_read_iops",
        device_write_bps: Vec<ThrottleDevice> = "device_write_bps",
        device_write_iops: Vec<ThrottleDevice> = "device_write_iops",
    }
}

record! {
    pub struct WeightDevice {
        path: String = "path" json "Path",
        weight: u16 = "weight" json "Weight",
    }
}

record! {
    pub struct ThrottleDevice {
        path: String = "path" json "Path",
        rate: Bytes = "rate" json "Rate",
    }
}

record! {
    /// Credentials of Windows containers.
    pub struct CredentialSpec {
        config: String = "config",
        file: String = "file",
        registry: String = "registry",
    }
}

/// One limit for both, or a soft and a hard one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ulimit {
    pub single: i64,
    pub soft: i64,
    pub hard: i64,
}

impl Attribute for Ulimit {
    fn decode(node: &Node) -> Result<Ulimit, Misfit> {
        let Some(map) = node.as_map() else {
            return Ok(Ulimit { single: integer(node)?, ..Ulimit::default() });
        };
        let limit = |key| map.get(key).map_or(Ok(0), integer);
        Ok(Ulimit { single: limit("single")?, soft: limit("soft")?, hard: limit("hard")? })
    }

    fn encode(&self, form: Form) -> Data {
        if self.single != 0 {
            return Data::Int(self.single);
        }
        let mut fields = Vec::new();
        for (key, value) in [("soft", self.soft), ("hard", self.hard)] {
            if form == Form::Yaml || value != 0 {
                fields.push((key.to_owned(), Data::Int(value)));
            }
        }
        Data::Record(fields)
    }

    fn is_unset(&self, _: Form) -> bool {
        false
    }
}
