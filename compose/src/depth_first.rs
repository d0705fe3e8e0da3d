//! Names after those they lead to. Without recursion: a chain of dependencies may be as long as a file.

use std::collections::HashMap;

/// `names` and what they lead to, each after what it leads to; else a chain that ends where it begins.
pub(crate) fn sorted(
    names: impl IntoIterator<Item = String>,
    edges: impl Fn(&str) -> Vec<String>,
) -> Result<Vec<String>, Vec<String>> {
    let mut order = Vec::new();
    // Whether all of what a name leads to was seen.
    let mut done: HashMap<String, bool> = HashMap::new();
    let mut chain: Vec<(String, std::vec::IntoIter<String>)> = Vec::new();
    for name in names {
        let mut next = Some(name);
        loop {
            if let Some(name) = next.take() {
                match done.get(&name) {
                    Some(true) => {}
                    Some(false) => return Err(closed(&chain, name)),
                    None => {
                        done.insert(name.clone(), false);
                        let edges = edges(&name).into_iter();
                        chain.push((name, edges));
                    }
                }
            }
            let Some((_, edges)) = chain.last_mut() else { break };
            next = edges.next();
            if next.is_none()
                && let Some((name, _)) = chain.pop()
            {
                done.insert(name.clone(), true);
                order.push(name);
            }
        }
    }
    Ok(order)
}

fn closed(chain: &[(String, std::vec::IntoIter<String>)], name: String) -> Vec<String> {
    let names = chain.iter().map(|(name, _)| name).skip_while(|it| **it != name);
    let mut found: Vec<String> = names.cloned().collect();
    found.push(name);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(table: &[(&str, &[&str])], name: &str) -> Vec<String> {
        let found = table.iter().find(|(from, _)| *from == name);
        found.into_iter().flat_map(|(_, to)| to.iter().map(|it| (*it).to_owned())).collect()
    }

    #[test]
    fn what_is_led_to_comes_first() {
        let table: &[(&str, &[&str])] = &[("a", &["c", "b"]), ("b", &["c"]), ("d", &["a"])];
        let names = ["a", "b", "d"].map(str::to_owned);
        assert_eq!(sorted(names, |name| edges(table, name)).unwrap(), ["c", "b", "a", "d"]);
    }

    #[test]
    fn a_cycle_is_told_from_where_it_begins() {
        let table: &[(&str, &[&str])] = &[("a", &["b"]), ("b", &["c"]), ("c", &["b"])];
        let names = ["a".to_owned()];
        assert_eq!(sorted(names, |name| edges(table, name)).unwrap_err(), ["b", "c", "b"]);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let names = ["0".to_owned()];
        let next = |name: &str| match name.parse::<u32>() {
            Ok(number) if number < 300_000 => vec![(number + 1).to_string()],
            _ => Vec::new(),
        };
        assert_eq!(sorted(names, next).unwrap().len(), 300_001);
    }
}
