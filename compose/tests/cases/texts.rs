//! Sizes, durations, project names, variables in texts and trees, env files.

use std::collections::BTreeMap;

use compose::dotenv;
use compose::interpolate::{Cast, Variables, interpolate, substitute, variables};
use compose::load::normalize_name;
use compose::model::{Bytes, Duration};
use compose::path::TreePath;
use serde_json::{Value, json};

use crate::{compare, json, unit};

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap()
}

/// Recorded answers of the environment: null is a variable that is not set.
pub(crate) fn lookups(case: &Value, key: &str) -> BTreeMap<String, String> {
    let Some(map) = case[key].as_object() else { return BTreeMap::new() };
    map.iter().filter_map(|(name, it)| Some((name.clone(), it.as_str()?.to_owned()))).collect()
}

#[test]
fn bytes() {
    unit("bytes", |case| {
        let result = Bytes::parse(text(case, "input")).map(|it| json!(it.0));
        compare(result.map_err(|it| it.to_string()), &case["output"], &case["error"])
    });
}

#[test]
fn durations() {
    unit("duration", |case| {
        let result = Duration::parse(text(case, "input"));
        if let Ok(duration) = &result {
            let canonical = text(case, "canonical");
            if duration.to_string() != canonical {
                return Err(format!("expected {canonical}, got {duration}"));
            }
        }
        let result = result.map(|it| json!(it.0)).map_err(|it| it.to_string());
        compare(result, &case["output_ns"], &case["error"])
    });
}

#[test]
fn project_names() {
    unit("project_name", |case| {
        let name = normalize_name(text(case, "input"));
        compare(Ok(json!(name)), &case["output"], &Value::Null)
    });
}

#[test]
fn templates() {
    unit("template", |case| {
        let values = lookups(case, "lookups");
        let mut variables = Variables::new(|name: &str| values.get(name).cloned());
        let result = substitute(text(case, "input"), &mut variables);
        let result = result.map(|it| json!(it)).map_err(|it| it.to_string());
        compare(result, &case["output"], &case["error"])
    });
}

/// What the recorded tests cast to what.
fn cast(path: &TreePath) -> Option<Cast> {
    match path.last() {
        Some("replicas") => Some(Cast::Int),
        Some("required") => Some(Cast::Bool),
        _ => None,
    }
}

#[test]
fn interpolated_trees() {
    unit("interpolate", |case| {
        let values = lookups(case, "lookups");
        let casts: Vec<&str> =
            case["casts"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let cast = |path: &TreePath| {
            casts.iter().any(|pattern| path.matches(pattern)).then(|| cast(path)).flatten()
        };
        let mut tree = json::node(&case["input"]);
        let mut variables = Variables::new(|name: &str| values.get(name).cloned());
        let found = interpolate(&mut tree, &mut variables, &cast);
        let result = match found.errors.first() {
            Some((error, _)) => Err(error.to_string()),
            None => Ok(json::of_node(&tree)),
        };
        compare(result, &case["output"], &case["error"])
    });
}

#[test]
fn extracted_variables() {
    unit("extract_variables", |case| {
        let found = variables(&json::node(&case["input"]));
        let found: serde_json::Map<String, Value> = found
            .into_iter()
            .map(|(name, it)| {
                let shown = json!({
                    "Name": name,
                    "DefaultValue": it.default,
                    "PresenceValue": it.alternative,
                    "Required": it.required,
                });
                (name, shown)
            })
            .collect();
        compare(Ok(Value::Object(found)), &case["output"], &Value::Null)
    });
}

#[test]
fn env_files() {
    unit("dotenv", |case| {
        let values = lookups(case, "lookups");
        let mut found = lookups(case, "vars_before");
        let result =
            dotenv::parse(text(case, "input"), &mut found, &|name| values.get(name).cloned());
        let result = result.map(|()| json!(found)).map_err(|it| it.to_string());
        compare(result, &case["output"], &case["error"])
    });
}
