//! Env files and label files of services.

use std::collections::BTreeMap;

use super::{Files, Problem, ProblemKind};
use crate::Project;
use crate::dotenv;
use crate::model::{EnvFile, Service};
use crate::source::Span;

/// Takes the variables of env files below those of `environment`.
pub fn resolve_environment(project: &mut Project, files: &dyn Files) -> Vec<Problem> {
    let mut problems = Vec::new();
    let outer = &project.environment;
    for service in project.services.values_mut() {
        for (name, value) in &mut service.environment.0 {
            if value.is_none() {
                *value = outer.get(name).cloned();
            }
        }
        let mut found = BTreeMap::new();
        for file in &service.env_file {
            if let Err(kind) = read(file, service, outer, &mut found, files) {
                problems.push(Problem::new(kind, Span::NOWHERE));
            }
        }
        for (name, value) in found {
            service.environment.0.entry(name).or_insert(Some(value));
        }
    }
    problems
}

fn read(
    file: &EnvFile,
    service: &Service,
    outer: &BTreeMap<String, String>,
    found: &mut BTreeMap<String, String>,
    files: &dyn Files,
) -> Result<(), ProblemKind> {
    let path = file.path.clone();
    let Ok(bytes) = files.read(&path) else {
        return if file.required { Err(ProblemKind::EnvFileMissing { path }) } else { Ok(()) };
    };
    let text = String::from_utf8_lossy(&bytes);
    // The project's variables come first, then the service's.
    let lookup = |name: &str| {
        let own = || service.environment.0.get(name).cloned().flatten();
        outer.get(name).cloned().or_else(own)
    };
    if file.format == "raw" {
        dotenv::parse_raw(&text, found, &lookup);
        return Ok(());
    }
    dotenv::parse(&text, found, &lookup).map_err(|error| ProblemKind::EnvFile { path, error })
}

/// Takes the labels of label files below those of `labels`.
pub fn resolve_labels(project: &mut Project, files: &dyn Files) -> Vec<Problem> {
    let mut problems = Vec::new();
    let outer = &project.environment;
    for service in project.services.values_mut() {
        let mut found = BTreeMap::new();
        for path in service.label_file.0.clone() {
            let lookup = |name: &str| outer.get(name).cloned();
            let result = match files.read(&path) {
                Ok(bytes) => dotenv::parse(&String::from_utf8_lossy(&bytes), &mut found, &lookup)
                    .map_err(|error| ProblemKind::EnvFile { path, error }),
                Err(_) => Err(ProblemKind::EnvFileMissing { path }),
            };
            if let Err(kind) = result {
                problems.push(Problem::new(kind, Span::NOWHERE));
            }
        }
        for (name, value) in found {
            service.labels.0.entry(name).or_insert(value);
        }
    }
    problems
}
