//! Why the cache did not have a step: what of its key is not what it was when the same step of the Dockerfile was built last
//! (`places.rs` says which that is).

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Peekable;

use serde_json::Value;

use super::places::Moved;
use super::{Cache, Input, Inputs, StepKey};

/// Names of one kind in the long form; the short one has fewer.
const LISTED: usize = 20;
const SHOWN: usize = 3;
/// As much of a value as is shown.
const LONGEST: usize = 60;

/// One thing that made the cache miss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MissReason {
    /// `--no-cache`, or `--no-cache-filter` names the stage.
    Unwanted,
    /// No build was at this place before.
    New,
    Platform {
        before: String,
        now: String,
    },
    Instruction {
        before: String,
        now: String,
    },
    /// Of the environment of a RUN: build arguments and ENV.
    Variable(Change),
    /// `--chown`, the user, the directory, the network, …
    Setting(Change),
    Mount(Change),
    /// What the step reads.
    Input {
        what: String,
        change: Change,
    },
    /// So many more.
    MoreInputs {
        changed: usize,
        added: usize,
        removed: usize,
    },
    /// The state it runs on is another one.
    Parent {
        step: String,
    },
    /// It follows another step: one was inserted, removed or moved.
    Order {
        before: String,
        now: String,
    },
    /// Nothing changed, but what the step made is not there any more.
    Lost,
}

/// Something that has another value, or none before, or none now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub name: String,
    pub before: Option<String>,
    pub now: Option<String>,
}

/// A step as it is now, to be compared with the last one at its place.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// The key of the record that it had before.
    pub(crate) former: Option<&'a str>,
    pub(crate) moved: Option<Moved>,
    /// What the stage starts from: `FROM busybox`.
    pub(crate) base: &'a str,
    pub(crate) platform: &'a str,
    pub(crate) name: &'a str,
    pub(crate) parent: StepKey,
    /// The name of the step that made the parent.
    pub(crate) parent_name: &'a str,
    pub(crate) step: &'a Value,
    pub(crate) inputs: &'a Inputs,
}

/// At least one reason.
pub(crate) fn explain(cache: &Cache, asked: &Asked<'_>) -> Vec<MissReason> {
    let Some(last) = asked.former else { return vec![MissReason::New] };
    let Some(record) = cache.read(last) else { return vec![MissReason::Lost] };
    let mut reasons = Vec::new();
    if let Some(before) = record.platform.as_deref().filter(|before| *before != asked.platform) {
        let (before, now) = (before.to_owned(), asked.platform.to_owned());
        reasons.push(MissReason::Platform { before, now });
    }
    if record.step["step"] != asked.step["step"] {
        let (before, now) = (unnumbered(&record.name), unnumbered(asked.name));
        reasons.push(MissReason::Instruction { before, now });
    } else {
        compare_steps(&record.step, asked.step, &mut reasons);
        compare_inputs(cache, last, asked.inputs, &mut reasons);
    }
    if record.parent != asked.parent.to_string() {
        reasons.push(parent(cache, asked));
    }
    if reasons.is_empty() {
        reasons.push(MissReason::Lost);
    }
    reasons
}

fn parent(cache: &Cache, asked: &Asked<'_>) -> MissReason {
    let Some(moved) = &asked.moved else {
        return MissReason::Parent { step: asked.parent_name.to_owned() };
    };
    let before = match &moved.followed {
        None => unnumbered(asked.base),
        Some(key) => {
            cache.read(key).map_or("a step that is forgotten".to_owned(), |r| unnumbered(&r.name))
        }
    };
    MissReason::Order { before, now: unnumbered(asked.parent_name) }
}

fn compare_steps(before: &Value, now: &Value, reasons: &mut Vec<MissReason>) {
    let no_fields = serde_json::Map::new();
    let fields = |step: &Value| step.as_object().unwrap_or(&no_fields).clone();
    let (before, now) = (fields(before), fields(now));
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (old, new) = (before.get(name), now.get(name));
        if old == new {
            continue;
        }
        match name.as_str() {
            "args" | "path" | "sources" => {
                let (before, now) = (text(old), text(new));
                reasons.insert(0, MissReason::Instruction { before, now });
            }
            "env" => {
                let changes = changes(&variables(old), &variables(new));
                reasons.extend(changes.into_iter().map(MissReason::Variable));
            }
            "mounts" => {
                let changes = changes(&mounts(old), &mounts(new));
                reasons.extend(changes.into_iter().map(MissReason::Mount));
            }
            field => reasons.push(MissReason::Setting(Change {
                name: setting(field).to_owned(),
                before: old.map(|value| text(Some(value))),
                now: new.map(|value| text(Some(value))),
            })),
        }
    }
}

/// The fields of steps in the words of Dockerfiles.
fn setting(field: &str) -> &str {
    match field {
        "cwd" => "working directory",
        "add_hosts" => "--add-host",
        "shm_size" => "--shm-size",
        "ulimits" => "--ulimit",
        "dest" => "destination",
        "chown" => "--chown",
        "chmod" => "--chmod",
        "link" => "--link",
        "excludes" => "--exclude",
        "unpack" => "--unpack",
        "created" => "SOURCE_DATE_EPOCH",
        "script" => "here-document",
        other => other,
    }
}

fn variables(list: Option<&Value>) -> BTreeMap<String, String> {
    let lines = list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), shortened(value))).collect()
}

/// By where they are.
fn mounts(list: Option<&Value>) -> BTreeMap<String, String> {
    let mounts = list.and_then(Value::as_array).into_iter().flatten();
    let described = mounts.map(|mount| {
        let name = ["target", "env", "id"].iter().find_map(|field| mount[*field].as_str());
        (name.unwrap_or_default().to_owned(), text(Some(mount)))
    });
    described.collect()
}

fn text(value: Option<&Value>) -> String {
    let words = |list: &Vec<Value>| {
        let word = |value| Value::as_str(value).or_else(|| value["path"].as_str());
        let words: Option<Vec<&str>> = list.iter().map(word).collect();
        words.map(|words| words.join(" "))
    };
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => {
            words(list).unwrap_or_else(|| Value::Array(list.clone()).to_string())
        }
        Some(other) => other.to_string(),
    };
    shortened(&text)
}

/// The name of a step without its number, which says nothing beside one of before.
fn unnumbered(name: &str) -> String {
    let rest = name.split_once("] ").filter(|_| name.starts_with('['));
    shortened(rest.map_or(name, |(_, rest)| rest))
}

/// On one line.
fn shortened(text: &str) -> String {
    let text = text.replace('\n', "\\n");
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn changes(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<Change> {
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| before.get(*name) != now.get(*name));
    let change = |name: &String| Change {
        name: name.clone(),
        before: before.get(name).cloned(),
        now: now.get(name).cloned(),
    };
    names.into_iter().map(change).collect()
}

/// Both come sorted by name, so neither needs to be in memory.
fn compare_inputs(cache: &Cache, before: &str, now: &Inputs, reasons: &mut Vec<MissReason>) {
    let mut comparison =
        Comparison { now: now.iter().peekable(), reasons, room: LISTED, more: [0; 3] };
    cache.inputs(before, &mut |name, old| comparison.before(&name, &old));
    comparison.finish();
}

/// Inputs of before and now, being compared.
struct Comparison<'a, I: Iterator<Item = (String, Input)>> {
    now: Peekable<I>,
    reasons: &'a mut Vec<MissReason>,
    /// How many more are told one by one.
    room: usize,
    /// How many others were changed, added, removed.
    more: [usize; 3],
}

impl<I: Iterator<Item = (String, Input)>> Comparison<'_, I> {
    /// What was read before; by name.
    fn before(&mut self, name: &str, old: &str) {
        while let Some((name, input)) = self.now.next_if(|(other, _)| **other < *name) {
            self.differs(&name, None, Some(&input));
        }
        match self.now.next_if(|(other, _)| other == name) {
            Some((_, input)) if input.is(old) => {}
            Some((_, input)) => self.differs(name, Some(old), Some(&input)),
            None => self.differs(name, Some(old), None),
        }
    }

    fn finish(mut self) {
        while let Some((name, input)) = self.now.next() {
            self.differs(&name, None, Some(&input));
        }
        let [changed, added, removed] = self.more;
        if self.more != [0; 3] {
            self.reasons.push(MissReason::MoreInputs { changed, added, removed });
        }
    }

    fn differs(&mut self, name: &str, old: Option<&str>, new: Option<&Input>) {
        match (self.room.checked_sub(1), old, new) {
            (Some(room), ..) => {
                self.room = room;
                self.reasons.push(input(name, old, new));
            }
            (None, Some(_), Some(_)) => self.more[0] += 1,
            (None, None, _) => self.more[1] += 1,
            (None, Some(_), None) => self.more[2] += 1,
        }
    }
}

fn input(name: &str, before: Option<&str>, now: Option<&Input>) -> MissReason {
    let now = now.map(Input::to_string);
    let (what, shown) = kind_of(name, now.as_deref().or(before).unwrap_or_default());
    let (before, now) = match (before, &now) {
        // Only what differs.
        (Some(before), Some(now)) => differing(before, now),
        (before, now) => (before.map(summary), now.as_deref().map(summary)),
    };
    MissReason::Input { what, change: Change { name: shown, before, now } }
}

/// What an input is and how it is called.
fn kind_of(name: &str, text: &str) -> (String, String) {
    if let Some((mount, file)) = name.strip_prefix("mount ").and_then(|rest| rest.split_once(": "))
    {
        let (what, shown) = kind_of(file, text);
        return (format!("{what} of the mount at `{mount}`"), shown);
    }
    let plain = match name.strip_prefix("source ").and_then(|rest| rest.split_once(": ")) {
        Some((_, plain)) => plain,
        None => name,
    };
    let facts = [
        ("mount ", "state of the mount at"),
        ("cache ", "start of the cache at"),
        ("destination ", "directory below the destination"),
        ("name of ", "name of"),
    ];
    for (prefix, what) in facts {
        if let Some(shown) = plain.strip_prefix(prefix) {
            return (what.to_owned(), shown.to_owned());
        }
    }
    let first = text.split(' ').next().unwrap_or_default();
    let what = if text.contains(' ') { first } else { "source" };
    (what.to_owned(), plain.to_owned())
}

const PARTS: [&str; 5] = ["type", "mode", "owner", "content", "attributes"];

fn differing(before: &str, now: &str) -> (Option<String>, Option<String>) {
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split(' ').collect(), now.split(' ').collect());
    if old.len() != new.len() || old.len() < PARTS.len() {
        return (Some(summary(before)), Some(summary(now)));
    }
    let part = |words: &[&str]| {
        let numbers = (0..PARTS.len()).filter(|&part| old[part] != new[part]);
        numbers
            .map(|part| format!("{} {}", PARTS[part], words[part]))
            .collect::<Vec<_>>()
            .join(", ")
    };
    (Some(part(&old)), Some(part(&new)))
}

/// The content, or whatever there is.
fn summary(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    match words.get(3) {
        Some(content) if *content != "-" => format!("content {content}"),
        Some(_) => words[0].to_owned(),
        None => text.to_owned(),
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.now) {
            (None, Some(now)) => write!(f, "`{}` added: {now}", self.name),
            (Some(before), None) => write!(f, "`{}` removed: {before}", self.name),
            (Some(before), Some(now)) => write!(f, "`{}` changed: {before} → {now}", self.name),
            (None, None) => write!(f, "`{}` changed", self.name),
        }
    }
}

/// The long form.
impl fmt::Display for MissReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MissReason::Unwanted => f.write_str("the cache was not to be used"),
            MissReason::New => f.write_str("it was not built at this place before"),
            MissReason::Platform { before, now } => write!(f, "platform: {before} → {now}"),
            MissReason::Instruction { before, now } => write!(f, "instruction: {before} → {now}"),
            MissReason::Variable(change) => write!(f, "variable {change}"),
            MissReason::Setting(change) => write!(f, "setting {change}"),
            MissReason::Mount(change) => write!(f, "mount {change}"),
            MissReason::Input { what, change } => write!(f, "{what} {change}"),
            MissReason::MoreInputs { changed, added, removed } => match changed + added + removed {
                1 => f.write_str("and one more input"),
                count => write!(f, "and {count} more inputs"),
            },
            MissReason::Parent { step } => write!(f, "a step before it changed: {step}"),
            MissReason::Order { before, now } => {
                write!(f, "it follows another step: {before} → {now}")
            }
            MissReason::Lost => f.write_str("its layer is no longer in the store"),
        }
    }
}

/// The short form, for a line of progress: names, no values. Nothing for a step that is new.
pub(crate) fn short(reasons: &[MissReason]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let (mut variables, mut others, mut more) = (Vec::new(), Vec::new(), [0; 3]);
    let mut inputs: [Vec<&str>; 3] = Default::default();
    for reason in reasons {
        match reason {
            MissReason::Instruction { .. } => parts.push("the instruction changed".to_owned()),
            MissReason::Variable(change) => variables.push(change.name.as_str()),
            MissReason::Setting(change) => others.push(change.name.as_str()),
            MissReason::Mount(change) => parts.push(format!("mount changed: {}", change.name)),
            MissReason::Input { change, .. } => {
                let kind = match (&change.before, &change.now) {
                    (None, Some(_)) => 1,
                    (Some(_), None) => 2,
                    _ => 0,
                };
                inputs[kind].push(change.name.as_str());
            }
            MissReason::MoreInputs { changed, added, removed } => {
                more = [*changed, *added, *removed]
            }
            MissReason::Parent { .. }
            | MissReason::Order { .. }
            | MissReason::Unwanted
            | MissReason::New => {}
            MissReason::Platform { .. } | MissReason::Lost => parts.push(reason.to_string()),
        }
    }
    for (noun, names) in [("variable", variables), ("setting", others)] {
        if !names.is_empty() {
            let plural = if names.len() == 1 { "" } else { "s" };
            parts.push(format!("{noun}{plural} changed: {}", listed(&names, 0)));
        }
    }
    for (kind, what) in ["changed", "added", "removed"].iter().enumerate() {
        if !inputs[kind].is_empty() {
            parts.push(format!("{what}: {}", listed(&inputs[kind], more[kind])));
        } else if more[kind] > 0 {
            parts.push(format!("{what}: {} inputs", more[kind]));
        }
    }
    let parent = reasons.iter().any(|reason| matches!(reason, MissReason::Parent { .. }));
    let order = reasons.iter().any(|reason| matches!(reason, MissReason::Order { .. }));
    if parts.is_empty() && order {
        parts.push("it follows another step".to_owned());
    } else if parts.is_empty() && parent {
        parts.push("a step before it changed".to_owned());
    }
    parts.join("; ")
}

fn listed(names: &[&str], more: usize) -> String {
    let mut text = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(SHOWN) + more;
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
