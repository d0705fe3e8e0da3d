//! The answers to `--call outline` and `--call targets`: as docker's tables, as docker's JSON.

use builder::plan::{Argument, Need, Outline};
use parser::ast::{Dockerfile, Stage};
use parser::{Source, Span};
use serde_json::{Map, Value, json};

use super::checks::{base64, location, pretty};
use crate::format::align_within;
use crate::terminal_text::lines;

/// What can be asked: name, version, description.
const METHODS: [(&str, &str, &str); 4] = [
    ("outline", "1.0.0", "List all parameters current build takes"),
    ("targets", "1.0.0", "List all targets current build supports"),
    ("lint", "1.0.0", "Lint a Dockerfile"),
    ("subrequests.describe", "1.0.0", "List available subrequest types"),
];

/// A table for each kind of thing that there is something of.
pub fn text(outline: &Outline) -> String {
    let mut text = String::new();
    if outline.name.is_some() || outline.description.is_some() {
        let name = outline.name.as_deref().unwrap_or("(default)");
        let mut rows = format!("TARGET:\t{name}\n");
        if let Some(description) = &outline.description {
            rows.push_str(&format!("DESCRIPTION:\t{}\n", shown(description)));
        }
        text.push_str(&align_within(&rows, 0, 1));
        text.push('\n');
    }
    let arguments = outline.arguments.iter().map(|argument| {
        let Argument { name, value, description, .. } = argument;
        let cell = |text: &Option<String>| shown(text.as_deref().unwrap_or_default());
        format!("{name}\t{}\t{}", cell(value), cell(description))
    });
    table(&mut text, "BUILD ARG\tVALUE\tDESCRIPTION", arguments);
    let required =
        |need: &Need| format!("{}\t{}", shown(&need.id), if need.required { "true" } else { "" });
    table(&mut text, "SECRET\tREQUIRED", outline.secrets.iter().map(required));
    table(&mut text, "SSH\tREQUIRED", outline.ssh.iter().map(required));
    table(&mut text, "CACHE MOUNT", outline.caches.iter().map(|need| shown(&need.id)));
    text
}

fn table(text: &mut String, head: &str, rows: impl Iterator<Item = String>) {
    let rows: Vec<String> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let rows = format!("{head}\n{}\n", rows.join("\n"));
    text.push_str(&align_within(&rows, 0, 3));
    text.push('\n');
}

/// In one cell, and without harm to a terminal.
fn shown(text: &str) -> String {
    lines(text).replace(['\n', '\t'], " ")
}

/// The document of `docker build --call outline,format=json`. As there, what is empty or false is left out.
pub fn json(source: &Source, outline: &Outline) -> String {
    let mut document = Map::new();
    text_field(&mut document, "name", outline.name.as_deref());
    text_field(&mut document, "description", outline.description.as_deref());
    let arguments = outline.arguments.iter().map(|argument| argument_json(source, argument));
    list_field(&mut document, "args", arguments.collect());
    let needs = |needs: &[Need], key| needs.iter().map(|n| need_json(source, n, key)).collect();
    list_field(&mut document, "secrets", needs(&outline.secrets, "name"));
    list_field(&mut document, "ssh", needs(&outline.ssh, "name"));
    list_field(&mut document, "cache", needs(&outline.caches, "ID"));
    document.insert("sources".to_owned(), sources(source));
    pretty(&Value::Object(document))
}

fn argument_json(source: &Source, argument: &Argument) -> Value {
    let mut entry = Map::new();
    entry.insert("name".to_owned(), json!(argument.name));
    text_field(&mut entry, "description", argument.description.as_deref());
    text_field(&mut entry, "value", argument.value.as_deref());
    entry.insert("location".to_owned(), place(source, argument.span));
    Value::Object(entry)
}

fn need_json(source: &Source, need: &Need, key: &str) -> Value {
    let mut entry = Map::new();
    entry.insert(key.to_owned(), json!(need.id));
    if need.required {
        entry.insert("required".to_owned(), json!(true));
    }
    entry.insert("location".to_owned(), place(source, need.span));
    Value::Object(entry)
}

fn text_field(entry: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        entry.insert(name.to_owned(), json!(value));
    }
}

fn list_field(entry: &mut Map<String, Value>, name: &str, values: Vec<Value>) {
    if !values.is_empty() {
        entry.insert(name.to_owned(), Value::Array(values));
    }
}

fn place(source: &Source, span: Span) -> Value {
    location(source.lines(span))
}

fn sources(source: &Source) -> Value {
    json!([base64(source.text().as_bytes())])
}

/// The stages with what the comments above them say; the last is built unless `--target` says otherwise.
pub fn targets_text(dockerfile: &Dockerfile) -> String {
    let mut rows = "TARGET\tDESCRIPTION\n".to_owned();
    let last = dockerfile.stages.len().saturating_sub(1);
    for (number, stage) in dockerfile.stages.iter().enumerate() {
        let name = match (name(stage), number == last) {
            (Some(name), true) => format!("{name} (default)"),
            (Some(name), false) => name.to_owned(),
            (None, true) => "(default)".to_owned(),
            (None, false) => String::new(),
        };
        let description = stage.description.as_deref().unwrap_or_default();
        rows.push_str(&format!("{name}\t{}\n", shown(description)));
    }
    align_within(&rows, 0, 3)
}

fn name(stage: &Stage) -> Option<&str> {
    stage.from.name.as_ref().map(|name| name.value.as_str())
}

/// The document of `docker build --call targets,format=json`. Variables are as written.
pub fn targets_json(source: &Source, dockerfile: &Dockerfile) -> String {
    let last = dockerfile.stages.len().saturating_sub(1);
    let targets = dockerfile.stages.iter().enumerate().map(|(number, stage)| {
        let mut entry = Map::new();
        text_field(&mut entry, "name", name(stage));
        if number == last {
            entry.insert("default".to_owned(), json!(true));
        }
        text_field(&mut entry, "description", stage.description.as_deref());
        text_field(&mut entry, "base", Some(&stage.from.base.text));
        let platform = stage.from.platform.as_ref().map(|word| word.text.as_str());
        text_field(&mut entry, "platform", platform);
        entry.insert("location".to_owned(), place(source, stage.span));
        Value::Object(entry)
    });
    let targets: Vec<Value> = targets.collect();
    pretty(&json!({ "targets": targets, "sources": sources(source) }))
}

pub fn describe_text() -> String {
    let mut rows = "NAME\tVERSION\tDESCRIPTION\n".to_owned();
    for (name, version, description) in METHODS {
        rows.push_str(&format!("{name}\t{version}\t{description}\n"));
    }
    align_within(&rows, 0, 1)
}

pub fn describe_json() -> String {
    let methods = METHODS.map(|(name, version, description)| {
        json!({
            "name": format!("frontend.{name}"),
            "version": version,
            "type": "rpc",
            "description": description,
        })
    });
    pretty(&json!(methods))
}
