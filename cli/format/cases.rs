//! `fixtures/format/*.txt`: data, templates, and what they print or what is wrong with them.
//! `UPDATE_FIXTURES=1` rewrites the results.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use super::{MissingKey, Shape, Struct, Template, Value};

/// What the rows below `item {…}` see.
const ITEM: Struct = Struct {
    name: "an item",
    fields: &[
        ("Name", Shape::Text),
        ("Size", Shape::Int),
        ("On", Shape::Bool),
        ("Tags", Shape::List(&Shape::Text)),
        ("Labels", Shape::Map(&Shape::Text)),
        ("Ports", Shape::Map(&Shape::Struct(&Struct { name: "a port", fields: &[] }))),
        ("Config", Shape::Pointer(&CONFIG)),
    ],
};

const CONFIG: Struct = Struct {
    name: "a configuration",
    fields: &[("User", Shape::Text), ("Cmd", Shape::List(&Shape::Text))],
};

#[test]
fn templates_do_what_is_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format");
    let update = std::env::vars().any(|(name, value)| name == "UPDATE_FIXTURES" && value == "1");
    let (mut wrong, mut rows) = (Vec::new(), 0);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let recorded = fs::read_to_string(&path).unwrap();
        let mut data = Value::new(Json::Null, Shape::Any);
        let mut actual = String::new();
        for line in recorded.lines() {
            let result = row(line, &mut data);
            rows +=
                usize::from(result != line || line.contains("  =>  ") || line.contains("  !!  "));
            if result != line {
                wrong.push(format!("{}: {line}\n  now {result}", path.display()));
            }
            actual.push_str(&(result + "\n"));
        }
        if update {
            fs::write(&path, actual).unwrap();
        }
    }
    assert!(rows >= 150, "only {rows} rows were read");
    assert!(update || wrong.is_empty(), "UPDATE_FIXTURES=1 rewrites them:\n{}", wrong.join("\n"));
}

/// The line as it should be: data are remembered, templates get their result.
fn row(line: &str, data: &mut Value) -> String {
    let shapes = [("any ", Shape::Any), ("item ", Shape::Struct(&ITEM))];
    let found = shapes.iter().find_map(|(word, shape)| Some((line.strip_prefix(word)?, *shape)));
    if let Some((json, shape)) = found {
        *data = Value::new(serde_json::from_str(json).unwrap(), shape);
        return line.to_owned();
    }
    let Some((left, _)) = line.split_once("  =>  ").or_else(|| line.split_once("  !!  ")) else {
        return line.to_owned();
    };
    let template =
        if left.starts_with('"') { serde_json::from_str(left).unwrap() } else { left.to_owned() };
    let result =
        Template::parse(&template).and_then(|template| template.execute(data, MissingKey::NoValue));
    match result {
        Ok(text) => format!("{left}  =>  {}", shown(&text)),
        Err(error) => {
            let place = format!("{}-{}", error.span.start, error.span.end);
            format!("{left}  !!  {place} {}", error.message)
        }
    }
}

/// As it is where that can be read back.
fn shown(text: &str) -> String {
    let is_plain =
        text == text.trim() && !text.starts_with('"') && !text.contains(char::is_control);
    if is_plain && !text.is_empty() { text.to_owned() } else { Json::from(text).to_string() }
}
