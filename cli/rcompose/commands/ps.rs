//! `rcompose ps`

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};
use cli::containers::{command, status_text};
use cli::format::{ListFormat, Row, Shape, Table};
use cli::ports::{list as port_list, publishers};
use cli::{Exit, output, times};
use compose::Project;
use compose::stack::{Host, Member, members};
use serde_json::{Value, json};

use super::stack::{Call, check_services};
use crate::args::PsArgs;

static TABLE: Table = Table::new(
    "a container of a project",
    &[
        ("Command", Shape::Text),
        ("CreatedAt", Shape::Text),
        ("ExitCode", Shape::Int),
        ("Health", Shape::Text),
        ("ID", Shape::Text),
        ("Image", Shape::Text),
        ("Labels", Shape::Text),
        ("LocalVolumes", Shape::Text),
        ("Mounts", Shape::Text),
        ("Name", Shape::Text),
        ("Names", Shape::Text),
        ("Networks", Shape::Text),
        ("Ports", Shape::Text),
        ("Project", Shape::Text),
        ("Publishers", Shape::Any),
        ("RunningFor", Shape::Text),
        ("Service", Shape::Text),
        ("Size", Shape::Text),
        ("State", Shape::Text),
        ("Status", Shape::Text),
    ],
    &[
        "COMMAND",
        "CREATED AT",
        "EXIT CODE",
        "HEALTH",
        "CONTAINER ID",
        "IMAGE",
        "LABELS",
        "LOCAL VOLUMES",
        "MOUNTS",
        "NAME",
        "NAMES",
        "NETWORKS",
        "PORTS",
        "PROJECT",
        "PUBLISHERS",
        "CREATED",
        "SERVICE",
        "SIZE",
        "STATE",
        "STATUS",
    ],
);

const DEFAULT: &str = r"table {{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}";

const STATES: [&str; 7] =
    ["paused", "restarting", "removing", "running", "dead", "created", "exited"];

/// How often it is looked whether something has changed, and how long ages are shown as they were.
const PAUSE: Duration = Duration::from_millis(100);
const OLD: Duration = Duration::from_secs(1);

pub(super) fn run(args: &PsArgs, call: Call<'_>) -> Result<Exit> {
    let format = ListFormat::parse(args.format.as_deref(), DEFAULT)?;
    let states = states(args)?;
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    check_services(&project, &args.names)?;
    if args.follow {
        return follow(args, &host, &project, &states, &format);
    }
    let found = chosen(args, &host, &project, &states)?;
    output::write(&text(args, &found, &format)?)?;
    Ok(Exit::Success)
}

/// Shows the list again whenever it is another one, until nobody reads it any more. A terminal is written over.
fn follow(
    args: &PsArgs,
    host: &Host,
    project: &Project,
    states: &[String],
    format: &ListFormat,
) -> Result<Exit> {
    let is_terminal = io::stdout().is_terminal();
    let mut shown: Option<(Vec<String>, Instant)> = None;
    loop {
        let found = chosen(args, host, project, states)?;
        let now: Vec<String> = found.iter().map(essence).collect();
        let same = shown
            .as_ref()
            .is_some_and(|(before, at)| *before == now && (!is_terminal || at.elapsed() < OLD));
        if !same {
            if !output::again(&text(args, &found, format)?, is_terminal)? {
                return Ok(Exit::Success);
            }
            shown = Some((now, Instant::now()));
        }
        sleep(PAUSE);
    }
}

/// What a change of is worth telling: ages are not.
fn essence(member: &Member) -> String {
    let state = &member.container.state;
    let health = state.health.as_ref().map_or("", |health| health.status.word());
    let (id, code) = (member.container.id(), state.exit_code);
    format!("{id} {} {code} {health} {}", state.status.word(), port_list(&member.container))
}

fn chosen(args: &PsArgs, host: &Host, project: &Project, states: &[String]) -> Result<Vec<Member>> {
    let all = args.all || !states.is_empty();
    let mut found = members(host, &project.name)?;
    found.retain(|member| {
        let known = args.orphans || project.service(member.service()).is_some();
        let named = args.names.is_empty() || args.names.iter().any(|it| it == member.service());
        let state = member.container.state.status.word();
        known
            && named
            && (all || member.is_alive())
            && (args.all || !member.identity.one_off)
            && (states.is_empty() || states.iter().any(|wanted| wanted == state))
    });
    Ok(found)
}

fn text(args: &PsArgs, found: &[Member], format: &ListFormat) -> Result<String> {
    let lines = |names: &mut dyn Iterator<Item = &str>| -> String {
        names.map(|name| format!("{name}\n")).collect()
    };
    if args.quiet {
        return Ok(lines(&mut found.iter().map(|member| member.container.id())));
    }
    if args.services {
        let names: BTreeSet<&str> = found.iter().map(Member::service).collect();
        return Ok(lines(&mut names.into_iter()));
    }
    let now = SystemTime::now();
    let rows = found.iter().map(|member| row(member, args.no_trunc, now));
    Ok(format.render(&TABLE, rows)?)
}

fn states(args: &PsArgs) -> Result<Vec<String>> {
    let mut states = args.status.clone();
    match args.filter.as_deref().map(|filter| (filter, filter.split_once('='))) {
        None => {}
        Some((_, Some(("status", state)))) => states.push(state.to_owned()),
        Some((filter, _)) => bail!("`--filter {filter}`: the filter is `status=STATE`"),
    }
    if let Some(odd) = states.iter().find(|state| !STATES.contains(&state.as_str())) {
        bail!("`{odd}` is no state; known are {}", STATES.join(", "));
    }
    Ok(states)
}

fn row(member: &Member, whole: bool, now: SystemTime) -> Row {
    let container = &member.container;
    let definition = &container.definition;
    let created = Some(definition.created.as_str());
    let id = if whole { container.id() } else { container.short_id() };
    let labels: Vec<String> =
        definition.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let health = container.state.health.as_ref().map_or("", |health| health.status.word());
    let volumes: Vec<&str> = definition.volumes.iter().map(|volume| &*volume.name).collect();
    let fields = json!({
        "Command": command(container, whole),
        "CreatedAt": times::date_and_time(created),
        "ExitCode": container.state.exit_code,
        "Health": health,
        "ID": id,
        "Image": definition.image.name,
        "Labels": labels.join(","),
        "LocalVolumes": volumes.len().to_string(),
        "Mounts": volumes.join(","),
        "Name": definition.name,
        "Names": definition.name,
        "Networks": definition.network_names().join(","),
        "Ports": port_list(container),
        "Project": member.identity.project,
        "Publishers": publishers(container),
        "RunningFor": times::since(created, now),
        "Service": member.identity.service,
        "Size": "",
        "State": container.state.status.word(),
        "Status": status_text(container, now),
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Row::new(),
    }
}
