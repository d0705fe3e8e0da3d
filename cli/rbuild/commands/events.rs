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

/// Docker's JSON and what its templates see have other names for some fields. The oldest are told of containers and images
/// only.
fn document(event: &Event, template: bool) -> Json {
    let (seconds, nanos) = times::instant(Some(&event.time));
    let whole = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let nano = i64::try_from(whole).unwrap_or(i64::MAX);
    let actor = json!({ "ID": event.id, "Attributes": event.attributes });
    let is = |kind: &str| event.kind == kind;
    let text = |told: bool, text: &str| if told { text.to_owned() } else { String::new() };
    let status = text(is("container") || is("image"), &event.action);
    let id = text(is("container") || is("image"), &event.id);
    let image = event.attributes.get("image").map_or("", String::as_str);
    let from = text(is("container"), image);
    if template {
        return json!({
            "Status": status, "ID": id, "From": from, "Type": event.kind,
            "Action": event.action, "Actor": actor, "Scope": "local", "Time": seconds,
            "TimeNano": nano,
        });
    }
    let mut document = json!({
        "status": status, "id": id, "from": from, "Type": event.kind,
        "Action": event.action, "Actor": actor, "scope": "local", "time": seconds,
        "timeNano": nano,
    });
    if let Some(fields) = document.as_object_mut() {
        let empty = |name: &str| ["status", "id", "from"].contains(&name);
        fields.retain(|name, value| !(empty(name) && value.as_str() == Some("")));
    }
    document
}

/// Filters of different names must all fit; of several of one name one must, but all labels.
#[derive(Debug, Default)]
struct Filter {
    kinds: Vec<String>,
    actions: Vec<String>,
    containers: Vec<String>,
    images: Vec<String>,
    networks: Vec<String>,
    volumes: Vec<String>,
    scopes: Vec<String>,
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
            "network" => self.networks.push(value),
            "volume" => self.volumes.push(value),
            "scope" => self.scopes.push(value),
            "label" => self.labels.push(Label::parse(&value)),
            _ => {
                bail!(
                    "the filters are `container`, `event`, `image`, `label`, `network`, `scope`, `type` and `volume`"
                )
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
            && any(&self.images, &|text| is_of_image(event, text))
            && any(&self.networks, &|text| {
                is("network") && (event.id.starts_with(text) || attribute("name") == Some(text))
            })
            && any(&self.volumes, &|text| is("volume") && event.id == text)
            && any(&self.scopes, &|scope| scope == "local")
            && self.labels.iter().all(|label| label.is_among(&event.attributes))
    }
}

/// Of an image by its ID or name, or of a container that was made of it; without its tag a name means any.
fn is_of_image(event: &Event, text: &str) -> bool {
    let fits = |found: &str| {
        found == text
            || found.strip_prefix("sha256:").is_some_and(|digits| digits.starts_with(text))
            || found.rsplit_once(':').is_some_and(|(name, tag)| name == text && !tag.contains('/'))
    };
    let attribute = |name: &str| event.attributes.get(name).is_some_and(|found| fits(found));
    match event.kind.as_str() {
        "container" => attribute("image"),
        "image" => fits(&event.id) || attribute("name"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn filters_say_what_is_shown() {
        let none = BTreeMap::new();
        let tagged = Event::of_image("sha256:12ab", "shop/web:1", &none, "tag");
        let created = Event::of_network("77", "front", "create");
        let mounted = Event::of_volume("data", "mount");
        for (filter, event, expected) in [
            ("image=shop/web", &tagged, true),
            ("image=shop/web:1", &tagged, true),
            ("image=12a", &tagged, true),
            ("image=shop", &tagged, false),
            ("image=data", &mounted, false),
            ("network=front", &created, true),
            ("network=7", &created, true),
            ("network=front", &mounted, false),
            ("volume=data", &mounted, true),
            ("type=volume", &mounted, true),
            ("event=create", &created, true),
            ("event=mount", &created, false),
            ("scope=local", &created, true),
            ("scope=swarm", &created, false),
        ] {
            let found = Filter::of(&[filter.to_owned()]).unwrap().admits(event);
            assert_eq!(found, expected, "{filter} {event:?}");
        }
        assert!(Filter::of(&["node=x".to_owned()]).is_err());
    }
}
