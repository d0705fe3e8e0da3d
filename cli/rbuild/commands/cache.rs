//! `rbuild cache`: what the build cache holds, and cache mounts by their IDs.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use builder::cache::{self, CacheEntry, CacheEntryKind, CacheMountOwner};
use cli::environment::Environment;
use cli::format::{self, ListFormat, Row, Shape, Table};
use cli::report::Report;
use cli::{Exit, output};

use super::{open_store, prune, times};
use crate::args::{CacheArgs, CacheCommand, CacheExportArgs, CacheImportArgs, CacheLsArgs};

pub(crate) fn run(args: &CacheArgs, environment: &Environment) -> Result<Exit> {
    match &args.command {
        CacheCommand::Ls(args) => list(args, environment),
        CacheCommand::Prune(args) if args.mounts.is_empty() => {
            prune::cache(&args.prune, environment)
        }
        CacheCommand::Prune(args) => prune::cache_mounts(args, environment),
        CacheCommand::Export(args) => export(args, environment),
        CacheCommand::Import(args) => import(args, environment),
    }
}

static TABLE: Table = Table::new(
    "an entry of the cache",
    &[
        ("Description", Shape::Text),
        ("ID", Shape::Text),
        ("InUse", Shape::Text),
        ("LastUsed", Shape::Text),
        ("Shared", Shape::Text),
        ("Size", Shape::Text),
        ("Type", Shape::Text),
    ],
    &["DESCRIPTION", "ID", "IN USE", "LAST USED", "SHARED", "SIZE", "TYPE"],
);

fn list(args: &CacheLsArgs, environment: &Environment) -> Result<Exit> {
    let default = r"table {{.ID}}\t{{.Type}}\t{{.Size}}\t{{.LastUsed}}\t{{.InUse}}\t{{.Shared}}\t{{.Description}}";
    let default = if args.quiet { "{{.ID}}" } else { default };
    let format = ListFormat::parse(args.format.as_deref(), default)?;
    let store = open_store(environment)?;
    let ids: HashMap<String, Option<String>> =
        cache::list_mounts(&store)?.into_iter().map(|mount| (mount.name, mount.id)).collect();
    let wanted = |entry: &CacheEntry| !args.mounts || entry.kind == CacheEntryKind::Mount;
    let entries = cache::entries(&store)?.into_iter().filter(wanted);
    let rows = entries.map(|entry| row(entry, &ids, args.no_trunc));
    output::write(&format.render(&TABLE, rows)?)?;
    Ok(Exit::Success)
}

fn row(entry: CacheEntry, ids: &HashMap<String, Option<String>>, no_trunc: bool) -> Row {
    let (kind, id, description) = match entry.kind {
        CacheEntryKind::Step if no_trunc => ("step", entry.id, entry.description),
        CacheEntryKind::Step => ("step", entry.id.chars().take(12).collect(), entry.description),
        CacheEntryKind::Repository => ("git", entry.id, entry.description),
        CacheEntryKind::Mount => {
            let known = ids.get(&entry.id).cloned().flatten();
            ("mount", entry.id, known.unwrap_or_else(|| "(unknown id)".to_owned()))
        }
    };
    let used = times::rfc3339(entry.last_used);
    format::row([
        ("Description", description),
        ("ID", id),
        ("InUse", entry.in_use.to_string()),
        ("LastUsed", times::since(Some(&used), SystemTime::now())),
        ("Shared", entry.shared.to_string()),
        ("Size", output::size(entry.bytes)),
        ("Type", kind.to_owned()),
    ])
}

fn export(args: &CacheExportArgs, environment: &Environment) -> Result<Exit> {
    let store = open_store(environment)?;
    let result = match args.output.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => {
            let about = || format!("cannot write `{}`", path.display());
            let mut file = store::archive::NewFile::create(path).with_context(about)?;
            match cache::export_mount(&store, &args.id, &mut file) {
                Ok(()) => {
                    file.finish().with_context(about)?;
                    Ok(())
                }
                failed => failed,
            }
        }
        None if io::stdout().is_terminal() => {
            bail!("refusing to write an archive to a terminal: give a file with `--output`")
        }
        None => cache::export_mount(&store, &args.id, &mut io::stdout().lock()),
    };
    finish(result)
}

fn import(args: &CacheImportArgs, environment: &Environment) -> Result<Exit> {
    let mode = args.mode.as_deref().map(|mode| u32::from_str_radix(mode, 8)).transpose();
    let mode = mode.context("`--mode` is an octal number")?;
    let owner = CacheMountOwner { uid: args.uid, gid: args.gid, mode };
    let reader: Box<dyn Read + Send> =
        match args.file.as_deref().filter(|path| *path != Path::new("-")) {
            Some(path) => {
                let about = || format!("cannot open `{}`", path.display());
                Box::new(File::open(path).with_context(about)?)
            }
            None if io::stdin().is_terminal() => {
                bail!("there is no archive: name a file, or give it on stdin")
            }
            None => Box::new(io::stdin()),
        };
    let store = open_store(environment)?;
    match cache::import_mount(&store, &args.id, owner, reader) {
        Ok(name) => {
            output::line(&name)?;
            Ok(Exit::Success)
        }
        Err(error) => finish(Err(error)),
    }
}

/// Errors with their hints.
pub(super) fn finish(result: Result<(), cache::CacheMountError>) -> Result<Exit> {
    match result {
        Ok(()) => {
            io::stdout().flush()?;
            Ok(Exit::Success)
        }
        Err(error) => {
            let report = Report::of(&error);
            match error.hint() {
                Some(hint) => report.hint(hint).print(),
                None => report.print(),
            }
            Ok(Exit::Failure)
        }
    }
}
