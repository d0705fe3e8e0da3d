//! Which processes are in which network namespace.
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use super::PicturedProcess;

/// Those in the namespaces with these numbers, by number.
pub(super) fn within(numbers: &[u64]) -> HashMap<u64, Vec<PicturedProcess>> {
    let mut all: HashMap<u64, Vec<PicturedProcess>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        // One that ends meanwhile is none.
        let Ok(found) = fs::metadata(format!("/proc/{pid}/ns/net")) else { continue };
        if numbers.contains(&found.ino()) {
            let process = PicturedProcess { pid, command: command(pid) };
            all.entry(found.ino()).or_default().push(process);
        }
    }
    all.values_mut().for_each(|list| list.sort_by_key(|process| process.pid));
    all
}

/// Its command line, or its name if it has none.
fn command(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<String> = line
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    // What is drawn has one line for it.
    let shown = |text: String| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match words.is_empty() {
        true => {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            shown(name.trim_end().to_owned())
        }
        false => shown(words.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_in_its_namespace() {
        let number = fs::metadata("/proc/self/ns/net").unwrap().ino();
        let all = within(&[number]);
        let own = i32::try_from(std::process::id()).unwrap();
        let found = all[&number].iter().find(|process| process.pid == own).unwrap();
        assert!(!found.command.is_empty());
    }
}
