//! Makes a container as the arguments say, and writes its ID where they want it.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use engine::ContainerRequest;
use runtime::containers::{Containers, Definition};
use runtime::{Limits, NetworkMode, ProcessView};
use store::{Image, Store};

use super::{connections, request};
use crate::args::ContainerArgs;

/// What the arguments say, checked before anything is made.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    request: ContainerRequest,
    cidfile: Option<&'a Path>,
}

impl Plan<'_> {
    pub(crate) fn of<'a>(
        args: &'a ContainerArgs,
        stdin_once: bool,
        environment: &Environment,
    ) -> Result<Plan<'a>> {
        let cidfile = args.lifecycle.cidfile.as_deref();
        if let Some(path) = cidfile.filter(|path| path.exists()) {
            bail!(
                "the file `{}` of `--cidfile` exists; the container of another run may have it",
                path.display()
            );
        }
        Ok(Plan { request: request::request(args, stdin_once, environment)?, cidfile })
    }

    /// Which processes its shim has to see.
    pub(crate) fn process_view(&self) -> ProcessView {
        self.request.process_view()
    }

    /// Its network, if it seems to ask for nothing special.
    pub(crate) fn usual(&self) -> Option<NetworkMode> {
        self.request.usual()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.request.confinement.limits
    }

    /// Makes the container `id` of an image.
    pub(crate) fn make(
        &self,
        store: &Store,
        containers: &Containers,
        image: &Image,
        id: &str,
    ) -> Result<Definition> {
        let mut request = self.request.clone();
        connections::find_joined(containers, &mut request.connections)?;
        let definition = engine::make(store, containers, image, id, &request)?;
        if let Err(error) = self.write_id(id) {
            // What is told is why; leftovers are found by the next command.
            if let Ok(container) = containers.read(id) {
                let _left = engine::remove_with_volumes(store, containers, &container);
            }
            return Err(error);
        }
        Ok(definition)
    }

    fn write_id(&self, id: &str) -> Result<()> {
        let Some(path) = self.cidfile else { return Ok(()) };
        let file = File::options().write(true).create_new(true).open(path);
        match file.and_then(|mut file| file.write_all(id.as_bytes())) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("the file `{}` of `--cidfile` exists", path.display())
            }
            other => other.with_context(|| format!("cannot write `{}`", path.display())),
        }
    }
}
