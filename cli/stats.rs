//! What containers use of the machine: `stats` of both programs.

use std::collections::HashMap;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use runtime::containers::Container;
use runtime::{EngineId, Usage};

use crate::format::{self, ListFormat, Row, Shape, Table};
use crate::{Exit, output};

/// Which of them are shown, and how: the flags that both programs have.
#[derive(Clone, Debug, Default, Args)]
pub struct StatsFlags {
    /// Also containers that do not run
    #[arg(short, long)]
    pub all: bool,
    /// `table`, `table TEMPLATE`, `json` (an object a line) or a template for each line
    #[arg(long)]
    pub format: Option<String>,
    /// Once, instead of until it is interrupted
    #[arg(long)]
    pub no_stream: bool,
    /// Whole IDs
    #[arg(long)]
    pub no_trunc: bool,
}

/// A container, and what it was asked for by.
pub type Named = (String, Container);

static TABLE: Table = Table::new(
    "a line of this list",
    &[
        ("BlockIO", Shape::Text),
        ("CPUPerc", Shape::Text),
        ("Container", Shape::Text),
        ("ID", Shape::Text),
        ("MemPerc", Shape::Text),
        ("MemUsage", Shape::Text),
        ("Name", Shape::Text),
        ("NetIO", Shape::Text),
        ("PIDs", Shape::Text),
    ],
    &[
        "BLOCK I/O",
        "CPU %",
        "CONTAINER",
        "CONTAINER ID",
        "MEM %",
        "MEM USAGE / LIMIT",
        "NAME",
        "NET I/O",
        "PIDS",
    ],
);
const DEFAULT: &str = r"table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";

/// Processor time is looked at twice, so far apart.
const BETWEEN: Duration = Duration::from_secs(1);
const UNKNOWN: &str = "--";

/// Shows them until somebody has enough. `chosen` is asked each time which containers are meant now.
pub fn run(
    request: &StatsFlags,
    engine: &EngineId,
    chosen: &dyn Fn() -> Result<Vec<Named>>,
) -> Result<Exit> {
    let format = ListFormat::parse(request.format.as_deref(), DEFAULT)?;
    let is_table =
        request.format.as_deref().is_none_or(|text| text.is_empty() || text.starts_with("table"));
    let mut before: HashMap<String, (u64, Instant)> = HashMap::new();
    for (_, container) in chosen()? {
        note(&mut before, &container, &usage(engine, &container));
    }
    loop {
        sleep(BETWEEN);
        let mut rows = Vec::new();
        for (text, container) in chosen()? {
            let now = usage(engine, &container);
            let share = share(before.get(container.id()), &now);
            rows.push(row(request, &text, &container, &now, share));
            note(&mut before, &container, &now);
        }
        let text = format.render(&TABLE, rows)?;
        if request.no_stream {
            output::write(&text)?;
            return Ok(Exit::Success);
        }
        if !output::again(&text, is_table)? {
            return Ok(Exit::Success);
        }
    }
}

/// None of one that does not run.
fn usage(engine: &EngineId, container: &Container) -> Option<Usage> {
    runtime::usage_of(engine, container).ok()
}

fn note(
    before: &mut HashMap<String, (u64, Instant)>,
    container: &Container,
    usage: &Option<Usage>,
) {
    if let Some(cpu) = usage.and_then(|usage| usage.cpu) {
        before.insert(container.id().to_owned(), (cpu, Instant::now()));
    }
}

/// Per cent of one processor since it was looked at before.
fn share(before: Option<&(u64, Instant)>, now: &Option<Usage>) -> Option<f64> {
    let (cpu, at) = before?;
    let used = now.as_ref()?.cpu?.saturating_sub(*cpu);
    let passed = at.elapsed().as_nanos() as f64;
    (passed > 0.0).then(|| used as f64 / passed * 100.0)
}

fn row(
    request: &StatsFlags,
    text: &str,
    container: &Container,
    usage: &Option<Usage>,
    share: Option<f64>,
) -> Row {
    let per_cent = |share: Option<f64>| share.map_or(UNKNOWN.to_owned(), |it| format!("{it:.2}%"));
    let usage = usage.unwrap_or_default();
    let limit = usage.memory_limit.or_else(machine_memory);
    let memory = |bytes: Option<u64>| bytes.map_or(UNKNOWN.to_owned(), output::memory);
    let size = |bytes: Option<u64>| bytes.map_or(UNKNOWN.to_owned(), output::size);
    let of_limit = match (usage.memory, limit) {
        (Some(used), Some(limit)) if limit > 0 => Some(used as f64 / limit as f64 * 100.0),
        _ => None,
    };
    let (received, sent) = network(container);
    format::row([
        ("BlockIO", format!("{} / {}", size(usage.read), size(usage.written))),
        ("CPUPerc", per_cent(share)),
        ("Container", text.to_owned()),
        ("ID", if request.no_trunc { container.id() } else { container.short_id() }.to_owned()),
        ("MemPerc", per_cent(of_limit)),
        ("MemUsage", format!("{} / {}", memory(usage.memory), memory(limit))),
        ("Name", container.definition.name.clone()),
        ("NetIO", format!("{} / {}", size(received), size(sent))),
        ("PIDs", usage.pids.map_or(UNKNOWN.to_owned(), |count| count.to_string())),
    ])
}

fn machine_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// Bytes received and sent. Of the host's network nothing is the container's, as with docker.
fn network(container: &Container) -> (Option<u64>, Option<u64>) {
    let Some(process) = container.state.process.filter(|process| process.is_alive()) else {
        return (None, None);
    };
    let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/net")).ok();
    if namespace("self") == namespace(&process.pid.to_string()) {
        return (Some(0), Some(0));
    }
    match fs::read_to_string(format!("/proc/{}/net/dev", process.pid)) {
        Ok(text) => {
            let (received, sent) = traffic(&text);
            (Some(received), Some(sent))
        }
        Err(_) => (None, None),
    }
}

/// Of all interfaces but the loopback.
fn traffic(text: &str) -> (u64, u64) {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let others = lines.filter(|(name, _)| name.trim() != "lo");
    others.fold((0, 0), |(received, sent), (_, counts)| {
        let counts: Vec<u64> =
            counts.split_whitespace().filter_map(|count| count.parse().ok()).collect();
        let at = |position: usize| counts.get(position).copied().unwrap_or(0);
        (received + at(0), sent + at(8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_that_of_real_interfaces() {
        let text = "Inter-|   Receive\n face |bytes\n    lo:  5 1 0 0 0 0 0 0 5 1\n  eth0: 100 2 0 0 0 0 0 0 50 1 0\n";
        assert_eq!(traffic(text), (100, 50));
    }
}
