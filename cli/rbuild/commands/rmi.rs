//! `rbuild rmi`

use anyhow::Result;
use cli::environment::Environment;
use cli::{Exit, image_events, output};
use store::{Removed, Store, StoreError};

use super::{open_store, report_of};
use crate::args::RmiArgs;

/// Removes what can be removed; each image that cannot is reported.
pub(crate) fn run(args: &RmiArgs, environment: &Environment) -> Result<Exit> {
    let store = open_store(environment)?;
    let mut exit = Exit::Success;
    let mut freed = false;
    for name in &args.images {
        match store.untag(name, args.force) {
            Ok(removed) => {
                image_events::removed(&store, &removed);
                freed |= removed.iter().any(|what| matches!(what, Removed::Deleted(_)));
                show(&removed)?;
            }
            Err(StoreError::ImageNotFound { .. }) if args.force => {}
            Err(err) => {
                report_of(&err.into()).print();
                exit = Exit::Failure;
            }
        }
    }
    if freed {
        free_space(&store)?;
    }
    Ok(exit)
}

/// Removes what only the deleted images used. What the build cache refers to stays.
fn free_space(store: &Store) -> Result<()> {
    store.prune(&mut || builder::cache::roots(store))?;
    Ok(())
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
