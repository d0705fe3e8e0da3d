//! Names with values, written as a mapping or as a list of `NAME=value`.

use std::collections::BTreeMap;

use super::attribute::{Attribute, Misfit};
use crate::render::{Data, Form};
use crate::yaml::{Node, Value};

/// Variables; one without a value is passed through from Compose's own environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(pub BTreeMap<String, Option<String>>);

/// Labels, annotations, sysctls: a name without a value has an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(pub BTreeMap<String, String>);

/// Options of a driver: a mapping only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(pub BTreeMap<String, String>);

/// Options that may be given several times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MultiOptions(pub BTreeMap<String, Vec<String>>);

const FORMS: &str = "a mapping, or a list of `NAME=value`";

/// Name and value of each entry, in either form.
fn pairs(node: &Node) -> Result<Vec<(String, Option<String>)>, Misfit> {
    match &node.value {
        Value::Null => Ok(Vec::new()),
        Value::Map(map) => {
            map.iter().map(|(key, node)| Ok((key.to_owned(), value(node)?))).collect()
        }
        Value::List(list) => list.iter().map(entry).collect(),
        _ => Err(Misfit::expected(FORMS, node)),
    }
}

fn entry(node: &Node) -> Result<(String, Option<String>), Misfit> {
    let text = node.scalar_text().ok_or_else(|| Misfit::expected(FORMS, node))?;
    Ok(match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (text, None),
    })
}

fn value(node: &Node) -> Result<Option<String>, Misfit> {
    match node.scalar_text() {
        Some(text) => Ok(Some(text)),
        None if node.is_null() => Ok(None),
        None => Err(Misfit::expected("a string, number or boolean", node)),
    }
}

fn texts(map: &BTreeMap<String, String>) -> Data {
    Data::Map(map.iter().map(|(key, value)| (key.clone(), Data::text(value))).collect())
}

impl Attribute for Environment {
    fn decode(node: &Node) -> Result<Environment, Misfit> {
        Ok(Environment(pairs(node)?.into_iter().collect()))
    }

    fn encode(&self, form: Form) -> Data {
        self.0.encode(form)
    }

    fn is_unset(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}

impl Attribute for Labels {
    fn decode(node: &Node) -> Result<Labels, Misfit> {
        let pairs = pairs(node)?;
        Ok(Labels(pairs.into_iter().map(|(key, it)| (key, it.unwrap_or_default())).collect()))
    }

    fn encode(&self, _: Form) -> Data {
        texts(&self.0)
    }

    fn is_unset(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}

impl Attribute for Options {
    fn decode(node: &Node) -> Result<Options, Misfit> {
        if !node.is_null() && node.as_map().is_none() {
            return Err(Misfit::expected("a mapping", node));
        }
        Labels::decode(node).map(|labels| Options(labels.0))
    }

    fn encode(&self, _: Form) -> Data {
        texts(&self.0)
    }

    fn is_unset(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}

impl Attribute for MultiOptions {
    fn decode(node: &Node) -> Result<MultiOptions, Misfit> {
        let Some(map) = node.as_map() else {
            if node.is_null() {
                return Ok(MultiOptions::default());
            }
            return Err(Misfit::expected("a mapping", node));
        };
        let one = |node: &Node| match &node.value {
            Value::List(_) => Vec::decode(node),
            _ => Ok(vec![value(node)?.unwrap_or_default()]),
        };
        let pairs = map.iter().map(|(key, node)| Ok((key.to_owned(), one(node)?)));
        Ok(MultiOptions(pairs.collect::<Result<_, _>>()?))
    }

    fn encode(&self, form: Form) -> Data {
        self.0.encode(form)
    }

    fn is_unset(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}
