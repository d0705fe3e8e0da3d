//! `rcompose events`

use std::collections::BTreeMap;

use anyhow::Result;
use cli::events::{self, Window};
use cli::{Exit, terminal_text};
use compose::stack::labels::Identity;
use runtime::events::Event;
use serde_json::json;

use super::stack::{Call, check_services};
use crate::args::EventsArgs;

/// Labels that say which container it is, but nothing about it.
const OWN: [&str; 2] = ["com.docker.compose.", "org.rbuild.compose."];

pub(super) fn run(args: &EventsArgs, call: Call<'_>) -> Result<Exit> {
    let window = Window::parse(args.since.as_deref(), args.until.as_deref())?;
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    check_services(&project, &args.services)?;
    events::show(host.store.state(), window, &|event| {
        // As docker compose does, not those of `run`.
        let identity = Identity::of(&event.attributes).filter(|identity| {
            event.kind == "container" && identity.project == project.name && !identity.one_off
        });
        let Some(Identity { service, .. }) = identity else { return Ok(None) };
        if !args.services.is_empty() && !args.services.contains(&service) {
            return Ok(None);
        }
        Ok(Some(if args.json { document(event, &service) } else { line(event) }))
    })
}

fn attributes(event: &Event) -> BTreeMap<&str, &str> {
    let own = |name: &str| OWN.iter().any(|prefix| name.starts_with(prefix));
    let all = event.attributes.iter().filter(|(name, _)| !own(name));
    all.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// `2026-01-02 03:04:05.678901 container start 3f2a… (image=busybox, name=shop-web-1)`
fn line(event: &Event) -> String {
    let pairs: Vec<String> =
        attributes(event).iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (date, time) = event.time.split_once('T').unwrap_or((&event.time, ""));
    let time: String = time.trim_end_matches('Z').chars().take("03:04:05.678901".len()).collect();
    let Event { action, id, .. } = event;
    let text = format!("{date} {time} container {action} {id} ({})", pairs.join(", "));
    terminal_text::line(&text).into_owned() + "\n"
}

fn document(event: &Event, service: &str) -> String {
    let line = json!({
        "action": event.action,
        "attributes": attributes(event),
        "id": event.id,
        "service": service,
        "time": event.time,
        "type": "container",
    });
    format!("{line}\n")
}

#[cfg(test)]
mod tests {
    use compose::stack::labels;

    use super::*;

    #[test]
    fn labels_of_the_project_are_not_shown() {
        let attributes = [
            ("image", "busybox"),
            ("name", "shop-a-1"),
            (labels::PROJECT, "shop"),
            (labels::RECORD, "{}"),
            ("colour", "red"),
        ];
        let attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let event = Event {
            time: "2026-01-02T03:04:05.678901234Z".to_owned(),
            kind: "container".to_owned(),
            action: "start".to_owned(),
            id: "3f2a".to_owned(),
            attributes: attributes.collect(),
        };
        let expected = "2026-01-02 03:04:05.678901 container start 3f2a (colour=red, image=busybox, name=shop-a-1)\n";
        assert_eq!(line(&event), expected);
        let expected = r#"{"action":"start","attributes":{"colour":"red","image":"busybox","name":"shop-a-1"},"id":"3f2a","service":"a","time":"2026-01-02T03:04:05.678901234Z","type":"container"}"#;
        assert_eq!(document(&event, "a"), format!("{expected}\n"));
    }
}
