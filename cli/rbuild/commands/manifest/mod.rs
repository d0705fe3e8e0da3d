//! `rbuild manifest …`: one name for images of several platforms.
//!
//! | file         | what                                       |
//! |--------------|--------------------------------------------|
//! | `edit.rs`    | making a list and changing it              |
//! | `inspect.rs` | showing one, or what a registry has        |
//! | `push.rs`    | sending one                                |

mod edit;
mod inspect;
mod push;

use anyhow::{Result, bail};
use cli::Exit;
use cli::environment::Environment;
use store::registry::List;
use store::{Reference, Store};

use crate::args::{ManifestArgs, ManifestCommand};

pub(crate) fn run(args: &ManifestArgs, environment: &Environment) -> Result<Exit> {
    match &args.command {
        ManifestCommand::Add(args) => edit::add(args, environment),
        ManifestCommand::Annotate(args) => edit::annotate(args, environment),
        ManifestCommand::Create(args) => edit::create(args, environment),
        ManifestCommand::Exists(args) => edit::exists(args, environment),
        ManifestCommand::Inspect(args) => inspect::run(args, environment),
        ManifestCommand::Push(args) => push::run(args, environment),
        ManifestCommand::Remove(args) => edit::remove(args, environment),
        ManifestCommand::Rm(args) => edit::rm(args, environment),
    }
}

/// What a list can be called: it is pushed under that name.
fn list_name(text: &str) -> Result<Reference> {
    let name: Reference = text.parse()?;
    if name.digest().is_some() {
        bail!("`{text}` has a digest: a list gets its own when it is pushed");
    }
    Ok(name)
}

fn find(store: &Store, text: &str) -> Result<List> {
    let name = list_name(text)?;
    match store.manifest_list(&name)? {
        Some(list) => Ok(list),
        None => bail!("there is no list `{}`: `rbuild manifest create` makes one", name.familiar()),
    }
}
