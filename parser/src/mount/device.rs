//! `RUN --device` values.

use serde::Serialize;

use super::MountError;
use super::value::{boolean, fields, unknown_key};

const KEYS: [&str; 2] = ["name", "required"];

/// `RUN --device=NAME[,required]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    pub name: String,
    pub required: bool,
}

/// Reads the value of `--device`.
pub fn parse_device(value: &str) -> Result<Device, MountError> {
    let mut name = String::new();
    let mut required = false;
    for field in fields(value)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), Some(value)),
            None => (field.to_lowercase(), None),
        };
        match (key.as_str(), value) {
            ("required", None) => required = true,
            ("required", Some(value)) => required = boolean("required", value)?,
            ("name", Some(_)) if !name.is_empty() => {
                return Err(MountError::RepeatedDevice { name });
            }
            ("name", Some(value)) => name = value.to_owned(),
            _ if name.is_empty() => name.clone_from(&field),
            (_, None) => return Err(MountError::NoValue { field }),
            (key, Some(_)) => return Err(unknown_key(key, &field, &KEYS)),
        }
    }
    Ok(Device { name, required })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_a_name() {
        assert_eq!(
            parse_device("vendor/x=a,required"),
            Ok(Device { name: "vendor/x=a".into(), required: true })
        );
        assert!(parse_device("a,b").is_err());
    }
}
