//! Whatever stands in the build cache: a build gives the image it gave with the cache whole, and ends.
//!
//! The first byte says which records get the other bytes.
#![allow(unreachable_pub)] // tests and fuzz targets take it in

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use builder::request::{ContextSource, NetworkMode, NoCache, SourceText};
use builder::{BuildRequest, Cancel, Progress, progress::Silent};
use store::Store;

const DOCKERFILE: &str = "FROM scratch AS base\nCOPY a /d/\nFROM scratch\nWORKDIR /w\nCOPY --from=base /d/a .\nCOPY b /\n";

pub fn check(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let dir = directory();
    let store = open(dir.path());
    fs::create_dir(dir.path().join("context")).expect("a directory");
    for name in ["a", "b"] {
        fs::write(dir.path().join("context").join(name), name).expect("a file");
    }
    let request = request(dir.path());
    let first = build(&request, &store);
    for (at, path) in records(&store).into_iter().enumerate() {
        if which & (1 << (at % 8)) != 0 {
            fs::write(&path, damage(&path, bytes)).expect("a record");
        }
    }
    // Another process would read everything anew.
    let store = open(dir.path());
    assert_eq!(build(&request, &store), first, "a damaged cache changed the image");
    let _ = builder::cache::usage(&store).expect("a look at the cache");
    let _ = builder::cache::check(&store, true).expect("a look at the cache");
    assert_eq!(builder::cache::check(&store, false).expect("a look at the cache"), []);
    assert_eq!(build(&request, &store), first, "a mended cache changed the image");
    // Indexes of images are beside the records; a damaged one is made again when it is needed.
    let mut problems = store.validate().expect("a look at the store");
    problems.retain(|problem| !matches!(problem.kind, store::ProblemKind::LayerIndex));
    assert!(problems.is_empty(), "{problems:?}");
}

fn open(dir: &Path) -> Store {
    Store::open(&dir.join("store"), &dir.join("state")).expect("a store")
}

fn build(request: &BuildRequest, store: &Store) -> store::Digest {
    let silent: &dyn Progress = &Silent;
    let built = builder::build(request, store, None, silent, &Cancel::default());
    built.unwrap_or_else(|error| panic!("{error:?}")).manifest.digest
}

/// All files of the cache, in the same order each time.
fn records(store: &Store) -> Vec<PathBuf> {
    let mut open = vec![store.root().join("cache")];
    let mut files = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let is_lock = path.components().any(|part| part.as_os_str() == "locks");
            match path.is_dir() {
                true => open.push(path),
                false if !is_lock => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    files
}

/// Bytes that begin with `~` change the record at places they name: pairs of a place and a byte.
fn damage(path: &Path, bytes: &[u8]) -> Vec<u8> {
    let Some(changes) = bytes.strip_prefix(b"~") else { return bytes.to_vec() };
    let mut record = fs::read(path).expect("a record");
    for change in changes.chunks_exact(3) {
        let place = usize::from(change[0]) << 8 | usize::from(change[1]);
        let length = record.len().max(1);
        if let Some(byte) = record.get_mut(place % length) {
            *byte = change[2];
        }
    }
    record
}

fn directory() -> tempfile::TempDir {
    match Path::new("/dev/shm").is_dir() {
        true => tempfile::tempdir_in("/dev/shm"),
        false => tempfile::tempdir(),
    }
    .expect("a directory")
}

fn request(dir: &Path) -> BuildRequest {
    BuildRequest {
        dockerfile: SourceText { name: "Dockerfile".to_owned(), text: DOCKERFILE.into() },
        context: ContextSource::Dir(dir.join("context")),
        dockerignore: None,
        target: None,
        // Equal times, so that a step that runs again makes the same layer.
        build_args: BTreeMap::from([("SOURCE_DATE_EPOCH".to_owned(), "1".to_owned())]),
        labels: BTreeMap::new(),
        platforms: vec!["linux/amd64".to_owned()],
        tags: vec!["img".to_owned()],
        no_cache: NoCache::None,
        secrets: Vec::new(),
        ssh: Vec::new(),
        add_hosts: Vec::new(),
        network: NetworkMode::Default,
        private_network: false,
        allowed: Vec::new(),
        emulators: runtime::Emulators::default(),
        shm_size: None,
        ulimits: Vec::new(),
        named_contexts: BTreeMap::new(),
        http: builder::fetch::HttpSettings::default(),
        registries: None,
        pull: builder::request::PullPolicy::Missing,
        cache_from: Vec::new(),
        cache_to: Vec::new(),
        inline_cache: false,
        git: builder::fetch::Git::default(),
        outputs: Vec::new(),
        reproducible: false,
        rewrite_timestamps: true,
        strict: false,
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
    }
}
