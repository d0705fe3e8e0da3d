//! What a step reads besides the state before it: each object with a key, so that a difference can be named.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Key, KeyBuilder};

/// Names of things, as they are shown to users, and the keys of what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Inputs(pub(super) BTreeMap<String, Key>);

impl Inputs {
    /// Something else that decides what the step makes.
    pub(crate) fn fact(&mut self, name: String, key: Key) {
        self.0.insert(name, key);
    }

    pub(crate) fn key(&self) -> Key {
        let add = |key: KeyBuilder, (name, input): (&String, &Key)| key.part(name).part(input);
        self.0.iter().fold(KeyBuilder::new("inputs"), add).finish()
    }

    /// The first difference to what the inputs were before, in words.
    pub(crate) fn difference(&self, before: &Inputs) -> Option<String> {
        let mut differences = Vec::new();
        for (name, key) in &self.0 {
            match before.0.get(name) {
                None => differences.push(format!("{name} is new")),
                Some(old) if old != key => differences.push(format!("{name} changed")),
                Some(_) => {}
            }
        }
        let gone = before.0.keys().filter(|name| !self.0.contains_key(*name));
        differences.extend(gone.map(|name| format!("{name} is gone")));
        let first = differences.first()?;
        Some(match differences.len() {
            1 => first.clone(),
            n => format!("{first}, and {} more differences", n - 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(facts: &[(&str, &str)]) -> Inputs {
        let mut inputs = Inputs::default();
        for (name, value) in facts {
            inputs.fact((*name).to_owned(), KeyBuilder::new(value).finish());
        }
        inputs
    }

    #[test]
    fn differences_are_named() {
        let before = inputs(&[("a", "1"), ("b", "1")]);
        let told = |facts: &[(&str, &str)]| inputs(facts).difference(&before);
        assert_eq!(told(&[("a", "1"), ("b", "1")]), None);
        assert_eq!(told(&[("a", "2"), ("b", "1")]).unwrap(), "a changed");
        assert_eq!(told(&[("a", "1")]).unwrap(), "b is gone");
        let several = told(&[("a", "1"), ("c", "1")]).unwrap();
        assert_eq!(several, "c is new, and 1 more differences");
    }
}
