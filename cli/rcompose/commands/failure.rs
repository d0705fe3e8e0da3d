//! Why a container did not come up: what it wrote last, and what its last check said.

use std::collections::VecDeque;

use anyhow::Error;
use cli::report;
use compose::stack::{Host, StackError};
use engine::logs::LogQuery;
use runtime::containers::Container;

const LINES: usize = 10;

/// Tells what is known of the container that an error names.
pub(super) fn explain(host: &Host, error: &Error) {
    if let Some(StackError::Hook { container, output, .. }) = error.downcast_ref()
        && !output.is_empty()
    {
        report::print(&format!("the last lines of the hook in {container}"));
        output.iter().for_each(|line| report::print(&format!("  {line}")));
    }
    let name = match error.downcast_ref::<StackError>() {
        Some(StackError::Unhealthy { container } | StackError::Exited { container, .. }) => {
            container
        }
        _ => return,
    };
    if let Ok(container) = host.containers.find(name) {
        last_check(&container);
        last_lines(&container);
    }
}

fn last_check(container: &Container) {
    let health = container.state.health.as_ref();
    let Some(run) = health.and_then(|health| health.log.last()) else { return };
    let name = &container.definition.name;
    report::print(&format!("the last check of {name} ended with {}", run.exit_code));
    run.output.lines().for_each(|line| report::print(&format!("  {line}")));
}

fn last_lines(container: &Container) {
    let mut lines = VecDeque::new();
    let query = LogQuery { tail: Some(LINES), ..LogQuery::default() };
    let read = engine::logs::read(container, &query, &mut |line| {
        lines.push_back(line.text);
        Ok(())
    });
    // What cannot be read is not what was asked about.
    if read.is_err() || lines.is_empty() {
        return;
    }
    report::print(&format!("the last lines of {}", container.definition.name));
    lines.iter().for_each(|line| report::print(&format!("  {}", line.trim_end())));
}
