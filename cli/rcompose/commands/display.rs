//! How far a plan is, on stderr: docker compose's lines, or a picture of them that is rewritten on a terminal.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use compose::reconcile::{Action, Condition};
use compose::stack::execute::{Event, Observer, Outcome};
use runtime::shim::{AttachStreams, Connection};
use serde_json::json;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Live,
    Plain,
    Json,
    Quiet,
}

#[derive(Debug)]
pub(super) struct Display {
    look: Look,
    title: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    things: Vec<Thing>,
    /// Lines drawn last.
    drawn: usize,
}

/// A container, network, volume or image.
#[derive(Debug)]
struct Thing {
    name: String,
    status: &'static str,
    began: Instant,
    seconds: f64,
    state: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    UnderWay,
    Done,
    Failed,
}

impl Display {
    pub(super) fn start(look: Look, title: &str) -> Display {
        Display { look, title: title.to_owned(), state: Mutex::default() }
    }

    pub(super) fn finish(self) {
        if self.look == Look::Live {
            draw(&mut self.lock(), &self.title);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, action: &Action, progress: Progress, word: &'static str) {
        let Some(name) = thing(action) else { return };
        match self.look {
            Look::Quiet => {}
            // Who does not read it any more does not want to know.
            Look::Plain => {
                let _unread = writeln!(io::stderr(), " {name}  {word}");
            }
            Look::Json => {
                let (kind, id) = name.split_once(' ').unwrap_or(("", &name));
                let line = json!({ "id": format!("{kind} {id}"), "status": state_word(progress), "text": word });
                let _unread = writeln!(io::stderr(), "{line}");
            }
            Look::Live => {
                let mut state = self.lock();
                state.note(name, progress, word);
                draw(&mut state, &self.title);
            }
        }
    }
}

fn state_word(progress: Progress) -> &'static str {
    match progress {
        Progress::UnderWay => "Working",
        Progress::Done => "Done",
        Progress::Failed => "Error",
    }
}

impl State {
    fn note(&mut self, name: String, progress: Progress, status: &'static str) {
        let thing = match self.things.iter_mut().find(|thing| thing.name == name) {
            Some(thing) => thing,
            None => {
                let state = Progress::UnderWay;
                self.things.push(Thing {
                    name,
                    status,
                    began: Instant::now(),
                    seconds: 0.0,
                    state,
                });
                let last = self.things.len() - 1;
                &mut self.things[last]
            }
        };
        if thing.state != Progress::UnderWay && progress == Progress::UnderWay {
            thing.began = Instant::now();
        }
        thing.seconds = thing.began.elapsed().as_secs_f64();
        (thing.state, thing.status) = (progress, status);
    }
}

/// Rewrites the lines drawn last.
fn draw(state: &mut State, title: &str) {
    if state.things.is_empty() {
        return;
    }
    let done = state.things.iter().filter(|thing| thing.state == Progress::Done).count();
    let mut text = String::new();
    if state.drawn > 0 {
        text.push_str(&format!("\x1b[{}A", state.drawn));
    }
    text.push_str(&format!("\x1b[2K[+] {title} {done}/{}\n", state.things.len()));
    let width = state.things.iter().map(|thing| thing.name.chars().count()).max().unwrap_or(0);
    for thing in &state.things {
        let (mark, colour) = match thing.state {
            Progress::UnderWay => ("⠿", 36),
            Progress::Done => ("✔", 32),
            Progress::Failed => ("✘", 31),
        };
        let (name, status, seconds) = (&thing.name, thing.status, thing.seconds);
        text.push_str(&format!(
            "\x1b[2K \x1b[{colour}m{mark}\x1b[0m {name:width$}  \x1b[{colour}m{status:10}\x1b[0m {seconds:.1}s\n"
        ));
    }
    state.drawn = state.things.len() + 1;
    let _unread = io::stderr().write_all(text.as_bytes());
}

impl Observer for Display {
    fn event(&self, event: Event<'_>) {
        match event {
            // Whoever is attached shows it.
            Event::Wrote { .. } => {}
            Event::Begun(action) => self.note(action, Progress::UnderWay, words(action).0),
            Event::Done(action, Outcome::Done) => {
                self.note(action, Progress::Done, words(action).1);
            }
            Event::Done(action, Outcome::GoneOnWithout(_)) => {
                self.note(action, Progress::Done, "Skipped");
            }
            Event::Done(action, Outcome::Failed(_)) => self.note(action, Progress::Failed, "Error"),
        }
    }
}

/// A display, and somebody else who hears of everything.
pub(super) struct Shared<'a> {
    pub(super) display: &'a Display,
    pub(super) other: Option<&'a dyn Observer>,
}

impl Observer for Shared<'_> {
    fn event(&self, event: Event<'_>) {
        self.display.event(event);
        if let Some(other) = self.other {
            other.event(event);
        }
    }

    fn wants_output(&self, service: &str) -> bool {
        self.other.is_some_and(|other| other.wants_output(service))
    }

    fn output(&self, container: &str, streams: AttachStreams, connection: Connection) {
        if let Some(other) = self.other {
            other.output(container, streams, connection);
        }
    }
}

/// What a step is about, as docker compose calls it.
fn thing(action: &Action) -> Option<String> {
    Some(match action {
        Action::Pull { image, .. }
        | Action::Build { image, .. }
        | Action::RemoveImage { image } => {
            format!("Image {image}")
        }
        Action::CreateNetwork { name, .. } | Action::RemoveNetwork { name } => {
            format!("Network {name}")
        }
        Action::CreateVolume { name, .. } | Action::RemoveVolume { name } => {
            format!("Volume {name}")
        }
        Action::Create { name, .. }
        | Action::Recreate { name, .. }
        | Action::Rename { name, .. }
        | Action::Stop { name, .. }
        | Action::Remove { name, .. }
        | Action::Unpause { name, .. }
        | Action::Start { name, .. } => format!("Container {name}"),
        Action::Wait { service, .. } => format!("Service {service}"),
    })
}

/// While it is done, and when it is.
fn words(action: &Action) -> (&'static str, &'static str) {
    match action {
        Action::Pull { .. } => ("Pulling", "Pulled"),
        Action::Build { .. } => ("Building", "Built"),
        Action::CreateNetwork { .. } | Action::CreateVolume { .. } | Action::Create { .. } => {
            ("Creating", "Created")
        }
        Action::Recreate { .. } => ("Recreate", "Recreated"),
        Action::Rename { .. } => ("Renaming", "Renamed"),
        Action::Stop { .. } => ("Stopping", "Stopped"),
        Action::RemoveNetwork { .. }
        | Action::RemoveVolume { .. }
        | Action::RemoveImage { .. }
        | Action::Remove { .. } => ("Removing", "Removed"),
        Action::Unpause { .. } => ("Unpausing", "Unpaused"),
        Action::Start { .. } => ("Starting", "Started"),
        Action::Wait { condition: Condition::Healthy, .. } => ("Waiting", "Healthy"),
        Action::Wait { condition: Condition::Completed, .. } => ("Waiting", "Exited"),
    }
}
