//! A batch of changes to what has to be done, each thing once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Action, Rule};

/// A file here, and where it is in the containers of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sync {
    pub path: PathBuf,
    pub target: PathBuf,
}

/// In this order: what is rebuilt needs nothing else, programs run when the files are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    pub rebuild: BTreeSet<String>,
    /// By service.
    pub sync: BTreeMap<String, BTreeSet<Sync>>,
    pub restart: BTreeSet<String>,
    /// Positions of the rules whose programs are to be run.
    pub execute: BTreeSet<usize>,
}

impl Work {
    pub fn of(rules: &[Rule], changed: &BTreeSet<PathBuf>) -> Work {
        let mut work = Work::default();
        for path in changed {
            for (at, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.matches(path)) {
                let service = || rule.service.clone();
                if rule.action.syncs() {
                    let sync = Sync { path: path.clone(), target: rule.place_of(path) };
                    work.sync.entry(service()).or_default().insert(sync);
                }
                match rule.action {
                    Action::Sync => {}
                    Action::Rebuild => {
                        work.rebuild.insert(service());
                    }
                    Action::Restart | Action::SyncRestart => {
                        work.restart.insert(service());
                    }
                    Action::SyncExec => {
                        work.execute.insert(at);
                    }
                }
            }
        }
        // A new container has the files of its image, and runs anew.
        work.sync.retain(|service, _| !work.rebuild.contains(service));
        work.restart.retain(|service| !work.rebuild.contains(service));
        work.execute.retain(|at| !work.rebuild.contains(&rules[*at].service));
        work
    }

    /// What every container has to be given at the beginning.
    pub fn initial(rules: &[Rule]) -> Work {
        let mut work = Work::default();
        for rule in rules.iter().filter(|rule| rule.initial_sync && rule.action.syncs()) {
            let sync = Sync { path: rule.path.clone(), target: rule.target.clone() };
            work.sync.entry(rule.service.clone()).or_default().insert(sync);
        }
        work
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules;
    use super::*;
    use crate::model::{Build, Command, Develop, Hook, Project, Service, Watch};

    fn service(triggers: &[(&str, &str)]) -> Service {
        let watch = triggers.iter().map(|(path, action)| Watch {
            path: (*path).to_owned(),
            action: (*action).to_owned(),
            target: "/app".to_owned(),
            exec: Hook { command: Command(Some(vec!["reload".to_owned()])), ..Hook::default() },
            ..Watch::default()
        });
        Service {
            build: Some(Box::new(Build { context: "/none".to_owned(), ..Build::default() })),
            develop: Some(Develop { watch: watch.collect(), ..Develop::default() }),
            ..Service::default()
        }
    }

    fn work(changed: &[&str]) -> Work {
        let services = [
            ("a", service(&[("/src", "sync"), ("/src/deps", "rebuild")])),
            ("b", service(&[("/src", "sync+restart"), ("/conf", "restart")])),
            ("c", service(&[("/conf", "sync+exec")])),
        ];
        let services = services.into_iter().map(|(name, service)| (name.to_owned(), service));
        let project = Project { services: services.collect(), ..Project::default() };
        let rules = rules(&project, &[]).unwrap().rules;
        Work::of(&rules, &changed.iter().map(PathBuf::from).collect())
    }

    fn names(set: &BTreeSet<String>) -> Vec<&str> {
        set.iter().map(String::as_str).collect()
    }

    #[test]
    fn each_thing_is_done_once() {
        let work = work(&["/src/x", "/src/y"]);
        assert_eq!(work.sync["a"].len(), 2);
        assert_eq!(work.sync["b"].len(), 2);
        assert_eq!(names(&work.restart), ["b"]);
        assert!(work.rebuild.is_empty() && work.execute.is_empty());
    }

    #[test]
    fn what_is_rebuilt_needs_nothing_else() {
        let work = work(&["/src/deps/z"]);
        assert_eq!(names(&work.rebuild), ["a"]);
        assert!(!work.sync.contains_key("a"));
        assert!(work.sync.contains_key("b"));
    }

    #[test]
    fn programs_run_once_for_many_files() {
        let work = work(&["/conf/1", "/conf/2"]);
        assert_eq!(work.execute.len(), 1);
        assert_eq!(names(&work.restart), ["b"]);
        assert_eq!(work.sync.keys().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn what_is_elsewhere_means_nothing() {
        assert_eq!(work(&["/other"]), Work::default());
    }
}
