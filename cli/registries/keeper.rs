//! Where the credentials of a registry are: in a file, or with a helper that the file names.

use std::path::PathBuf;

use store::registry::{Credential, Credentials, CredentialsError};

use super::config::{self, Config, ConfigError};
use super::credential_program::{self as helper, HelperError};
use crate::environment::Environment;

#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Helper(#[from] HelperError),
}

/// Where credentials were put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Anybody who may read the file can read them.
    File(PathBuf),
    Helper(String),
}

/// The files to look at.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// The first is the one that is written.
    files: Vec<PathBuf>,
}

impl Keeper {
    /// `$REGISTRY_AUTH_FILE` alone; else docker's file, then podman's.
    pub fn of(environment: &Environment) -> Keeper {
        if let Some(file) = environment.text("REGISTRY_AUTH_FILE") {
            return Keeper { files: vec![PathBuf::from(file)] };
        }
        let home = PathBuf::from(environment.text("HOME").unwrap_or("/"));
        let docker = match environment.text("DOCKER_CONFIG") {
            Some(directory) => PathBuf::from(directory),
            None => home.join(".docker"),
        };
        let podman = environment.text("XDG_RUNTIME_DIR").map(PathBuf::from);
        let podman = podman.map(|directory| directory.join("containers/auth.json"));
        let config = home.join(".config/containers/auth.json");
        let files = [Some(docker.join("config.json")), podman, Some(config)];
        Keeper { files: files.into_iter().flatten().collect() }
    }

    pub fn put(&self, registry: &str, user: &str, password: &str) -> Result<Kept, KeeperError> {
        let mut config = Config::read(&self.files[0])?;
        if let Some(name) = config.helper(registry)?.map(str::to_owned) {
            helper::store(&name, config::key(registry), user, password)?;
            config.set(registry, None)?;
            return Ok(Kept::Helper(name));
        }
        config.set(registry, Some((user, password)))?;
        Ok(Kept::File(config.path().to_owned()))
    }

    /// False if there was nothing.
    pub fn remove(&self, registry: &str) -> Result<bool, KeeperError> {
        let mut config = Config::read(&self.files[0])?;
        if !config.mentions(registry)? {
            return Ok(false);
        }
        if let Some(name) = config.helper(registry)? {
            helper::erase(name, config::key(registry))?;
        }
        config.remove(registry)?;
        Ok(true)
    }

    fn look_up(&self, registry: &str) -> Result<Option<Credential>, KeeperError> {
        for file in &self.files {
            let config = Config::read(file)?;
            if let Some(name) = config.helper(registry)?
                && let Some(found) = helper::get(name, config::key(registry))?
            {
                return Ok(Some(found));
            }
            if let Some(found) = config.credential(registry)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Credentials for Keeper {
    fn find(&self, registry: &str) -> Result<Option<Credential>, CredentialsError> {
        Ok(self.look_up(registry)?)
    }
}
