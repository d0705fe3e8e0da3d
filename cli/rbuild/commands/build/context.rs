//! The build context and the Dockerfile: which files the arguments mean.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use builder::fetch::url::{is_url, redacted};
use builder::fetch::{Fetched, Streamed};
use builder::request::{ContextSource, SourceText};
use cli::report::Report;

use super::fetch::Fetcher;
use super::git;
use crate::args::BuildArgs;

/// What a build reads its files from.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) context: ContextSource,
    pub(super) dockerfile: SourceText,
    pub(super) dockerignore: Option<SourceText>,
}

const STDIN: &str = "-";

pub(super) fn read(args: &BuildArgs, fetcher: &Fetcher<'_>) -> Result<Inputs> {
    if args.context.as_os_str() == STDIN {
        return from_stdin(args, fetcher);
    }
    let text = args.context.to_string_lossy();
    if let Some(git) = git::repository(&text)? {
        return of_fetched(args, fetcher.repository(&git, keeps_git_dir(args))?, fetcher);
    }
    if is_url(&text) {
        let origin = format!("`{}`", redacted(&text));
        return of_stream(args, args.file.is_some(), fetcher.url(&text)?, &origin, fetcher);
    }
    if let Some(fetched) = fetcher.archive(&args.context)? {
        return of_fetched(args, fetched, fetcher);
    }
    of_directory(args, directory(&args.context)?, fetcher)
}

/// BuildKit's build argument for contexts that are repositories.
fn keeps_git_dir(args: &BuildArgs) -> bool {
    let given = args.build_args.iter().rev().filter_map(|arg| arg.split_once('='));
    let mut values = given.filter(|(name, _)| *name == "BUILDKIT_CONTEXT_KEEP_GIT_DIR");
    values
        .next()
        .is_some_and(|(_, value)| matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True"))
}

fn of_directory(args: &BuildArgs, context: PathBuf, fetcher: &Fetcher<'_>) -> Result<Inputs> {
    let path = match &args.file {
        Some(path) if path.as_os_str() == STDIN => {
            let dockerfile = unnamed(on_stdin(fetcher)?);
            let dockerignore = read_if_present(&context.join(".dockerignore"), ".dockerignore")?;
            return Ok(Inputs { context: ContextSource::Dir(context), dockerfile, dockerignore });
        }
        Some(path) => path.clone(),
        None => default_dockerfile(&context),
    };
    let text = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let dockerfile = SourceText { name: file_name(&path), text };
    let dockerignore = dockerignore(&path, &context)?;
    Ok(Inputs { context: ContextSource::Dir(context), dockerfile, dockerignore })
}

fn on_stdin(fetcher: &Fetcher<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = fetcher.stdin().read_to_end(&mut bytes);
    read.context("cannot read the Dockerfile from stdin")?;
    Ok(bytes)
}

/// Everything is read from the archive or repository, but a Dockerfile on stdin.
fn of_fetched(args: &BuildArgs, fetched: Fetched, fetcher: &Fetcher<'_>) -> Result<Inputs> {
    let dockerfile = match &args.file {
        Some(path) if path.as_os_str() == STDIN => unnamed(on_stdin(fetcher)?),
        asked => {
            let path = asked.as_deref().unwrap_or(Path::new("Dockerfile"));
            let mut text = fetched.read(path)?;
            if text.is_none() && asked.is_none() {
                text = fetched.read(Path::new("dockerfile"))?;
            }
            let text = text.with_context(|| {
                format!("there is no `{}` in {}", path.display(), fetched.origin())
            })?;
            SourceText { name: file_name(path), text }
        }
    };
    if fetched.read(Path::new(".dockerignore"))?.is_some() {
        let origin = fetched.origin();
        Report::warning(format!("the .dockerignore in {origin} is not applied, as in BuildKit"))
            .print();
    }
    Ok(Inputs { context: ContextSource::Fetched(fetched), dockerfile, dockerignore: None })
}

/// A Dockerfile that came without a name.
fn unnamed(text: Vec<u8>) -> SourceText {
    SourceText { name: "Dockerfile".to_owned(), text }
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "Dockerfile".to_owned())
}

fn directory(path: &Path) -> Result<PathBuf> {
    let text = path.to_string_lossy();
    let metadata =
        fs::metadata(path).with_context(|| format!("cannot read the build context `{text}`"))?;
    if !metadata.is_dir() {
        bail!("the build context `{text}` is neither a directory nor a tar archive");
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
    match read_if_present(own, &file_name(own))? {
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

/// `rbuild build -`: a context as an archive, or a Dockerfile, which builds without any files.
fn from_stdin(args: &BuildArgs, fetcher: &Fetcher<'_>) -> Result<Inputs> {
    let streamed = fetcher.stream()?;
    let asks_stdin = args.file.as_ref().is_some_and(|file| file.as_os_str() == STDIN);
    if asks_stdin && matches!(streamed, Streamed::Archive(_)) {
        bail!("stdin cannot be both the build context and the Dockerfile");
    }
    // A Dockerfile that is stdin may be named so.
    let named = args.file.is_some() && !asks_stdin;
    of_stream(args, named, (streamed, None), "stdin", fetcher)
}

/// A Dockerfile alone is built without any files.
fn of_stream(
    args: &BuildArgs,
    named: bool,
    (streamed, time): (Streamed, Option<i64>),
    origin: &str,
    fetcher: &Fetcher<'_>,
) -> Result<Inputs> {
    match streamed {
        Streamed::Archive(fetched) => of_fetched(args, fetched, fetcher),
        Streamed::Text(_) if named => {
            bail!("`--file` names a file of the build context, but {origin} is a Dockerfile")
        }
        Streamed::Text(text) => Ok(Inputs {
            context: ContextSource::Empty { time },
            dockerfile: unnamed(text),
            dockerignore: None,
        }),
    }
}
