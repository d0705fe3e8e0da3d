//! `--mount type=…,source=…,target=…`

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use engine::values::{target, tmpfs};
use engine::volumes::{NewVolume, VolumeMount, check_name};
use engine::{ImageMount, MountRequest};
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
    /// Of a volume or an image.
    subpath: Option<PathBuf>,
    no_copy: bool,
    labels: Vec<String>,
    options: Vec<String>,
    /// The first field that only volumes have.
    of_volume: Option<String>,
    of_image: bool,
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
            "volume-nocopy" => fields.no_copy = switch(&key, value.as_deref())?,
            "volume-label" => fields.labels.push(needed()?),
            "volume-opt" => fields.options.push(needed()?),
            "volume-driver" => crate::commands::volume::check_driver(&needed()?)?,
            "volume-subpath" => fields.subpath = Some(subpath(&needed()?)?),
            "image-subpath" => {
                fields.of_image = true;
                fields.subpath = Some(subpath(&needed()?)?);
            }
            _ => bail!("`{key}` is not known for mounts"),
        }
        if key.starts_with("volume-") {
            fields.of_volume.get_or_insert(key);
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

use crate::commands::volume::pairs as volume_pairs;

/// Below the volume: it cannot lead out of it.
fn subpath(text: &str) -> Result<PathBuf> {
    let path = PathBuf::from(text);
    let goes_up = path.components().any(|part| part == std::path::Component::ParentDir);
    if text.is_empty() || path.is_absolute() || goes_up {
        bail!("the path `{text}` must be relative and without `..`");
    }
    Ok(path)
}

impl Fields {
    fn resolve(self) -> Result<MountRequest> {
        let target = target(self.target.as_deref().context("it needs a target")?)?;
        let kind = self.kind.as_deref().unwrap_or("volume");
        self.check_keys(kind)?;
        let source = match kind {
            "bind" => self.bind()?,
            "tmpfs" => self.tmpfs()?,
            "volume" => return Ok(MountRequest::Volume(self.volume(target)?)),
            "image" => return Ok(MountRequest::Image(self.image(target)?)),
            "npipe" | "cluster" => bail!("mounts of type `{kind}` are not supported"),
            other => {
                bail!("`{other}` is no type of mount; known are bind, image, tmpfs and volume")
            }
        };
        let mount = Mount { target, source, read_only: self.read_only };
        Ok(MountRequest::Mount { mount, create: false })
    }

    fn volume(self, target: PathBuf) -> Result<VolumeMount> {
        let name = self.source.filter(|name| !name.is_empty());
        if let Some(name) = &name {
            check_name(name).context("a path is for mounts of type `bind`")?;
        }
        Ok(VolumeMount {
            target,
            anonymous: name.is_none(),
            volume: NewVolume {
                name,
                labels: volume_pairs("label", &self.labels)?,
                options: volume_pairs("option", &self.options)?,
            },
            read_only: self.read_only,
            copy: !self.no_copy,
            subpath: self.subpath,
        })
    }

    fn image(self, target: PathBuf) -> Result<ImageMount> {
        let image = self.source.filter(|name| !name.is_empty()).context("it needs a source")?;
        Ok(ImageMount { target, image, subpath: self.subpath })
    }

    fn check_keys(&self, kind: &str) -> Result<()> {
        let of_bind = self.propagation.is_some() || self.recursive.is_some();
        let of_tmpfs = self.size.is_some() || self.mode.is_some();
        if let Some(key) = self.of_volume.as_deref().filter(|_| kind != "volume") {
            bail!("`{key}` is for mounts of type `volume`, this one is `{kind}`");
        }
        if self.of_image && kind != "image" {
            bail!("`image-subpath` is for mounts of type `image`, this one is `{kind}`");
        }
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
        let mount = |text: &str| match parse(text).unwrap() {
            MountRequest::Mount { mount, create: false } => mount,
            other => panic!("{text}: {other:?}"),
        };
        let bound = mount("type=bind,src=/a,dst=/b,ro,bind-propagation=rslave");
        assert!(bound.read_only);
        let MountSource::Path { source, options, .. } = bound.source else { panic!("bind") };
        assert_eq!(source, PathBuf::from("/a"));
        assert_eq!(options.propagation.kind, PropagationKind::Slave);
        let bound = mount("type=bind,\"source=/a,b\",target=/b,bind-recursive=disabled");
        let MountSource::Path { source, options, .. } = bound.source else { panic!("bind") };
        assert_eq!((source, options.submounts), (PathBuf::from("/a,b"), Submounts::Left));
        let tmpfs = mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=0700");
        let MountSource::Tmpfs(tmpfs) = tmpfs.source else { panic!("tmpfs") };
        assert_eq!((tmpfs.size, tmpfs.mode), (Some(1 << 20), Some(0o700)));
    }

    #[test]
    fn volumes_and_images_have_theirs() {
        assert_eq!(parse("target=/v").unwrap(), MountRequest::Volume(VolumeMount::at("/v")));
        let text = "type=volume,source=db,target=/v,ro,volume-nocopy,volume-subpath=a/b,volume-label=x=1,\
                    volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-driver=local";
        let MountRequest::Volume(volume) = parse(text).unwrap() else { panic!("volume") };
        assert!(volume.read_only && !volume.copy && !volume.anonymous);
        assert_eq!(volume.subpath.as_deref(), Some(std::path::Path::new("a/b")));
        assert_eq!(volume.volume.labels["x"], "1");
        assert_eq!(volume.volume.options["device"], "tmpfs");
        let text = "type=image,source=busybox,target=/i,image-subpath=bin";
        let MountRequest::Image(image) = parse(text).unwrap() else { panic!("image") };
        assert_eq!((image.image.as_str(), image.subpath), ("busybox", Some("bin".into())));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("type=bind,source=/a", "needs a target"),
            ("type=bind,target=/b", "needs a source"),
            ("type=bind,source=a,target=/b", "must be absolute"),
            ("type=bind,source=/a,target=b", "not an absolute path"),
            ("source=/data,target=/b", "a path is for mounts of type `bind`"),
            ("type=cluster,source=x,target=/b", "type `cluster` are not supported"),
            ("type=image,target=/b", "needs a source"),
            ("target=/b,volume-subpath=../x", "without `..`"),
            ("target=/b,volume-driver=nfs", "the volume driver `nfs`"),
            ("target=/b,image-subpath=x", "for mounts of type `image`"),
            ("type=disk,source=x,target=/b", "no type of mount"),
            (
                "type=bind,source=/a,target=/b,volume-nocopy",
                "`volume-nocopy` is for mounts of type",
            ),
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
