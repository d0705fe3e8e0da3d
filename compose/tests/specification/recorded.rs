//! Every document of the recorded compose files.

use std::fs;
use std::path::Path;

use compose::source::Sources;
use compose::yaml::{self, Node};
use serde_json::{Map, Value};

/// Of folders of projects, of scenarios, and of what compose-go's own tests load.
pub(crate) fn documents(cases: &Path) -> Vec<Value> {
    let mut texts = Vec::new();
    for kind in ["projects", "realworld", "scenarios"] {
        let Ok(folders) = fs::read_dir(cases.join(kind)) else { continue };
        for folder in folders {
            for file in fs::read_dir(folder.unwrap().path()).into_iter().flatten() {
                let path = file.unwrap().path();
                let is_yaml = path.extension().is_some_and(|it| it == "yaml" || it == "yml");
                texts.extend(fs::read_to_string(&path).ok().filter(|_| is_yaml));
            }
        }
    }
    let loads = fs::read(cases.join("unit/load.json")).unwrap_or_default();
    let loads: Value = serde_json::from_slice(&loads).unwrap_or_default();
    for case in loads["cases"].as_array().into_iter().flatten() {
        let files = case["files"].as_array().into_iter().flatten();
        texts.extend(files.filter_map(|file| file["content"].as_str().map(str::to_owned)));
    }
    texts.sort();
    texts.dedup();
    let parsed = texts
        .iter()
        .filter_map(|text| yaml::parse(text, Sources::default().add("f", text.as_str())).ok());
    let mut documents: Vec<Value> = parsed.flatten().map(|it| of_node(&it.root)).collect();
    documents.retain(Value::is_object);
    documents
}

/// Dates as text that no attribute takes: JSON has none.
pub(crate) fn of_node(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Null => Value::Null,
        yaml::Value::Bool(value) => Value::Bool(*value),
        yaml::Value::Int(value) => (*value).into(),
        yaml::Value::Uint(value) => (*value).into(),
        yaml::Value::Float(value) => (*value).into(),
        yaml::Value::Timestamp(text) | yaml::Value::String(text) => Value::String(text.clone()),
        yaml::Value::List(list) => Value::Array(list.iter().map(of_node).collect()),
        yaml::Value::Map(map) => {
            let entries = map.iter().map(|(key, node)| (key.to_owned(), of_node(node)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}
