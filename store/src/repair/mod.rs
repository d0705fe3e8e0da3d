//! Mending what `validate` finds.
//!
//! | damaged                                  | what is done                                                   |
//! |------------------------------------------|----------------------------------------------------------------|
//! | snapshots, chain and merged records, layer indexes, forms | removed: they are made again when needed      |
//! | a layer                                  | made again from another form of it, or from its snapshot       |
//! | another blob of an image                 | the image is lost: see below                                   |
//! | an entry whose two forms of the name disagree | the image gets both names                                 |
//! | `oci-layout`, an entry's size or type    | corrected: the blob, which has its digest, says what is right  |
//! | `index.json` as a whole                  | written anew from the manifests there are, which lose their names |
//! | a named lease                            | the lines that cannot be read, or hold what is gone, go        |
//!
//! Nothing that cannot be made again is deleted. A lost image leaves the list of images, and goes with all that is
//! left of it (hard links, so at no cost) to `damaged/<n>/`, an OCI image layout; damaged files go there too. Nobody
//! but the user removes these directories.
//!
//! Commands may run meanwhile: everything changes by the means that they use too, and what a running command or a
//! container holds is left alone.
mod aside;
mod images;
mod layers;

use std::fmt;
use std::path::PathBuf;

use aside::Aside;

use crate::digest::Digest;
use crate::error::Result;
use crate::lease::{self, Held};
use crate::open::{OCI_LAYOUT, Store, remove_any};
use crate::snapshot::SnapshotId;
use crate::validate::{Problem, ProblemKind};

/// What a repair did.
#[derive(Debug, Default)]
pub struct Repairs {
    pub mended: Vec<Mended>,
    pub lost: Vec<LostImage>,
    /// What is still wrong.
    pub left: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    pub object: String,
    pub remedy: Remedy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    Removed,
    Rebuilt {
        from: String,
    },
    SetAside {
        to: PathBuf,
    },
    Corrected,
    /// A manifest that no name leads to any more.
    Unnamed,
    /// It has two names, one of which may be wrong.
    Named {
        also: String,
    },
    InUse,
}

/// An image of which something is missing that cannot be made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostImage {
    /// Its names, or its manifest's digest.
    pub names: Vec<String>,
    pub missing: Vec<Digest>,
    /// Where what is left of it is.
    pub aside: PathBuf,
}

impl fmt::Display for Mended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.object)?;
        match &self.remedy {
            Remedy::Removed => f.write_str("removed; it is made again when it is needed"),
            Remedy::Rebuilt { from } => write!(f, "made again from {from}"),
            Remedy::SetAside { to } => write!(f, "moved to `{}`", to.display()),
            Remedy::Corrected => f.write_str("corrected"),
            Remedy::Unnamed => f.write_str("its name was lost; name it with `rbuild tag`"),
            Remedy::Named { also } => {
                write!(f, "named `{also}` as well; remove the wrong one with `rbuild rmi`")
            }
            Remedy::InUse => f.write_str("in use: repeat when no build and no container runs"),
        }
    }
}

impl fmt::Display for LostImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing: Vec<String> = self.missing.iter().map(Digest::to_string).collect();
        write!(
            f,
            "image {}: lost ({}); load, pull or build it again; what is left of it is in `{}`",
            self.names.join(", "),
            missing.join(", "),
            self.aside.display()
        )
    }
}

impl Store {
    /// Checks the store and mends what is wrong with it. What was mended may show what it hid (the snapshots above a layer
    /// that was not there): as long as something gets better it goes on.
    pub fn repair(&self) -> Result<Repairs> {
        let mut repairs = Repairs::default();
        let mut aside = Aside::new(self.clone());
        loop {
            repairs.left = self.validate()?;
            if repairs.left.is_empty() {
                return Ok(repairs);
            }
            let before = repairs.mended.len() + repairs.lost.len();
            self.repair_once(&mut aside, &mut repairs)?;
            if repairs.mended.len() + repairs.lost.len() == before {
                return Ok(repairs);
            }
        }
    }

    fn repair_once(&self, aside: &mut Aside, repairs: &mut Repairs) -> Result<()> {
        self.session()?;
        self.repair_index(aside, repairs)?;
        for problem in std::mem::take(&mut repairs.left) {
            self.mend(&problem, aside, repairs)?;
            repairs.left.push(problem);
        }
        self.repair_layers(repairs)?;
        self.repair_images(aside, repairs)?;
        self.repair_leases(repairs)?;
        self.sync()
    }

    /// Whatever can be mended by looking at it alone.
    fn mend(&self, problem: &Problem, aside: &mut Aside, repairs: &mut Repairs) -> Result<()> {
        let object = problem.object.as_str();
        if let ProblemKind::SnapshotContent { id, .. } = &problem.kind {
            return self.mend_snapshot(id, repairs);
        }
        let cached = ["cache/indexes/", "cache/forms/", "snapshots/chains/", "snapshots/merged/"];
        if cached.iter().any(|dir| object.starts_with(dir)) {
            remove_any(&self.sub(object))?;
            repairs.note(object, Remedy::Removed);
        } else if object == "images/oci-layout" {
            self.replace_file_durably(&self.sub(object), OCI_LAYOUT.as_bytes())?;
            repairs.note(object, Remedy::Corrected);
        } else if self.is_nobodys(object)? {
            remove_any(&self.sub(object))?;
            repairs.note(object, Remedy::Removed);
        } else if object.starts_with("images/blobs/") || object.starts_with("snapshots/fs/") {
            let to = aside.take(&self.sub(object))?;
            repairs.note(object, Remedy::SetAside { to });
        }
        Ok(())
    }

    fn mend_snapshot(&self, id: &SnapshotId, repairs: &mut Repairs) -> Result<()> {
        let object = format!("snapshot {id}");
        if repairs.mended.iter().any(|mended| mended.object == object) {
            return Ok(());
        }
        let removed = self.remove_unused_snapshot(id)?;
        repairs.note(&object, if removed { Remedy::Removed } else { Remedy::InUse });
        Ok(())
    }

    /// Last, because what is lost is held no more.
    fn repair_leases(&self, repairs: &mut Repairs) -> Result<()> {
        for name in lease::kept_names(&self.sub("leases"))? {
            let mut held = lease::readable_lines(&self.sub("leases"), &name)?;
            held.retain(|held| match held {
                Held::Blob(digest) => self.has_blob(digest),
                Held::Snapshot(id) => self.has_snapshot(id),
            });
            if !self.lease_of(&name).is_ok_and(|before| before == held) {
                self.keep(&name, &held)?;
                repairs.note(&format!("lease {name}"), Remedy::Corrected);
            }
        }
        Ok(())
    }
}

impl Repairs {
    fn note(&mut self, object: &str, remedy: Remedy) {
        let mended = Mended { object: object.to_owned(), remedy };
        if !self.mended.contains(&mended) {
            self.mended.push(mended);
        }
    }
}
