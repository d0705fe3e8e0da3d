//! Plans against what BuildKit made of the same Dockerfiles: configuration, history, errors, build checks.

#[path = "../../parser/tests/support/mod.rs"]
mod support;

mod planning;

use std::collections::BTreeSet;
use std::path::Path;

use builder::check_rules::Rule;
use builder::plan::BuildPlan;
use builder::progress::Warning;
use builder::request::{BuildRequest, SourceText};
use planning::{FakeImages, plans, request, set_option};
use serde_json::{Map, Value, json};
use support::{Tally, cases_dir, run_table, same, str_of};

/// Errors that only running the build can show: files and images that are not there, processes that fail,
/// a `.dockerignore` that cannot be read.
const ERRORS_AT_RUN_TIME: [&str; 9] = [
    "not found",
    "did not complete successfully",
    "illegal exclusion pattern",
    "cannot copy to non-directory",
    "cannot replace to directory",
    "failed to solve: target",
    "no such file",
    "not a directory",
    "lstat",
];

#[test]
fn cases_build_plans() {
    let Some(dir) = cases_dir() else { return };
    // BuildKit speaks of its own format there: "failed to marshal LLB definition".
    let mut tally = Tally::new("build plans", &["err-json-run-empty"]);
    let mut names: Vec<_> = std::fs::read_dir(dir.join("dockerfile/build-cases"))
        .expect("a folder of cases")
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    names.sort();
    for case in &names {
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        tally.add(&name, build_case(case));
    }
    tally.finish();
}

fn build_case(case: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(case.join("expect.json")).expect("expectations");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    let request = request_of(case, &expected);
    let planned = plans(&request, &FakeImages::default());
    if expected["result"] == "error" {
        return check_error(&expected, planned);
    }
    let plans = planned?;
    let images = expected["images"].as_array().cloned().unwrap_or_else(|| vec![expected.clone()]);
    for image in &images {
        let os = image["os"].as_str().expect("a system");
        let architecture = image["architecture"].as_str().expect("an architecture");
        let is_it = |plan: &&BuildPlan| {
            let config = &plan.stages[plan.target.0].config;
            config.os == os && config.architecture == architecture
        };
        let plan = plans.iter().find(is_it).ok_or(format!("no image for {os}/{architecture}"))?;
        check_image(image, plan)?;
    }
    same(plans.len(), images.len())
}

fn request_of(case: &Path, expected: &Value) -> BuildRequest {
    let build = &expected["build"];
    let options = build["opts"].as_object().cloned().unwrap_or_default();
    let name = options.get("filename").and_then(Value::as_str).unwrap_or("Dockerfile");
    let dockerfile = std::fs::read(case.join(name))
        .or_else(|_| std::fs::read(case.join("Dockerfile")))
        .unwrap_or_default();
    let mut request = request(&dockerfile);
    for (name, value) in &options {
        set_option(&mut request, name, value.as_str().expect("text"));
    }
    request
}

fn check_error(expected: &Value, planned: Result<Vec<BuildPlan>, String>) -> Result<(), String> {
    let wanted = support::strings(expected, "error_contains");
    match planned {
        Err(error) => {
            let error = error.to_lowercase();
            // BuildKit adds where its parser was; we show it.
            let found = wanted.iter().any(|text| {
                let text = text.to_lowercase();
                let bare = text.split_once("on line ").and_then(|(_, rest)| rest.split_once(": "));
                error.contains(bare.map_or(text.as_str(), |(_, bare)| bare))
            });
            if found { Ok(()) } else { Err(format!("`{error}`, expected {wanted:?}")) }
        }
        Ok(_) => {
            let late =
                wanted.iter().any(|text| ERRORS_AT_RUN_TIME.iter().any(|at| text.contains(at)));
            if late { Ok(()) } else { Err(format!("planned, expected {wanted:?}")) }
        }
    }
}

fn check_image(expected: &Value, plan: &BuildPlan) -> Result<(), String> {
    let config = &plan.stages[plan.target.0].config;
    let found = serde_json::to_value(&config.config).expect("a configuration");
    same(without_empty(&found), without_empty(&expected["config"]))?;
    same(config.author.as_str(), expected["author"].as_str().unwrap_or(""))?;
    let history: Vec<Value> = config
        .history
        .iter()
        .map(|entry| match entry.empty_layer {
            true => json!({"created_by": entry.created_by, "empty_layer": true}),
            false => json!({"created_by": entry.created_by}),
        })
        .collect();
    let wanted: Vec<Value> = expected["history"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| match entry["empty_layer"] == true {
            true => json!({"created_by": entry["created_by"], "empty_layer": true}),
            false => json!({"created_by": entry["created_by"]}),
        })
        .collect();
    same(history, wanted)?;
    let layers = config.history.iter().filter(|entry| !entry.empty_layer).count();
    same(layers as u64, expected["layer_count"].as_u64().unwrap_or(0))
}

fn without_empty(config: &Value) -> Map<String, Value> {
    let mut fields: Vec<(String, Value)> = config
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !matches!(value, Value::Null) && *value != &json!([]))
        .filter(|(_, value)| *value != &json!({}) && *value != &json!(""))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields.into_iter().collect()
}

#[test]
fn cases_realworld_plans() {
    let Some(dir) = cases_dir() else { return };
    // We point at the word with the variable, BuildKit at the instruction.
    let different = ["jupyter+docker-stacks__images__pytorch-notebook__cuda12__Dockerfile"];
    let mut tally = Tally::new("plans of real files", &different);
    let mut paths: Vec<_> = std::fs::read_dir(dir.join("dockerfile/realworld"))
        .expect("a folder of cases")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.join("expect.json").exists())
        .collect();
    paths.sort();
    for case in &paths {
        let name = case.file_name().expect("a name").to_string_lossy().into_owned();
        tally.add(&name, real_file(case));
    }
    tally.finish();
}

fn real_file(case: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(case.join("expect.json")).expect("expectations");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    let dockerfile = std::fs::read(case.join("Dockerfile")).expect("a Dockerfile");
    let request = request(&dockerfile);
    match (all_warnings(&request), expected["convert_error"].as_str()) {
        (Ok(_), Some(error)) => Err(format!("planned, expected `{error}`")),
        (Err(found), None) => Err(found),
        (Err(found), Some(error)) => {
            let start = error.split_once("on line").map_or(error, |_| "unknown instruction");
            let start = start.split(": invalid").next().unwrap_or_default();
            if found.contains(start) { Ok(()) } else { Err(format!("{found}, expected {error}")) }
        }
        (Ok(found), None) => match expected["lint"].as_array() {
            Some(lint) => same(found, recorded_warnings(lint)),
            None => Ok(()),
        },
    }
}

type Found = BTreeSet<(u64, String, String)>;

/// Of all stages. What cannot be built here is checked nevertheless, so nothing is refused.
fn all_warnings(request: &BuildRequest) -> Result<Found, String> {
    let checked = builder::check(request, None);
    match checked.error {
        None => Ok(located(request, &checked.warnings)),
        Some(error) => Err(error.to_string()),
    }
}

fn located(request: &BuildRequest, warnings: &[Warning]) -> Found {
    let text = String::from_utf8_lossy(&request.dockerfile.text);
    let source = parser::Source::new("Dockerfile", text);
    let place = |warning: &Warning| {
        let line = warning.lines(&source)?.0 as u64;
        Some((line, warning.rule?.to_owned(), warning.message.clone()))
    };
    warnings.iter().filter_map(place).collect()
}

fn recorded_warnings(lint: &[Value]) -> Found {
    let recorded = lint.iter().map(|warning| {
        let line = warning["lines"][0].as_u64().expect("a line");
        (line, str_of(warning, "rule").to_owned(), str_of(warning, "detail").to_owned())
    });
    recorded.collect()
}

#[test]
fn cases_lint() {
    run_table("lint", &[], |case| {
        let mut request = request(str_of(case, "dockerfile").as_bytes());
        if let Some(ignore) = case["dockerignore"].as_str() {
            let text = ignore.as_bytes().to_vec();
            request.dockerignore = Some(SourceText { name: ".dockerignore".to_owned(), text });
        }
        for (name, value) in case["frontend_attrs"].as_object().into_iter().flatten() {
            set_option(&mut request, name, value.as_str().expect("text"));
        }
        let found = match (plans(&request, &FakeImages::default()), case["build_error"].as_str()) {
            (Ok(_), Some(error)) => return Err(format!("planned, expected `{error}`")),
            (Err(found), Some(error)) if !known_words(&found, error) => return Err(found),
            (Err(_), Some(_)) => builder::check(&request, None).warnings,
            (plans, _) => plans?[0].warnings.clone(),
        };
        let found = located(&request, &found);
        let expected: Found = case["warnings"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|warning| {
                let line = warning["line"].as_u64().expect("a line");
                (line, str_of(warning, "rule").to_owned(), str_of(warning, "detail").to_owned())
            })
            .collect();
        for warning in case["warnings"].as_array().into_iter().flatten() {
            let rule = Rule::find(str_of(warning, "rule")).ok_or("no such rule")?;
            same(rule.description, str_of(warning, "description"))?;
            same(rule.url().as_deref(), warning["url"].as_str())?;
        }
        same(found, expected)
    });
}

/// Whether an error is the expected one: the words before the first colon and the suggestion are the same.
fn known_words(found: &str, expected: &str) -> bool {
    // Where its parser was is told by the place.
    let bare = expected.strip_prefix("dockerfile parse error on line ");
    let bare = bare.and_then(|rest| rest.split_once(": ")).map_or(expected, |(_, bare)| bare);
    let start = bare.split(':').next().unwrap_or_default();
    let suggestion = expected.find(" (did you mean").map_or("", |at| &expected[at..]);
    found.contains(start) && found.contains(suggestion)
}
