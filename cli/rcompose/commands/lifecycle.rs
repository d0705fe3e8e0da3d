//! `rcompose start`, `stop`, `restart`, `kill` and `rm`

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cli::{Exit, report};
use compose::Project;
use compose::reconcile::{self, Action, ObservedState, Plan, Reason, Step};
use compose::stack::execute::ExecuteOptions;
use compose::stack::{Contents, Host, Member, observe_without_images};
use engine::values::signal;

use super::stack::{Call, Work, check_services, of_services};
use super::{interrupt, lock, up};
use crate::args::{KillArgs, RestartArgs, RmArgs, StartArgs, StopArgs};

/// A project whose containers are to be started or stopped.
struct Stack {
    host: Host,
    project: Project,
    observed: ObservedState,
    contents: Contents,
    _lock: std::fs::File,
}

impl Stack {
    fn open(call: Call<'_>, services: &[String]) -> Result<Stack> {
        let host = call.host_to_start()?;
        let mut project = call.project_or_remains(&host)?;
        check_services(&project, services)?;
        for name in services {
            if let Some(service) = project.disabled_services.remove(name) {
                project.services.insert(name.clone(), service);
            }
        }
        let lock = lock::project(&host, &project.name)?;
        let contents = Contents::default();
        let observed = observe_without_images(&host, &project, &contents)?;
        Ok(Stack { host, project, observed, contents, _lock: lock })
    }

    fn carry_out(
        &self,
        call: Call<'_>,
        plan: &Plan,
        title: &str,
        options: ExecuteOptions,
    ) -> Result<()> {
        let interrupted = Arc::default();
        interrupt::watch(&interrupted)?;
        let work = Work {
            call,
            host: &self.host,
            project: &self.project,
            contents: &self.contents,
            observed: &self.observed,
            options: ExecuteOptions { parallel: call.parallel()?, ..options },
            interrupted,
        };
        work.carry_out(plan, title)
    }
}

pub(super) fn start(args: &StartArgs, call: Call<'_>) -> Result<Exit> {
    let stack = Stack::open(call, &args.services)?;
    let plan = reconcile::start(&stack.project, &stack.observed, &args.services, true)?;
    stack.carry_out(call, &plan, "start", ExecuteOptions::default())?;
    if args.wait && !call.manner.dry_run {
        let all: BTreeSet<String> = match args.services.as_slice() {
            [] => stack.project.services.keys().cloned().collect(),
            named => named.iter().cloned().collect(),
        };
        let limit = args.wait_timeout.map(Duration::from_secs);
        up::wait(&stack.host, &stack.project, &all, limit, &Arc::default())?;
    }
    Ok(Exit::Success)
}

pub(super) fn stop(args: &StopArgs, call: Call<'_>) -> Result<Exit> {
    let stack = Stack::open(call, &args.services)?;
    let plan = reconcile::stop(&stack.project, &stack.observed, &args.services)?;
    stack.carry_out(call, &plan, "stop", within(args.timeout))?;
    Ok(Exit::Success)
}

pub(super) fn restart(args: &RestartArgs, call: Call<'_>) -> Result<Exit> {
    let stack = Stack::open(call, &args.services)?;
    let plan = reconcile::restart(&stack.project, &stack.observed, &args.services, !args.no_deps)?;
    stack.carry_out(call, &plan, "restart", within(args.timeout))?;
    Ok(Exit::Success)
}

pub(super) fn kill(args: &KillArgs, call: Call<'_>) -> Result<Exit> {
    let signal =
        signal::parse(&args.signal).with_context(|| format!("`--signal {}`", args.signal))?;
    let host = call.host()?;
    let project = call.project_or_remains(&host)?;
    let mut found = of_services(&host, &project, &args.services)?;
    let known = |member: &Member| project.service(member.service()).is_some();
    found.retain(|member| member.is_alive() && (args.remove_orphans || known(member)));
    if found.is_empty() {
        report::print("no container to kill");
    }
    for member in found.iter().filter(|_| !call.manner.dry_run) {
        engine::kill(&member.container, signal)?;
        report::print(&format!(" Container {}  Killed", member.name()));
    }
    Ok(Exit::Success)
}

pub(super) fn rm(args: &RmArgs, call: Call<'_>) -> Result<Exit> {
    let mut stack = Stack::open(call, &args.services)?;
    if args.stop {
        let plan = reconcile::stop(&stack.project, &stack.observed, &args.services)?;
        stack.carry_out(call, &plan, "stop", ExecuteOptions::default())?;
        stack.observed = observe_without_images(&stack.host, &stack.project, &stack.contents)?;
    }
    let plan = removal(&stack, &args.services);
    if plan.is_empty() {
        report::print("No stopped containers");
        return Ok(Exit::Success);
    }
    if !args.force && !call.manner.dry_run {
        ask(&plan)?;
    }
    let options = ExecuteOptions { remove_volumes: args.volumes, ..ExecuteOptions::default() };
    stack.carry_out(call, &plan, "rm", options)?;
    Ok(Exit::Success)
}

fn within(stop_timeout: Option<i64>) -> ExecuteOptions {
    ExecuteOptions { stop_timeout, ..ExecuteOptions::default() }
}

/// Those that do not run.
fn removal(stack: &Stack, services: &[String]) -> Plan {
    let meant = stack.observed.containers.iter().filter(|it| {
        !it.status.is_up()
            && !it.one_off
            && stack.project.service(&it.service).is_some()
            && (services.is_empty() || services.contains(&it.service))
    });
    let steps = meant.map(|it| Step {
        action: Action::Remove {
            service: it.service.clone(),
            id: it.id.clone(),
            name: it.name.clone(),
        },
        reasons: vec![Reason::AskedFor],
        after: Vec::new(),
    });
    Plan { steps: steps.collect(), ..Plan::default() }
}

fn ask(plan: &Plan) -> Result<()> {
    let names = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Remove { name, .. } => Some(name.as_str()),
        _ => None,
    });
    let names: Vec<&str> = names.collect();
    report::print(&format!("? Going to remove {}\nAre you sure? [yN]", names.join(", ")));
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => bail!("nothing was removed"),
    }
}
