//! What configs and secrets hold, from where the compose file says.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{ExternalKind, Externals, Result, StackError};
use crate::load::Files;
use crate::model::{FileReference, Project, Service};

/// By their keys in the project.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    pub configs: BTreeMap<String, Content>,
    pub secrets: BTreeMap<String, Content>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A file of this machine, and what it holds now.
    File {
        path: String,
        bytes: Vec<u8>,
    },
    Directory {
        path: String,
    },
    Bytes(Vec<u8>),
}

/// Where one comes from; a secret has no content of its own.
struct Source<'a> {
    kind: ExternalKind,
    name: &'a str,
    /// What an external one is called.
    real_name: &'a str,
    file: &'a str,
    environment: &'a str,
    content: &'a str,
    external: bool,
}

impl Contents {
    /// Those that these services use.
    pub fn read(
        project: &Project,
        services: &BTreeSet<String>,
        files: &dyn Files,
        externals: &Externals,
    ) -> Result<Contents> {
        let mut contents = Contents::default();
        let services: Vec<&Service> =
            services.iter().filter_map(|name| project.services.get(name)).collect();
        for key in used(&services, |service| &service.configs) {
            let Some(config) = project.configs.get(key) else { continue };
            let source = Source {
                kind: ExternalKind::Config,
                name: key,
                real_name: &config.name,
                file: &config.file,
                environment: &config.environment,
                content: &config.content,
                external: config.external,
            };
            contents.configs.insert(key.to_owned(), source.read(project, files, externals)?);
        }
        for key in used(&services, |service| &service.secrets) {
            let Some(secret) = project.secrets.get(key) else { continue };
            let source = Source {
                kind: ExternalKind::Secret,
                name: key,
                real_name: &secret.name,
                file: &secret.file,
                environment: &secret.environment,
                content: "",
                external: secret.external,
            };
            contents.secrets.insert(key.to_owned(), source.read(project, files, externals)?);
        }
        Ok(contents)
    }
}

fn used<'a>(
    services: &[&'a Service],
    list: impl Fn(&Service) -> &Vec<FileReference>,
) -> BTreeSet<&'a str> {
    services.iter().flat_map(|service| list(service)).map(|it| it.source.as_str()).collect()
}

impl Source<'_> {
    fn read(&self, project: &Project, files: &dyn Files, externals: &Externals) -> Result<Content> {
        let (kind, name) = (self.kind.word(), self.name.to_owned());
        if self.external {
            let real = if self.real_name.is_empty() { self.name } else { self.real_name };
            return Ok(Content::Bytes(externals.read(self.kind, real)?));
        }
        if !self.environment.is_empty() {
            let variable = self.environment.to_owned();
            return match project.environment.get(&variable) {
                Some(value) => Ok(Content::Bytes(value.clone().into_bytes())),
                None => Err(StackError::NoVariable { kind, name, variable }),
            };
        }
        if self.file.is_empty() {
            return Ok(Content::Bytes(self.content.to_owned().into_bytes()));
        }
        let path = self.file.to_owned();
        if files.is_dir(&path) {
            return Ok(Content::Directory { path });
        }
        match files.read(&path) {
            Ok(bytes) => Ok(Content::File { path, bytes }),
            Err(source) => Err(StackError::ReadFile { kind, name, path, source }),
        }
    }
}

impl Content {
    /// For the record of what a container was made from.
    pub fn digest(&self) -> String {
        match self {
            Content::File { bytes, .. } | Content::Bytes(bytes) => {
                let hex = Sha256::digest(bytes);
                let hex: String = hex.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("sha256:{hex}")
            }
            // It is shown as it is; what it holds may change at any time.
            Content::Directory { path } => path.clone(),
        }
    }
}
