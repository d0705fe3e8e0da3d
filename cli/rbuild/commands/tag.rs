//! `rbuild tag`

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, image_events};
use store::Reference;

use super::open_store;
use crate::args::TagArgs;

pub(crate) fn run(args: &TagArgs, environment: &Environment) -> Result<Exit> {
    let name: Reference = args.target.parse()?;
    let store = open_store(environment)?;
    store.tag(&args.source, &name)?;
    image_events::tagged(&store, &name);
    Ok(Exit::Success)
}
