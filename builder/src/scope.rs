//! Which variables an instruction sees, and with which values.
//!
//! A stage has one list of variables for ENV and ARG together: whichever instruction came last decides.
//! A child stage (`FROM parent`) starts with all of its parent's variables, ARGs included, and then with the
//! ENVs of the parent's image once more, so that over there an ENV beats an ARG of the same name.

use std::collections::{BTreeMap, HashMap};

use parser::expand::Lookup;
use store::Platform;

/// Variables in the order in which they were first set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Variables {
    entries: Vec<(String, String)>,
    /// Where a name stands in `entries`.
    places: HashMap<String, usize>,
}

impl Variables {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.places.get(name).map(|place| self.entries[*place].1.as_str())
    }

    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.places.get(&name) {
            Some(place) => self.entries[*place].1 = value,
            None => {
                self.places.insert(name.clone(), self.entries.len());
                self.entries.push((name, value));
            }
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.entries.retain(|(key, _)| key != name);
        let names = self.entries.iter().enumerate();
        self.places = names.map(|(place, (key, _))| (key.clone(), place)).collect();
    }

    /// `NAME=VALUE` in order.
    pub(crate) fn to_env(&self) -> Vec<String> {
        self.entries.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }
}

impl Lookup for Variables {
    fn lookup(&self, name: &str) -> Option<&str> {
        self.get(name)
    }
}

/// Declared by ARG, but never part of the environment of RUN.
const NOT_IN_ENVIRONMENT: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// What an instruction of a stage sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    variables: Variables,
    /// Every ARG so far, those of the parent stage first; a name may come twice.
    declared: Vec<Declared>,
}

/// One `ARG` of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    pub name: String,
    pub value: Option<String>,
}

impl Scope {
    /// ENV
    pub(crate) fn set_env(&mut self, name: &str, value: &str) {
        self.variables.set(name, value);
    }

    /// The `Env` of the base's configuration.
    pub(crate) fn add_config_env(&mut self, env: &[String]) {
        for line in env {
            let (name, value) = split_env(line);
            self.variables.set(name, value);
        }
    }

    /// ARG
    pub(crate) fn declare(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = &value
            && !NOT_IN_ENVIRONMENT.contains(&name)
        {
            self.variables.set(name, value);
        }
        self.declared.push(Declared { name: name.to_owned(), value });
    }

    pub(crate) fn variables(&self) -> &Variables {
        &self.variables
    }

    pub(crate) fn is_declared(&self, name: &str) -> bool {
        self.declared.iter().any(|declared| declared.name == name)
    }

    /// Each ARG once with its value now, in order of declaration: what the history of RUN lists.
    pub(crate) fn declared_values(&self) -> Vec<(String, String)> {
        let mut values = Variables::default();
        for declared in &self.declared {
            let set = self.variables.get(&declared.name);
            let value = set.or(declared.value.as_deref()).unwrap_or_default();
            values.set(&declared.name, value);
        }
        values.entries
    }
}

impl Lookup for Scope {
    fn lookup(&self, name: &str) -> Option<&str> {
        self.variables.get(name)
    }
}

/// `NAME=VALUE`; without `=` the value is empty.
pub(crate) fn split_env(line: &str) -> (&str, &str) {
    line.split_once('=').unwrap_or((line, ""))
}

/// The arguments every Dockerfile may use in FROM, and in a stage after `ARG NAME`.
pub(crate) fn platform_arguments(
    build: &Platform,
    target: &Platform,
    target_stage: &str,
    build_args: &BTreeMap<String, String>,
) -> Variables {
    let stage = if target_stage.is_empty() { "default" } else { target_stage };
    let version = |platform: &Platform| platform.os_version.clone().unwrap_or_default();
    let variant = |platform: &Platform| platform.variant.clone().unwrap_or_default();
    let arguments = [
        ("BUILDPLATFORM", build.to_string()),
        ("BUILDOS", build.os.clone()),
        ("BUILDOSVERSION", version(build)),
        ("BUILDARCH", build.architecture.clone()),
        ("BUILDVARIANT", variant(build)),
        ("TARGETPLATFORM", target.to_string()),
        ("TARGETOS", target.os.clone()),
        ("TARGETOSVERSION", version(target)),
        ("TARGETARCH", target.architecture.clone()),
        ("TARGETVARIANT", variant(target)),
        ("TARGETSTAGE", stage.to_owned()),
    ];
    let mut variables = Variables::default();
    for (name, value) in arguments {
        let value = build_args.get(name).cloned().unwrap_or(value);
        variables.set(name, value);
    }
    variables
}

/// The proxies RUN gets without an ARG: they are neither in the cache key nor in the history.
const PROXIES: [&str; 5] = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

/// `--build-arg HTTP_PROXY=…` in any case, as lines of an environment in both cases.
pub(crate) fn proxy_environment(build_args: &BTreeMap<String, String>) -> Vec<String> {
    let mut env = Vec::new();
    for proxy in PROXIES {
        let given = build_args.iter().rfind(|(name, _)| name.eq_ignore_ascii_case(proxy));
        if let Some((_, value)) = given {
            env.push(format!("{}={value}", proxy.to_ascii_uppercase()));
            env.push(format!("{proxy}={value}"));
        }
    }
    env
}

/// Arguments that mean something without an ARG in the Dockerfile.
pub(crate) fn is_predefined(name: &str) -> bool {
    PROXIES.iter().any(|proxy| name.eq_ignore_ascii_case(proxy))
        || name.starts_with("BUILDKIT_")
        || name == "SOURCE_DATE_EPOCH"
        || ["BUILD", "TARGET"].iter().any(|prefix| {
            name.strip_prefix(prefix).is_some_and(|rest| {
                ["PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT", "STAGE"].contains(&rest)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn an_argument_without_value_is_declared_but_not_set() {
        let mut scope = Scope::default();
        scope.declare("A", None);
        assert!(scope.is_declared("A"));
        assert_eq!(scope.lookup("A"), None);
        assert_eq!(scope.declared_values(), [("A".to_owned(), String::new())]);
    }

    #[test]
    fn the_last_of_env_and_arg_decides() {
        let mut scope = Scope::default();
        scope.declare("A", Some("arg".to_owned()));
        scope.set_env("A", "env");
        assert_eq!(scope.lookup("A"), Some("env"));
        assert_eq!(scope.declared_values(), [("A".to_owned(), "env".to_owned())]);
        scope.declare("A", Some("again".to_owned()));
        assert_eq!(scope.lookup("A"), Some("again"));
        scope.add_config_env(&["A=config".to_owned()]);
        assert_eq!(scope.lookup("A"), Some("config"));
    }

    #[test]
    fn sbom_arguments_stay_out_of_the_environment() {
        let mut scope = Scope::default();
        scope.declare("BUILDKIT_SBOM_SCAN_STAGE", Some("true".to_owned()));
        assert_eq!(scope.lookup("BUILDKIT_SBOM_SCAN_STAGE"), None);
        assert!(scope.is_declared("BUILDKIT_SBOM_SCAN_STAGE"));
    }

    #[test]
    fn platform_arguments_can_be_overridden() {
        let host: Platform = "linux/amd64".parse().unwrap();
        let target: Platform = "darwin/ppc64le".parse().unwrap();
        let variables = platform_arguments(&host, &target, "", &args(&[("TARGETOS", "freebsd")]));
        assert_eq!(variables.get("BUILDPLATFORM"), Some("linux/amd64"));
        assert_eq!(variables.get("TARGETPLATFORM"), Some("darwin/ppc64le"));
        assert_eq!(variables.get("TARGETOS"), Some("freebsd"));
        assert_eq!(variables.get("TARGETSTAGE"), Some("default"));
        assert_eq!(variables.get("TARGETVARIANT"), Some(""));
    }

    #[test]
    fn proxies_come_in_both_cases() {
        let env = proxy_environment(&args(&[("Http_Proxy", "http://p:1"), ("X", "y")]));
        assert_eq!(env, ["HTTP_PROXY=http://p:1", "http_proxy=http://p:1"]);
        for name in ["NO_PROXY", "https_proxy", "BUILDKIT_INLINE_CACHE", "TARGETARCH"] {
            assert!(is_predefined(name), "{name}");
        }
        assert!(!is_predefined("TARGETX"));
    }
}
