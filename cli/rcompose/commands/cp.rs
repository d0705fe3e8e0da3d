//! `rcompose cp`

use std::io::{self, IsTerminal};

use anyhow::{Result, bail};
use cli::copy::{Manner, Side, between, side, with_root};
use cli::{Exit, output, report};
use compose::Project;
use compose::stack::{Host, Member, members};

use super::show;
use super::stack::{Call, check_services};
use crate::args::CpArgs;

pub(super) fn run(args: &CpArgs, call: Call<'_>) -> Result<Exit> {
    let (source, destination) = (side(&args.source)?, side(&args.destination)?);
    let service = match (&source, &destination) {
        (Side::Container { .. }, Side::Container { .. }) => {
            bail!("files are not copied from service to service; copy them here in between")
        }
        (Side::Container { name, .. }, Side::Stream) if io::stdout().is_terminal() => {
            bail!("refusing to write an archive of `{name}` to a terminal")
        }
        (Side::Container { name, .. }, _) | (_, Side::Container { name, .. }) => name,
        _ => bail!("one side must be in a service: `SERVICE:PATH`"),
    };
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    let mut found = chosen(args, &host, &project, service)?;
    if matches!(source, Side::Container { .. }) {
        found.truncate(1);
    }
    if source == Side::Stream && found.len() > 1 {
        bail!(
            "standard input can be read once, but service `{service}` has {} containers: name one with `--index`",
            found.len()
        );
    }
    let manner = Manner { archive: args.archive, follow_link: args.follow_link };
    let mut exit = Exit::Success;
    for member in &found {
        let copied = with_root(
            &host.containers,
            &member.container,
            &|error| show(error.as_ref()),
            &|root| {
                let bytes = between(manner, root, &source, &destination)?;
                if let Some(bytes) = bytes {
                    let (name, size) = (member.name(), output::size(bytes));
                    report::print(&format!(" Container {name}  Copied {size}"));
                }
                Ok(())
            },
        )?;
        if copied != Exit::Success {
            exit = copied;
        }
    }
    Ok(exit)
}

/// The containers that are meant, those of the service before those of `run`.
fn chosen(args: &CpArgs, host: &Host, project: &Project, service: &str) -> Result<Vec<Member>> {
    check_services(project, &[service.to_owned()])?;
    let mut found = members(host, &project.name)?;
    found.retain(|member| {
        let number = args
            .index
            .is_none_or(|index| member.identity.number == index && !member.identity.one_off);
        member.service() == service && number && (args.all || !member.identity.one_off)
    });
    match (found.is_empty(), args.index) {
        (false, _) => Ok(found),
        (true, Some(index)) => bail!("service \"{service}\" has no container with index {index}"),
        (true, None) => bail!("no container found for service \"{service}\""),
    }
}
