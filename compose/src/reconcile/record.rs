//! What a container, network or volume was made from, attribute by attribute, kept beside it as a label.
//!
//! Docker Compose keeps one hash of the service, which says that something changed but not what, leaves out what
//! configs and secrets hold, and differs between its versions. A [`Record`] has a text for each attribute that
//! means a new container, so that the plan can say what changed.
//!
//! | in the record | not in it, because |
//! |---|---|
//! | every attribute that becomes part of the container | `build`, `image`, `pull_policy`: the image ID is compared |
//! | real names of networks and volumes | `scale`, `deploy.replicas`: the number of containers is compared |
//! | digests of what configs, secrets and images that are mounted hold | `depends_on`, `profiles`, `attach`, `develop`: about when, not what |
//! | | `env_file`, `label_file`: their lines are in `environment` and `labels` |
//! | | `deploy.update_config`, `rollback_config`, `placement`, `labels`, `endpoint_mode`, `x-…`: mean nothing here |

use std::collections::BTreeMap;
use std::fmt;

use super::ObservedState;
use crate::model::{FileReference, Network, Project, Service, Volume};
use crate::render::{Data, Form, json_compact};

/// Raised when the text of an attribute changes its form; [`SINCE`] then gets a line.
pub const RECORD_VERSION: u32 = 1;

/// Attributes whose text has had its present form only since some version. A record from before says nothing
/// about them, so an upgrade of this program never makes a new container.
const SINCE: &[(&str, u32)] = &[];

const LEFT_OUT: [&str; 11] = [
    "build",
    "image",
    "pull_policy",
    "scale",
    "depends_on",
    "profiles",
    "attach",
    "develop",
    "env_file",
    "label_file",
    "provider",
];
const DEPLOY_LEFT_OUT: [&str; 6] =
    ["replicas", "update_config", "rollback_config", "placement", "labels", "endpoint_mode"];
/// Compared name by name.
const BY_NAME: [&str; 7] =
    ["environment", "labels", "annotations", "sysctls", "ulimits", "deploy", "driver_opts"];

/// Texts by attribute (`environment.PORT`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub version: u32,
    pub attributes: BTreeMap<String, String>,
}

/// An attribute that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub attribute: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

impl Record {
    /// Of a service's containers.
    pub fn of_service(project: &Project, service: &Service, observed: &ObservedState) -> Record {
        let mut record = Record { version: RECORD_VERSION, ..Record::default() };
        let Data::Record(fields) = service.document(Form::Yaml) else { return record };
        for (name, data) in fields {
            match name.as_str() {
                "networks" => record.put_networks(project, &data),
                "volumes" => record.put_mounts(project, &data),
                "configs" | "secrets" | "volumes_from" => record.put(&name, &data),
                name if LEFT_OUT.contains(&name) || name.starts_with("x-") => {}
                name => record.put(name, &data),
            }
        }
        let mounted = service.volumes.iter().filter(|mount| mount.kind == "image");
        for mount in mounted {
            if let Some(id) = observed.images.get(&mount.source) {
                record
                    .attributes
                    .insert(format!("content of volumes.{}", mount.target), id.clone());
            }
        }
        record.put_contents("configs", &service.configs, &observed.configs);
        record.put_contents("secrets", &service.secrets, &observed.secrets);
        record
    }

    pub fn of_network(network: &Network) -> Record {
        Record::of_object(crate::model::Attribute::encode(network, Form::Yaml))
    }

    pub fn of_volume(volume: &Volume) -> Record {
        Record::of_object(crate::model::Attribute::encode(volume, Form::Yaml))
    }

    fn of_object(data: Data) -> Record {
        let mut record = Record { version: RECORD_VERSION, ..Record::default() };
        if let Data::Record(fields) = data {
            let kept = |name: &str| name != "name" && name != "external" && !name.starts_with("x-");
            fields
                .iter()
                .filter(|(name, _)| kept(name))
                .for_each(|(name, it)| record.put(name, it));
        }
        record
    }

    fn put(&mut self, name: &str, data: &Data) {
        match data {
            Data::Record(fields) | Data::Map(fields) if BY_NAME.contains(&name) => {
                let kept = |key: &str| name != "deploy" || !DEPLOY_LEFT_OUT.contains(&key);
                for (key, value) in fields.iter().filter(|(key, _)| kept(key)) {
                    self.attributes.insert(format!("{name}.{key}"), text(value));
                }
            }
            _ => {
                self.attributes.insert(name.to_owned(), text(data));
            }
        }
    }

    fn put_networks(&mut self, project: &Project, data: &Data) {
        let (Data::Map(networks) | Data::Record(networks)) = data else { return };
        for (key, attachment) in networks {
            let real = project.networks.get(key).map_or(key, |network| &network.name);
            self.attributes.insert(format!("networks.{real}"), text(attachment));
        }
    }

    /// A named volume under its real name.
    fn put_mounts(&mut self, project: &Project, data: &Data) {
        let Data::List(mounts) = data else { return };
        for mount in mounts {
            let mut mount = mount.clone();
            let is_volume = mount.get("type") == Some(&Data::text("volume"));
            if let (true, Data::Record(fields)) = (is_volume, &mut mount) {
                for (name, value) in fields.iter_mut() {
                    if let ("source", Data::Text(source)) = (name.as_str(), value)
                        && let Some(volume) = project.volumes.get(source)
                    {
                        source.clone_from(&volume.name);
                    }
                }
            }
            let target = mount.get("target").map(text).unwrap_or_default();
            self.attributes.insert(format!("volumes.{target}"), text(&mount));
        }
    }

    fn put_contents(
        &mut self,
        kind: &str,
        references: &[FileReference],
        digests: &BTreeMap<String, String>,
    ) {
        for source in references.iter().map(|reference| &reference.source) {
            if let Some(digest) = digests.get(source) {
                self.attributes.insert(format!("content of {kind}.{source}"), digest.clone());
            }
        }
    }

    /// How `self`, the present one, differs from what was recorded.
    pub fn changes_since(&self, recorded: &Record) -> Vec<Change> {
        let mut changes = Vec::new();
        if recorded.version > self.version {
            // Written by a later program: what its texts mean is not known.
            return changes;
        }
        let names = self.attributes.keys().chain(recorded.attributes.keys());
        let mut names: Vec<&String> = names.collect();
        names.sort();
        names.dedup();
        for name in names.into_iter().filter(|name| is_known(name, recorded.version)) {
            let (old, new) = (recorded.attributes.get(name), self.attributes.get(name));
            if old != new {
                let (old, new) = (old.cloned(), new.cloned());
                changes.push(Change { attribute: name.clone(), old, new });
            }
        }
        changes
    }
}

/// Whether a record of this version has the attribute in today's form. Version 0 is no record at all.
fn is_known(attribute: &str, version: u32) -> bool {
    let top = attribute.split('.').next().unwrap_or(attribute);
    version > 0 && SINCE.iter().all(|(name, since)| *name != top || version >= *since)
}

fn text(data: &Data) -> String {
    match data {
        Data::Text(text) => text.clone(),
        Data::Null => String::new(),
        _ => json_compact(data),
    }
}

/// Words in the names of variables whose values are not shown.
const SECRET_WORDS: [&str; 7] = ["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "AUTH", "DSN"];

impl Change {
    fn is_secret(&self) -> bool {
        let name = self.attribute.to_uppercase();
        name.starts_with("ENVIRONMENT.") && SECRET_WORDS.iter().any(|word| name.contains(word))
    }
}

/// `environment.PORT: 80 → 8080`; values of variables that sound secret are not shown.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<String>| match value {
            None => "unset".to_owned(),
            Some(_) if self.is_secret() => "(hidden)".to_owned(),
            Some(value) if value.is_empty() => "''".to_owned(),
            Some(value) => shortened(value),
        };
        write!(f, "{}: {} → {}", self.attribute, value(&self.old), value(&self.new))
    }
}

const LONGEST: usize = 72;

fn shortened(value: &str) -> String {
    let line = value.replace('\n', "\\n");
    if let Some(digest) = line.strip_prefix("sha256:") {
        return digest.chars().take(12).collect();
    }
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
