//! `rbuild rmi`

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, output};
use store::{Removed, StoreError};

use super::{open_store, report_of};
use crate::args::RmiArgs;

/// Removes what can be removed; each image that cannot is reported.
pub(crate) fn run(args: &RmiArgs, environment: &Environment) -> Result<Exit> {
    let store = open_store(environment)?;
    let mut exit = Exit::Success;
    for name in &args.images {
        match store.untag(name, args.force) {
            Ok(removed) => show(&removed)?,
            Err(StoreError::ImageNotFound { .. }) if args.force => {}
            Err(err) => {
                report_of(&err.into()).print();
                exit = Exit::Failure;
            }
        }
    }
    Ok(exit)
}

fn show(removed: &[Removed]) -> Result<()> {
    for removed in removed {
        match removed {
            Removed::Untagged(name) => output::line(&format!("Untagged: {}", name.familiar()))?,
            Removed::Deleted(id) => output::line(&format!("Deleted: {id}"))?,
        }
    }
    Ok(())
}
