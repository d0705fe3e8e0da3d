//! From the arguments as typed to the request the builder understands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use builder::BuildRequest;
use builder::fetch::url::{is_url, redacted};
use builder::fetch::{Git, is_archive_file};
use builder::request::{
    Entitlement, NamedContext, NetworkMode, NoCache, Output, PullPolicy, Ulimit,
};
use cli::environment::Environment;
use cli::networks::{self, OfBuilds};
use cli::registries::registries;
use cli::{caches, http};
use store::Reference;

use super::context::Inputs;
use super::output::{self, Asked, is_tagged};
use super::{git, secret, ssh};
use crate::args::{BuildArgs, FormArgs};
use crate::commands::settings;

pub(super) fn resolve(
    args: &BuildArgs,
    inputs: Inputs,
    git: Git,
    environment: &Environment,
) -> Result<BuildRequest> {
    let secrets = args.secrets.iter().map(|text| secret::parse(text, environment));
    let mut outputs = outputs(&args.outputs, &args.form)?;
    if args.push == Some(true) && !outputs.pushes() {
        outputs.written.push(output::registry(&args.form)?);
    }
    if args.form.is_given() && !outputs.written.iter().any(|output| output.layer_form().is_some()) {
        bail!(
            "`--compression` and what belongs to it are about images that go out: give `--push` or `--output type=oci`, \
             `docker` or `registry`"
        );
    }
    if outputs.pushes_tags() && args.tag.is_empty() && outputs.names.is_empty() {
        bail!("an image without a name cannot be pushed: give it one with `--tag`");
    }
    let mut tags_of_build = args.tag.iter().chain(&outputs.names);
    if let Some(tag) = tags_of_build.find(|tag| outputs.pushes_by_digest() && is_tagged(tag)) {
        bail!("no tag leads to what is pushed by digest: give `name=` without a tag, not `{tag}`");
    }
    let (network, of_builds) = network(args.network.as_deref(), environment)?;
    let asks_for_gateway = args.add_hosts.iter().any(|text| text.ends_with("host-gateway"));
    let gateway = match asks_for_gateway {
        true => networks::gateway(of_builds, &environment.locations())?,
        false => None,
    };
    let exports = caches::exports(&args.cache_to, "--cache-to")?;
    let build_args = build_args(&args.build_args, environment);
    let inline_cache = exports.inline || caches::are_asked_for_inline(&build_args);
    let platforms = args.platform.iter().flat_map(|list| list.split(','));
    Ok(BuildRequest {
        dockerfile: inputs.dockerfile,
        context: inputs.context,
        dockerignore: inputs.dockerignore,
        target: args.target.clone().filter(|target| !target.is_empty()),
        build_args,
        labels: labels(&args.labels)?,
        platforms: platforms.map(|platform| platform.trim().to_owned()).collect(),
        tags: tags("--tag", &args.tag)?.chain(tags("name", &outputs.names)?).collect(),
        no_cache: no_cache(args),
        secrets: secrets.collect::<Result<_>>()?,
        ssh: ssh::agents(args, environment)?,
        add_hosts: args
            .add_hosts
            .iter()
            .map(|text| settings::host(text, gateway))
            .collect::<Result<_>>()?,
        network,
        private_network: of_builds == OfBuilds::Private,
        allowed: args.allow.iter().map(|text| entitlement(text)).collect::<Result<_>>()?,
        emulators: runtime::Emulators::of_machine(),
        shm_size: args.shm_size.as_deref().map(settings::bytes).transpose()?,
        ulimits: args.ulimits.iter().map(|text| ulimit(text)).collect::<Result<_>>()?,
        named_contexts: named_contexts(&args.build_contexts)?,
        http: http::settings(environment),
        registries: Some(registries(environment, args.tls_verify != Some(false))?),
        pull: if args.pull == Some(true) { PullPolicy::Always } else { PullPolicy::Missing },
        cache_from: caches::sources(&args.cache_from, "--cache-from")?,
        cache_to: exports.registries,
        inline_cache,
        git,
        outputs: outputs.written,
        reproducible: args.reproducible,
        rewrite_timestamps: outputs.rewrite_timestamps,
        strict: args.strict,
        now: SystemTime::now(),
    })
}

/// `NAME=VALUE`, or `NAME` with the environment's value. SOURCE_DATE_EPOCH comes from the
/// environment unasked, as with docker.
fn build_args(args: &[String], environment: &Environment) -> BTreeMap<String, String> {
    const EPOCH: &str = "SOURCE_DATE_EPOCH";
    let epoch = environment.text(EPOCH).map(|value| (EPOCH.to_owned(), value.to_owned()));
    let given = args.iter().filter_map(|arg| match arg.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => Some((arg.clone(), environment.os(arg)?.to_str()?.to_owned())),
    });
    epoch.into_iter().chain(given).collect()
}

fn labels(labels: &[String]) -> Result<BTreeMap<String, String>> {
    let label = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        if name.is_empty() {
            bail!("`--label {text}` has no name");
        }
        Ok((name.to_owned(), value.to_owned()))
    };
    labels.iter().map(label).collect()
}

/// Names are checked here, before anything is built for them.
fn tags(option: &str, tags: &[String]) -> Result<impl Iterator<Item = String>> {
    for tag in tags {
        let reference: Reference = tag.parse().with_context(|| format!("`{option} {tag}`"))?;
        if reference.digest().is_some() {
            bail!("`{option} {tag}`: a name cannot have a digest before the image is built");
        }
    }
    Ok(tags.iter().cloned())
}

/// What is written besides the store's image, and what becomes of that one.
#[derive(Debug)]
struct Outputs {
    written: Vec<Output>,
    rewrite_timestamps: bool,
    /// As for `--tag`.
    names: Vec<String>,
}

impl Outputs {
    fn pushes(&self) -> bool {
        self.written.iter().any(|output| matches!(output, Output::Push(_)))
    }

    /// Whether something is pushed as the names of `--tag`, but by digest.
    fn pushes_by_digest(&self) -> bool {
        let by_digest = |output: &Output| matches!(output, Output::Push(push) if push.by_digest && push.names.is_empty());
        self.written.iter().any(by_digest)
    }

    /// Whether something is pushed under the names of `--tag`.
    fn pushes_tags(&self) -> bool {
        let tags = |output: &Output| matches!(output, Output::Push(push) if push.names.is_empty());
        self.written.iter().any(tags)
    }
}

fn outputs(texts: &[String], form: &FormArgs) -> Result<Outputs> {
    let mut outputs = Outputs { written: Vec::new(), rewrite_timestamps: true, names: Vec::new() };
    for text in texts {
        match output::parse(text, form)? {
            Asked::Output(output) => outputs.written.push(output),
            Asked::Stored { names, rewrite_timestamp } => {
                outputs.names.extend(names);
                outputs.rewrite_timestamps =
                    rewrite_timestamp.unwrap_or(outputs.rewrite_timestamps);
            }
        }
    }
    Ok(outputs)
}

fn no_cache(args: &BuildArgs) -> NoCache {
    match (args.no_cache, args.no_cache_filter.is_empty()) {
        (true, _) => NoCache::All,
        (false, false) => NoCache::Stages(args.no_cache_filter.clone()),
        (false, true) => NoCache::None,
    }
}

/// The network of RUN, and which one it is.
fn network(mode: Option<&str>, environment: &Environment) -> Result<(NetworkMode, OfBuilds)> {
    match mode {
        None | Some("" | "default") => Ok(match networks::of_builds(environment) {
            OfBuilds::None => (NetworkMode::None, OfBuilds::None),
            other => (NetworkMode::Default, other),
        }),
        Some("host") => Ok((NetworkMode::Host, OfBuilds::Host)),
        Some("none") => Ok((NetworkMode::None, OfBuilds::None)),
        Some(other) => {
            bail!("`--network {other}` is not supported; known are default, host and none")
        }
    }
}

fn entitlement(text: &str) -> Result<Entitlement> {
    match text {
        "network.host" => Ok(Entitlement::NetworkHost),
        "security.insecure" => Ok(Entitlement::SecurityInsecure),
        "device" => bail!("`--allow device` is not supported: RUN cannot have devices yet"),
        _ if text.starts_with("device=") => {
            bail!("`--allow {text}` is not supported: RUN cannot have devices yet")
        }
        _ => bail!("unknown entitlement `{text}`; known are network.host and security.insecure"),
    }
}

fn ulimit(text: &str) -> Result<Ulimit> {
    let limit: runtime::Ulimit = text.parse()?;
    let number = |value: Option<u64>| value.map_or(-1, |n| i64::try_from(n).unwrap_or(-1));
    Ok(Ulimit { name: limit.name, soft: number(limit.soft), hard: number(limit.hard) })
}

fn named_contexts(specs: &[String]) -> Result<BTreeMap<String, NamedContext>> {
    let parse = |text: &String| {
        let about = || format!("`--build-context {}`", redacted(text));
        let (name, source) = text
            .split_once('=')
            .with_context(|| format!("{} is not of the form name=source", about()))?;
        if name.is_empty() || source.is_empty() {
            bail!("{} is not of the form name=source", about());
        }
        if name.contains("::") {
            bail!(
                "{}: contexts for one platform (`name::platform`) are not supported yet",
                about()
            );
        }
        Ok((name.to_owned(), named_context(source).with_context(about)?))
    };
    specs.iter().map(parse).collect()
}

/// What has to be fetched is fetched by the build, if an instruction needs it.
fn named_context(source: &str) -> Result<NamedContext> {
    if let Some(layout) = source.strip_prefix("oci-layout://") {
        return Ok(oci_layout(layout));
    }
    if let Some(image) = source.strip_prefix("docker-image://") {
        let reference: Reference = image.parse()?;
        return Ok(NamedContext::Image(reference.to_string()));
    }
    if let Some(git) = git::repository(source)? {
        return Ok(NamedContext::Git(git));
    }
    if is_url(source) {
        return Ok(NamedContext::Url(source.to_owned()));
    }
    if source.contains("://") {
        bail!(
            "unsupported context source: only directories, tar archives (files or http), git repositories, oci-layout:// and docker-image:// are"
        );
    }
    let path = PathBuf::from(source);
    if path.is_dir() {
        return Ok(NamedContext::Dir(path));
    }
    if !path.is_file() || !is_archive_file(&path)? {
        bail!("`{source}` is neither a directory nor a tar archive");
    }
    Ok(NamedContext::Archive(path))
}

/// `PATH[:TAG][@DIGEST]`
fn oci_layout(text: &str) -> NamedContext {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.to_owned())),
        None => (text, None),
    };
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag.to_owned())),
        _ => (rest, None),
    };
    NamedContext::OciLayout { path: PathBuf::from(path), tag, digest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_have_tags_and_digests() {
        let layout = |path: &str, tag: Option<&str>, digest: Option<&str>| {
            let (tag, digest) = (tag.map(str::to_owned), digest.map(str::to_owned));
            NamedContext::OciLayout { path: path.into(), tag, digest }
        };
        assert_eq!(oci_layout("/a/b"), layout("/a/b", None, None));
        assert_eq!(oci_layout("a:1"), layout("a", Some("1"), None));
        assert_eq!(oci_layout("/a:b/c"), layout("/a:b/c", None, None));
        assert_eq!(oci_layout("a:1@sha256:0"), layout("a", Some("1"), Some("sha256:0")));
    }

    #[test]
    fn arguments_without_value_come_from_the_environment() {
        let environment = Environment::of([("FROM_ENV", "x"), ("SOURCE_DATE_EPOCH", "5")]);
        let args = ["A=1", "FROM_ENV", "ABSENT", "B=a=b"].map(str::to_owned);
        let args = build_args(&args, &environment);
        let expected = [("A", "1"), ("B", "a=b"), ("FROM_ENV", "x"), ("SOURCE_DATE_EPOCH", "5")];
        let expected = expected.map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(args, BTreeMap::from(expected));
    }
}
