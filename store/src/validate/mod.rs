//! Checking a whole store by recomputing everything it claims.
//!
//! | part            | claim                                                                        |
//! |-----------------|------------------------------------------------------------------------------|
//! | blobs           | each has the digest that is its name                                         |
//! | images          | each entry leads to documents and layers of the stated sizes; diff IDs match |
//! | snapshots       | each record leads to a snapshot that contains what the layer index says      |
//! | merged snapshots | each is what its parts make of each other                                   |
//! | layer indexes   | each is what reading the layer gives                                         |
//! | forms           | each compressed form unpacks to its diff ID                                  |
//! | leases, temp    | everything unfinished has a living owner; named leases hold what exists      |
//!
//! Not to be told from what somebody did on purpose: an entry of the image list that lost both forms of its name, or that
//! of two which other programs do without; a file below `leases/` that is gone.
//!
//! Nothing is repaired here (see `repair`). A report of a store in use may name things that appear or vanish meanwhile.
mod images;
mod merged;
mod snapshots;

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::aside;
use crate::digest::{Digest, HashingReader};
use crate::error::{Result, StoreError, io_error, is_of_the_disk};
use crate::lease::{self, Held};
use crate::open::Store;
use crate::snapshot::SnapshotId;

/// Something a store claims that is not so.
#[derive(Debug)]
pub struct Problem {
    /// What it is about: a path in the store, or an image.
    pub object: String,
    pub kind: ProblemKind,
}

#[derive(Debug, thiserror::Error)]
pub enum ProblemKind {
    #[error("{0}")]
    Broken(Box<StoreError>),
    #[error("not a name that can be here")]
    StrayName,
    #[error("the content has digest {actual}")]
    Content { actual: Digest },
    #[error("{what} `{name}` is missing")]
    Missing { what: &'static str, name: String },
    #[error("two entries have this name")]
    DuplicateName,
    #[error("its owner is dead")]
    DeadOwner,
    #[error("the stored layer index is damaged or not that of the layer")]
    LayerIndex,
    #[error("`{path}` {problem}")]
    SnapshotContent { id: SnapshotId, path: String, problem: &'static str },
    #[error("the record is not readable")]
    Record,
    #[error("it is listed as `{listed}`, but is `{actual}`")]
    MediaType { listed: String, actual: String },
    #[error("other programs know it as `{familiar}`")]
    TwoNames { familiar: String },
    #[error("its name `{text}` is not a name")]
    Name { text: String },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.kind)?;
        if let ProblemKind::Broken(error) = &self.kind {
            let mut source = std::error::Error::source(&**error);
            while let Some(cause) = source {
                write!(f, ": {cause}")?;
                source = cause.source();
            }
        }
        Ok(())
    }
}

/// Problems found so far.
#[derive(Debug, Default)]
struct Report {
    problems: Vec<Problem>,
}

impl Store {
    /// Recomputes every digest and follows every reference. Empty means valid.
    pub fn validate(&self) -> Result<Vec<Problem>> {
        let mut report = Report::default();
        self.check_layout(&mut report)?;
        self.check_blobs(&mut report)?;
        self.check_images(&mut report)?;
        self.check_forms(&mut report)?;
        self.check_snapshots(&mut report)?;
        self.check_merged(&mut report)?;
        self.check_leases(&mut report)?;
        Ok(report.problems)
    }

    fn check_layout(&self, report: &mut Report) -> Result<()> {
        let path = self.sub("images/oci-layout");
        // What is not there is not readable either.
        let bytes = std::fs::read(&path).unwrap_or_default();
        let layout: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
        if layout.and_then(|l| l.get("imageLayoutVersion").cloned()) != Some("1.0.0".into()) {
            report.add("images/oci-layout", ProblemKind::Record);
        }
        Ok(())
    }

    fn check_blobs(&self, report: &mut Report) -> Result<()> {
        const DIR: &str = "images/blobs/sha256";
        for name in self.file_names(DIR)? {
            let object = format!("{DIR}/{name}");
            let Ok(expected) = Digest::from_hex(&name) else {
                report.add(object, ProblemKind::StrayName);
                continue;
            };
            let path = self.sub(&object);
            match digest_of(&path) {
                Ok(actual) if actual == expected => {}
                Ok(actual) => report.add(object, ProblemKind::Content { actual }),
                // It may have been collected since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let of_the_disk = is_of_the_disk(&error);
                    let error = io_error("read the blob", &path)(error);
                    if !of_the_disk {
                        return Err(error);
                    }
                    report.add(object, ProblemKind::Broken(Box::new(error)));
                }
            }
        }
        Ok(())
    }

    fn check_leases(&self, report: &mut Report) -> Result<()> {
        for name in lease::kept_names(&self.sub("leases"))? {
            let held = match self.lease_of(&name) {
                Ok(held) => held,
                Err(error) => {
                    report.add(format!("lease {name}"), ProblemKind::Broken(Box::new(error)));
                    continue;
                }
            };
            for held in held {
                let missing = match &held {
                    Held::Blob(digest) if !self.has_blob(digest) => ("blob", digest.to_string()),
                    Held::Snapshot(id) if !self.has_snapshot(id) => ("snapshot", id.to_string()),
                    _ => continue,
                };
                let (what, missing) = missing;
                let kind = ProblemKind::Missing { what, name: missing };
                report.add(format!("lease {name}"), kind);
            }
        }
        let names = self.file_names("temp")?;
        let living = lease::living_owners(&self.sub("leases"))?;
        for name in names {
            if !aside::is_gone(&name) && !living.contains(lease::owner_of_temp(&name)) {
                report.add(format!("temp/{name}"), ProblemKind::DeadOwner);
            }
        }
        Ok(())
    }
}

pub(crate) fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut reader = HashingReader::new(File::open(path)?);
    io::copy(&mut reader, &mut io::sink())?;
    Ok(reader.finish().1)
}

impl Report {
    fn add(&mut self, object: impl Into<String>, kind: ProblemKind) {
        self.problems.push(Problem { object: object.into(), kind });
    }

    /// Notes an error as a problem of `object`.
    fn check<T>(&mut self, object: &str, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(object, ProblemKind::Broken(Box::new(error)));
                None
            }
        }
    }
}
