//! The environment variables rbuild looks at: the only place that reads them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// A copy of the process environment, taken once.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

/// Where the store and its run-time state are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    /// `$RBUILD_ROOT`, else `/var/lib/rbuild` for root, else below `$XDG_DATA_HOME`.
    pub root: PathBuf,
    /// `$RBUILD_STATE`, else `/run/rbuild` for root, else below `$XDG_RUNTIME_DIR`.
    pub state: PathBuf,
}

impl Environment {
    pub fn process() -> Environment {
        Environment { variables: std::env::vars_os().collect() }
    }

    /// An environment with these variables only.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Environment {
        let pairs = variables.into_iter();
        Environment { variables: pairs.map(|(name, value)| (name.into(), value.into())).collect() }
    }

    pub fn os(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A variable's value when it is set, not empty and valid UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.os(name)?.to_str().filter(|value| !value.is_empty())
    }

    /// All variables that are valid UTF-8.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
    }

    /// <https://no-color.org>: any value but the empty one turns colour off.
    pub fn colour_wanted(&self) -> bool {
        self.os("NO_COLOR").is_none_or(OsStr::is_empty) && self.text("TERM") != Some("dumb")
    }

    pub fn locations(&self) -> Locations {
        let root_user = rustix::process::geteuid().is_root();
        Locations {
            root: self.location("RBUILD_ROOT", root_user, "/var/lib/rbuild", Self::data_home),
            state: self.location("RBUILD_STATE", root_user, "/run/rbuild", Self::runtime_dir),
        }
    }

    fn location(
        &self,
        variable: &str,
        root_user: bool,
        system: &str,
        personal: impl Fn(&Self) -> PathBuf,
    ) -> PathBuf {
        match self.os(variable).filter(|value| !value.is_empty()) {
            Some(path) => absolute(Path::new(path)),
            None if root_user => PathBuf::from(system),
            None => absolute(&personal(self).join("rbuild")),
        }
    }

    fn data_home(&self) -> PathBuf {
        match self.text("XDG_DATA_HOME") {
            Some(path) => PathBuf::from(path),
            None => PathBuf::from(self.text("HOME").unwrap_or("/")).join(".local/share"),
        }
    }

    fn runtime_dir(&self) -> PathBuf {
        match self.text("XDG_RUNTIME_DIR") {
            Some(path) => PathBuf::from(path),
            None => {
                std::env::temp_dir().join(format!("rbuild-{}", rustix::process::geteuid().as_raw()))
            }
        }
    }
}

/// The path from `/`: the store outlives a change of the working directory.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_follow_the_variables() {
        let locations =
            Environment::of([("RBUILD_ROOT", "/data"), ("RBUILD_STATE", "/state")]).locations();
        assert_eq!(locations.root, Path::new("/data"));
        assert_eq!(locations.state, Path::new("/state"));
    }

    #[test]
    fn empty_no_color_does_not_count() {
        assert!(Environment::of([("NO_COLOR", "")]).colour_wanted());
        assert!(!Environment::of([("NO_COLOR", "1")]).colour_wanted());
    }
}
