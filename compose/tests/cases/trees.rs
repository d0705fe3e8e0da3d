//! Trees beside the specification, and normalised.

use compose::load::normalize;
use compose::schema;
use serde_json::Value;

use crate::texts::lookups;
use crate::{compare, json, unit};

#[test]
fn schemas() {
    unit("schema", |case| {
        let found = schema::check(&json::node(&case["input"]));
        let result = match found.first() {
            None => Ok(Value::Null),
            Some((error, _)) => Err(error.to_string()),
        };
        compare(result, &Value::Null, &case["error"])
    });
}

#[test]
fn normalized_trees() {
    unit("normalize", |case| {
        let mut tree = json::node(&case["input"]);
        normalize(&mut tree, &lookups(case, "environment"));
        compare(Ok(json::of_node(&tree)), &case["output"], &case["error"])
    });
}
