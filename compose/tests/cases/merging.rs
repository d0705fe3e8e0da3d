//! One tree over another.

use compose::merge::{merge, unique};
use serde_json::Value;

use crate::{compare, json, unit};

#[test]
fn merges() {
    unit("merge", |case| {
        let (base, over) = (json::node(&case["base"]), json::node(&case["override"]));
        let mut tree = match merge(base, over) {
            Ok(tree) => tree,
            Err((error, _)) => {
                return compare(Err(error.to_string()), &Value::Null, &case["error"]);
            }
        };
        if !case["merged_raw"].is_null() {
            compare(Ok(json::of_node(&tree)), &case["merged_raw"], &Value::Null)?;
        }
        let result = match unique(&mut tree).first() {
            None => Ok(json::of_node(&tree)),
            Some((error, _)) => Err(error.to_string()),
        };
        compare(result, &case["merged"], &case["error"])
    });
}
