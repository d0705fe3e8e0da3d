//! Our tables of the Compose Specification beside its own JSON schema, which Debian's `python3-jsonschema` evaluates:
//! both accept and refuse the same, for every recorded file and for seeded changes of them.
//!
//! `RBUILD_SCHEMA` names the schema, else `../shared/reference/compose-spec.schema.json` beside the repository.
//! `RBUILD_TEST_CASES` says how many changes, `RBUILD_TEST_SEED` which.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "the figures, and why a test is skipped")]

#[path = "../../../fuzz/properties/random.rs"]
mod random;
mod recorded;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use compose::schema;
use compose::source::Sources;
use compose::yaml;
use random::{Random, number};
use serde_json::{Map, Value, json};

/// Where we judge otherwise on purpose.
fn differs(document: &Value, own: &[String]) -> bool {
    let services = document["services"].as_object();
    let mut models = services.into_iter().flatten().filter_map(|(_, it)| it["models"].as_object());
    // A model without options may be nothing; nothing may have an empty name.
    let unnamed = |error: &String| error.contains("additional properties '' not allowed");
    match own {
        [] => models.any(|it| it.values().any(Value::is_null)),
        own => own.iter().all(unnamed),
    }
}

/// Attributes that are newer than the schema.
const NEWER: &[&str] = &["pre_start", "no_cache_filter", "pull_refresh_after"];

#[test]
fn the_tables_say_what_the_schema_says() {
    let Some(schema) = named("RBUILD_SCHEMA", "reference/compose-spec.schema.json") else { return };
    let Some(cases) = named("RBUILD_CASES", "cases") else { return };
    let known = names_in(&serde_json::from_slice(&std::fs::read(&schema).unwrap()).unwrap());
    let documents = recorded::documents(&cases.join("compose"));
    let count = documents.len();
    let mut random = Random(number("RBUILD_TEST_SEED").unwrap_or(1));
    let changes = number("RBUILD_TEST_CASES").unwrap_or(1_500);
    let changed = (0..changes).map(|_| {
        let mut document = documents[random.below(documents.len())].clone();
        for _ in 0..=random.below(2) {
            change(&mut document, &known, &mut random);
        }
        document
    });
    let changed: Vec<Value> = changed.collect();
    let all: Vec<Value> = documents.into_iter().chain(changed).map(as_we_read).collect();
    let Some(verdicts) = verdicts(&schema, &all) else { return };
    let mut failed = Vec::new();
    let mut different = 0;
    for (document, expected) in all.iter().zip(&verdicts) {
        let own = refusals(document);
        if own.is_empty() == *expected {
            continue;
        }
        if differs(document, &own) {
            different += 1;
            continue;
        }
        let verdict = if *expected { "accepts" } else { "refuses" };
        failed.push(format!("the schema {verdict}, we say {own:?}\n{document}"));
    }
    let refused = verdicts.iter().filter(|accepted| !**accepted).count();
    println!(
        "schema: {} of {} documents judged alike ({count} recorded, {changes} changed; {refused} refused; {different} differ on purpose)",
        all.len() - failed.len() - different,
        all.len()
    );
    assert!(refused > 100 && refused < all.len() - 100, "{refused} refused: no test");
    assert!(
        failed.is_empty(),
        "{} differ\n{}",
        failed.len(),
        failed[..failed.len().min(10)].join("\n\n")
    );
}

fn named(variable: &str, beside: &str) -> Option<PathBuf> {
    let given = std::env::vars_os().find(|(name, _)| name == variable);
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(beside);
    let path = given.map_or_else(beside, |(_, value)| PathBuf::from(value));
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no {} (set {variable})", path.display());
    None
}

/// What both judge: the document after a pass through our reader, so that no reading of text is compared. A load
/// drops entries that are there twice before it looks.
fn as_we_read(document: Value) -> Value {
    let mut tree = tree(&document);
    let _errors = compose::merge::unique(&mut tree);
    let mut document = recorded::of_node(&tree);
    without_newer(&mut document);
    document
}

fn without_newer(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !NEWER.contains(&key.as_str()));
            map.values_mut().for_each(without_newer);
        }
        Value::Array(list) => list.iter_mut().for_each(without_newer),
        _ => {}
    }
}

fn tree(document: &Value) -> yaml::Node {
    let text = document.to_string();
    let file = Sources::default().add("f", text.as_str());
    let documents = yaml::parse(&text, file).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    documents.into_iter().next().unwrap().root
}

fn refusals(document: &Value) -> Vec<String> {
    schema::check(&tree(document)).into_iter().map(|(error, _)| error.to_string()).collect()
}

/// Whether the schema accepts each.
fn verdicts(schema: &Path, documents: &[Value]) -> Option<Vec<bool>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("documents");
    let mut text = String::new();
    for document in documents {
        writeln!(text, "{document}").unwrap();
    }
    std::fs::write(&path, text).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specification/validate.py");
    let run = Command::new("python3").arg(script).arg(schema).arg(&path).output();
    let Ok(run) = run.map_err(|error| println!("skipped: no python3: {error}")) else {
        return None;
    };
    let errors = String::from_utf8_lossy(&run.stderr);
    if errors.contains("No module named") {
        println!("skipped: Debian's python3-jsonschema is not installed");
        return None;
    }
    assert!(run.status.success(), "{errors}");
    let verdicts: Vec<bool> =
        String::from_utf8_lossy(&run.stdout).lines().map(|line| line == "y").collect();
    assert_eq!(verdicts.len(), documents.len());
    Some(verdicts)
}

/// Every key that the schema knows.
fn names_in(schema: &Value) -> Vec<String> {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::Object(properties)) = map.get("properties") {
                    found.extend(properties.keys().cloned());
                }
                map.values().for_each(|value| collect(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    collect(schema, &mut found);
    found.into_iter().collect()
}

/// Changes one place: another kind of value, a key more or less, an entry twice.
fn change(document: &mut Value, known: &[String], random: &mut Random) {
    let depth = 1 + random.below(6);
    let mut place = document;
    for _ in 0..depth {
        let count = match &*place {
            Value::Object(map) => map.len(),
            Value::Array(list) => list.len(),
            _ => 0,
        };
        if count == 0 {
            break;
        }
        let at = random.below(count);
        place = match place {
            Value::Object(map) => map.values_mut().nth(at).unwrap(),
            Value::Array(list) => &mut list[at],
            _ => unreachable!("there is something within"),
        };
    }
    match place {
        Value::Object(map) if random.below(4) > 0 => change_map(map, known, random),
        Value::Array(list) if random.below(3) > 0 && !list.is_empty() => {
            let at = random.below(list.len());
            match random.below(3) {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                _ => list.push(some_value(random)),
            }
        }
        place => *place = some_value(random),
    }
}

fn change_map(map: &mut Map<String, Value>, known: &[String], random: &mut Random) {
    let at = random.below(map.len());
    let key = map.keys().nth(at).cloned().unwrap_or_default();
    match random.below(4) {
        0 => drop(map.shift_remove(&key)),
        1 => {
            let value = map.shift_remove(&key).unwrap_or(Value::Null);
            map.insert(format!("{key}s"), value);
        }
        2 => {
            drop(map.insert(
                ["x-a", "bad name", "A", "", "0"][random.below(5)].into(),
                some_value(random),
            ))
        }
        _ => drop(map.insert(known[random.below(known.len())].clone(), some_value(random))),
    }
}

fn some_value(random: &mut Random) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(3),
        json!(-2),
        json!(1.5),
        json!(2.0),
        json!("x"),
        json!(""),
        json!("7"),
        json!("80:80"),
        json!("host"),
        json!("1h30m"),
        json!([]),
        json!(["a", "b"]),
        json!(["a", "a"]),
        json!([1, 2]),
        json!([null]),
        json!([{ "a": 1 }]),
        json!({}),
        json!({ "a": "b" }),
        json!({ "a": null, "b": 1, "c": true }),
        json!({ "a": { "b": 1 } }),
        json!({ "name": "n", "external": true }),
        json!({ "x-a": 1 }),
        json!({ "file": "f", "service": "s" }),
        json!({ "a": ["b"] }),
    ];
    values[random.below(values.len())].clone()
}

#[test]
fn entries_that_are_there_twice_are_refused() {
    let refusals = |text: &str| -> Vec<String> {
        let documents = yaml::parse(text, Sources::default().add("f", text)).unwrap();
        schema::check(&documents[0].root).iter().map(|(error, _)| error.to_string()).collect()
    };
    assert_eq!(
        refusals(
            "services: {a: {depends_on: [b, c, b], expose: [80, 80.0, '80'], command: [x, x]}}"
        ),
        [
            "services.a.depends_on items at 0 and 2 are equal",
            "services.a.expose items at 0 and 1 are equal"
        ]
    );
    assert_eq!(refusals("networks: {'of any name': {}}"), [""; 0]);
}
