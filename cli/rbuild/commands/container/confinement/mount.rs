//! `--mount type=…,source=…,target=…`

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use engine::MountRequest;
use engine::values::{target, tmpfs};
use runtime::{BindOptions, Mount, MountSource, PropagationKind, Submounts, Tmpfs};

use super::{source, volume};
use crate::commands::settings;

/// What was written, before it is known what goes together.
#[derive(Default)]
struct Fields {
    kind: Option<String>,
    source: Option<String>,
    target: Option<String>,
    read_only: bool,
    propagation: Option<String>,
    recursive: Option<String>,
    size: Option<u64>,
    mode: Option<u32>,
}

pub(super) fn parse(text: &str) -> Result<MountRequest> {
    let fields = fields(text).with_context(|| format!("`--mount {text}`"))?;
    fields.resolve().with_context(|| format!("`--mount {text}`"))
}

fn fields(text: &str) -> Result<Fields> {
    let mut fields = Fields::default();
    for field in split(text)? {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.to_lowercase(), Some(value.to_owned())),
            None => (field.to_lowercase(), None),
        };
        let needed = || value.clone().with_context(|| format!("`{key}` needs a value"));
        match key.as_str() {
            "type" => fields.kind = Some(needed()?.to_lowercase()),
            "source" | "src" => fields.source = Some(needed()?),
            "target" | "dst" | "destination" => fields.target = Some(needed()?),
            "readonly" | "ro" => fields.read_only = switch(&key, value.as_deref())?,
            "bind-propagation" => fields.propagation = Some(needed()?),
            "bind-recursive" => fields.recursive = Some(needed()?),
            "bind-nonrecursive" => {
                let left = switch(&key, value.as_deref())?;
                fields.recursive = Some(if left { "disabled" } else { "enabled" }.to_owned());
            }
            // Of docker for Mac; without effect there too by now.
            "consistency" => drop(needed()?),
            "tmpfs-size" => fields.size = Some(settings::bytes(&needed()?)?),
            "tmpfs-mode" => {
                let text = needed()?;
                fields.mode = Some(tmpfs::mode(&text)?);
            }
            _ if key.starts_with("volume-") => bail!("`{key}`: volumes are not supported yet"),
            _ => bail!("`{key}` is not known for mounts"),
        }
    }
    Ok(fields)
}

/// Commas separate; a field in double quotes may hold them, and `""` is a quote in it.
fn split(text: &str) -> Result<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = fields.len() - 1;
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                fields[last].push('"');
            }
            '"' if quoted => quoted = false,
            '"' if fields[last].is_empty() => quoted = true,
            ',' if !quoted => fields.push(String::new()),
            letter => fields[last].push(letter),
        }
    }
    if quoted {
        bail!("a quote is not closed");
    }
    Ok(fields)
}

fn switch(key: &str, value: Option<&str>) -> Result<bool> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => bail!("`{key}={other}`: write `true` or `false`"),
    }
}

impl Fields {
    fn resolve(self) -> Result<MountRequest> {
        let target = target(self.target.as_deref().context("it needs a target")?)?;
        let kind = self.kind.as_deref().unwrap_or("volume");
        self.check_keys(kind)?;
        let (source, read_only) = match kind {
            "bind" => (self.bind()?, self.read_only),
            "tmpfs" => (self.tmpfs()?, self.read_only),
            "volume" if self.source.is_none() => (MountSource::Own, self.read_only),
            "volume" => {
                bail!("named volumes are not supported yet; use `type=bind` with a path")
            }
            "image" | "npipe" | "cluster" => bail!("mounts of type `{kind}` are not supported"),
            other => bail!("`{other}` is no type of mount; known are bind, tmpfs and volume"),
        };
        Ok(MountRequest { mount: Mount { target, source, read_only }, create: false })
    }

    fn check_keys(&self, kind: &str) -> Result<()> {
        let of_bind = self.propagation.is_some() || self.recursive.is_some();
        let of_tmpfs = self.size.is_some() || self.mode.is_some();
        if of_bind && kind != "bind" {
            bail!("`bind-…` is for mounts of type `bind`, this one is `{kind}`");
        }
        if of_tmpfs && kind != "tmpfs" {
            bail!("`tmpfs-…` is for mounts of type `tmpfs`, this one is `{kind}`");
        }
        Ok(())
    }

    fn bind(&self) -> Result<MountSource> {
        let from = self.source.as_deref().filter(|text| !text.is_empty());
        let from = from.context("it needs a source")?;
        if !from.starts_with(['/', '.']) {
            bail!("the source `{from}` must be absolute, or begin with `./`");
        }
        let mut options = BindOptions::default();
        if let Some(text) = &self.propagation {
            options.propagation = volume::propagation(text).with_context(|| {
                format!("`bind-propagation={text}`: known are [r]private, [r]slave and [r]shared")
            })?;
        }
        options.submounts = match self.recursive.as_deref() {
            None | Some("enabled" | "true" | "1") => Submounts::Included,
            Some("disabled" | "false" | "0") => Submounts::Left,
            Some("writable") => Submounts::IncludedWritable,
            Some("readonly") => self.strictly_read_only(options)?,
            Some(other) => bail!(
                "`bind-recursive={other}`: known are enabled, disabled, writable and readonly"
            ),
        };
        let source: PathBuf = source(from)?;
        Ok(MountSource::Path { source, subpath: None, options })
    }

    fn strictly_read_only(&self, options: BindOptions) -> Result<Submounts> {
        let private = options.propagation.kind == PropagationKind::Private;
        if !self.read_only || !private {
            bail!("`bind-recursive=readonly` needs `readonly` and `bind-propagation=rprivate`");
        }
        Ok(Submounts::Included)
    }

    fn tmpfs(&self) -> Result<MountSource> {
        if self.source.is_some() {
            bail!("a tmpfs has no source");
        }
        let forbidden = tmpfs::FORBIDDEN;
        let tmpfs = Tmpfs { size: self.size, mode: self.mode, forbidden, ..Tmpfs::default() };
        Ok(MountSource::Tmpfs(tmpfs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_and_tmpfs_have_their_options() {
        let wanted = parse("type=bind,src=/a,dst=/b,ro,bind-propagation=rslave").unwrap();
        assert!(wanted.mount.read_only && !wanted.create);
        let MountSource::Path { source, options, .. } = wanted.mount.source else { panic!("bind") };
        assert_eq!(source, PathBuf::from("/a"));
        assert_eq!(options.propagation.kind, PropagationKind::Slave);
        let wanted = parse("type=bind,\"source=/a,b\",target=/b,bind-recursive=disabled").unwrap();
        let MountSource::Path { source, options, .. } = wanted.mount.source else { panic!("bind") };
        assert_eq!((source, options.submounts), (PathBuf::from("/a,b"), Submounts::Left));
        let wanted = parse("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=0700").unwrap();
        let MountSource::Tmpfs(tmpfs) = wanted.mount.source else { panic!("tmpfs") };
        assert_eq!((tmpfs.size, tmpfs.mode), (Some(1 << 20), Some(0o700)));
        assert_eq!(parse("target=/v").unwrap().mount.source, MountSource::Own);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("type=bind,source=/a", "needs a target"),
            ("type=bind,target=/b", "needs a source"),
            ("type=bind,source=a,target=/b", "must be absolute"),
            ("type=bind,source=/a,target=b", "not an absolute path"),
            ("source=data,target=/b", "named volumes"),
            ("type=image,source=x,target=/b", "type `image` are not supported"),
            ("type=disk,source=x,target=/b", "no type of mount"),
            ("type=bind,source=/a,target=/b,volume-nocopy", "`volume-nocopy`: volumes"),
            ("type=bind,source=/a,target=/b,quick", "`quick` is not known"),
            ("type=bind,source=/a,target=/b,tmpfs-size=1", "`tmpfs-…` is for"),
            ("type=tmpfs,target=/b,bind-propagation=shared", "`bind-…` is for"),
            ("type=tmpfs,source=/a,target=/b", "has no source"),
            ("type=tmpfs,target=/b,tmpfs-mode=9", "octal"),
            ("type=tmpfs,target=/b,tmpfs-size=x", "not a size"),
            ("type=bind,source=/a,target=/b,ro=maybe", "write `true` or `false`"),
            ("type=bind,source=/a,target=/b,bind-propagation=far", "known are [r]private"),
            ("type=bind,source=/a,target=/b,bind-recursive=readonly", "needs `readonly`"),
            ("type", "`type` needs a value"),
            ("\"type=bind", "not closed"),
        ] {
            let error = format!("{:#}", parse(text).expect_err(text));
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
