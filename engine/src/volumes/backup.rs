//! A volume as a tar archive, and back.

use std::io::{Read, Write};

use runtime::containers::Containers;
use store::id_map::IdMap;
use store::layer::{LayerWriter, apply_archive, decompressor, scan, write_layer};
use store::tree::Tree;
use sys::RootDir;

use super::definition::NewVolume;
use super::error::{Result, VolumeError};
use super::{Backing, Volumes};

impl Volumes {
    /// Writes the files of a volume as a tar archive, with owners, modes, times, links and attributes.
    pub fn export(&self, name: &str, writer: &mut dyn Write) -> Result<()> {
        let dir = self.open(name)?;
        let failed = |source| VolumeError::Archive {
            act: "read",
            name: name.to_owned(),
            source: Box::new(source),
        };
        let index = scan(&dir, &Tree::default(), IdMap::Identity).map_err(failed)?;
        let mut archive = LayerWriter::new(writer);
        write_layer(&index, &dir, &mut archive).map_err(failed)?;
        let (writer, _) = archive.finish().map_err(failed)?;
        writer.flush().map_err(|source| VolumeError::Write { source })
    }

    /// Unpacks an archive, compressed or not, over what is in a volume, which is made if it does not exist.
    pub fn import(&self, name: &str, reader: impl Read + Send) -> Result<()> {
        let _claim = self.claim(&NewVolume::named(name))?;
        let dir = self.open(name)?;
        let plain = decompressor(reader).map_err(|source| VolumeError::Read { source })?;
        let applied = apply_archive(plain, &dir, &Tree::default(), IdMap::Identity);
        applied.map(drop).map_err(|source| VolumeError::Archive {
            act: "write",
            name: name.to_owned(),
            source: Box::new(source),
        })
    }

    fn open(&self, name: &str) -> Result<RootDir> {
        let path = match Backing::of(&self.find(name)?.options)? {
            Backing::Own => self.data(name),
            Backing::Directory { path, .. } => path,
            Backing::Filesystem(_) => {
                return Err(VolumeError::Elsewhere { name: name.to_owned() });
            }
        };
        RootDir::open(path).map_err(|source| VolumeError::Sys {
            act: "open",
            name: name.to_owned(),
            source,
        })
    }

    /// What a volume's own files take on the disk; of files elsewhere nothing is known.
    pub fn size(&self, name: &str) -> Result<u64> {
        Ok(store::usage::measure(&self.place(name))?.bytes)
    }

    /// The volumes that containers have, of all there are.
    pub fn used(&self, containers: &Containers) -> Result<std::collections::HashSet<String>> {
        let all = containers.list()?;
        let uses = all.into_iter().flat_map(|container| container.definition.volumes);
        Ok(uses.map(|used| used.name).collect())
    }
}
