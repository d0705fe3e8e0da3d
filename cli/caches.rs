//! Where caches of builds come from and go to, as in `type=registry,ref=NAME`, `type=registry,ref=NAME,mode=max` and
//! `type=inline`: flags of `rbuild build`, attributes of compose files.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail};
use builder::request::{CacheExport, LayerCompression};
use store::Reference;

use crate::fields::{self, boolean};

/// Kinds of BuildKit's that are not here, with what to do instead.
const OTHERS: [(&str, &str); 4] = [
    ("local", "the store keeps the cache; `type=registry` takes it to other machines"),
    ("gha", "`type=registry` works with every registry"),
    ("s3", "`type=registry` works with every registry"),
    ("azblob", "`type=registry` works with every registry"),
];

/// `about`: the flag or attribute, for errors.
pub fn sources(specs: &[String], about: &str) -> Result<Vec<Reference>> {
    let source = |text: &String| source(text).with_context(|| format!("`{about} {text}`"));
    specs.iter().map(source).collect()
}

/// Where a cache goes.
#[derive(Debug, Default)]
pub struct Exports {
    pub registries: Vec<CacheExport>,
    /// Into the image itself.
    pub inline: bool,
}

/// `about`: the flag or attribute, for errors.
pub fn exports(specs: &[String], about: &str) -> Result<Exports> {
    let mut exports = Exports::default();
    for text in specs {
        match export(text).with_context(|| format!("`{about} {text}`"))? {
            Some(registry) => exports.registries.push(registry),
            None => exports.inline = true,
        }
    }
    Ok(exports)
}

/// Whether a cache goes into the image because a build argument says so, as before there was `--cache-to`.
pub fn are_asked_for_inline(build_args: &BTreeMap<String, String>) -> bool {
    let value = build_args.get("BUILDKIT_INLINE_CACHE");
    value
        .is_some_and(|value| fields::boolean("BUILDKIT_INLINE_CACHE", Some(value)).unwrap_or(false))
}

fn source(text: &str) -> Result<Reference> {
    let fields = fields::parse(text)?;
    // A name alone is short for a cache in a registry.
    if let [(name, None)] = fields.as_slice() {
        return Ok(name.parse()?);
    }
    if kind(&fields) == Some("inline") {
        bail!("an image with its cache in it is named as a cache is: `--cache-from IMAGE`");
    }
    let settings = Settings::of(fields)?;
    if settings.mode.is_some() || settings.ignore_error || settings.compression.is_some() {
        bail!("`mode`, `ignore-error` and `compression` belong to `--cache-to`");
    }
    settings.name()
}

/// None for one in the image itself.
fn export(text: &str) -> Result<Option<CacheExport>> {
    let fields = fields::parse(text)?;
    if kind(&fields) == Some("inline") {
        return inline(&fields).map(|()| None);
    }
    let settings = match fields.as_slice() {
        // As for `--cache-from`; the kinds are words, too.
        [(word, None)] => match refused(word) {
            Some(error) => return Err(error),
            None => Settings { name: Some(word.clone()), ..Settings::default() },
        },
        _ => Settings::of(fields)?,
    };
    let all = match settings.mode.as_deref() {
        None | Some("min") => false,
        Some("max") => true,
        Some(mode) => bail!("`mode={mode}`: expected `min` or `max`"),
    };
    let name = settings.name()?;
    if name.digest().is_some() {
        bail!("`{name}` has a digest: a cache is sent under a name");
    }
    let compression = compression(settings.compression.as_deref(), settings.level)?;
    Ok(Some(CacheExport { name, all, compression, ignore_error: settings.ignore_error }))
}

/// The layers are those of the image, as it is written; so there is nothing to say about them.
fn inline(fields: &[(String, Option<String>)]) -> Result<()> {
    for (name, value) in fields {
        match (name.as_str(), value.as_deref()) {
            ("type", _) | ("mode", Some("min")) => {}
            ("mode", Some("max")) => {
                bail!("an image has no layers of other stages: `mode=max` needs `type=registry`")
            }
            _ => bail!("`type=inline` has no setting `{name}`"),
        }
    }
    Ok(())
}

fn kind(fields: &[(String, Option<String>)]) -> Option<&str> {
    fields.iter().find(|(name, _)| name == "type")?.1.as_deref()
}

/// How the layers of an image or a cache are written.
pub fn compression(name: Option<&str>, level: Option<i32>) -> Result<LayerCompression> {
    match name.unwrap_or("gzip") {
        "gzip" => match level.map(u32::try_from).transpose() {
            Ok(level) if level.is_none_or(|level| level <= 9) => {
                Ok(LayerCompression::Gzip { level })
            }
            _ => bail!("gzip has levels 0 to 9"),
        },
        "zstd" if level.is_some_and(|level| !(1..=22).contains(&level)) => {
            bail!("zstd has levels 1 to 22")
        }
        "zstd" => Ok(LayerCompression::Zstd { level }),
        "uncompressed" if level.is_some() => bail!("what is not compressed has no level"),
        "uncompressed" => Ok(LayerCompression::Uncompressed),
        other => bail!("compression `{other}` is not supported; use gzip, zstd or uncompressed"),
    }
}

/// The settings as typed.
#[derive(Debug, Default)]
struct Settings {
    name: Option<String>,
    mode: Option<String>,
    compression: Option<String>,
    level: Option<i32>,
    ignore_error: bool,
}

/// A kind of cache that there is elsewhere.
fn refused(kind: &str) -> Option<anyhow::Error> {
    if kind == "inline" {
        return Some(anyhow!(
            "a word alone is the name of a cache; for one in the image give `type=inline`"
        ));
    }
    let (_, instead) = OTHERS.iter().find(|(other, _)| *other == kind)?;
    Some(anyhow!("`type={kind}` is not supported: {instead}"))
}

impl Settings {
    /// The kind first: what else is there belongs to it.
    fn of(mut fields: Vec<(String, Option<String>)>) -> Result<Settings> {
        let at = fields.iter().position(|(name, _)| name == "type");
        let (_, kind) = fields.remove(at.context("`type` is missing")?);
        let kind = kind.unwrap_or_default();
        if let Some(error) = refused(&kind) {
            return Err(error);
        }
        if kind != "registry" {
            bail!("unknown type `{kind}`; known are `registry` and, for `--cache-to`, `inline`");
        }
        let mut settings = Settings::default();
        for (name, value) in fields {
            settings.set(&name, value)?;
        }
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: Option<String>) -> Result<()> {
        match name {
            "ref" => self.name = value,
            "mode" => self.mode = value,
            "compression" => self.compression = value,
            "compression-level" => {
                let level = value.as_deref().unwrap_or_default().parse::<i32>();
                self.level = Some(level.context("`compression-level` needs a number")?);
            }
            "ignore-error" => self.ignore_error = boolean(name, value.as_deref())?,
            // What they ask for is what happens anyway.
            "oci-mediatypes" | "image-manifest" if boolean(name, value.as_deref())? => {}
            _ => bail!("the setting `{name}` is not supported"),
        }
        Ok(())
    }

    fn name(&self) -> Result<Reference> {
        Ok(self.name.as_deref().context("`ref` is missing")?.parse()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T: std::fmt::Debug>(result: Result<T>) -> String {
        format!("{:#}", result.unwrap_err())
    }

    #[test]
    fn caches_of_registries_are_understood() {
        let from = |text: &str| sources(&[text.to_owned()], "--cache-from");
        assert_eq!(from("a.example/c").unwrap(), from("type=registry,ref=a.example/c").unwrap());
        let to = |text: &str| {
            exports(&[text.to_owned()], "--cache-to").map(|exports| exports.registries[0].clone())
        };
        let export = to("type=registry,ref=a.example/c:x,mode=max,ignore-error=true").unwrap();
        assert_eq!(export.name.to_string(), "a.example/c:x");
        assert!(export.all && export.ignore_error);
        assert!(!to("a.example/c").unwrap().all);
    }

    #[test]
    fn a_cache_in_the_image_is_one_more() {
        let texts = ["type=registry,ref=a.example/c", "type=inline,mode=min"].map(str::to_owned);
        let exports = exports(&texts, "--cache-to").unwrap();
        assert_eq!((exports.registries.len(), exports.inline), (1, true));
    }

    #[test]
    fn other_caches_are_refused_by_name() {
        let from = |text: &str| told(sources(&[text.to_owned()], "--cache-from"));
        let to = |text: &str| told(exports(&[text.to_owned()], "--cache-to"));
        assert!(to("inline").contains("give `type=inline`"));
        assert!(to("type=inline,mode=max").contains("`mode=max` needs `type=registry`"));
        assert!(to("type=inline,ref=x").contains("`type=inline` has no setting `ref`"));
        assert!(from("type=inline,ref=x").contains("`--cache-from IMAGE`"));
        assert!(from("type=gha").contains("`type=gha` is not supported"));
        assert!(from("type=tape,ref=x").contains("unknown type `tape`"));
        assert!(from("type=registry").contains("`ref` is missing"));
        assert!(from("type=registry,ref=x,mode=max").contains("belong to `--cache-to`"));
        assert!(to("type=registry,ref=x,mode=all").contains("expected `min` or `max`"));
        assert!(to("type=registry,ref=x,speed=9").contains("`speed` is not supported"));
    }
}
