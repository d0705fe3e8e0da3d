//! Properties of the specification that this runtime does not have.
use serde_json::Value;

use crate::oci::document::{Document, Resources, Rest};
use crate::oci::error::DocumentError;

const DOCUMENT: [&str; 4] = ["solaris", "windows", "vm", "zos"];
const PROCESS: [&str; 6] = [
    "apparmorProfile",
    "selinuxLabel",
    "commandLine",
    "scheduler",
    "ioPriority",
    "execCPUAffinity",
];
const LINUX: [&str; 6] =
    ["mountLabel", "intelRdt", "personality", "timeOffsets", "netDevices", "memoryPolicy"];
const RESOURCES: [&str; 4] = ["hugepageLimits", "network", "rdma", "unified"];
/// `useHierarchy` is what every kernel of today does.
const MEMORY: [&str; 3] = ["kernel", "kernelTCP", "checkBeforeUpdate"];
const CPU: [&str; 4] = ["burst", "realtimeRuntime", "realtimePeriod", "idle"];
const BLOCK_IO: [&str; 2] = ["leafWeight", "weightDevice"];

pub(super) fn check_document(document: &Document) -> Result<(), DocumentError> {
    check(&document.rest, "", &DOCUMENT)?;
    check(&document.linux.rest, "linux.", &LINUX)?;
    check_resources(&document.linux.resources)
}

pub(super) fn check_process(rest: &Rest, user: &Rest) -> Result<(), DocumentError> {
    check(rest, "process.", &PROCESS)?;
    check(user, "process.user.", &["username"])
}

pub(super) fn check_resources(resources: &Resources) -> Result<(), DocumentError> {
    const AT: &str = "linux.resources";
    check(&resources.rest, &format!("{AT}."), &RESOURCES)?;
    check(&resources.memory.rest, &format!("{AT}.memory."), &MEMORY)?;
    check(&resources.cpu.rest, &format!("{AT}.cpu."), &CPU)?;
    check(&resources.block_io.rest, &format!("{AT}.blockIO."), &BLOCK_IO)
}

fn check(rest: &Rest, at: &str, names: &[&str]) -> Result<(), DocumentError> {
    match names.iter().find(|name| rest.get(**name).is_some_and(asks_for_something)) {
        Some(name) => Err(DocumentError::Refused { at: format!("{at}{name}") }),
        None => Ok(()),
    }
}

/// Callers write zeros and empty lists for what they do not want.
fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(wanted) => *wanted,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => map.values().any(asks_for_something),
    }
}
