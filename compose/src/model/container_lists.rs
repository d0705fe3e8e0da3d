//! Lists that may be written as one value.

use super::attribute::{Attribute, Misfit};
use crate::render::{Data, Form};
use crate::yaml::{Node, Value};

/// One string or a list of them: `dns`, `tmpfs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringList(pub Vec<String>);

/// Numbers and strings, all as strings: `expose`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringOrNumberList(pub Vec<String>);

impl Attribute for StringList {
    fn decode(node: &Node) -> Result<StringList, Misfit> {
        match &node.value {
            Value::String(text) => Ok(StringList(vec![text.clone()])),
            _ => Vec::decode(node).map(StringList),
        }
    }

    fn encode(&self, form: Form) -> Data {
        self.0.encode(form)
    }

    fn is_unset(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}

impl Attribute for StringOrNumberList {
    fn decode(node: &Node) -> Result<StringOrNumberList, Misfit> {
        Vec::decode(node).map(StringOrNumberList)
    }

    fn encode(&self, form: Form) -> Data {
        self.0.encode(form)
    }

    fn is_unset(&self, _: Form) -> bool {
        self.0.is_empty()
    }
}
