//! What happened to containers, images, networks and volumes, a line of JSON for each event, in the state directory: of
//! what was before the machine was started nothing is known, as docker knows nothing of what was before its daemon.
//!
//! There is no process that everything goes through, so whoever does something appends its line: one write, which nothing
//! comes between. A file of some size becomes the old one; of older events nothing is known. Nothing fails because an
//! event cannot be noted.
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::containers::Definition;

/// Bytes of a file before the next is begun.
const LARGEST: u64 = 4 << 20;

/// Something that happened, in docker's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// RFC 3339, with nanoseconds.
    pub time: String,
    /// `container`, `image`, `network` or `volume`, in the singular; `builder` for what is pruned of the build cache.
    pub kind: String,
    /// `start`, `die`, …
    pub action: String,
    /// The ID of the container or the network, the name of the volume, the ID of the image, or the name by which it was
    /// pulled or pushed.
    pub id: String,
    pub attributes: BTreeMap<String, String>,
}

impl Event {
    /// With what docker says of every container: its image, its name and its labels.
    pub fn of_container(definition: &Definition, action: impl Into<String>) -> Event {
        let mut event = Event::new("container", &definition.id, action);
        event.attributes = definition.labels.clone();
        event.with("image", &definition.image.name).with("name", &definition.name)
    }

    /// Of an image with these labels. `name`: what it was called when this happened to it, or its ID.
    pub fn of_image(
        id: impl ToString,
        name: impl ToString,
        labels: &BTreeMap<String, String>,
        action: &str,
    ) -> Event {
        let mut event = Event::new("image", id, action);
        event.attributes = labels.clone();
        event.with("name", name)
    }

    pub fn of_network(id: &str, name: &str, action: &str) -> Event {
        Event::new("network", id, action).with("name", name).with("type", "bridge")
    }

    pub fn of_volume(name: &str, action: &str) -> Event {
        Event::new("volume", name, action).with("driver", "local")
    }

    /// That everything of a kind that nobody used was removed, and how many bytes that gave back.
    pub fn of_prune(kind: &str, reclaimed: u64) -> Event {
        Event::new(kind, "", "prune").with("reclaimed", reclaimed)
    }

    fn new(kind: &str, id: impl ToString, action: impl Into<String>) -> Event {
        Event {
            time: clock::now(),
            kind: kind.to_owned(),
            action: action.into(),
            id: id.to_string(),
            attributes: BTreeMap::new(),
        }
    }

    /// With the time as it is now.
    #[must_use]
    pub fn at_once(self) -> Event {
        Event { time: clock::now(), ..self }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Event {
        self.attributes.insert(name.to_owned(), value.to_string());
        self
    }

    /// Notes it in the state directory.
    pub fn note(&self, state: &Path) {
        // Who looks for it misses it; what happened has happened.
        let _missed = self.append(state);
    }

    fn append(&self, state: &Path) -> io::Result<()> {
        let path = current(state);
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        let open = || OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let mut file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(state)?;
                open()?
            }
            other => other?,
        };
        file.write_all(&line)?;
        if file.metadata()?.len() > LARGEST {
            fs::rename(&path, old(state))?;
        }
        Ok(())
    }
}

fn current(state: &Path) -> PathBuf {
    state.join("events")
}

fn old(state: &Path) -> PathBuf {
    state.join("events.old")
}

/// Reads events in their order, those to come too.
#[derive(Debug)]
pub struct EventReader {
    state: PathBuf,
    file: Option<BufReader<File>>,
    /// The beginning of a line that is being written.
    partial: Vec<u8>,
}

impl EventReader {
    /// From the first that is known, or from now on.
    pub fn open(state: &Path, from_now: bool) -> io::Result<EventReader> {
        let mut reader = EventReader { state: state.to_owned(), file: None, partial: Vec::new() };
        if from_now {
            reader.file = open(&current(state))?;
            if let Some(file) = &mut reader.file {
                file.seek(SeekFrom::End(0))?;
            }
        } else {
            reader.file = open(&old(state))?;
        }
        Ok(reader)
    }

    /// The next, if it is there already.
    pub fn next_event(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.next_in_file()? {
                return Ok(Some(event));
            }
            // At the end of a file that is no longer written to, the next one goes on.
            let Some(next) = open(&current(&self.state))? else { return Ok(None) };
            let same = match &self.file {
                Some(file) => identity(file.get_ref())? == identity(next.get_ref())?,
                None => false,
            };
            if same {
                return Ok(None);
            }
            self.file = Some(next);
            self.partial.clear();
        }
    }

    fn next_in_file(&mut self) -> io::Result<Option<Event>> {
        let Some(file) = &mut self.file else { return Ok(None) };
        while file.read_until(b'\n', &mut self.partial)? > 0 {
            if self.partial.last() != Some(&b'\n') {
                return Ok(None);
            }
            let line = std::mem::take(&mut self.partial);
            // A line of a later version, or one that was torn, says nothing.
            if let Ok(event) = serde_json::from_slice(&line) {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }
}

fn open(path: &Path) -> io::Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn identity(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_in_their_order_also_over_a_change_of_files() {
        let state = tempfile::tempdir().unwrap();
        let note = |name: &str| Event::of_volume(name, "create").note(state.path());
        let mut late = EventReader::open(state.path(), true).unwrap();
        note("a");
        note("b");
        fs::rename(current(state.path()), old(state.path())).unwrap();
        note("c");
        let names = |reader: &mut EventReader| {
            let mut names = Vec::new();
            while let Some(event) = reader.next_event().unwrap() {
                names.push(event.id);
            }
            names.join(" ")
        };
        let mut all = EventReader::open(state.path(), false).unwrap();
        assert_eq!(names(&mut all), "a b c");
        let mut now = EventReader::open(state.path(), true).unwrap();
        assert_eq!(names(&mut now), "");
        note("d");
        assert_eq!([names(&mut all), names(&mut now)], ["d", "d"]);
        // It began when there was no file yet.
        assert_eq!(names(&mut late), "c d");
        let mut file = OpenOptions::new().append(true).open(current(state.path())).unwrap();
        file.write_all(b"torn\n{\"half").unwrap();
        assert_eq!(names(&mut now), "");
    }
}
