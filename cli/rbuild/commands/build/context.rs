//! The build context and the Dockerfile: which files the arguments mean.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use builder::request::{ContextSource, SourceText};

use crate::args::BuildArgs;
use crate::commands::dockerfile;

/// What a build reads its files from.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) context: ContextSource,
    pub(super) dockerfile: SourceText,
    pub(super) dockerignore: Option<SourceText>,
}

const STDIN: &str = "-";

pub(super) fn read(args: &BuildArgs) -> Result<Inputs> {
    if args.context.as_os_str() == STDIN {
        return from_stdin(args);
    }
    let context = directory(&args.context)?;
    let path = match &args.file {
        Some(path) if path.as_os_str() == STDIN => {
            let text = dockerfile::read(path)?;
            let dockerfile = SourceText { name: "Dockerfile".to_owned(), text };
            let dockerignore = read_if_present(&context.join(".dockerignore"), ".dockerignore")?;
            return Ok(Inputs { context: ContextSource::Dir(context), dockerfile, dockerignore });
        }
        Some(path) => path.clone(),
        None => default_dockerfile(&context),
    };
    let text = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let dockerfile = SourceText { name: name.unwrap_or_else(|| "Dockerfile".to_owned()), text };
    let dockerignore = dockerignore(&path, &context)?;
    Ok(Inputs { context: ContextSource::Dir(context), dockerfile, dockerignore })
}

fn directory(path: &Path) -> Result<PathBuf> {
    let text = path.to_string_lossy();
    let remote = ["http://", "https://", "git://", "git@", "ssh://", "github.com/"];
    if remote.iter().any(|prefix| text.starts_with(prefix)) {
        bail!("the build context `{text}` is remote, which is not supported; clone or download it");
    }
    let metadata =
        fs::metadata(path).with_context(|| format!("cannot read the build context `{text}`"))?;
    if !metadata.is_dir() {
        bail!("the build context `{text}` is not a directory");
    }
    Ok(path.to_owned())
}

/// `Dockerfile`, or `dockerfile` where only that exists.
fn default_dockerfile(context: &Path) -> PathBuf {
    let [usual, lower_case] = ["Dockerfile", "dockerfile"].map(|name| context.join(name));
    if !usual.exists() && lower_case.exists() { lower_case } else { usual }
}

/// The Dockerfile's own ignore file beside it, else the context's.
fn dockerignore(dockerfile: &Path, context: &Path) -> Result<Option<SourceText>> {
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(".dockerignore");
    let own = Path::new(&own);
    let name = own.file_name().unwrap_or_default().to_string_lossy();
    match read_if_present(own, &name)? {
        Some(found) => Ok(Some(found)),
        None => read_if_present(&context.join(".dockerignore"), ".dockerignore"),
    }
}

fn read_if_present(path: &Path, name: &str) -> Result<Option<SourceText>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(SourceText { name: name.to_owned(), text })),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err).with_context(|| format!("cannot read `{}`", path.display())),
    }
}

/// `rbuild build -`: a Dockerfile on stdin, which builds without any files.
fn from_stdin(args: &BuildArgs) -> Result<Inputs> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text).context("cannot read stdin")?;
    if is_archive(&text) {
        bail!(
            "a build context as an archive on stdin is not supported; unpack it and give the directory"
        );
    }
    if args.file.as_ref().is_some_and(|file| file.as_os_str() != STDIN) {
        bail!("`--file` names a file of the build context, but stdin is a Dockerfile");
    }
    let dockerfile = SourceText { name: "Dockerfile".to_owned(), text };
    Ok(Inputs { context: ContextSource::Empty, dockerfile, dockerignore: None })
}

/// Tar archives, plain or compressed, by their first bytes.
fn is_archive(bytes: &[u8]) -> bool {
    const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"];
    bytes.get(257..262) == Some(b"ustar") || COMPRESSED.iter().any(|magic| bytes.starts_with(magic))
}
