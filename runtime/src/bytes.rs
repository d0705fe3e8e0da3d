//! Serde for byte strings and paths, which need not be UTF-8, as compact JSON strings.
//!
//! Each byte becomes the character of the same number, so that any bytes survive the way
//! through JSON: on the socket of the zygote, and in stored definitions.
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

fn to_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn from_text(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// A type that is bytes underneath.
pub(crate) trait Bytes: Sized {
    fn raw(&self) -> &[u8];
    fn from_raw(bytes: Vec<u8>) -> Self;
}

impl Bytes for Vec<u8> {
    fn raw(&self) -> &[u8] {
        self
    }
    fn from_raw(bytes: Vec<u8>) -> Self {
        bytes
    }
}

impl Bytes for OsString {
    fn raw(&self) -> &[u8] {
        self.as_bytes()
    }
    fn from_raw(bytes: Vec<u8>) -> Self {
        OsString::from_vec(bytes)
    }
}

impl Bytes for PathBuf {
    fn raw(&self) -> &[u8] {
        Path::as_os_str(self).as_bytes()
    }
    fn from_raw(bytes: Vec<u8>) -> Self {
        PathBuf::from(OsString::from_vec(bytes))
    }
}

pub(crate) fn serialize<T: Bytes, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&to_text(value.raw()))
}

pub(crate) fn deserialize<'de, T: Bytes, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    let text = String::deserialize(d)?;
    from_text(&text).map(T::from_raw).ok_or_else(|| D::Error::custom("not a byte string"))
}

#[derive(Serialize, Deserialize)]
struct Wrapped<T: Bytes>(#[serde(with = "self")] T);

/// The same for `Vec<T>`.
pub(crate) mod list {
    use super::*;

    pub(crate) fn serialize<T: Bytes, S: Serializer>(
        values: &[T],
        s: S,
    ) -> Result<S::Ok, S::Error> {
        s.collect_seq(values.iter().map(|value| to_text(value.raw())))
    }

    pub(crate) fn deserialize<'de, T: Bytes, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Vec<T>, D::Error> {
        Ok(Vec::<Wrapped<T>>::deserialize(d)?.into_iter().map(|w| w.0).collect())
    }
}

/// The same for `Option<T>`.
pub(crate) mod option {
    use super::*;

    pub(crate) fn serialize<T: Bytes, S: Serializer>(
        value: &Option<T>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => s.serialize_some(&to_text(value.raw())),
            None => s.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T: Bytes, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<T>, D::Error> {
        Ok(Option::<Wrapped<T>>::deserialize(d)?.map(|w| w.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Sample {
        #[serde(with = "super")]
        path: PathBuf,
        #[serde(with = "super::list")]
        args: Vec<OsString>,
        #[serde(with = "super::option")]
        content: Option<Vec<u8>>,
    }

    #[test]
    fn any_bytes_survive_json() {
        let sample = Sample {
            path: PathBuf::from_raw((1..=255).collect()),
            args: vec![OsString::from("a\"b"), OsString::from_vec(vec![0xff, 0xfe])],
            content: Some((0..=255).collect()),
        };
        let text = serde_json::to_string(&sample).unwrap();
        assert_eq!(serde_json::from_str::<Sample>(&text).unwrap(), sample);
    }
}
