//! An image as Docker's API describes it: the document, and the types that templates see in it.

use anyhow::Result;
use cli::format::{Shape, Struct};
use serde_json::{Map, Value, json};
use store::{ContainerConfig, Image, Reference, Store};

use Shape::{Bool, Int, List, Pointer, Text};

const TEXTS: Shape = List(&Text);
/// Go's `map[string]struct{}`
const SET: Shape = Shape::Map(&Shape::Struct(&Struct { name: "an empty value", fields: &[] }));

pub(super) static IMAGE: Struct = Struct {
    name: "an image",
    fields: &[
        ("Id", Text),
        ("RepoTags", TEXTS),
        ("RepoDigests", TEXTS),
        ("Parent", Text),
        ("Comment", Text),
        ("Created", Text),
        ("DockerVersion", Text),
        ("Author", Text),
        ("Config", Pointer(&CONFIG)),
        ("Architecture", Text),
        ("Variant", Text),
        ("Os", Text),
        ("OsVersion", Text),
        ("Size", Int),
        ("GraphDriver", Shape::Struct(&GRAPH_DRIVER)),
        ("RootFS", Shape::Struct(&ROOT_FS)),
        ("Metadata", Shape::Struct(&METADATA)),
        ("Descriptor", Pointer(&DESCRIPTOR)),
    ],
};

static CONFIG: Struct = Struct {
    name: "an image's configuration",
    fields: &[
        ("Hostname", Text),
        ("Domainname", Text),
        ("User", Text),
        ("AttachStdin", Bool),
        ("AttachStdout", Bool),
        ("AttachStderr", Bool),
        ("ExposedPorts", SET),
        ("Tty", Bool),
        ("OpenStdin", Bool),
        ("StdinOnce", Bool),
        ("Env", TEXTS),
        ("Cmd", TEXTS),
        ("Healthcheck", Pointer(&HEALTHCHECK)),
        ("ArgsEscaped", Bool),
        ("Image", Text),
        ("Volumes", SET),
        ("WorkingDir", Text),
        ("Entrypoint", TEXTS),
        ("NetworkDisabled", Bool),
        ("MacAddress", Text),
        ("OnBuild", TEXTS),
        ("Labels", Shape::Map(&Text)),
        ("StopSignal", Text),
        ("StopTimeout", Int),
        ("Shell", TEXTS),
    ],
};

static HEALTHCHECK: Struct = Struct {
    name: "a health check",
    fields: &[
        ("Test", TEXTS),
        ("Interval", Int),
        ("Timeout", Int),
        ("StartPeriod", Int),
        ("StartInterval", Int),
        ("Retries", Int),
    ],
};

static GRAPH_DRIVER: Struct =
    Struct { name: "a graph driver", fields: &[("Data", Shape::Map(&Text)), ("Name", Text)] };
static ROOT_FS: Struct =
    Struct { name: "a root filesystem", fields: &[("Type", Text), ("Layers", TEXTS)] };
static METADATA: Struct = Struct { name: "metadata", fields: &[("LastTagTime", Text)] };
static DESCRIPTOR: Struct = Struct {
    name: "a descriptor",
    fields: &[("mediaType", Text), ("digest", Text), ("size", Int)],
};

/// How Docker writes a time it does not know. When names were given is not recorded.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// `driver` is how snapshots are made.
pub(super) fn of(store: &Store, driver: &str, image: &Image) -> Result<Value> {
    let names = store.names_of(image)?;
    let digest = image.descriptor.digest;
    let tagged = names.iter().filter(|name| name.tag().is_some());
    let tags: Vec<String> = tagged.map(Reference::familiar).collect();
    let mut digests: Vec<String> =
        names.iter().map(|name| format!("{}@{digest}", name.familiar_name())).collect();
    digests.dedup();
    let config = &image.config;
    let mut document = json!({
        "Id": image.id().to_string(),
        "RepoTags": tags,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": comment(image),
        "Created": config.created,
        "DockerVersion": text_of(&config.extra, "docker_version"),
        "Author": config.author,
        "Config": container(&config.config)?,
        "Architecture": config.architecture,
        "Variant": config.variant,
        "Os": config.os,
        "OsVersion": config.os_version,
        "Size": store.unpacked_size(image)?,
        "GraphDriver": { "Data": null, "Name": driver },
        "RootFS": { "Type": config.rootfs.kind, "Layers": config.rootfs.diff_ids },
        "Metadata": { "LastTagTime": NEVER },
        "Descriptor": {
            "mediaType": image.descriptor.media_type,
            "digest": digest,
            "size": image.descriptor.size,
        },
    });
    // Docker leaves these out when there is nothing to say.
    if let Some(object) = document.as_object_mut() {
        for key in ["Created", "Variant", "OsVersion"] {
            if object[key].is_null() {
                object.shift_remove(key);
            }
        }
    }
    Ok(document)
}

/// The configuration's own, else that of the newest step.
fn comment(image: &Image) -> &str {
    let own = text_of(&image.config.extra, "comment");
    let newest = image.config.history.last().map_or("", |step| step.comment.as_str());
    if own.is_empty() { newest } else { own }
}

fn text_of<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// All keys that Docker writes, in its order: most of them even when there is nothing to say. Keys that no
/// type knows come last.
fn container(config: &ContainerConfig) -> Result<Value> {
    const OPTIONAL: [&str; 8] = [
        "ExposedPorts",
        "Healthcheck",
        "ArgsEscaped",
        "NetworkDisabled",
        "MacAddress",
        "StopSignal",
        "StopTimeout",
        "Shell",
    ];
    let mut given = match serde_json::to_value(config)? {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    let mut object = Map::new();
    for (name, shape) in CONFIG.fields {
        let value = match given.shift_remove(*name) {
            Some(value) => value,
            None if OPTIONAL.contains(name) => continue,
            None => empty(*shape),
        };
        object.insert((*name).to_owned(), value);
    }
    object.extend(given);
    Ok(Value::Object(object))
}

fn empty(shape: Shape) -> Value {
    match shape {
        Text => Value::from(""),
        Bool => Value::Bool(false),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_has_dockers_keys_in_dockers_order() {
        let text = container(&ContainerConfig::default()).unwrap().to_string();
        assert_eq!(
            text,
            concat!(
                r#"{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"#,
                r#""AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"#,
                r#""Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"#,
                r#""OnBuild":null,"Labels":null}"#
            )
        );
    }

    #[test]
    fn what_an_image_says_is_kept() {
        let given = concat!(
            r#"{"Shell":["/bin/sh"],"Cmd":["a"],"ExposedPorts":{"80/tcp":{}},"Mystery":[1],"#,
            r#""Hostname":"h","Healthcheck":{"Test":["NONE"]}}"#
        );
        let config: ContainerConfig = serde_json::from_str(given).unwrap();
        let document = container(&config).unwrap();
        let given: Value = serde_json::from_str(given).unwrap();
        for (key, value) in given.as_object().unwrap() {
            assert_eq!(&document[key], value, "{key}");
        }
        let last = document.as_object().unwrap().keys().next_back();
        assert_eq!(last.map(String::as_str), Some("Mystery"));
    }
}
