//! `rcompose volumes`

use std::collections::BTreeSet;

use anyhow::Result;
use cli::format::{ListFormat, Shape, Table, row};
use cli::{Exit, output};
use compose::stack::labels;
use engine::volumes::Volumes;

use super::stack::{Call, check_services};
use crate::args::VolumesArgs;

static TABLE: Table = Table::new(
    "a volume of a project",
    &[("Driver", Shape::Text), ("Name", Shape::Text), ("Labels", Shape::Text)],
    &["DRIVER", "VOLUME NAME", "LABELS"],
);

pub(super) fn run(args: &VolumesArgs, call: Call<'_>) -> Result<Exit> {
    let format = ListFormat::parse(args.format.as_deref(), r"table {{.Driver}}\t{{.Name}}")?;
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    check_services(&project, &args.services)?;
    let services = args.services.iter().filter_map(|name| project.service(name));
    let used: BTreeSet<&String> =
        services.flat_map(|service| service.volumes.iter().map(|mount| &mount.source)).collect();
    let mut volumes = Volumes::of(&host.store)?.list()?;
    volumes.retain(|volume| {
        let own = volume.labels.get(labels::PROJECT) == Some(&project.name);
        let key = volume.labels.get(labels::VOLUME);
        own && (args.services.is_empty() || key.is_some_and(|key| used.contains(key)))
    });
    if args.quiet {
        volumes.iter().try_for_each(|volume| output::line(&volume.name))?;
        return Ok(Exit::Success);
    }
    let rows = volumes.iter().map(|volume| {
        let labels = volume.labels.iter().map(|(name, value)| format!("{name}={value}"));
        row([
            ("Driver", "local".to_owned()),
            ("Name", volume.name.clone()),
            ("Labels", labels.collect::<Vec<_>>().join(",")),
        ])
    });
    output::write(&format.render(&TABLE, rows)?)?;
    Ok(Exit::Success)
}
