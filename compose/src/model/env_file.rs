//! `env_file`

use super::attribute::{Attribute, Misfit, field};
use crate::render::{Data, Form};
use crate::yaml::Node;

/// A file of variables for the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFile {
    pub path: String,
    /// Whether it is an error when the file does not exist.
    pub required: bool,
    /// `raw` files are taken as they are: no quotes, no variables.
    pub format: String,
}

impl Attribute for EnvFile {
    fn decode(node: &Node) -> Result<EnvFile, Misfit> {
        let Some(map) = node.as_map() else {
            return Ok(EnvFile {
                path: String::decode(node)?,
                required: true,
                format: String::new(),
            });
        };
        Ok(EnvFile {
            path: field(map, "path")?,
            required: field::<Option<bool>>(map, "required")?.unwrap_or(true),
            format: field(map, "format")?,
        })
    }

    /// A required file is written as its path alone, whatever its format, as Compose hashes it.
    fn encode(&self, form: Form) -> Data {
        if self.required && form == Form::Json {
            return Data::text(&self.path);
        }
        let mut fields = vec![("path".to_owned(), Data::text(&self.path))];
        if !self.required {
            fields.push(("required".to_owned(), Data::Bool(false)));
        }
        if !self.format.is_empty() {
            fields.push(("format".to_owned(), Data::text(&self.format)));
        }
        Data::Record(fields)
    }

    fn is_unset(&self, _: Form) -> bool {
        false
    }
}
