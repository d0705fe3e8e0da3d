//! The process that starts containers, for the commands that need one.

use std::fs;

use anyhow::{Context, Result};
use runtime::{EngineId, RuntimeError, Zygote};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use store::Store;

use crate::environment::{Environment, Locations};
use crate::report::Report;
use crate::snapshots;

/// A zygote for the store the environment names.
#[derive(Debug)]
pub struct Engine {
    pub locations: Locations,
    /// None for a user who cannot have containers; builds without RUN work nevertheless.
    zygote: Option<Zygote>,
}

impl Engine {
    /// Forks: to be called before any thread is started and before the store is opened, so that
    /// the zygote inherits neither threads nor locks.
    pub fn start(environment: &Environment) -> Result<Engine> {
        let locations = environment.locations();
        fs::create_dir_all(&locations.root)
            .with_context(|| format!("cannot create the store `{}`", locations.root.display()))?;
        let zygote = match Zygote::start(&EngineId::of_root(&locations.root)?, &locations.state) {
            Ok(zygote) => Some(zygote),
            Err(RuntimeError::NotRoot) => None,
            Err(error) => return Err(error.into()),
        };
        allow_many_files();
        Ok(Engine { locations, zygote })
    }

    pub fn zygote(&self) -> Option<&Zygote> {
        self.zygote.as_ref()
    }

    /// Nothing is run any more.
    pub fn dismiss(&self) {
        if let Some(zygote) = &self.zygote {
            zygote.dismiss();
        }
    }

    /// What containers here have to do without. Of an engine that is not there, whoever needs it tells.
    pub fn warn(&self) {
        for warning in self.zygote.iter().flat_map(|zygote| zygote.warnings().unwrap_or_default()) {
            Report::warning(warning).print();
        }
    }
}

/// Decides on the form of snapshots. Only where it has to be tried does that take a zygote. Before any thread exists.
pub fn lazy_snapshotter(store: &Store, environment: &Environment) -> Result<()> {
    if !snapshots::must_try(store, environment)? {
        return snapshots::choose(store, None, environment);
    }
    let engine = Engine::start(environment)?;
    snapshots::choose(store, engine.zygote(), environment)
}

/// Many layers are many open directories. Containers keep the limit they had: the zygote was forked
/// before.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // Refused, the old limit stays in force and is as good as before.
    let _same = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
