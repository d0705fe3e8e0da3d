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
    if rules.differences.is_empty() {
        return Ok(Exit::Success);
    }
    output::line("not as it should be (`rbuild network reload` mends it):")?;
    rules.differences.iter().try_for_each(|line| output::line(&format!("  {line}")))?;
    Ok(Exit::Failure)
}
