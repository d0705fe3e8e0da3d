//! `rbuild network rules`

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, output};
use engine::networks_of;

use super::super::open_store;

/// Nothing is mended before it is looked at.
pub(super) fn run(environment: &Environment) -> Result<Exit> {
    let rules = networks_of(&open_store(environment)?)?.rules()?;
    for part in &rules.parts {
        output::line(&format!("{}:", part.title))?;
        part.lines.iter().try_for_each(|line| output::line(&format!("  {line}")))?;
    }
    if rules.parts.is_empty() {
        output::line("no container is on a network, so there are no rules")?;
    }
    if !rules.differences.is_empty() {
        output::line("not as it should be (`rbuild network reload` mends it):")?;
        rules.differences.iter().try_for_each(|line| output::line(&format!("  {line}")))?;
    }
    if !rules.foreign.is_empty() {
        output::line("not as it should be (theirs to change; `rbuild network reload` does not):")?;
    }
    for (what, remedy) in &rules.foreign {
        output::line(&format!("  {what}: {remedy}"))?;
    }
    Ok(match rules.differences.is_empty() && rules.foreign.is_empty() {
        true => Exit::Success,
        false => Exit::Failure,
    })
}
