//! A trigger of a service, and which paths it is about.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use builder::context::ignore::Ignore;

use super::WatchError;
use crate::model::{Build, Hook, Project, Service, Watch};

/// What editors write for a moment, and what they keep for themselves.
const OF_EDITORS: &[&str] = &[
    "**/*___jb_old___",
    "**/*___jb_tmp___",
    "**/.idea",
    "**/.#*",
    "**/#*#",
    "**/4913",
    "**/*~",
    "**/.*.sw?",
    "**/.*.sw?x",
    "**/*.kate-swp",
    "**/.git",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Sync,
    Rebuild,
    Restart,
    SyncRestart,
    SyncExec,
}

impl Action {
    fn parse(text: &str) -> Option<Action> {
        Some(match text {
            "sync" => Action::Sync,
            "rebuild" => Action::Rebuild,
            "restart" => Action::Restart,
            "sync+restart" => Action::SyncRestart,
            "sync+exec" => Action::SyncExec,
            _ => return None,
        })
    }

    pub fn syncs(self) -> bool {
        matches!(self, Action::Sync | Action::SyncRestart | Action::SyncExec)
    }
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub service: String,
    pub action: Action,
    /// Absolute; a file or a directory.
    pub path: PathBuf,
    /// Where in the container what is at the path is to be.
    pub target: PathBuf,
    pub hook: Hook,
    pub initial_sync: bool,
    include: Option<Ignore>,
    /// Relative to the path, and to the build's context.
    ignored: Ignore,
    ignored_by_build: Option<(PathBuf, Ignore)>,
    /// A pattern takes back what another ignores, so an ignored directory may hold something.
    has_exceptions: bool,
}

impl Rule {
    /// Whether a change of this path is one for the rule.
    pub fn matches(&self, path: &Path) -> bool {
        let Ok(relative) = path.strip_prefix(&self.path) else { return false };
        // What was named itself is meant in any case.
        if relative.as_os_str().is_empty() {
            return true;
        }
        let included = |include: &Ignore| include.matches(relative.as_os_str().as_bytes());
        !self.ignores(path) && self.include.as_ref().is_none_or(included)
    }

    fn ignores(&self, path: &Path) -> bool {
        let by = |root: &Path, ignore: &Ignore| {
            let relative = path.strip_prefix(root).ok();
            relative.is_some_and(|relative| {
                !relative.as_os_str().is_empty() && ignore.matches(relative.as_os_str().as_bytes())
            })
        };
        by(&self.path, &self.ignored)
            || self.ignored_by_build.as_ref().is_some_and(|(root, ignore)| by(root, ignore))
    }

    /// Whether nothing below this directory can be for the rule.
    pub fn leaves_out(&self, directory: &Path) -> bool {
        let related = directory.starts_with(&self.path) || self.path.starts_with(directory);
        !related || !self.has_exceptions && self.ignores(directory)
    }

    /// Where a path that matches is in the container.
    pub fn place_of(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(&self.path) {
            Ok(relative) if !relative.as_os_str().is_empty() => self.target.join(relative),
            _ => self.target.clone(),
        }
    }
}

/// What is watched, and what needs not be.
#[derive(Clone, Debug)]
pub struct Rules {
    /// In the order they are written.
    pub rules: Vec<Rule>,
    /// Paths that containers see as they are, by bind mounts.
    pub mounted: Vec<String>,
}

/// Those of these services, or of all.
pub fn rules(project: &Project, services: &[String]) -> Result<Rules, WatchError> {
    let (mut rules, mut mounted) = (Vec::new(), Vec::new());
    for (name, service) in &project.services {
        let develop = service.develop.as_ref();
        let Some(develop) = develop.filter(|_| services.is_empty() || services.contains(name))
        else {
            continue;
        };
        for trigger in &develop.watch {
            match is_mounted(trigger, service) {
                true => mounted.push(trigger.path.clone()),
                false => rules.push(rule(name, service, trigger)?),
            }
        }
    }
    match rules.is_empty() {
        true => Err(WatchError::Nothing),
        false => Ok(Rules { rules, mounted }),
    }
}

/// What a bind mount shows in the container needs no copies.
fn is_mounted(trigger: &Watch, service: &Service) -> bool {
    let syncs = Action::parse(&trigger.action).is_some_and(Action::syncs);
    let binds = service.volumes.iter().filter(|mount| mount.kind == "bind");
    syncs
        && binds
            .map(|mount| &mount.source)
            .any(|source| Path::new(&trigger.path).starts_with(source))
}

fn rule(name: &str, service: &Service, trigger: &Watch) -> Result<Rule, WatchError> {
    let (service_name, text) = (name.to_owned(), trigger.action.clone());
    let Some(action) = Action::parse(&trigger.action) else {
        return Err(WatchError::Action { service: service_name, action: text });
    };
    if action == Action::Rebuild && service.build.is_none() {
        return Err(WatchError::NoBuild { service: service_name, action: text });
    }
    if action.syncs() && trigger.target.is_empty() {
        return Err(WatchError::NoTarget { service: service_name, action: text });
    }
    if action == Action::SyncExec && trigger.exec.command.0.as_ref().is_none_or(Vec::is_empty) {
        return Err(WatchError::NoCommand { service: service_name });
    }
    let patterns = |patterns: &[&str]| {
        let parsed = Ignore::new(patterns.iter().copied());
        parsed.map_err(|source| WatchError::Pattern { service: name.to_owned(), source })
    };
    let own = trigger.ignore.iter().map(String::as_str);
    let ignored: Vec<&str> = OF_EDITORS.iter().copied().chain(own.clone()).collect();
    let include: Vec<&str> = trigger.include.iter().map(String::as_str).collect();
    let build = service.build.as_deref().map(|build| of_build(name, build)).transpose()?.flatten();
    let has_exceptions = own.into_iter().any(|pattern| pattern.trim_start().starts_with('!'))
        || build.as_ref().is_some_and(|(.., exceptions)| *exceptions);
    Ok(Rule {
        service: service_name,
        action,
        path: PathBuf::from(&trigger.path),
        target: Path::new("/").join(&trigger.target),
        hook: trigger.exec.clone(),
        initial_sync: trigger.initial_sync,
        include: (!include.is_empty()).then(|| patterns(&include)).transpose()?,
        ignored: patterns(&ignored)?,
        ignored_by_build: build.map(|(root, ignore, _)| (root, ignore)),
        has_exceptions,
    })
}

/// The .dockerignore of the build's context, and whether it takes something back.
fn of_build(name: &str, build: &Build) -> Result<Option<(PathBuf, Ignore, bool)>, WatchError> {
    let root = PathBuf::from(&build.context);
    let path = root.join(".dockerignore");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // Contexts that are elsewhere have none here.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        Err(source) => return Err(WatchError::Read { path, source }),
    };
    let exceptions = text.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"!"));
    let ignore = Ignore::parse(&text)
        .map_err(|source| WatchError::Pattern { service: name.to_owned(), source })?;
    Ok(Some((root, ignore, exceptions)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Develop;

    fn project(trigger: Watch, build: Option<&str>) -> Project {
        let build = build
            .map(|context| Box::new(Build { context: context.to_owned(), ..Build::default() }));
        let develop = Some(Develop { watch: vec![trigger], ..Develop::default() });
        let service = Service { develop, build, ..Service::default() };
        Project { services: [("web".to_owned(), service)].into(), ..Project::default() }
    }

    fn trigger(action: &str) -> Watch {
        Watch {
            path: "/src".to_owned(),
            action: action.to_owned(),
            target: "/app".to_owned(),
            ..Watch::default()
        }
    }

    #[test]
    fn what_is_ignored_does_not_match() {
        let mut trigger = trigger("sync");
        trigger.ignore = vec!["node_modules/".to_owned(), "*.log".to_owned()];
        let rules = rules(&project(trigger, None), &[]).unwrap().rules;
        for (path, expected) in [
            ("/src/a.py", true),
            ("/src/deep/er/b", true),
            ("/src", true),
            ("/srcs/a", false),
            ("/other", false),
            ("/src/node_modules", false),
            ("/src/node_modules/x/y.js", false),
            ("/src/x.log", false),
            ("/src/deep/x.log", true),
            ("/src/.git/HEAD", false),
            ("/src/.a.py.swp", false),
            ("/src/4913", false),
            ("/src/a.py~", false),
        ] {
            assert_eq!(rules[0].matches(Path::new(path)), expected, "{path}");
        }
        assert!(rules[0].leaves_out(Path::new("/src/node_modules")));
        assert!(!rules[0].leaves_out(Path::new("/src/deep")));
        assert!(!rules[0].leaves_out(Path::new("/")));
        assert!(rules[0].leaves_out(Path::new("/other")));
    }

    #[test]
    fn only_what_is_included_matches() {
        let mut trigger = trigger("sync");
        trigger.include = vec!["**/*.py".to_owned()];
        trigger.ignore = vec!["tests".to_owned()];
        let rules = rules(&project(trigger, None), &[]).unwrap().rules;
        let matches = |path: &str| rules[0].matches(Path::new(path));
        assert!(matches("/src/a.py") && matches("/src/x/b.py"));
        assert!(!matches("/src/a.js") && !matches("/src/tests/a.py"));
    }

    #[test]
    fn the_dockerignore_counts_from_the_context() {
        let temp = tempfile::tempdir().unwrap();
        let context = temp.path().to_str().unwrap();
        fs::write(temp.path().join(".dockerignore"), "web/tmp\n!web/tmp/kept\n").unwrap();
        let trigger = Watch { path: format!("{context}/web"), ..trigger("rebuild") };
        let rules = rules(&project(trigger, Some(context)), &[]).unwrap().rules;
        let matches = |path: &str| rules[0].matches(&temp.path().join(path));
        assert!(matches("web/a") && matches("web/tmp/kept"));
        assert!(!matches("web/tmp/b") && !matches("a"));
        assert!(!rules[0].leaves_out(&temp.path().join("web/tmp")));
    }

    #[test]
    fn what_is_mounted_is_not_watched() {
        let mut project = project(trigger("sync"), None);
        let mount = crate::model::Mount {
            kind: "bind".to_owned(),
            source: "/src".to_owned(),
            ..crate::model::Mount::default()
        };
        let web = project.services.get_mut("web").unwrap();
        web.volumes.push(mount);
        assert!(matches!(rules(&project, &[]), Err(WatchError::Nothing)));
        let web = project.services.get_mut("web").unwrap();
        let other = Watch { path: "/conf".to_owned(), ..trigger("sync") };
        web.develop.as_mut().unwrap().watch.push(other);
        let found = rules(&project, &[]).unwrap();
        assert_eq!((found.rules.len(), found.mounted), (1, vec!["/src".to_owned()]));
    }

    #[test]
    fn places_are_below_the_target() {
        let rules = rules(&project(trigger("sync"), None), &[]).unwrap().rules;
        assert_eq!(rules[0].place_of(Path::new("/src/a/b")), Path::new("/app/a/b"));
        assert_eq!(rules[0].place_of(Path::new("/src")), Path::new("/app"));
    }

    #[test]
    fn what_cannot_be_watched_says_why() {
        let says = |trigger: Watch, expected: &str| {
            let error = rules(&project(trigger, None), &[]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        says(trigger("rebuild"), "without a build context");
        says(trigger("dance"), "`dance` is no action");
        says(Watch { target: String::new(), ..trigger("sync") }, "needs a `target`");
        says(trigger("sync+exec"), "needs `exec.command`");
        let error = rules(&project(trigger("sync"), None), &["db".to_owned()]).unwrap_err();
        assert!(matches!(error, WatchError::Nothing));
    }
}
