//! `[SOURCE:]TARGET[:OPTIONS]`
//!
//! `C:\data` is a drive of Windows. Unlike Docker Compose, which takes any single letter for a drive,
//! `v:/data` is the volume `v`.

use thiserror::Error;

use super::FormError;
use crate::model::{BindOptions, Mount, VolumeOptions};
use crate::source::Span;
use crate::yaml::{Map, Node, Value};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MountError {
    #[error("invalid empty volume spec")]
    Empty,
    #[error("invalid spec: {spec}: empty section between colons")]
    EmptySection { spec: String },
    #[error("invalid spec: {spec}: too many colons")]
    TooManyColons { spec: String },
}

const PROPAGATIONS: &[&str] = &["rprivate", "private", "rshared", "shared", "rslave", "slave"];

/// Parses the short form. Unknown options are ignored.
pub fn parse_mount(spec: &str) -> Result<Mount, MountError> {
    if spec.is_empty() {
        return Err(MountError::Empty);
    }
    let mut mount = Mount::default();
    if spec.chars().count() <= 2 {
        mount.kind = "volume".to_owned();
        spec.clone_into(&mut mount.target);
        return Ok(mount);
    }
    let sections = sections(spec);
    for section in &sections {
        if section.is_empty() {
            return Err(MountError::EmptySection { spec: spec.to_owned() });
        }
    }
    match &sections[..] {
        [target] => target.clone_into(&mut mount.target),
        [source, target] => {
            source.clone_into(&mut mount.source);
            target.clone_into(&mut mount.target);
        }
        [source, target, options] => {
            source.clone_into(&mut mount.source);
            target.clone_into(&mut mount.target);
            options.split(',').for_each(|option| apply(&mut mount, option));
        }
        _ => return Err(MountError::TooManyColons { spec: spec.to_owned() }),
    }
    set_kind(&mut mount);
    Ok(mount)
}

/// The parts between colons: not those of drives, nor those within `${…}`.
fn sections(spec: &str) -> Vec<String> {
    if let Some(sections) = letter_volume(spec) {
        return sections;
    }
    let (mut sections, mut section) = (Vec::new(), String::new());
    let mut variables = 0usize;
    let mut chars = spec.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '$' if chars.peek() == Some(&'{') => {
                variables += 1;
                section.push(char);
            }
            '}' if variables > 0 => {
                variables -= 1;
                section.push(char);
            }
            ':' if is_letter(&section) => section.push(char),
            ':' if variables == 0 => sections.push(std::mem::take(&mut section)),
            char => section.push(char),
        }
    }
    sections.push(section);
    sections
}

fn is_letter(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
}

/// `v:/data` and `v:/data:ro`.
fn letter_volume(spec: &str) -> Option<Vec<String>> {
    let parts: Vec<&str> = spec.split(':').collect();
    let fits = match parts[..] {
        [name, target] => is_letter(name) && target.starts_with('/'),
        [name, target, options] => {
            is_letter(name) && target.starts_with('/') && options.split(',').all(is_option)
        }
        _ => false,
    };
    if fits { Some(parts.into_iter().map(str::to_owned).collect()) } else { None }
}

fn is_option(option: &str) -> bool {
    matches!(option, "ro" | "rw" | "nocopy" | "z" | "Z") || PROPAGATIONS.contains(&option)
}

fn apply(mount: &mut Mount, option: &str) {
    match option {
        "ro" => mount.read_only = true,
        "rw" => mount.read_only = false,
        "nocopy" => mount.volume = Some(VolumeOptions { nocopy: true, ..VolumeOptions::default() }),
        "z" | "Z" => {
            mount.bind.get_or_insert_default().selinux = option.to_owned();
        }
        _ if PROPAGATIONS.contains(&option) => {
            mount.bind.get_or_insert_default().propagation = option.to_owned();
        }
        _ => {}
    }
}

fn set_kind(mount: &mut Mount) {
    if is_path(&mount.source) {
        mount.kind = "bind".to_owned();
        // The short form makes a missing directory.
        mount.bind.get_or_insert_default().create_host_path = true;
    } else {
        mount.kind = "volume".to_owned();
        mount.volume.get_or_insert_default();
    }
}

fn is_path(source: &str) -> bool {
    let mut chars = source.chars();
    match (chars.next(), chars.next()) {
        (Some('.' | '/' | '~'), _) => true,
        (Some(first), Some(':')) => first.is_alphabetic(),
        _ => source.starts_with("\\\\"),
    }
}

/// Puts the long form in the place of the short one.
pub(super) fn expand(node: &mut Node, path: String, lenient: bool) -> Result<(), FormError> {
    let Some(text) = node.as_str() else { return Ok(()) };
    match parse_mount(text) {
        Ok(mut mount) => {
            if !mount.target.is_empty() {
                mount.target = crate::paths::clean(&mount.target);
            }
            *node = long(&mount, node.span);
            Ok(())
        }
        Err(_) if lenient => Ok(()),
        Err(error) => Err(FormError::Mount { path, error }),
    }
}

fn long(mount: &Mount, span: Span) -> Node {
    let mut map = Map::default();
    let text = |text: &str| Value::String(text.to_owned());
    let mut put = |key: &str, value: Value| map.insert(key, span, Node::new(value, span));
    put("type", text(&mount.kind));
    if !mount.source.is_empty() {
        put("source", text(&mount.source));
    }
    put("target", text(&mount.target));
    if mount.read_only {
        put("read_only", Value::Bool(true));
    }
    if let Some(bind) = &mount.bind {
        put("bind", bind_options(bind, span));
    }
    if let Some(volume) = &mount.volume {
        let mut options = Map::default();
        if volume.nocopy {
            options.insert("nocopy", span, Node::new(Value::Bool(true), span));
        }
        put("volume", Value::Map(options));
    }
    Node::new(Value::Map(map), span)
}

fn bind_options(bind: &BindOptions, span: Span) -> Value {
    let mut options = Map::default();
    let text = |text: &str| Node::string(text, span);
    if !bind.selinux.is_empty() {
        options.insert("selinux", span, text(&bind.selinux));
    }
    if !bind.propagation.is_empty() {
        options.insert("propagation", span, text(&bind.propagation));
    }
    if bind.create_host_path {
        options.insert("create_host_path", span, Node::new(Value::Bool(true), span));
    }
    Value::Map(options)
}
