//! `post_start` and `pre_stop`: programs of a service, run in its containers around their lives.

use std::collections::VecDeque;

use engine::Variable;
use engine::exec::ExecRequest;
use runtime::containers::{Container, Status};

use super::{Event, Observer, Order};
use crate::model::Hook;
use crate::stack::{Result, StackError};

/// Lines that are remembered for the report of a hook that fails.
const REMEMBERED: usize = 10;

/// One after the other; the first that fails is the last.
pub(super) fn after_start(
    order: Order<'_>,
    observer: &dyn Observer,
    service: &str,
    id: &str,
) -> Result<()> {
    let Some(hooks) = order.project.service(service).map(|service| &service.post_start) else {
        return Ok(());
    };
    if hooks.is_empty() {
        return Ok(());
    }
    // As it is now that it runs.
    let container = order.host.containers.read(id)?;
    hooks.iter().try_for_each(|hook| run(order, observer, service, &container, hook))
}

/// Of one that runs; what is stopped or stands still already has nothing to be told.
pub(super) fn before_stop(
    order: Order<'_>,
    observer: &dyn Observer,
    service: &str,
    container: &Container,
) -> Result<()> {
    if container.state.status != Status::Running {
        return Ok(());
    }
    let hooks = order.project.service(service).map(|service| &service.pre_stop);
    let mut hooks = hooks.into_iter().flatten();
    match hooks.try_for_each(|hook| run(order, observer, service, container, hook)) {
        // It ended by itself meanwhile.
        Err(_) if !is_running(order, container) => Ok(()),
        done => done,
    }
}

fn is_running(order: Order<'_>, container: &Container) -> bool {
    let now = order.host.containers.read(container.id());
    now.is_ok_and(|now| now.state.status == Status::Running)
}

/// Runs it, and shows what it writes.
pub fn run(
    order: Order<'_>,
    observer: &dyn Observer,
    service: &str,
    container: &Container,
    hook: &Hook,
) -> Result<()> {
    let name = &container.definition.name;
    let mut lines = Lines::default();
    let request = request(hook);
    let mut told = |line: &str| observer.event(Event::Wrote { container: name, line });
    let code = engine::apart::run(&order.host.store, container, &request, &mut |bytes| {
        lines.take(bytes, &mut told);
    })?;
    lines.finish(&mut told);
    match code {
        0 => Ok(()),
        code => Err(StackError::Hook {
            service: service.to_owned(),
            container: name.clone(),
            code,
            output: lines.last.into(),
        }),
    }
}

fn request(hook: &Hook) -> ExecRequest {
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let env = hook.environment.0.iter().map(|(name, value)| match value {
        Some(value) => Variable::Set(format!("{name}={value}")),
        None => Variable::Removed(name.clone()),
    });
    ExecRequest {
        command: hook.command.0.iter().flatten().map(Into::into).collect(),
        env: env.collect(),
        user: text(&hook.user),
        working_directory: text(&hook.working_dir).map(Into::into),
        terminal: false,
        privileged: hook.privileged,
    }
}

/// Lines of what comes in pieces.
#[derive(Debug, Default)]
struct Lines {
    partial: Vec<u8>,
    last: VecDeque<String>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8], tell: &mut dyn FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.finish(tell);
            }
        }
    }

    /// What has no end yet is a line, too.
    fn finish(&mut self, tell: &mut dyn FnMut(&str)) {
        if self.partial.is_empty() {
            return;
        }
        let line = String::from_utf8_lossy(&self.partial).trim_end_matches(['\n', '\r']).to_owned();
        self.partial.clear();
        tell(&line);
        self.last.push_back(line);
        if self.last.len() > REMEMBERED {
            self.last.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines() {
        let (mut lines, mut told) = (Lines::default(), Vec::new());
        for piece in ["a", "b\nc\r\n", "", "d"] {
            lines.take(piece.as_bytes(), &mut |line| told.push(line.to_owned()));
        }
        lines.finish(&mut |line| told.push(line.to_owned()));
        lines.finish(&mut |line| told.push(line.to_owned()));
        assert_eq!(told, ["ab", "c", "d"]);
        assert_eq!(lines.last, told);
    }

    #[test]
    fn only_the_last_lines_are_remembered() {
        let mut lines = Lines::default();
        let text: String = (0..30).map(|number| format!("{number}\n")).collect();
        lines.take(text.as_bytes(), &mut |_| {});
        assert_eq!(lines.last.len(), REMEMBERED);
        assert_eq!(lines.last.back().map(String::as_str), Some("29"));
    }
}
