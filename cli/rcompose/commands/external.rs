//! `rcompose external`: configs and secrets that no project owns.

use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};
use cli::{Exit, output};
use compose::stack::{ExternalKind, Externals};

use super::stack::Call;
use crate::args::{ExternalArgs, ExternalCommand, Kind};

pub(super) fn run(args: &ExternalArgs, call: Call<'_>) -> Result<Exit> {
    let externals = Externals::of(call.host()?.store.root());
    match &args.command {
        ExternalCommand::Create { kind, name, file } => {
            externals.create(kind_of(*kind), name, &content(file)?)?;
        }
        ExternalCommand::Ls => {
            for kind in ExternalKind::ALL {
                let names = externals.list(kind)?;
                names.iter().try_for_each(|name| output::line(&format!("{kind:8}{name}")))?;
            }
        }
        ExternalCommand::Rm { kind, name } => externals.remove(kind_of(*kind), name)?,
    }
    Ok(Exit::Success)
}

fn kind_of(kind: Kind) -> ExternalKind {
    match kind {
        Kind::Config => ExternalKind::Config,
        Kind::Secret => ExternalKind::Secret,
    }
}

fn content(file: &Path) -> Result<Vec<u8>> {
    if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
        return Ok(bytes);
    }
    std::fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))
}
