//! When the disk is full: how much room there is, and how to get some.

use std::error::Error;

use store::usage::Disk;

use crate::environment::Environment;
use crate::output;

/// The kernel's words, in small letters. They are the last cause of whatever failed, be it an `io::Error` or a text
/// that came from another process.
const FULL: [&str; 2] = ["no space left on device", "quota exceeded"];

/// For a program that failed when there was next to nothing left, whatever it says of that itself.
pub fn when_it_ended(disk: &Disk) -> String {
    let (free, all) = (output::size(disk.free), output::size(disk.size));
    format!(
        "the disk of the store was full when it ended: {free} of {all} were free; \
         `rbuild system prune` removes what is not used"
    )
}

pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    let mut full = false;
    while let Some(error) = cause {
        let text = error.to_string().to_lowercase();
        full |= FULL.iter().any(|words| text.contains(words));
        cause = error.source();
    }
    if !full {
        return None;
    }
    let root = Environment::process().locations().root;
    let disk = rustix::fs::statvfs(&root).ok()?;
    // What the command had written before it failed is free again: this is how much there was for it.
    let free = output::size(disk.f_bavail * disk.f_frsize);
    let all = output::size(disk.f_blocks * disk.f_frsize);
    let root = root.display();
    Some(format!(
        "the disk of the store `{root}` has {free} of {all} free; `rbuild system prune` removes what is not used"
    ))
}
