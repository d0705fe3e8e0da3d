//! `--volume [SOURCE:]TARGET[:OPTIONS]`: a directory of this machine, or a volume.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine::MountRequest;
use engine::values::target;
use engine::volumes::{NewVolume, VolumeMount, check_name};
use runtime::{BindOptions, Mount, MountSource, Propagation, PropagationKind};

use super::source;

pub(super) fn parse(text: &str) -> Result<MountRequest> {
    volume(text).with_context(|| format!("`--volume {text}`"))
}

fn volume(text: &str) -> Result<MountRequest> {
    let parts: Vec<&str> = text.split(':').collect();
    let (from, to, options) = match parts.as_slice() {
        [to] => return Ok(MountRequest::Volume(VolumeMount::at(target(to)?))),
        [_, options] if is_options(options) => {
            bail!("options need a source: SOURCE:TARGET:OPTIONS")
        }
        [from, to] => (*from, *to, ""),
        [from, to, options] => (*from, *to, *options),
        _ => bail!("expected [SOURCE:]TARGET[:OPTIONS]"),
    };
    if from.is_empty() {
        bail!("the source is empty");
    }
    let target = target(to)?;
    if !from.starts_with(['/', '.', '~']) {
        return Ok(MountRequest::Volume(named(from, target, options)?));
    }
    let (read_only, options) = bind_options(options)?;
    let source = MountSource::Path { source: source(from)?, subpath: None, options };
    Ok(MountRequest::Mount { mount: Mount { target, source, read_only }, create: true })
}

fn named(name: &str, target: PathBuf, options: &str) -> Result<VolumeMount> {
    check_name(name)
        .with_context(|| format!("a path begins with `/` or `./`, and `{name}` is neither"))?;
    let mut mount =
        VolumeMount { volume: NewVolume::named(name), anonymous: false, ..VolumeMount::at(target) };
    let mut rest = Vec::new();
    for option in options.split(',') {
        match option {
            "nocopy" => mount.copy = false,
            other => rest.push(other),
        }
    }
    let (read_only, options) = bind_options(&rest.join(","))?;
    if options.propagation != Propagation::default() {
        bail!("propagation is for directories of this machine, not for volumes");
    }
    mount.read_only = read_only;
    Ok(mount)
}

fn is_options(text: &str) -> bool {
    !text.starts_with('/') && bind_options(&text.replace("nocopy", "rw")).is_ok()
}

fn bind_options(text: &str) -> Result<(bool, BindOptions)> {
    let mut read_only = None;
    let mut options = BindOptions::default();
    let mut propagation = None;
    for option in text.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" | "rw" if read_only.is_none() => read_only = Some(option == "ro"),
            "ro" | "rw" => bail!("`ro` or `rw` is given twice"),
            "z" | "Z" => labels_are_off(option)?,
            // Of docker for Mac; without effect there too by now.
            "consistent" | "cached" | "delegated" => {}
            "nocopy" => bail!("`nocopy` is for volumes, not for directories of this machine"),
            other => match self::propagation(other) {
                Some(kind) if propagation.is_none() => propagation = Some(kind),
                Some(_) => bail!("more than one kind of propagation is given"),
                None => bail!(
                    "the option `{other}` is not known; known are ro, rw, z, Z, and [r]private, [r]slave, [r]shared"
                ),
            },
        }
    }
    options.propagation = propagation.unwrap_or_default();
    Ok((read_only.unwrap_or(false), options))
}

pub(super) fn propagation(text: &str) -> Option<Propagation> {
    let (recursive, text) = match text.strip_prefix('r') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let kind = match text {
        "private" => PropagationKind::Private,
        "slave" => PropagationKind::Slave,
        "shared" => PropagationKind::Shared,
        _ => return None,
    };
    Some(Propagation { kind, recursive })
}

/// Relabelling means something only with SELinux; without it docker does nothing either.
fn labels_are_off(option: &str) -> Result<()> {
    if Path::new("/sys/fs/selinux/enforce").exists() {
        bail!("`{option}`: files cannot be given SELinux labels yet");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, bool, PropagationKind) {
        let MountRequest::Mount { mount, create } = parse(text).unwrap() else { panic!("{text}") };
        assert!(create);
        let MountSource::Path { source, options, .. } = mount.source else { panic!("{text}") };
        let shown = format!("{} {}", source.display(), mount.target.display());
        (shown, mount.read_only, options.propagation.kind)
    }

    #[test]
    fn directories_are_bound() {
        use PropagationKind::{Private, Shared, Slave};
        for (text, shown, read_only, kind) in [
            ("/a:/b", "/a /b", false, Private),
            ("/a:/b/:ro", "/a /b", true, Private),
            ("/a:/b:rw,z", "/a /b", false, Private),
            ("/a:/b:ro,rslave", "/a /b", true, Slave),
            ("/a:/b:shared", "/a /b", false, Shared),
            ("/a:/b:", "/a /b", false, Private),
        ] {
            assert_eq!(parts(text), (shown.to_owned(), read_only, kind), "{text}");
        }
        let here = std::env::current_dir().unwrap();
        assert!(parts("./x:/b").0.starts_with(here.to_str().unwrap()));
    }

    #[test]
    fn names_are_those_of_volumes() {
        let volume = |text: &str| match parse(text).unwrap() {
            MountRequest::Volume(volume) => volume,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(volume("/data"), VolumeMount::at("/data"));
        let named = volume("db:/data:ro,nocopy,z");
        assert_eq!(named.volume, NewVolume::named("db"));
        assert!(named.read_only && !named.copy && !named.anonymous);
        assert!(volume("db:/data").copy);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("", "absolute"),
            ("a b:/x", "`a b` cannot name a volume"),
            ("data:/x:rslave", "propagation is for directories"),
            ("/data:nocopy", "options need a source"),
            (":/x", "source is empty"),
            ("/a:x", "the target `x` is not an absolute path"),
            ("/a:/", "cannot be `/`"),
            ("/a:ro", "options need a source"),
            ("/a:/b:ro:z", "expected"),
            ("/a:/b:quick", "the option `quick` is not known"),
            ("/a:/b:ro,rw", "twice"),
            ("/a:/b:shared,slave", "more than one"),
            ("/a:/b:nocopy", "`nocopy` is for volumes"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
