//! `up` without `--detach`: shows what the containers write until they end or we are asked to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, PipeReader};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::Result;
use cli::report::{self, Report};
use cli::{Exit, output};
use compose::reconcile::{self, Action, Plan};
use compose::stack::execute::{self, Event, ExecuteOptions, Observer, Order, Outcome};
use compose::stack::watch::Rule;
use compose::stack::{Host, observe};
use engine::logs::{Line, LogQuery, LogStream};
use engine::time::instant;
use runtime::containers::Containers;
use runtime::shim::{AttachStreams, Connection};

use super::super::display::{Display, Shared};
use super::super::failure;
use super::super::interrupt::Interrupts;
use super::super::printer::Printer;
use super::super::stack::{tell_reasons, warn};
use super::super::watch::Watching;
use super::Up;
use crate::args::UpArgs;

/// What we wait for.
#[derive(Debug)]
enum Happening {
    Ended {
        service: String,
        name: String,
        code: i32,
    },
    /// We are asked to end, for the n-th time.
    Interrupted(usize),
}

pub(super) fn run(
    args: &UpArgs,
    up: &mut Up<'_>,
    plan: &Plan,
    rules: Option<Vec<Rule>>,
) -> Result<Exit> {
    warn(plan);
    let (tell, hear) = channel();
    let interrupts = {
        let tell = tell.clone();
        Interrupts::watch(Arc::clone(&up.interrupted), move |count| {
            let _over = tell.send(Happening::Interrupted(count));
        })?
    };
    let attached = attached_services(args, up);
    let names = names(up, plan, &attached);
    let printer = Printer::new(&up.project.name, &names, !args.no_log_prefix)
        .coloured(!args.no_color && up.call.colours(&std::io::stdout()))
        .with_times(args.timestamps);
    if !names.is_empty() {
        let shown: Vec<&str> = names.iter().map(|name| printer.short(name)).collect();
        output::line(&format!("Attaching to {}", shown.join(", ")))?;
    }
    let followers = Followers {
        containers: up.host.containers.clone(),
        printer: Arc::new(printer),
        tell,
        attached,
        followed: Mutex::default(),
        readers: Mutex::default(),
    };
    let now = runtime::clock::now();
    for container in &up.observed.containers {
        if container.status.is_up() && !container.one_off && !is_touched(plan, &container.name) {
            followers.follow(&container.service, &container.name, &now);
        }
    }
    tell_reasons(plan, up.call.look()?);
    let display = Display::start(up.call.look()?, "up");
    let observer = Shared { display: &display, other: Some(&followers) };
    let done = execute::run(plan, up.work(up.call).order(), &observer);
    display.finish();
    up.let_go();
    if let Err(error) = done {
        let error = error.into();
        if up.interrupted.load(SeqCst) {
            drop(interrupts);
            return stop(up, &followers.printer, None).map(|()| Exit::Interrupted);
        }
        failure::explain(&up.host, &error);
        return Err(error);
    }
    let exit = match rules {
        Some(rules) => watch_and_wait(args, up, &followers, &hear, rules),
        None => wait(args, up, &followers, &hear),
    };
    drop(interrupts);
    exit
}

/// `--watch`: nothing is over because containers have ended, they may be made anew.
fn watch_and_wait(
    args: &UpArgs,
    up: &Up<'_>,
    followers: &Followers,
    hear: &Receiver<Happening>,
    rules: Vec<Rule>,
) -> Result<Exit> {
    let enough = AtomicBool::new(false);
    let watching = Watching {
        up,
        rules,
        prune: true,
        quiet: args.quiet_build,
        observer: Some(followers),
        log: &|text| followers.printer.note(text),
    };
    thread::scope(|scope| {
        let watched = scope.spawn(|| watching.run(&enough));
        let exit = wait(args, up, followers, hear);
        enough.store(true, SeqCst);
        watched.join().unwrap_or(Ok(()))?;
        exit
    })
}

/// The services whose output is shown.
fn attached_services(args: &UpArgs, up: &Up<'_>) -> BTreeSet<String> {
    let services = up.project.services.iter().filter(|(name, service)| {
        let meant = match (args.attach.is_empty(), args.services.is_empty()) {
            (false, _) => args.attach.contains(name),
            (true, false) => args.services.contains(name) || args.attach_dependencies,
            (true, true) => service.attach.unwrap_or(true),
        };
        meant && !args.no_attach.contains(name) && up.scope.contains(*name)
    });
    services.map(|(name, _)| name.clone()).collect()
}

/// Whether the plan makes, starts or ends a container.
fn is_touched(plan: &Plan, container: &str) -> bool {
    plan.steps.iter().any(|step| match &step.action {
        Action::Start { name, .. } | Action::Stop { name, .. } | Action::Remove { name, .. } => {
            name == container
        }
        Action::Recreate { name, .. } => name == container,
        _ => false,
    })
}

/// Containers whose output will be shown.
fn names(up: &Up<'_>, plan: &Plan, attached: &BTreeSet<String>) -> Vec<String> {
    let started = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Start { service, name } if attached.contains(service) => Some(name.clone()),
        _ => None,
    });
    let running = up.observed.containers.iter().filter(|it| {
        it.status.is_up()
            && !it.one_off
            && attached.contains(&it.service)
            && !is_touched(plan, &it.name)
    });
    let mut names: Vec<String> = started.chain(running.map(|it| it.name.clone())).collect();
    names.sort();
    names.dedup();
    names
}

/// A thread for each container, which shows what it writes.
struct Followers {
    containers: Containers,
    printer: Arc<Printer>,
    tell: Sender<Happening>,
    attached: BTreeSet<String>,
    followed: Mutex<BTreeSet<String>>,
    /// Threads that show what a container writes that keeps no log.
    readers: Mutex<BTreeMap<String, Vec<JoinHandle<()>>>>,
}

impl Observer for Followers {
    fn event(&self, event: Event<'_>) {
        self.printer.event(event);
        if let Event::Done(Action::Start { service, name }, Outcome::Done) = event {
            self.follow(service, name, "");
        }
    }

    fn wants_output(&self, service: &str) -> bool {
        self.attached.contains(service)
    }

    fn output(&self, container: &str, streams: AttachStreams, connection: Connection) {
        let of = |reader: Option<PipeReader>, stream| reader.map(|reader| (reader, stream));
        let ends = [of(streams.output, LogStream::Stdout), of(streams.errors, LogStream::Stderr)];
        // Who is gone gets nothing any more.
        let connection = Arc::new(connection);
        let read = |(reader, stream)| {
            let (printer, name) = (Arc::clone(&self.printer), container.to_owned());
            let connection = Arc::clone(&connection);
            thread::spawn(move || {
                let _attached = connection;
                for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                    let text = String::from_utf8_lossy(&line).into_owned();
                    let (attributes, time) = (BTreeMap::new(), runtime::clock::now());
                    let line = Line { text, stream, attributes, time };
                    // Who does not read it any more does not want to know.
                    let _unread = printer.print(&name, &line);
                }
            })
        };
        let readers = ends.into_iter().flatten().map(read).collect();
        lock(&self.readers).insert(container.to_owned(), readers);
    }
}

impl Followers {
    /// `since`: empty for its last start.
    fn follow(&self, service: &str, name: &str, since: &str) {
        if !self.attached.contains(service) {
            return;
        }
        lock(&self.followed).insert(name.to_owned());
        let Ok(container) = self.containers.find(name) else { return };
        let since = match since {
            "" => container.state.started.clone(),
            since => since.to_owned(),
        };
        let query =
            LogQuery { since: Some(instant(Some(&since))), follow: true, ..LogQuery::default() };
        let (containers, printer) = (self.containers.clone(), Arc::clone(&self.printer));
        let (tell, service, name) = (self.tell.clone(), service.to_owned(), name.to_owned());
        let readers = lock(&self.readers).remove(&name).unwrap_or_default();
        thread::spawn(move || {
            // Without a log there is nothing to show; its end is waited for all the same.
            let read =
                engine::logs::read(&container, &query, &mut |line| printer.print(&name, &line));
            let waited = match read {
                Ok(()) => containers.read(container.id()).map(|it| it.state.exit_code).ok(),
                Err(_) => engine::wait(&containers, &container).ok(),
            };
            let code = waited.unwrap_or(0);
            readers.into_iter().for_each(|reader| {
                let _ended = reader.join();
            });
            let _over = tell.send(Happening::Ended { service, name, code });
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Until all have ended, or one whose end is that of all.
fn wait(
    args: &UpArgs,
    up: &Up<'_>,
    followers: &Followers,
    hear: &Receiver<Happening>,
) -> Result<Exit> {
    let any = args.abort_on_container_exit || args.exit_code_from.is_some();
    let aborts = |code: i32| any || args.abort_on_container_failure && code != 0;
    let mut exit = Exit::Success;
    let mut stopping = false;
    while args.watch || !lock(&followers.followed).is_empty() {
        let Ok(happening) = hear.recv() else { break };
        match happening {
            Happening::Ended { service, name, code } => {
                lock(&followers.followed).remove(&name);
                output::line(&format!(
                    "{} exited with code {code}",
                    followers.printer.short(&name)
                ))?;
                let counts = args.exit_code_from.as_ref().is_none_or(|wanted| *wanted == service);
                if !stopping && aborts(code) {
                    stopping = true;
                    report::print("Aborting on container exit...");
                    stop(up, &followers.printer, None)?;
                }
                if stopping && counts && exit == Exit::Success {
                    exit = Exit::of_code(code);
                }
            }
            Happening::Interrupted(1) => {
                report::print("Gracefully Stopping... press Ctrl+C again to force");
                let again = thread::scope(|scope| {
                    let stopped = scope.spawn(|| stop(up, &followers.printer, None));
                    let again = wait_for_another(hear, &stopped);
                    if again {
                        stop(up, &followers.printer, Some(0))?;
                    }
                    stopped.join().unwrap_or(Ok(()))
                });
                again?;
                return Ok(Exit::Interrupted);
            }
            Happening::Interrupted(_) => {
                return stop(up, &followers.printer, Some(0)).map(|()| Exit::Interrupted);
            }
        }
    }
    Ok(exit)
}

/// Whether we are asked again before all have stopped.
fn wait_for_another(
    hear: &Receiver<Happening>,
    stopped: &thread::ScopedJoinHandle<'_, Result<()>>,
) -> bool {
    while !stopped.is_finished() {
        let soon = std::time::Duration::from_millis(20);
        if let Ok(Happening::Interrupted(_)) = hear.recv_timeout(soon) {
            return true;
        }
    }
    false
}

/// Stops what is meant; `timeout` in place of what containers say.
fn stop(up: &Up<'_>, printer: &Printer, timeout: Option<i64>) -> Result<()> {
    let host: &Host = &up.host;
    let observed = observe(host, &up.project, &up.contents)?;
    let services: Vec<String> = up.scope.iter().cloned().collect();
    let plan = reconcile::stop(&up.project, &observed, &services)?;
    let options =
        ExecuteOptions { stop_timeout: timeout.or(up.execute.stop_timeout), ..up.execute.clone() };
    let go_on = AtomicBool::new(false);
    let order = Order {
        host,
        project: &up.project,
        contents: &up.contents,
        observed: &observed,
        options: &options,
        interrupted: &go_on,
    };
    let display = Display::start(up.call.look()?, "stop");
    let done = execute::run(&plan, order, &Shared { display: &display, other: Some(printer) });
    display.finish();
    if let Err(error) = done {
        Report::error(error.to_string()).print();
    }
    Ok(())
}
