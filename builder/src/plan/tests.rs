//! A request for unit tests. Plans of whole Dockerfiles are compared in `builder/tests/plan.rs`.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::request::{BuildRequest, ContextSource, NetworkMode, NoCache, SourceText};

/// A request for an empty Dockerfile.
pub(crate) fn request() -> BuildRequest {
    BuildRequest {
        dockerfile: SourceText { name: "Dockerfile".to_owned(), text: Vec::new() },
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
        http: crate::fetch::HttpSettings::default(),
        registries: None,
        pull: crate::request::PullPolicy::Missing,
        cache_from: Vec::new(),
        cache_to: Vec::new(),
        inline_cache: false,
        git: crate::fetch::Git::default(),
        outputs: Vec::new(),
        reproducible: false,
        rewrite_timestamps: true,
        strict: false,
        now: SystemTime::UNIX_EPOCH,
    }
}
