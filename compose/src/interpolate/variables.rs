//! The variables a file asks for: `config --variables`.

use std::collections::BTreeMap;

use super::template::{DEEPEST, Kind, Piece, Search, next_piece};
use crate::yaml::{Node, Value};

/// A variable and what stands in for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variable {
    pub default: String,
    pub alternative: String,
    pub required: bool,
}

/// Every variable in the texts of a tree, by name; the last mention counts.
pub fn variables(node: &Node) -> BTreeMap<String, Variable> {
    let mut found = BTreeMap::new();
    collect(node, &mut found);
    found
}

fn collect(node: &Node, found: &mut BTreeMap<String, Variable>) {
    match &node.value {
        Value::String(text) => texts(text, found),
        Value::Map(map) => map.iter().for_each(|(_, node)| collect(node, found)),
        Value::List(list) => list.iter().for_each(|node| collect(node, found)),
        _ => {}
    }
}

fn texts(text: &str, found: &mut BTreeMap<String, Variable>) {
    texts_at(text, found, 0);
}

/// What is nested deeper than a load allows is left out.
fn texts_at(text: &str, found: &mut BTreeMap<String, Variable>, depth: usize) {
    let (mut rest, search) = (text, Search::of(text));
    while depth <= DEEPEST
        && let Ok(Some((_, piece, after))) = next_piece(rest, &search)
    {
        match piece {
            Piece::Dollar => {}
            Piece::Name(name) | Piece::Braced(name, None) => {
                found.insert(name.to_owned(), Variable::default());
            }
            Piece::Braced(name, Some((operator, word))) => {
                let mut variable = Variable::default();
                match operator.kind {
                    Kind::Default => word.clone_into(&mut variable.default),
                    Kind::Alternative => word.clone_into(&mut variable.alternative),
                    Kind::Required => variable.required = true,
                }
                found.insert(name.to_owned(), variable);
                texts_at(word, found, depth + 1);
            }
        }
        rest = after;
    }
}
