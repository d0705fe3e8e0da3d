//! Plans of Dockerfiles without a store: the base images are made up.
#![allow(dead_code, unreachable_pub)] // each test file uses a part

use std::collections::BTreeMap;
use std::time::SystemTime;

use builder::plan::{BaseError, BaseImages, BuildPlan, EpochSource, Unplanned, plan};
use builder::request::{
    BuildRequest, ContextSource, NamedContext, NetworkMode, NoCache, SourceText,
};
use store::{History, ImageConfig, Platform};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Images by familiar name; `busybox` and `alpine` exist in every tag.
#[derive(Debug, Default)]
pub struct FakeImages {
    pub known: BTreeMap<String, ImageConfig>,
    /// Every image there is a name for exists, with an empty configuration.
    pub any: bool,
}

impl BaseImages for FakeImages {
    fn time_of_context(&self, _name: &str) -> Result<Option<i64>, BaseError> {
        Ok(None)
    }

    fn time_of_source(&self, _source: &EpochSource) -> Result<Option<i64>, BaseError> {
        Ok(Some(1_445_412_480))
    }

    fn image(&self, name: &str, platform: &Platform) -> Result<ImageConfig, BaseError> {
        if let Some(config) = self.known.get(name) {
            return Ok(config.clone());
        }
        if self.any {
            return Ok(ImageConfig::empty(platform));
        }
        match name.split(':').next() {
            Some("busybox" | "alpine" | "docker.io/library/busybox") => Ok(busybox(platform)),
            _ => Err("not found".into()),
        }
    }

    fn named(&self, key: &str, _: &Platform) -> Result<Option<ImageConfig>, BaseError> {
        Ok(self.known.get(key).cloned())
    }
}

pub fn busybox(platform: &Platform) -> ImageConfig {
    let mut config = ImageConfig::empty(platform);
    config.config.env = vec![PATH.to_owned()];
    config.config.cmd = vec!["sh".to_owned()];
    config
        .history
        .push(History { created_by: "busybox-static base".to_owned(), ..History::default() });
    config
}

pub fn request(dockerfile: &[u8]) -> BuildRequest {
    BuildRequest {
        dockerfile: SourceText { name: "Dockerfile".to_owned(), text: dockerfile.to_vec() },
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
        now: SystemTime::UNIX_EPOCH,
    }
}

/// Options in the words of BuildKit's front end: `build-arg:K`, `label:K`, `target`, `platform`, `context:K`.
pub fn set_option(request: &mut BuildRequest, name: &str, value: &str) {
    let value = value.to_owned();
    match name.split_once(':').unwrap_or((name, "")) {
        ("build-arg", key) => drop(request.build_args.insert(key.to_owned(), value)),
        ("label", key) => drop(request.labels.insert(key.to_owned(), value)),
        ("context", key) => {
            let context = match value.strip_prefix("docker-image://") {
                Some(image) => NamedContext::Image(image.to_owned()),
                None => NamedContext::Dir(value.into()),
            };
            request.named_contexts.insert(key.to_owned(), context);
        }
        ("target", _) => request.target = Some(value),
        ("platform", _) => request.platforms = value.split(',').map(str::to_owned).collect(),
        ("no-cache", _) if value.is_empty() => request.no_cache = NoCache::All,
        ("no-cache", _) => {
            request.no_cache = NoCache::Stages(value.split(',').map(str::to_owned).collect());
        }
        ("shm-size", _) => request.shm_size = value.parse().ok(),
        _ => {}
    }
}

/// One plan for each platform of the request, or all errors as text.
pub fn plans(request: &BuildRequest, images: &FakeImages) -> Result<Vec<BuildPlan>, String> {
    let dockerfile = parser::parse(&request.dockerfile.text).map_err(|error| error.to_string())?;
    let platforms = match request.platforms.as_slice() {
        [] => vec![Platform::host().normalized()],
        given => given.iter().map(|text| text.parse().expect("a platform")).collect(),
    };
    let plans = platforms.iter().map(|platform| plan(&dockerfile, request, platform, images));
    plans.collect::<Result<_, _>>().map_err(|Unplanned { error, .. }| {
        assert!(
            error.span.is_none_or(|span| span.end <= request.dockerfile.text.len()),
            "the place of `{error}` is outside the file"
        );
        match error.hint() {
            Some(hint) => format!("{error}\nhint: {hint}"),
            None => error.to_string(),
        }
    })
}
