//! Projects that Docker Compose 2.40.3 was run on, in each of the ways it was run.
//!
//! The files are read where they are, as if they were in `/recorded/project`: the folder they were recorded in
//! was called `project`, too.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use compose::discover::{Invocation, discover};
use compose::interpolate::variables;
use compose::load::{Files, LoadOptions, load, load_model, names_in_use};
use compose::render::{Form, yaml};
use compose::{Project, listing};
use serde_json::{Map, Value, json};

use crate::{folder, json, report, says_as_much};

const DIRECTORY: &str = "/recorded/project";

/// What we do otherwise on purpose: project, way of running, why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("PreStartHook", "config.json", "`pre_start` is known to newer versions, and to us"),
    (
        "cg-include-project-directory",
        "config.json",
        "a directory that is not there becomes its parent",
    ),
    ("build-test-ssh", "config.json", "its JSON of SSH keys is broken, ours is not"),
    ("TestSecretFromInclude", "no-interpolate.json", "it shows what is in a secret"),
];

#[test]
fn projects() {
    folders("projects");
}

#[test]
fn real_world() {
    folders("realworld");
}

fn folders(kind: &str) {
    let Some(folder) = folder() else { return };
    let Ok(entries) = fs::read_dir(folder.join(kind)) else {
        println!("skipped: no {kind}");
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut failed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in &paths {
        let Ok(golden) = fs::read(path.join("golden.json")) else { continue };
        let golden: Value = serde_json::from_slice(&golden).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for (way, run) in golden["runs"].as_object().unwrap() {
            let differs =
                |(project, it, _): &(&str, &str, &str)| name.contains(project) && way == it;
            if DIFFERENCES.iter().any(differs) {
                continue;
            }
            *counts.entry(way.clone()).or_default() += 1;
            if let Err(why) = Run::of(path, &golden, run).check(way, run) {
                failed.entry(way.clone()).or_default().push(format!("{name} {way}: {why}"));
            }
        }
    }
    for (way, count) in &counts {
        println!("{kind} {way}: {} passed of {count}", count - failed.get(way).map_or(0, Vec::len));
    }
    let failed: Vec<String> = failed.into_values().flatten().collect();
    report(kind, counts.values().sum(), &failed);
}

/// The recorded folder under its recorded name.
#[derive(Debug)]
struct Recorded {
    folder: PathBuf,
}

impl Recorded {
    fn real(&self, path: &str) -> PathBuf {
        match path.strip_prefix(DIRECTORY) {
            Some(rest) => self.folder.join(rest.trim_start_matches('/')),
            None => Path::new("/nonexistent").join(path.trim_start_matches('/')),
        }
    }
}

impl Files for Recorded {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.real(path))
    }

    fn is_file(&self, path: &str) -> bool {
        self.real(path).is_file()
    }
}

/// What was typed.
struct Run {
    files: Recorded,
    invocation: Invocation,
}

impl Run {
    fn of(folder: &Path, golden: &Value, run: &Value) -> Run {
        let args: Vec<&str> =
            run["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let after = |flag: &str| -> Vec<String> {
            let pairs = args.windows(2).filter(|pair| pair[0] == flag);
            pairs.map(|pair| pair[1].to_owned()).collect()
        };
        let mut files = after("-f");
        let usual = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
        let main = golden["compose_file"].as_str().unwrap_or("compose.yaml");
        if files.is_empty() && !usual.contains(&main) {
            files.push(main.to_owned());
        }
        let environment = [("HOME", "/root"), ("PATH", "/usr/bin:/bin")];
        let invocation = Invocation {
            files,
            project_directory: None,
            env_files: after("--env-file"),
            profiles: after("--profile"),
            name: None,
            directory: DIRECTORY.to_owned(),
            environment: environment.map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
            options: LoadOptions {
                interpolate: !args
                    .iter()
                    .any(|arg| ["--no-interpolate", "--variables"].contains(arg)),
                resolve_environment: !args.iter().any(|arg| arg.starts_with("--hash")),
                ..LoadOptions::ALL
            },
        };
        Run { files: Recorded { folder: folder.to_owned() }, invocation }
    }

    fn check(&self, way: &str, run: &Value) -> Result<(), String> {
        let expected: Value = serde_json::from_str(
            &run.to_string().replace("${DIR}", DIRECTORY).replace("${PARENT}", "/recorded"),
        )
        .unwrap();
        if run["exit"] != 0 {
            return self.check_failure(&expected);
        }
        match way {
            "no-interpolate.json" => same(json::of_node(&self.tree()?), &expected["json"]),
            "variables.json" => same(self.variables()?, &expected["json"]),
            "config.yaml" => {
                let text = yaml(&self.project()?.document(Form::Yaml)).replace('$', "$$");
                same(json!(text), &expected["stdout"])
            }
            way if way.ends_with(".json") => {
                let text = compose::render::json(&self.project()?.document(Form::Json), 2);
                let own: Value = serde_json::from_str(&text.replace('$', "$$")).unwrap();
                same(own, &expected["json"])
            }
            _ => self.check_lines(way, &expected["lines"]),
        }
    }

    fn check_lines(&self, way: &str, lines: &Value) -> Result<(), String> {
        let project = self.project()?;
        let mut own = match way {
            "services" => listing::services(&project),
            "images" => listing::images(&project),
            "volumes" => project.volumes.keys().cloned().collect(),
            "networks" => project.networks.keys().cloned().collect(),
            "profiles" => listing::profiles(&project),
            "hash" => listing::hashes(&project, "*").map_err(|error| error.to_string())?,
            way => return Err(format!("unknown way of running {way}")),
        };
        own.sort();
        let mut lines: Vec<String> =
            lines.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
        lines.sort();
        if way == "hash" {
            // A hash with the folder's path in it depends on where it was recorded.
            let placed = |line: &String| {
                let name = line.split(' ').next().unwrap_or_default();
                let document = project.services[name].document(Form::Json);
                json::of_data(&document).to_string().contains(DIRECTORY)
            };
            own.retain(|line| !placed(line));
            lines.retain(|line| !placed(line));
        }
        same(json!(own), &json!(lines))
    }

    fn check_failure(&self, expected: &Value) -> Result<(), String> {
        let stderr = expected["stderr"].as_array().unwrap();
        let lines: Vec<&str> = stderr.iter().filter_map(Value::as_str).collect();
        let lines: Vec<&str> =
            lines.into_iter().filter(|line| !line.contains("level=warning")).collect();
        match self.project() {
            Ok(_) => Err(format!("expected to fail with {lines:?}")),
            Err(own) => says_as_much(&own, &lines.join("\n")),
        }
    }

    fn project(&self) -> Result<Project, String> {
        let found = discover(&self.invocation, &self.files).map_err(|error| error.to_string())?;
        let loaded = load(&found.request, &self.files).map_err(|error| error.to_string())?;
        let mut project = loaded.project;
        project.drop_unused();
        if let Some(error) = names_in_use(&project).first() {
            return Err(error.to_string());
        }
        Ok(project)
    }

    fn tree(&self) -> Result<compose::yaml::Node, String> {
        let found = discover(&self.invocation, &self.files).map_err(|error| error.to_string())?;
        let model = load_model(&found.request, &self.files).map_err(|error| error.to_string())?;
        Ok(model.0)
    }

    fn variables(&self) -> Result<Value, String> {
        let shown = variables(&self.tree()?).into_iter().map(|(name, it)| {
            let shown = json!({
                "Name": name,
                "DefaultValue": it.default,
                "PresenceValue": it.alternative,
                "Required": it.required,
            });
            (name, shown)
        });
        Ok(Value::Object(shown.collect::<Map<_, _>>()))
    }
}

fn same(own: Value, expected: &Value) -> Result<(), String> {
    if json::same(&own, expected) {
        return Ok(());
    }
    Err(format!("expected {expected}\n     got {own}"))
}
