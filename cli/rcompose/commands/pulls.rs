//! When images were pulled, for the policies `daily`, `weekly` and `every_…`: the times of files in the state directory.
//! Of what nobody knows when it was pulled, it was long ago.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use compose::stack::Host;
use store::Reference;

fn path(host: &Host, image: &str) -> PathBuf {
    let name = image.parse::<Reference>().map_or_else(|_| image.to_owned(), |it| it.to_string());
    // A name of an image has no `%`.
    host.store.state().join("pulls").join(name.replace('/', "%"))
}

/// It is pulled now. That this cannot be noted means no more than that it will be pulled again.
pub(super) fn note(host: &Host, image: &str) {
    let path = path(host, image);
    if let Some(directory) = path.parent() {
        let _missed = fs::create_dir_all(directory);
    }
    let _missed = File::create(&path).and_then(|file| file.set_modified(SystemTime::now()));
}

pub(super) fn age(host: &Host, image: &str) -> Option<Duration> {
    let pulled = fs::metadata(path(host, image)).and_then(|found| found.modified()).ok()?;
    SystemTime::now().duration_since(pulled).ok()
}
