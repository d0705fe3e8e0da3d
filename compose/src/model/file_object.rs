//! Configs and secrets: what they are, and how a service takes them.

use super::attribute::{Attribute, Misfit, ValueError};
use super::{Labels, Options};
use crate::render::{Data, Form};
use crate::yaml::{Node, Value};

record! {
    /// Content from a file, a variable or the compose file itself.
    pub struct Config {
        name: String = "name",
        file: String = "file",
        environment: String = "environment",
        content: String = "content",
        external: bool = "external",
        labels: Labels = "labels",
        driver: String = "driver",
        driver_opts: Options = "driver_opts",
        template_driver: String = "template_driver",
    }
}

record! {
    pub struct Secret {
        name: String = "name",
        file: String = "file",
        environment: String = "environment",
        external: bool = "external",
        labels: Labels = "labels",
        driver: String = "driver",
        driver_opts: Options = "driver_opts",
        template_driver: String = "template_driver",
    }
}

record! {
    /// A config or secret as a file in the container.
    pub struct FileReference {
        source: String = "source",
        target: String = "target",
        uid: String = "uid",
        gid: String = "gid",
        mode: Option<FileMode> = "mode",
    }
}

/// Permission bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileMode(pub i64);

impl Attribute for FileMode {
    fn decode(node: &Node) -> Result<FileMode, Misfit> {
        match &node.value {
            Value::Int(mode) => Ok(FileMode(*mode)),
            Value::String(text) => match i64::from_str_radix(text, 8) {
                Ok(mode) => Ok(FileMode(mode)),
                Err(_) => Err(Misfit::new(ValueError::FileMode { text: text.clone() }, node)),
            },
            _ => Err(Misfit::expected("a file mode like `0440`", node)),
        }
    }

    fn encode(&self, _: Form) -> Data {
        Data::text(format!("0{:o}", self.0))
    }

    fn is_unset(&self, _: Form) -> bool {
        false
    }
}
