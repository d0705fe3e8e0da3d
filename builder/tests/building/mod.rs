//! A store and a context for one test, and what a build told.

mod cache;
mod copying;
mod ends;
mod outputs;
mod quirks;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use builder::request::{ContextSource, NetworkMode, NoCache, SourceText};
use builder::{BuildError, BuildEvent, BuildRequest, BuiltImage, Cancel, Progress};
use store::Store;
use tempfile::TempDir;

/// An empty store and an empty context.
struct Bench {
    dir: TempDir,
    store: Store,
}

/// Everything the build told.
#[derive(Default)]
struct Told(Mutex<Vec<BuildEvent>>);

impl Progress for Told {
    fn event(&self, event: BuildEvent) {
        self.0.lock().unwrap().push(event);
    }
}

impl Told {
    fn misses(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        let reason = |event: &BuildEvent| match event {
            BuildEvent::Miss { reason, .. } => Some(reason.clone()).filter(|text| !text.is_empty()),
            _ => None,
        };
        events.iter().filter_map(reason).collect()
    }
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("context")).unwrap();
        let store = Store::open(&dir.path().join("store"), &dir.path().join("state")).unwrap();
        Bench { dir, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.path("context").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn request(&self, dockerfile: &str) -> BuildRequest {
        BuildRequest {
            dockerfile: SourceText { name: "Dockerfile".to_owned(), text: dockerfile.into() },
            context: ContextSource::Dir(self.path("context")),
            dockerignore: None,
            target: None,
            build_args: BTreeMap::new(),
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

    fn try_build(&self, request: &BuildRequest) -> (Result<BuiltImage, BuildError>, Told) {
        let told = Told::default();
        let built = builder::build(request, &self.store, None, &told, &Cancel::default());
        (built, told)
    }

    /// Builds, and checks everything in the store.
    fn build(&self, request: &BuildRequest) -> (BuiltImage, Told) {
        let (built, told) = self.try_build(request);
        let built = built.unwrap_or_else(|error| panic!("{error:?}"));
        assert_valid(&self.store);
        (built, told)
    }

    /// The paths of the image's merged file system.
    fn paths(&self, image: &str) -> Vec<String> {
        let image = self.store.resolve(image).unwrap();
        let tree = self.store.tree(&image).unwrap();
        let mut paths = Vec::new();
        let mut open = vec![PathBuf::from("/")];
        while let Some(directory) = open.pop() {
            for (name, found) in tree.read_dir(&directory).unwrap() {
                let path = directory.join(name);
                paths.push(path.display().to_string());
                if found.entry.is_dir() {
                    open.push(path);
                }
            }
        }
        paths.sort();
        paths
    }

    fn read(&self, image: &str, path: &str) -> String {
        let image = self.store.resolve(image).unwrap();
        let mut file = self.store.tree(&image).unwrap().open(path).unwrap();
        std::io::read_to_string(&mut file).unwrap()
    }
}

fn assert_valid(store: &Store) {
    let problems: Vec<String> =
        store.validate().unwrap().iter().map(|problem| problem.to_string()).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// The same request, later.
fn later(request: &BuildRequest) -> BuildRequest {
    BuildRequest { now: request.now + Duration::from_secs(1000), ..request.clone() }
}
