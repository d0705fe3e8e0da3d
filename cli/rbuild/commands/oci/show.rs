//! What is known of containers: `state`, `list`, `ps`, `events`

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use cli::format::align;
use cli::{Exit, output, top};
use runtime::oci::{self, OciContainer, OciContainers, OciError, OciStatus};
use serde_json::{Value, json};

use super::args::{EventsArgs, ListArgs, PsArgs, TableOrJson};

/// Who runs containers here.
const OWNER: &str = "root";

pub(super) fn state(container: &OciContainer) -> Result<Exit> {
    output::line(&serde_json::to_string_pretty(&document(container))?)?;
    Ok(Exit::Success)
}

/// The specification's properties, then those that runc adds.
fn document(container: &OciContainer) -> Value {
    let mut document = json!({
        "ociVersion": container.oci_version(),
        "id": container.id(),
        "status": container.status().to_string(),
        "pid": container.pid().unwrap_or(0),
        "bundle": container.bundle(),
        "rootfs": container.rootfs(),
        "created": container.created(),
        "owner": OWNER,
    });
    if !container.annotations().is_empty() {
        document["annotations"] = Value::Object(container.annotations().clone());
    }
    document
}

pub(super) fn list(containers: &OciContainers, args: &ListArgs) -> Result<Exit> {
    let found = containers.list()?;
    if args.quiet {
        let ids: String = found.iter().map(|container| format!("{}\n", container.id())).collect();
        output::write(&ids)?;
        return Ok(Exit::Success);
    }
    match args.format {
        TableOrJson::Json => {
            let documents: Vec<Value> = found.iter().map(document).collect();
            output::line(&serde_json::to_string(&documents)?)?;
        }
        TableOrJson::Table => {
            let mut text = "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n".to_owned();
            for container in &found {
                let (pid, bundle) = (container.pid().unwrap_or(0), container.bundle().display());
                let (id, status, created) =
                    (container.id(), container.status(), container.created());
                text.push_str(&format!("{id}\t{pid}\t{status}\t{bundle}\t{created}\t{OWNER}\n"));
            }
            output::write(&align(&text))?;
        }
    }
    Ok(Exit::Success)
}

pub(super) fn ps(containers: &OciContainers, args: &PsArgs) -> Result<Exit> {
    let processes = oci::processes(containers, &args.id)?;
    match args.format {
        TableOrJson::Json => output::line(&serde_json::to_string(&processes)?)?,
        TableOrJson::Table => output::write(&top::table_of(&processes, &args.options)?)?,
    }
    Ok(Exit::Success)
}

/// Until the container has ended, or once.
pub(super) fn events(containers: &OciContainers, args: &EventsArgs) -> Result<Exit> {
    let interval = parser::duration::parse(&args.interval)
        .ok()
        .and_then(|nanoseconds| u64::try_from(nanoseconds).ok())
        .with_context(|| format!("`--interval {}` is no time", args.interval))?;
    loop {
        let usage = match oci::usage(containers, &args.id) {
            // Its end is the end of what there is to tell.
            Err(OciError::NotRunning { .. } | OciError::Missing { .. }) if !args.stats => {
                return Ok(Exit::Success);
            }
            usage => usage?,
        };
        let mut memory = json!({ "usage": usage.memory.unwrap_or(0) });
        if let Some(limit) = usage.memory_limit {
            memory["limit"] = limit.into();
        }
        let data = json!({
            "cpu": { "usage": { "total": usage.cpu.unwrap_or(0) } },
            "memory": { "usage": memory },
            "pids": { "current": usage.pids.unwrap_or(0) },
        });
        let event = json!({ "type": "stats", "id": args.id, "data": data });
        output::line(&event.to_string())?;
        if args.stats {
            return Ok(Exit::Success);
        }
        sleep(Duration::from_nanos(interval));
        if containers.read(&args.id).is_ok_and(|it| it.status() == OciStatus::Stopped) {
            return Ok(Exit::Success);
        }
    }
}
