//! Reads OCI archives that rbuild wrote, with nothing of rbuild's own: JSON and the `tar` crate.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

/// An OCI archive with uncompressed layers, in memory.
pub(crate) struct Archive {
    files: BTreeMap<String, Vec<u8>>,
}

/// The entries of one layer, in their order.
pub(crate) struct Layer {
    bytes: Vec<u8>,
}

impl Archive {
    pub(crate) fn open(path: &Path) -> Archive {
        let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
        let mut files = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            files.insert(name, bytes);
        }
        Archive { files }
    }

    pub(crate) fn manifest(&self) -> Value {
        let index: Value = serde_json::from_slice(&self.files["index.json"]).unwrap();
        self.json(&index["manifests"][0]["digest"])
    }

    pub(crate) fn config(&self) -> Value {
        self.json(&self.manifest()["config"]["digest"])
    }

    pub(crate) fn layers(&self) -> Vec<Layer> {
        let manifest = self.manifest();
        let layers = manifest["layers"].as_array().unwrap();
        layers.iter().map(|layer| Layer { bytes: self.blob(&layer["digest"]).to_vec() }).collect()
    }

    fn json(&self, digest: &Value) -> Value {
        serde_json::from_slice(self.blob(digest)).unwrap()
    }

    fn blob(&self, digest: &Value) -> &[u8] {
        &self.files[&format!("blobs/{}", digest.as_str().unwrap().replace(':', "/"))]
    }
}

impl Layer {
    /// The time of every entry, by its path.
    pub(crate) fn times(&self) -> Vec<(String, u64)> {
        let mut archive = tar::Archive::new(self.bytes.as_slice());
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            (path.trim_end_matches('/').to_owned(), entry.header().mtime().unwrap())
        });
        entries.collect()
    }

    /// A file that is one archive: what `type=tar` writes.
    pub(crate) fn of_file(path: &Path) -> Layer {
        Layer { bytes: std::fs::read(path).unwrap() }
    }

    /// One line an entry: kind and mode, owner, path, link target or contents of small texts.
    pub(crate) fn listing(&self) -> String {
        let mut text = String::new();
        let mut archive = tar::Archive::new(self.bytes.as_slice());
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let header = entry.header();
            let kind = kind(header.entry_type());
            let mode = header.mode().unwrap();
            let (uid, gid) = (header.uid().unwrap(), header.gid().unwrap());
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let link = entry.link_name().unwrap().map(|to| format!(" -> {}", to.display()));
            let detail = link.unwrap_or_else(|| contents(&mut entry, kind));
            writeln!(text, "{kind}{mode:04o} {uid}:{gid} {path}{detail}").unwrap();
        }
        text
    }
}

fn kind(kind: tar::EntryType) -> char {
    match kind {
        tar::EntryType::Regular => '-',
        tar::EntryType::Directory => 'd',
        tar::EntryType::Symlink => 'l',
        tar::EntryType::Link => 'h',
        tar::EntryType::Char => 'c',
        tar::EntryType::Block => 'b',
        tar::EntryType::Fifo => 'p',
        _ => '?',
    }
}

fn contents(entry: &mut impl Read, kind: char) -> String {
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).unwrap();
    match String::from_utf8(bytes) {
        _ if kind != '-' => String::new(),
        Ok(text) if text.len() <= 200 => format!(" {text:?}"),
        Ok(text) => format!(" ({} bytes)", text.len()),
        Err(err) => format!(" ({} bytes)", err.into_bytes().len()),
    }
}
