//! `--volume SOURCE:TARGET[:OPTIONS]`

use std::path::Path;

use anyhow::{Context, Result, bail};
use runtime::Mount;

pub(super) fn parse(text: &str) -> Result<Mount> {
    mount(text).with_context(|| format!("`--volume {text}`"))
}

fn mount(text: &str) -> Result<Mount> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [source, target] => (*source, *target, ""),
        [source, target, options] => (*source, *target, *options),
        _ => bail!("expected SOURCE:TARGET[:ro]"),
    };
    if !source.starts_with(['/', '.']) {
        bail!("named volumes are not supported yet; give a path beginning with `/` or `./`");
    }
    if !target.starts_with('/') {
        bail!("the target `{target}` is not an absolute path");
    }
    let read_only = match options {
        "" | "rw" => false,
        "ro" => true,
        other => bail!("the option `{other}` is not supported; known are ro and rw"),
    };
    let source =
        Path::new(source).canonicalize().with_context(|| format!("cannot find `{source}`"))?;
    Ok(Mount::bind(source, target, read_only))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_bound() {
        let mount = parse("/:/host:ro").unwrap();
        assert!(mount.read_only);
        assert_eq!(mount.target, Path::new("/host"));
        for wrong in ["/x", "data:/x", "/:x", "/:/x:shared", "/nonexistent:/x", "/:/a:ro:z"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
