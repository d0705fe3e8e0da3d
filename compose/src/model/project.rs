//! The project as a whole.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::attribute::{Attribute, Extensions, Misfit, extensions, field, put_extensions};
use super::record::put;
use super::{Config, LanguageModel, Network, Secret, Service, Volume};
use crate::render::{Data, Form};
use crate::yaml::Map;

/// Everything that compose files say, merged, with defaults filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Project {
    pub name: String,
    /// What relative paths were relative to.
    pub directory: PathBuf,
    /// The files the project was loaded from, without those they include.
    pub files: Vec<PathBuf>,
    /// What variables were taken from.
    pub environment: BTreeMap<String, String>,
    pub services: BTreeMap<String, Service>,
    /// Services that no active profile enables.
    pub disabled_services: BTreeMap<String, Service>,
    pub networks: BTreeMap<String, Network>,
    pub volumes: BTreeMap<String, Volume>,
    pub secrets: BTreeMap<String, Secret>,
    pub configs: BTreeMap<String, Config>,
    pub models: BTreeMap<String, LanguageModel>,
    pub extensions: Extensions,
    /// Containers are called as the old docker-compose called them.
    pub old_names: bool,
}

impl Project {
    /// What the container of a service with this number is called, unless its name is fixed.
    pub fn container_name(&self, service: &str, number: u32) -> String {
        let separator = if self.old_names { '_' } else { '-' };
        format!("{}{separator}{service}{separator}{number}", self.name)
    }

    /// From the normalised tree.
    pub fn from_tree(map: &Map) -> Result<Project, Misfit> {
        Ok(Project {
            name: field(map, "name")?,
            services: field(map, "services")?,
            networks: field(map, "networks")?,
            volumes: field(map, "volumes")?,
            secrets: field(map, "secrets")?,
            configs: field(map, "configs")?,
            models: field(map, "models")?,
            extensions: extensions(map),
            ..Project::default()
        })
    }

    /// The document that `config` prints.
    pub fn document(&self, form: Form) -> Data {
        let mut fields = Vec::new();
        put(&mut fields, ("name", "name"), form == Form::Json, &self.name, form);
        put(&mut fields, ("services", "services"), true, &self.services, form);
        put(&mut fields, ("networks", "networks"), false, &self.networks, form);
        put(&mut fields, ("volumes", "volumes"), false, &self.volumes, form);
        put(&mut fields, ("secrets", "secrets"), false, &self.secrets, form);
        put(&mut fields, ("configs", "configs"), false, &self.configs, form);
        // Compose leaves the models out of JSON.
        if form == Form::Yaml {
            put(&mut fields, ("models", "models"), false, &self.models, form);
        }
        match form {
            Form::Yaml => {
                put_extensions(&mut fields, &self.extensions, form);
                Data::Record(fields)
            }
            Form::Json => {
                fields.extend(self.extensions.iter().map(|(key, it)| (key.clone(), it.clone())));
                Data::Map(fields)
            }
        }
    }

    /// A service, enabled or not.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name).or_else(|| self.disabled_services.get(name))
    }
}

impl Service {
    /// The document of one service, as `config` prints it.
    pub fn document(&self, form: Form) -> Data {
        self.encode(form)
    }
}
