//! Whatever a Dockerfile says: it is planned and checked, or refused at a place within it; nothing is read or run.
#![allow(unreachable_pub)] // tests and fuzz targets take it in

use std::collections::BTreeMap;
use std::time::SystemTime;

use builder::BuildRequest;
use builder::plan::{BaseError, BaseImages, EpochSource, plan};
use builder::progress::Warning;
use builder::request::{ContextSource, NetworkMode, NoCache, SourceText};
use parser::Source;
use store::{ImageConfig, Platform};

/// Every image exists. One has triggers and variables.
struct Images;

impl BaseImages for Images {
    fn image(&self, name: &str, platform: &Platform) -> Result<ImageConfig, BaseError> {
        let mut config = ImageConfig::empty(platform);
        if name.contains("trigger") {
            config.config.on_build = vec!["COPY --from=a b /c".to_owned(), "ARG x=$y".to_owned()];
            config.config.env = vec!["y=1".to_owned(), "odd".to_owned(), "=".to_owned()];
        }
        Ok(config)
    }

    fn named(&self, _: &str, _: &Platform) -> Result<Option<ImageConfig>, BaseError> {
        Ok(None)
    }

    fn time_of_context(&self, _: &str) -> Result<Option<i64>, BaseError> {
        Ok(None)
    }

    fn time_of_source(&self, _: &EpochSource) -> Result<Option<i64>, BaseError> {
        Ok(Some(1))
    }
}

pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let request = request(text.as_bytes());
    let source = Source::new("Dockerfile", text.as_str());
    let checked = builder::check(&request, None);
    checked.warnings.iter().for_each(|warning| look_at(warning, &source, &text));
    let Ok(dockerfile) = parser::parse(&text) else {
        return assert!(checked.error.is_some(), "no error of a file that cannot be read");
    };
    let platform: Platform = "linux/amd64".parse().expect("a platform");
    match plan(&dockerfile, &request, &platform, &Images) {
        Ok(plan) => {
            assert!(!plan.to_string().is_empty());
            plan.warnings.iter().for_each(|warning| look_at(warning, &source, &text));
        }
        Err(unplanned) => {
            let error = unplanned.error;
            assert!(!error.to_string().is_empty());
            let _ = error.hint();
            assert!(error.span.is_none_or(|span| span.end <= text.len()), "an error outside");
        }
    }
}

fn look_at(warning: &Warning, source: &Source, text: &str) {
    assert!(!warning.message.is_empty());
    assert!(warning.span.is_none_or(|span| span.start <= span.end && span.end <= text.len()));
    let _ = warning.lines(source);
}

fn request(dockerfile: &[u8]) -> BuildRequest {
    BuildRequest {
        dockerfile: SourceText { name: "Dockerfile".to_owned(), text: dockerfile.to_vec() },
        context: ContextSource::Empty { time: None },
        dockerignore: Some(SourceText { name: ".dockerignore".to_owned(), text: b"a*\n".to_vec() }),
        target: None,
        build_args: BTreeMap::from([("x".to_owned(), "${y}/*".to_owned())]),
        labels: BTreeMap::new(),
        platforms: vec!["linux/amd64".to_owned()],
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
