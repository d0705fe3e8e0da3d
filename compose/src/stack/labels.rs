//! The labels by which containers of projects are found again: docker compose's, and ours.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::model::{Project, Service};
use crate::reconcile::Record;
use crate::service_hash;

pub const PROJECT: &str = "com.docker.compose.project";
pub const SERVICE: &str = "com.docker.compose.service";
pub const NUMBER: &str = "com.docker.compose.container-number";
pub const ONE_OFF: &str = "com.docker.compose.oneoff";
pub const CONFIG_HASH: &str = "com.docker.compose.config-hash";
pub const IMAGE: &str = "com.docker.compose.image";
pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
pub const DIRECTORY: &str = "com.docker.compose.project.working_dir";
pub const FILES: &str = "com.docker.compose.project.config_files";
pub const VERSION: &str = "com.docker.compose.version";
pub const NETWORK: &str = "com.docker.compose.network";
pub const VOLUME: &str = "com.docker.compose.volume";
/// The container that this one has replaced, or is about to.
pub const REPLACES: &str = "com.docker.compose.replace";
/// What a container was made from, attribute by attribute.
pub const RECORD: &str = "org.rbuild.compose.record";
/// IDs of the containers whose namespaces or volumes it uses.
pub const JOINS: &str = "org.rbuild.compose.joins";

/// What labels say of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    pub project: String,
    pub service: String,
    pub number: u32,
    pub one_off: bool,
    pub record: Record,
    pub joins: BTreeSet<String>,
}

impl Identity {
    /// None for a container that no project has made.
    pub fn of(labels: &BTreeMap<String, String>) -> Option<Identity> {
        let joins = labels.get(JOINS).map(String::as_str).unwrap_or_default();
        Some(Identity {
            project: labels.get(PROJECT)?.clone(),
            service: labels.get(SERVICE)?.clone(),
            number: labels.get(NUMBER).and_then(|number| number.parse().ok()).unwrap_or(1),
            one_off: labels.get(ONE_OFF).is_some_and(|text| text.eq_ignore_ascii_case("true")),
            record: record_of(labels),
            joins: joins.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
        })
    }

    /// The labels that say so.
    pub fn labels(
        &self,
        project: &Project,
        service: &Service,
        image: &str,
    ) -> Vec<(String, String)> {
        let files: Vec<String> = project.files.iter().map(|it| it.display().to_string()).collect();
        let depends = service.depends_on.iter().map(|(name, dependency)| {
            format!("{name}:{}:{}", dependency.condition, dependency.restart)
        });
        let joins: Vec<&str> = self.joins.iter().map(String::as_str).collect();
        let pairs = [
            (PROJECT, self.project.clone()),
            (SERVICE, self.service.clone()),
            (NUMBER, self.number.to_string()),
            (ONE_OFF, if self.one_off { "True" } else { "False" }.to_owned()),
            (CONFIG_HASH, service_hash(service)),
            (IMAGE, image.to_owned()),
            (DEPENDS_ON, depends.collect::<Vec<_>>().join(",")),
            (DIRECTORY, project.directory.display().to_string()),
            (FILES, files.join(",")),
            (VERSION, env!("CARGO_PKG_VERSION").to_owned()),
            (RECORD, record_text(&self.record)),
            (JOINS, joins.join(",")),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Of a network or volume: whose it is, and its key there, under `kind`.
pub fn of_object(project: &Project, kind: &str, key: &str) -> [(String, String); 3] {
    let pairs = [
        (PROJECT, project.name.clone()),
        (kind, key.to_owned()),
        (VERSION, env!("CARGO_PKG_VERSION").to_owned()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value))
}

/// A record as the text of a label.
pub fn record_text(record: &Record) -> String {
    json!({ "version": record.version, "attributes": record.attributes }).to_string()
}

/// What is no record says nothing of what something was made from.
pub fn record_of(labels: &BTreeMap<String, String>) -> Record {
    let text = labels.get(RECORD).map(String::as_str).unwrap_or_default();
    let Ok(value) = serde_json::from_str::<Value>(text) else { return Record::default() };
    let version = value["version"].as_u64().and_then(|version| u32::try_from(version).ok());
    let attributes = value["attributes"].as_object().into_iter().flatten();
    let attributes = attributes
        .filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())))
        .collect();
    Record { version: version.unwrap_or(0), attributes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_known_by_its_labels() {
        let attributes = [("command".to_owned(), "[\"a\"]".to_owned())].into();
        let identity = Identity {
            project: "p".to_owned(),
            service: "web".to_owned(),
            number: 3,
            one_off: false,
            record: Record { version: 1, attributes },
            joins: ["aa".to_owned(), "bb".to_owned()].into(),
        };
        let (project, service) = (Project::default(), Service::default());
        let labels = identity.labels(&project, &service, "sha256:0");
        assert_eq!(Identity::of(&labels.into_iter().collect()), Some(identity));
        assert_eq!(Identity::of(&BTreeMap::new()), None);
    }

    #[test]
    fn a_damaged_record_is_none() {
        let labels = |text: &str| BTreeMap::from([(RECORD.to_owned(), text.to_owned())]);
        for text in ["", "{", "[]", "{\"version\":\"x\"}"] {
            assert_eq!(record_of(&labels(text)), Record::default(), "{text}");
        }
    }
}
