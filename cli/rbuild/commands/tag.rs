//! `rbuild tag`

use anyhow::Result;
use cli::Exit;
use cli::environment::Environment;
use store::Reference;

use super::open_store;
use crate::args::TagArgs;

pub(crate) fn run(args: &TagArgs, environment: &Environment) -> Result<Exit> {
    let name: Reference = args.target.parse()?;
    open_store(environment)?.tag(&args.source, &name)?;
    Ok(Exit::Success)
}
