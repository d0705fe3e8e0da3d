//! A zygote, a store with a busybox image, and short ways to build something.
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use builder::request::{
    BuildRequest, ContextSource, NetworkMode, NoCache, Secret, SecretSource, SourceText,
};
use builder::{BuildError, BuildEvent, Cancel, Progress, RunError, StepError};
use runtime::{EngineId, Zygote};
use store::config::ContainerConfig;
use store::layer::{Entry, EntryKind, LayerWriter};
use store::{ImportOptions, Platform, Store};
use tempfile::TempDir;

const APPLETS: [&str; 22] = [
    "sh", "true", "false", "cat", "ls", "id", "env", "pwd", "mkdir", "touch", "rm", "echo",
    "sleep", "stat", "chmod", "ln", "test", "grep", "hostname", "df", "seq", "mount",
];

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/home/web:\n";
const GROUP: &str = "root:x:0:\nwww:x:34:\nlogs:x:9:web\n";

pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) zygote: Zygote,
    pub(crate) store: Store,
}

/// Keeps what the processes wrote.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<u8>>);

impl Progress for Log {
    fn event(&self, event: BuildEvent) {
        if let BuildEvent::StepLog { bytes, .. } = event {
            self.0.lock().unwrap().extend(bytes);
        }
    }
}

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl World {
    pub(crate) fn new() -> Result<World, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("needs root".to_owned());
        }
        if !Path::new("/bin/busybox").exists() {
            return Err("needs /bin/busybox (Debian: busybox-static)".to_owned());
        }
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let state = directory.path().join("state");
        let engine = EngineId::of_root(directory.path()).map_err(|error| error.to_string())?;
        let zygote = Zygote::start(&engine, &state).map_err(|error| error.to_string())?;
        let root = directory.path().join("store");
        let store = Store::open(&root, &state).map_err(|error| error.to_string())?;
        import_base(&store);
        Ok(World { directory, zygote, store })
    }

    /// A directory with these files, new or as an earlier call left it.
    pub(crate) fn context(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let path = self.directory.path().join("contexts").join(name);
        for (file, content) in files {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        path
    }

    /// What the steps of this Dockerfile write; each says something of its own, so that no other
    /// case's cache answers.
    pub(crate) fn output(&self, dockerfile: &str) -> String {
        self.output_of(&request(dockerfile))
    }

    pub(crate) fn output_of(&self, request: &BuildRequest) -> String {
        let log = Log::default();
        match self.build(request, &log) {
            Ok(_) => log.text(),
            Err(error) => panic!("{error}\n{}", log.text()),
        }
    }

    pub(crate) fn build(
        &self,
        request: &BuildRequest,
        log: &Log,
    ) -> Result<builder::BuiltImage, Box<BuildError>> {
        let cancel = Cancel::default();
        builder::build(request, &self.store, Some(&self.zygote), log, &cancel).map_err(Box::new)
    }

    /// Why the only RUN fails.
    pub(crate) fn failure(&self, dockerfile: &str) -> RunError {
        match self.step_failure(&request(dockerfile)) {
            StepError::Run(error) => error,
            other => panic!("{other}"),
        }
    }

    pub(crate) fn step_failure(&self, request: &BuildRequest) -> StepError {
        let log = Log::default();
        match self.build(request, &log).map_err(|error| *error) {
            Err(BuildError::Step { source, .. }) => *source,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was built: {}", log.text()),
        }
    }

    /// The paths in the topmost layer of the image that this Dockerfile makes.
    pub(crate) fn top_layer(&self, request: &BuildRequest) -> Vec<String> {
        let log = Log::default();
        let built = self.build(request, &log);
        let built = built.unwrap_or_else(|error| panic!("{error}\n{}", log.text()));
        let image = self.store.resolve(&built.image_id.to_string()).unwrap();
        let indexes = self.store.layer_indexes(&image).unwrap();
        let top = indexes.last().unwrap();
        top.iter().map(|entry| String::from_utf8(entry.path.clone()).unwrap()).collect()
    }
}

pub(crate) fn request(dockerfile: &str) -> BuildRequest {
    BuildRequest {
        dockerfile: SourceText {
            name: "Dockerfile".to_owned(),
            text: format!("FROM base\n{dockerfile}").into_bytes(),
        },
        context: ContextSource::Empty { time: None },
        dockerignore: None,
        target: None,
        build_args: BTreeMap::new(),
        labels: BTreeMap::new(),
        platforms: Vec::new(),
        tags: Vec::new(),
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
        now: SystemTime::now(),
    }
}

pub(crate) fn secret(id: &str, value: &str) -> Secret {
    Secret { id: id.to_owned(), source: SecretSource::Value(value.as_bytes().to_vec()) }
}

fn import_base(store: &Store) {
    let mut entries = Vec::new();
    let mut add = |path: &str, kind: EntryKind, mode: u32| {
        entries.push(Entry { kind, mode, ..Entry::default_dir(path) });
    };
    for path in ["bin", "dev", "etc", "home", "home/web", "proc", "root", "sys", "tmp"] {
        let mode = if path == "tmp" { 0o1777 } else { 0o755 };
        add(path, EntryKind::Dir { opaque: false }, mode);
    }
    let file = |size: u64| EntryKind::File { size, digest: None, offset: None };
    add("bin/busybox", file(fs::metadata("/bin/busybox").unwrap().len()), 0o755);
    for applet in APPLETS {
        add(&format!("bin/{applet}"), EntryKind::Symlink { target: b"busybox".to_vec() }, 0o777);
    }
    add("etc/group", file(GROUP.len() as u64), 0o644);
    add("etc/passwd", file(PASSWD.len() as u64), 0o644);
    let mut writer = LayerWriter::new(Vec::new());
    for entry in &store::layer::LayerIndex::new(entries) {
        match entry.path.as_slice() {
            b"bin/busybox" => {
                let mut program = File::open("/bin/busybox").unwrap();
                writer.append(&entry, Some(&mut program)).unwrap();
            }
            b"etc/group" => writer.append(&entry, Some(&mut GROUP.as_bytes())).unwrap(),
            b"etc/passwd" => writer.append(&entry, Some(&mut PASSWD.as_bytes())).unwrap(),
            _ => writer.append(&entry, None).unwrap(),
        }
    }
    let (tar, _) = writer.finish().unwrap();
    let options = ImportOptions {
        names: vec!["base".parse().unwrap()],
        platform: Platform::host(),
        config: ContainerConfig::default(),
        created: "2020-01-01T00:00:00Z".to_owned(),
        message: String::new(),
    };
    store.import(tar.as_slice(), &options).unwrap();
}
