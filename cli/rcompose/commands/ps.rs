//! `rcompose ps`

use std::collections::BTreeSet;
use std::time::SystemTime;

use anyhow::{Result, bail};
use cli::containers::{command, status_text};
use cli::format::{ListFormat, Row, Shape, Table};
use cli::ports::{list as port_list, publishers};
use cli::{Exit, output, times};
use compose::stack::{Member, members};
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

pub(super) fn run(args: &PsArgs, call: Call<'_>) -> Result<Exit> {
    let format = ListFormat::parse(args.format.as_deref(), DEFAULT)?;
    let states = states(args)?;
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    check_services(&project, &args.names)?;
    let all = args.all || !states.is_empty();
    let mut found = members(&host, &project.name)?;
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
    if args.quiet {
        found.iter().try_for_each(|member| output::line(member.container.id()))?;
    } else if args.services {
        let names: BTreeSet<&str> = found.iter().map(Member::service).collect();
        names.into_iter().try_for_each(output::line)?;
    } else {
        let now = SystemTime::now();
        let rows = found.iter().map(|member| row(member, args.no_trunc, now));
        output::write(&format.render(&TABLE, rows)?)?;
    }
    Ok(Exit::Success)
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
    let fields = json!({
        "Command": command(container, whole),
        "CreatedAt": times::date_and_time(created),
        "ExitCode": container.state.exit_code,
        "Health": health,
        "ID": id,
        "Image": definition.image.name,
        "Labels": labels.join(","),
        "LocalVolumes": "0",
        "Mounts": "",
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
