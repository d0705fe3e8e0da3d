//! What is likely wrong with a project that loads: `rcompose check`.
//!
//! Stricter than loading and never part of it. What depends on the host is asked of [`HostFacts`], a value.

mod facts;
mod files;
mod host;
mod networks;
mod ports;
mod profiles;
mod rule;
mod unused;

pub use facts::{HostFacts, Route};
pub use files::paths;
pub use rule::{RULES, Rule};

use crate::Loaded;
use crate::source::Span;
use crate::yaml::Node;

/// One finding.
#[derive(Clone, Debug)]
pub struct Finding {
    pub rule: &'static Rule,
    pub message: String,
    pub span: Span,
    pub hint: Option<String>,
}

/// Everything that is found, by place.
pub fn check(loaded: &Loaded, facts: &HostFacts) -> Vec<Finding> {
    let mut look = Look { loaded, facts, found: Vec::new() };
    ports::check(&mut look);
    networks::check(&mut look);
    files::check(&mut look);
    profiles::check(&mut look);
    host::check(&mut look);
    unused::check(&mut look);
    look.found.sort_by_key(|finding| finding.span);
    look.found
}

struct Look<'a> {
    loaded: &'a Loaded,
    facts: &'a HostFacts,
    found: Vec<Finding>,
}

impl Look<'_> {
    fn report(&mut self, rule: &str, keys: &[&str], message: String, hint: Option<&str>) {
        let span = place(&self.loaded.tree, keys);
        let rule = Rule::named(rule);
        self.found.push(Finding { rule, message, span, hint: hint.map(str::to_owned) });
    }
}

/// The place of the deepest key that was written; a number is the index of a list.
fn place(tree: &Node, keys: &[&str]) -> Span {
    let mut node = tree;
    let mut span = Span::NOWHERE;
    for key in keys {
        let next = match (node.as_map(), node.as_list()) {
            (Some(map), _) => {
                span = map.key_span(key).filter(|it| it.is_somewhere()).unwrap_or(span);
                map.get(key)
            }
            (None, Some(list)) => {
                let node = key.parse().ok().and_then(|at: usize| list.get(at));
                span = node.map(|it| it.span).filter(|it| it.is_somewhere()).unwrap_or(span);
                node
            }
            _ => None,
        };
        let Some(next) = next else { break };
        node = next;
    }
    span
}
