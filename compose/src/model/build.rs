//! `build`

use std::collections::BTreeMap;

use super::attribute::{Attribute, Misfit};
use super::{Bytes, Environment, FileReference, Hosts, Labels, StringList, Ulimit};
use crate::render::{Data, Form};
use crate::yaml::{Node, Value};

record! {
    /// How an image is built.
    pub struct Build {
        context: String = "context",
        dockerfile: String = "dockerfile",
        dockerfile_inline: String = "dockerfile_inline",
        entitlements: Vec<String> = "entitlements",
        args: Environment = "args",
        provenance: String = "provenance",
        sbom: String = "sbom",
        ssh: SshKeys = "ssh",
        labels: Labels = "labels",
        cache_from: StringList = "cache_from",
        cache_to: StringList = "cache_to",
        no_cache: bool = "no_cache",
        no_cache_filter: StringList = "no_cache_filter",
        additional_contexts: Labels = "additional_contexts",
        pull: bool = "pull",
        extra_hosts: Hosts = "extra_hosts",
        isolation: String = "isolation",
        network: String = "network",
        target: String = "target",
        secrets: Vec<FileReference> = "secrets",
        shm_size: Bytes = "shm_size",
        tags: StringList = "tags",
        ulimits: BTreeMap<String, Ulimit> = "ulimits",
        platforms: StringList = "platforms",
        privileged: bool = "privileged",
    }
}

/// Agents and keys by id: `default` without a path is the user's agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshKeys(pub BTreeMap<String, String>);

impl Attribute for SshKeys {
    fn decode(node: &Node) -> Result<SshKeys, Misfit> {
        match &node.value {
            Value::Bool(_) | Value::String(_) => {
                Ok(SshKeys([("default".to_owned(), String::new())].into()))
            }
            _ => Labels::decode(node).map(|labels| SshKeys(labels.0)),
        }
    }

    /// `id: path`, as Compose prints it in YAML; its JSON of a key with a path is broken, ours is not.
    fn encode(&self, _: Form) -> Data {
        let entry = |(id, path): (&String, &String)| match path.as_str() {
            "" => Data::text(id),
            path => Data::text(format!("{id}: {path}")),
        };
        let (plain, with_path): (Vec<_>, Vec<_>) = self.0.iter().partition(|(_, it)| it.is_empty());
        Data::List(with_path.into_iter().chain(plain).map(entry).collect())
    }

    fn is_unset(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}
