//! `--output type=oci,dest=image.tar`

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use builder::request::{Destination, ImageOutput, Output, PushOutput};
use cli::fields::{self, boolean};

use crate::args::FormArgs;

/// The settings as typed.
#[derive(Debug, Default)]
struct Settings {
    kind: Option<String>,
    dest: Option<String>,
    names: Vec<String>,
    tar: Option<bool>,
    compression: Option<String>,
    level: Option<i32>,
    force_compression: Option<bool>,
    rewrite_timestamp: Option<bool>,
    push: bool,
    by_digest: bool,
}

/// What an `--output` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Output(Output),
    /// No more than the image in the store, with these names besides those of `--tag`.
    Stored {
        names: Vec<String>,
        rewrite_timestamp: Option<bool>,
    },
}

pub(super) fn parse(text: &str, form: &FormArgs) -> Result<Asked> {
    resolve(settings(text)?, form).with_context(|| format!("`--output {text}`"))
}

fn settings(text: &str) -> Result<Settings> {
    let about = || format!("`--output {text}`");
    let fields = fields::parse(text).with_context(about)?;
    // `-o DIR` and `-o -` are short for a directory and a tar archive on stdout.
    if let [(dest, None)] = fields.as_slice() {
        let kind = if dest == "-" { "tar" } else { "local" };
        let (kind, dest) = (Some(kind.to_owned()), Some(dest.clone()));
        return Ok(Settings { kind, dest, ..Settings::default() });
    }
    let mut settings = Settings::default();
    for (name, value) in fields {
        set(&mut settings, &name, value).with_context(about)?;
    }
    Ok(settings)
}

fn set(settings: &mut Settings, name: &str, value: Option<String>) -> Result<()> {
    let flag = |value: Option<String>| boolean(name, value.as_deref());
    match name {
        "tar" => settings.tar = Some(flag(value)?),
        "rewrite-timestamp" => settings.rewrite_timestamp = Some(flag(value)?),
        // What they ask for is what happens anyway.
        "oci-mediatypes" | "unpack" | "store" if flag(value.clone())? => {}
        "force-compression" => settings.force_compression = Some(flag(value)?),
        "push" => settings.push = flag(value)?,
        "push-by-digest" => settings.by_digest = flag(value)?,
        "type" => settings.kind = value,
        "dest" => settings.dest = value,
        "name" => {
            settings.names = value.iter().flat_map(|v| v.split(',')).map(str::to_owned).collect()
        }
        "compression" => settings.compression = value,
        "compression-level" => {
            let level = value.as_deref().unwrap_or_default().parse::<i32>();
            settings.level = Some(level.context("`compression-level` needs a number")?);
        }
        _ => bail!("the setting `{name}` is not supported"),
    }
    Ok(())
}

fn resolve(settings: Settings, form: &FormArgs) -> Result<Asked> {
    let kind = settings.kind.clone().context("`type` is missing")?;
    if settings.push && !matches!(kind.as_str(), "image" | "registry") {
        bail!("`push` belongs to `type=image`");
    }
    if settings.by_digest && kind != "registry" && !settings.push {
        bail!("`push-by-digest` needs `type=image,push=true` or `type=registry`");
    }
    Ok(Asked::Output(match kind.as_str() {
        "oci" => Output::Oci(image(settings, form)?),
        // Without a destination docker loads the image; here it is in the store already.
        "docker" if settings.dest.is_none() => return stored(settings),
        "docker" => Output::Docker(image(settings, form)?),
        "image" if settings.push => pushed(settings, form)?,
        "image" => return stored(settings),
        "tar" => Output::Tar(files(settings)?),
        "local" => match files(settings)? {
            Destination::Path(path) => Output::Local(path),
            Destination::Stdout => bail!("a directory cannot go to stdout"),
        },
        "registry" => pushed(settings, form)?,
        _ => bail!("unknown type `{kind}`; known are oci, docker, tar, local, image, registry"),
    }))
}

/// `--push`
pub(super) fn registry(form: &FormArgs) -> Result<Output> {
    pushed(Settings::default(), form)
}

fn pushed(settings: Settings, form: &FormArgs) -> Result<Output> {
    if settings.dest.is_some() || settings.tar.is_some() {
        bail!("`dest` and `tar` belong to `type=oci` and `type=docker`");
    }
    for name in &settings.names {
        let reference: store::Reference = name.parse()?;
        if reference.digest().is_some() {
            bail!("`name={name}`: a name cannot have a digest before the image is built");
        }
        if settings.by_digest && is_tagged(name) {
            bail!("`name={name}` has a tag, but no tag leads to what is pushed by digest");
        }
    }
    Ok(Output::Push(PushOutput {
        names: settings.names,
        by_digest: settings.by_digest,
        compression: form.or(settings.compression.as_deref(), settings.level)?,
        force_compression: settings.force_compression.unwrap_or(form.force_compression),
        rewrite_timestamp: settings.rewrite_timestamp,
    }))
}

/// A tag that is only the usual one is none.
pub(super) fn is_tagged(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|last| last.contains(':'))
}

fn stored(settings: Settings) -> Result<Asked> {
    // The store keeps layers as they are quickest to use; archives have them compressed as they are asked for.
    settings.refuse_form("the store's own form")?;
    if settings.dest.is_some() {
        bail!("`dest` belongs to `type=oci` and `type=docker`");
    }
    let Settings { names, rewrite_timestamp, .. } = settings;
    Ok(Asked::Stored { names, rewrite_timestamp })
}

/// The files of the image, without what makes them an image.
fn files(settings: Settings) -> Result<Destination> {
    settings.refuse_form("files, not an image")?;
    if settings.rewrite_timestamp.is_some() || !settings.names.is_empty() {
        bail!("`rewrite-timestamp` and `name` belong to the types `oci`, `docker` and `image`");
    }
    destination(settings.dest)
}

impl Settings {
    /// What says how an archive of an image is made.
    fn refuse_form(&self, made: &str) -> Result<()> {
        let given = [
            ("compression", self.compression.is_some()),
            ("compression-level", self.level.is_some()),
            ("force-compression", self.force_compression == Some(true)),
            ("tar", self.tar.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((name, _)) => bail!("`{name}` has no meaning here: what is made is {made}"),
            None => Ok(()),
        }
    }
}

fn image(settings: Settings, form: &FormArgs) -> Result<ImageOutput> {
    let as_directory = settings.tar == Some(false);
    let dest = destination(settings.dest)?;
    if as_directory && dest == Destination::Stdout {
        bail!("`tar=false` needs a directory as `dest`");
    }
    Ok(ImageOutput {
        dest,
        as_directory,
        names: settings.names,
        compression: form.or(settings.compression.as_deref(), settings.level)?,
        force_compression: settings.force_compression.unwrap_or(form.force_compression),
        rewrite_timestamp: settings.rewrite_timestamp,
    })
}

/// Without `dest` the output goes to stdout, but never to a terminal.
fn destination(dest: Option<String>) -> Result<Destination> {
    match dest.as_deref() {
        None | Some("-") if io::stdout().is_terminal() => {
            bail!("refusing to write an archive to a terminal: give `dest=FILE`")
        }
        None | Some("-") => Ok(Destination::Stdout),
        Some("") => bail!("`dest` is empty"),
        Some(path) => Ok(Destination::Path(PathBuf::from(path))),
    }
}

#[cfg(test)]
mod tests {
    use builder::request::LayerCompression;

    use super::*;

    fn parse(text: &str) -> Result<Asked> {
        super::parse(text, &FormArgs::default())
    }

    fn registry() -> Output {
        super::registry(&FormArgs::default()).unwrap()
    }

    #[test]
    fn what_an_output_says_of_itself_counts_before_what_is_said_of_all() {
        let zstd = |level| LayerCompression::Zstd { level };
        let gzip = |level| LayerCompression::Gzip { level };
        for (form, level, own, expected, forced) in [
            (Some("zstd"), Some(7), "", zstd(Some(7)), true),
            (Some("zstd"), Some(7), ",compression-level=3", zstd(Some(3)), true),
            (Some("zstd"), Some(7), ",compression=gzip", gzip(None), true),
            (Some("uncompressed"), None, "", LayerCompression::Uncompressed, true),
            (None, Some(9), "", gzip(Some(9)), true),
            (None, None, "", gzip(None), true),
            (None, None, ",force-compression=false", gzip(None), false),
        ] {
            let compression = form.map(str::to_owned);
            let form = FormArgs { compression, compression_level: level, force_compression: true };
            let text = format!("type=oci,dest=x{own}");
            let Asked::Output(Output::Oci(image)) = super::parse(&text, &form).unwrap() else {
                panic!("an OCI archive")
            };
            assert_eq!(image.compression, expected, "{text} {form:?}");
            assert_eq!(image.force_compression, forced, "{text} {form:?}");
        }
        let form = FormArgs { compression_level: Some(10), ..FormArgs::default() };
        assert!(super::parse("type=oci,dest=x", &form).is_err());
        assert!(super::registry(&form).is_err());
    }

    #[test]
    fn the_forms_of_docker_are_understood() {
        let stored = |rewrite_timestamp| Asked::Stored { names: Vec::new(), rewrite_timestamp };
        assert_eq!(parse("out").unwrap(), Asked::Output(Output::Local("out".into())));
        assert_eq!(parse("type=image").unwrap(), stored(None));
        let named = Asked::Stored { names: vec!["a".into(), "b".into()], rewrite_timestamp: None };
        assert_eq!(parse("type=image,\"name=a,b\"").unwrap(), named);
        assert_eq!(parse("type=docker,rewrite-timestamp=false").unwrap(), stored(Some(false)));
        let Asked::Output(Output::Oci(image)) =
            parse("type=oci,dest=a.tar,compression=zstd,compression-level=7").unwrap()
        else {
            panic!("an OCI archive")
        };
        assert_eq!(image.dest, Destination::Path("a.tar".into()));
        assert_eq!(image.compression, LayerCompression::Zstd { level: Some(7) });
    }

    #[test]
    fn what_is_pushed() {
        assert_eq!(parse("type=registry").unwrap(), Asked::Output(registry()));
        assert_eq!(parse("type=image,push=true").unwrap(), Asked::Output(registry()));
        let Asked::Output(Output::Push(push)) =
            parse("type=registry,\"name=a,b:1\",compression=zstd").unwrap()
        else {
            panic!("pushed")
        };
        assert_eq!(push.names, ["a", "b:1"]);
        assert_eq!(push.compression, LayerCompression::Zstd { level: None });
        for text in ["type=registry,dest=x", "type=oci,dest=x,push=true", "type=registry,name=A"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let text = "type=image,push-by-digest=true,name=r.example:5000/app,push=true";
        let Asked::Output(Output::Push(push)) = parse(text).unwrap() else { panic!("pushed") };
        assert!(push.by_digest);
        let tagged = text.replace("/app", "/app:1");
        for text in [&tagged, "type=image,push-by-digest=true", "type=oci,push-by-digest=true"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        for text in [
            "type=oci,dest=x,annotation.a=b",
            "type=oci,dest=x,push=true",
            "type=oci,dest=x,compression=estargz",
            "type=oci,dest=x,compression-level=10",
            "type=oci,tar=false,dest=-",
            "type=local,dest=x,rewrite-timestamp=true",
            "type=oci,dest=",
            "type=image,compression=zstd",
            "type=image,dest=x",
            "type=docker,tar=false",
            "type=tar,dest=x,name=a",
            "type=local,dest=x,force-compression=true",
            "dest=x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
