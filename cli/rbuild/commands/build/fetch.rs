//! Getting what the arguments name and what is not a directory. The store, whose temporary files it
//! becomes, is opened when the first such thing is met: a check of a directory needs none.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result};
use builder::Cancel;
use builder::fetch::url::redacted;
use builder::fetch::{self, Access, Fetched, Http};
use cli::environment::Environment;
use store::Store;

use super::{http, secret};

/// As much as tells an archive from a text.
const START: u64 = 4096;

pub(super) struct Fetcher<'a> {
    store: OnceCell<Store>,
    environment: &'a Environment,
    /// `--secret` as typed: some are for servers.
    secrets: &'a [String],
}

/// Something read from a stream.
pub(super) enum Streamed {
    Archive(Fetched),
    Text(Vec<u8>),
}

impl<'a> Fetcher<'a> {
    /// `store` is the one that is open, if one is.
    pub(super) fn new(
        store: Option<&Store>,
        secrets: &'a [String],
        environment: &'a Environment,
    ) -> Fetcher<'a> {
        let store = store.map_or_else(OnceCell::new, |store| OnceCell::from(store.clone()));
        Fetcher { store, environment, secrets }
    }

    fn store(&self) -> Result<&Store> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let locations = self.environment.locations();
        let store = Store::open(&locations.root, &locations.state)?;
        Ok(self.store.get_or_init(|| store))
    }

    /// An archive is unpacked as it comes, anything else is a text.
    pub(super) fn stream(&self, mut reader: impl Read + Send, origin: &str) -> Result<Streamed> {
        let about = || format!("cannot read {origin}");
        let mut start = Vec::new();
        reader.by_ref().take(START).read_to_end(&mut start).with_context(about)?;
        if fetch::looks_like_archive(&start) {
            let whole = Cursor::new(start).chain(reader);
            return Ok(Streamed::Archive(fetch::unpack(whole, origin, self.store()?)?));
        }
        reader.read_to_end(&mut start).with_context(about)?;
        Ok(Streamed::Text(start))
    }

    /// The archive at `path`, unpacked; none if it is a regular file of another kind or none at all.
    pub(super) fn archive(&self, path: &Path) -> Result<Option<Fetched>> {
        if !path.is_file() {
            return Ok(None);
        }
        let about = || format!("cannot read `{}`", path.display());
        let mut file = File::open(path).with_context(about)?;
        let mut start = Vec::new();
        file.by_ref().take(START).read_to_end(&mut start).with_context(about)?;
        if !fetch::looks_like_archive(&start) {
            return Ok(None);
        }
        let origin = format!("`{}`", path.display());
        let whole = Cursor::new(start).chain(file);
        Ok(Some(fetch::unpack(whole, &origin, self.store()?)?))
    }

    /// What is at a URL: an archive is unpacked, anything else is a text.
    pub(super) fn url(&self, url: &str) -> Result<Streamed> {
        let secrets = self.secrets.iter().map(|text| secret::parse(text, self.environment));
        let access = Access {
            http: &Http::new(&http::settings(self.environment)),
            secrets: &secrets.collect::<Result<Vec<_>>>()?,
            store: self.store()?,
            cancel: &Cancel::default(),
        };
        let download = fetch::download(url, &access)?;
        let file = File::open(&download.path).context("cannot open the download")?;
        self.stream(file, &format!("`{}`", redacted(url)))
    }
}
