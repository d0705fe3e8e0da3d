//! `rbuild events`

use anyhow::{Context, Result, bail};
use cli::environment::Environment;
use cli::events::{self, Window};
use cli::format::{MissingKey, Shape, Struct, Template, Value};
use cli::{Exit, times};
use runtime::events::Event;
use serde_json::{Value as Json, json};

use super::labels::Label;
use super::open_store;
use crate::args::EventsArgs;

pub(crate) fn run(args: &EventsArgs, environment: &Environment) -> Result<Exit> {
    let format = Format::parse(args.format.as_deref())?;
    let filter = Filter::of(&args.filters)?;
    let window = Window::parse(args.since.as_deref(), args.until.as_deref())?;
    let store = open_store(environment)?;
    events::show(store.state(), window, &|event| {
        filter.admits(event).then(|| format.line(event)).transpose()
    })
}

#[derive(Debug)]
enum Format {
    Line,
    Json,
    Template(Template),
}

static ACTOR: Struct = Struct {
    name: "an actor",
    fields: &[("ID", Shape::Text), ("Attributes", Shape::Map(&Shape::Text))],
};
static EVENT: Struct = Struct {
    name: "an event",
    fields: &[
        ("Status", Shape::Text),
        ("ID", Shape::Text),
        ("From", Shape::Text),
        ("Type", Shape::Text),
        ("Action", Shape::Text),
        ("Actor", Shape::Struct(&ACTOR)),
        ("Scope", Shape::Text),
        ("Time", Shape::Int),
        ("TimeNano", Shape::Int),
    ],
};

impl Format {
    fn parse(text: Option<&str>) -> Result<Format> {
        Ok(match text {
            None | Some("") => Format::Line,
            Some("json") => Format::Json,
            Some(text) => Format::Template(Template::parse(text)?),
        })
    }

    fn line(&self, event: &Event) -> Result<String> {
        match self {
            Format::Line => {
                let pairs: Vec<String> = event
                    .attributes
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                let Event { time, kind, action, id, .. } = event;
                let text = format!("{time} {kind} {action} {id} ({})", pairs.join(", "));
                Ok(cli::terminal_text::line(&text).into_owned() + "\n")
            }
            Format::Json => Ok(document(event, false).to_string() + "\n"),
            Format::Template(template) => {
                let value = Value::new(document(event, true), Shape::Struct(&EVENT));
                Ok(template.execute(&value, MissingKey::NoValue)? + "\n")
            }
        }
    }
}

/// Docker's JSON and what its templates see have other names for some fields.
fn document(event: &Event, template: bool) -> Json {
    let (seconds, nanos) = times::instant(Some(&event.time));
    let whole = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let nano = i64::try_from(whole).unwrap_or(i64::MAX);
    let actor = json!({ "ID": event.id, "Attributes": event.attributes });
    let from = event.attributes.get("image").cloned().unwrap_or_default();
    match template {
        true => json!({
            "Status": event.action, "ID": event.id, "From": from, "Type": event.kind,
            "Action": event.action, "Actor": actor, "Scope": "local", "Time": seconds,
            "TimeNano": nano,
        }),
        false => json!({
            "status": event.action, "id": event.id, "from": from, "Type": event.kind,
            "Action": event.action, "Actor": actor, "scope": "local", "time": seconds,
            "timeNano": nano,
        }),
    }
}

/// Filters of different names must all fit; of several of one name one must, but all labels.
#[derive(Debug, Default)]
struct Filter {
    kinds: Vec<String>,
    actions: Vec<String>,
    containers: Vec<String>,
    images: Vec<String>,
    volumes: Vec<String>,
    labels: Vec<Label>,
}

impl Filter {
    fn of(texts: &[String]) -> Result<Filter> {
        let mut filter = Filter::default();
        for text in texts {
            filter.add(text).with_context(|| format!("cannot use `--filter {text}`"))?;
        }
        Ok(filter)
    }

    fn add(&mut self, text: &str) -> Result<()> {
        let (name, value) = text.split_once('=').context("it is not of the form name=value")?;
        let value = value.to_owned();
        match name {
            "type" => self.kinds.push(value),
            "event" => self.actions.push(value),
            "container" => self.containers.push(value),
            "image" => self.images.push(value),
            "volume" => self.volumes.push(value),
            "label" => self.labels.push(Label::parse(&value)),
            _ => {
                bail!("the filters are `container`, `event`, `image`, `label`, `type` and `volume`")
            }
        }
        Ok(())
    }

    fn admits(&self, event: &Event) -> bool {
        let any = |texts: &[String], fits: &dyn Fn(&str) -> bool| {
            texts.is_empty() || texts.iter().any(|text| fits(text))
        };
        let attribute = |name: &str| event.attributes.get(name).map(String::as_str);
        let is = |kind: &str| event.kind == kind;
        // `exec_start: sh` is an `exec_start`.
        let action = event.action.split(':').next().unwrap_or_default();
        any(&self.kinds, &|kind| is(kind))
            && any(&self.actions, &|wanted| wanted == action || wanted == event.action)
            && any(&self.containers, &|text| {
                is("container") && (event.id.starts_with(text) || attribute("name") == Some(text))
            })
            && any(&self.images, &|text| is("container") && attribute("image") == Some(text))
            && any(&self.volumes, &|text| is("volume") && event.id == text)
            && self.labels.iter().all(|label| label.is_among(&event.attributes))
    }
}
