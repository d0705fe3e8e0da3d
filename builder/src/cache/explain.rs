//! Why the cache did not have a step, in words.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Cache, Inputs, StepKey};

/// Names shown before "and N more".
const SHOWN: usize = 3;

/// Compares a step with the last one at the same place. `None` when there was none.
pub(crate) fn explain(
    cache: &Cache,
    place: StepKey,
    parent: StepKey,
    step: &Value,
    inputs: &Inputs,
) -> Option<String> {
    let last = cache.last_at(place)?;
    let record = cache.read(&last)?;
    if record.step != *step {
        return Some(step_difference(&record.step, step));
    }
    let now: BTreeMap<String, String> = inputs
        .0
        .iter()
        .map(|(name, hash)| {
            (name.clone(), blake3::Hash::from_bytes(*hash).to_hex()[..16].to_owned())
        })
        .collect();
    let before = cache.inputs(&last);
    if before != now {
        return Some(input_difference(&before, &now));
    }
    if record.parent != parent.to_string() {
        return Some("a step before it changed".to_owned());
    }
    Some("its layer is no longer in the store".to_owned())
}

fn step_difference(before: &Value, now: &Value) -> String {
    let environment = |step: &Value| -> BTreeMap<String, String> {
        let lines = step["env"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let pairs = lines.filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let changed = changed_names(&environment(before), &environment(now));
    if before["args"] != now["args"] || changed.is_empty() {
        return "the instruction changed".to_owned();
    }
    format!("{} changed: {}", plural(changed.len(), "variable"), shown(&changed))
}

fn input_difference(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> String {
    let added: Vec<_> = now.keys().filter(|name| !before.contains_key(*name)).cloned().collect();
    let removed: Vec<_> = before.keys().filter(|name| !now.contains_key(*name)).cloned().collect();
    let mut changed = changed_names(before, now);
    changed.retain(|name| before.contains_key(name) && now.contains_key(name));
    let parts = [("changed", changed), ("added", added), ("removed", removed)];
    let words = parts.iter().filter(|(_, names)| !names.is_empty());
    words.map(|(what, names)| format!("{what}: {}", shown(names))).collect::<Vec<_>>().join("; ")
}

fn changed_names(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<String> = now
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(value))
        .map(|(name, _)| name.clone())
        .collect();
    names.extend(before.keys().filter(|name| !now.contains_key(*name)).cloned());
    names
}

fn shown(names: &[String]) -> String {
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_what_changed() {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect::<BTreeMap<_, _>>()
        };
        let before = map(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let now = map(&[("a", "2"), ("c", "1"), ("d", "1")]);
        assert_eq!(input_difference(&before, &now), "changed: a; added: d; removed: b");
        let step = |env: &str| serde_json::json!({"args": ["x"], "env": ["A=1", env]});
        assert_eq!(step_difference(&step("B=1"), &step("B=2")), "variable changed: B");
    }
}
