//! The image configuration: the OCI document with Docker's additions. Fields we do not know are kept.
//!
//! Serialised as BuildKit does: fields of the document in alphabetical order, those of `config` in the order
//! of Docker's type, empty values left out. `null` reads as empty. The bytes of a configuration that came with
//! an image are never written anew; this type is for reading them and for making new ones.
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::digest::{ChainId, DiffId, Digest};
use crate::platform::Platform;

/// What an image says about itself: how to run it, its layers, where it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    #[serde(default, deserialize_with = "null_is_default")]
    pub architecture: String,
    #[serde(
        default,
        skip_serializing_if = "String::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub author: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: ContainerConfig,
    /// RFC 3339, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub history: Vec<History>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub os: String,
    #[serde(
        default,
        rename = "os.features",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub os_features: Vec<String>,
    #[serde(default, rename = "os.version", skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub rootfs: RootFs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Fields of the document that are none of the above.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How a container of the image starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerConfig {
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub user: String,
    #[serde(skip_serializing_if = "BTreeSet::is_empty", with = "set_as_map")]
    pub exposed_ports: BTreeSet<String>,
    /// `NAME=value`, in order.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub env: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub entrypoint: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub cmd: Vec<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty", with = "set_as_map")]
    pub volumes: BTreeSet<String>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub working_dir: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub stop_signal: String,
    /// The command line is already escaped (Windows); Docker sets it for the shell form there.
    #[serde(skip_serializing_if = "is_false", deserialize_with = "null_is_default")]
    pub args_escaped: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub on_build: Vec<String>,
    /// Seconds to wait for the stop signal to work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub shell: Vec<String>,
    /// Fields of `config` that are none of the above.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `HEALTHCHECK`. Times are in nanoseconds, zero means "the default".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", args…]`, `["CMD-SHELL", line]`; empty inherits.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub test: Vec<String>,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "null_is_default")]
    pub interval: i64,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "null_is_default")]
    pub timeout: i64,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "null_is_default")]
    pub start_period: i64,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "null_is_default")]
    pub start_interval: i64,
    #[serde(skip_serializing_if = "is_zero", deserialize_with = "null_is_default")]
    pub retries: i64,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The layers, bottom first, by their uncompressed content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    #[serde(rename = "type", default = "layers_type")]
    pub kind: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<DiffId>,
}

/// One line of the image's history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub created_by: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub author: String,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_default")]
    pub comment: String,
    #[serde(skip_serializing_if = "is_false", deserialize_with = "null_is_default")]
    pub empty_layer: bool,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ImageConfig {
    /// An image without layers for `platform`.
    pub fn empty(platform: &Platform) -> ImageConfig {
        ImageConfig {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            os_version: platform.os_version.clone(),
            variant: platform.variant.clone(),
            ..ImageConfig::default()
        }
    }

    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            os_version: self.os_version.clone(),
            variant: self.variant.clone(),
        }
    }

    /// The identity of the image's whole stack of layers; none for an image without layers.
    pub fn chain_id(&self) -> Option<ChainId> {
        ChainId::of(&self.rootfs.diff_ids)
    }

    /// The document as it is stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("maps with string keys always serialise")
    }

    /// The digest of the document as it is stored: the ID of the image.
    pub fn id(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }
}

impl Default for RootFs {
    fn default() -> RootFs {
        RootFs { kind: layers_type(), diff_ids: Vec::new() }
    }
}

fn layers_type() -> String {
    "layers".to_owned()
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// Go writes `null` for an empty slice or map.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A set in the form of Go's `map[string]struct{}`: `{"80/tcp": {}}`.
mod set_as_map {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        set: &BTreeSet<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(set.iter().map(|name| (name, Value::Object(Map::new()))))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeSet<String>, D::Error> {
        let map = Option::<BTreeMap<String, Value>>::deserialize(deserializer)?;
        Ok(map.unwrap_or_default().into_keys().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_image_has_only_what_is_required() {
        let platform: Platform = "linux/amd64".parse().unwrap();
        let text = String::from_utf8(ImageConfig::empty(&platform).to_bytes()).unwrap();
        assert_eq!(
            text,
            r#"{"architecture":"amd64","config":{},"os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#
        );
    }

    #[test]
    fn fields_come_in_dockers_order_and_unknown_ones_stay() {
        let text = concat!(
            r#"{"architecture":"arm","author":"me","config":{"User":"u","ExposedPorts":{"80/tcp":{}},"#,
            r#""Env":["A=1"],"Entrypoint":["/e"],"Cmd":["c"],"Volumes":{"/v":{}},"WorkingDir":"/w","#,
            r#""Labels":{"a":"b"},"StopSignal":"SIGINT","ArgsEscaped":true,"#,
            r#""Healthcheck":{"Test":["NONE"],"Interval":1,"Retries":3},"OnBuild":["RUN x"],"#,
            r#""StopTimeout":5,"Shell":["/bin/sh"],"Mystery":[1]},"created":"2024-01-01T00:00:00Z","#,
            r#""history":[{"created":"2024-01-01T00:00:00Z","created_by":"RUN x","comment":"c"},"#,
            r#"{"created_by":"ENV","empty_layer":true}],"os":"linux","os.version":"1","#,
            r#""rootfs":{"type":"layers","diff_ids":[]},"variant":"v7","docker_version":"20"}"#
        );
        let config: ImageConfig = serde_json::from_str(text).unwrap();
        assert_eq!(String::from_utf8(config.to_bytes()).unwrap(), text);
        assert_eq!(config.platform().to_string(), "linux/arm/v7");
        assert!(config.extra.contains_key("docker_version"));
    }

    #[test]
    fn null_reads_as_empty() {
        let text = r#"{"architecture":"amd64","os":"linux","config":{"Cmd":null,"Env":null,"Labels":null,
            "ExposedPorts":null,"OnBuild":null,"Healthcheck":null,"User":null},"history":null,
            "created":null,"rootfs":{"type":"layers","diff_ids":null}}"#;
        let config: ImageConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config, ImageConfig::empty(&"linux/amd64".parse().unwrap()));
    }
}
