//! Each file of `fixtures/reconcile` is a situation and the plan for it; `UPDATE_FIXTURES=1 cargo test -p compose`
//! rewrites the plans. Every plan is carried out on a model of the host, and then there must be nothing left to do.

mod situation;
mod world;

use std::path::{Path, PathBuf};

use compose::reconcile::{self, Action, ImageSteps, Plan, Reason, Recreate, Status};
use situation::{Command, Situation};
use world::World;

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/reconcile");
    let entries = std::fs::read_dir(root).expect("fixtures/reconcile");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[allow(clippy::disallowed_methods)] // a test's own switch
fn update() -> bool {
    std::env::var_os("UPDATE_FIXTURES").is_some()
}

#[test]
fn situations_have_the_recorded_plans() {
    let mut failures = Vec::new();
    let files = files();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a situation");
        let situation = Situation::parse(&text);
        let found = outcome(&situation);
        let name = file.file_name().expect("a name").to_string_lossy();
        if let Err(problem) = &found {
            failures.push(format!("{name}: {problem}"));
        }
        let found = found.unwrap_or_default();
        if update() {
            std::fs::write(file, situation.with_plan(&found)).expect("the file can be written");
        } else if found != situation.plan {
            failures.push(format!("{name}:\n--- recorded\n{}--- found\n{found}", situation.plan));
        }
    }
    assert!(files.len() >= 40, "only {} situations", files.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// From every project of a situation to every other, and down.
#[test]
fn every_project_follows_every_other() {
    let situations: Vec<Situation> = files()
        .iter()
        .map(|file| Situation::parse(&std::fs::read_to_string(file).expect("a situation")))
        .collect();
    let mut pairs = 0;
    for first in &situations {
        let mut world = World::default();
        let mut options = reconcile::UpOptions::plain();
        options.remove_orphans = true;
        if check_up(&mut world, &first.project, options.clone(), "").is_err() {
            continue; // a project that cannot be brought up
        }
        for second in &situations {
            let mut world = world.clone();
            let state = world.state_for(&second.project);
            if reconcile::up(&second.project, &state, &options).is_err() {
                continue;
            }
            check_up(&mut world, &second.project, options.clone(), "").expect("nothing to do");
            check_down(&mut world, &second.project);
            pairs += 1;
        }
    }
    assert!(pairs > 1000, "only {pairs} pairs");
}

fn check_down(world: &mut World, project: &compose::Project) {
    let options = reconcile::DownOptions {
        services: Vec::new(),
        remove_orphans: true,
        volumes: true,
        images: reconcile::Images::All,
    };
    for _ in 0..2 {
        let plan = reconcile::down(project, &world.state_for(project), &options).expect("a plan");
        check_order(&plan).expect("an order");
        world.carry_out(project, &plan);
    }
    let state = world.state_for(project);
    assert!(state.containers.is_empty(), "{:?}", state.containers);
    let plan = reconcile::down(project, &state, &options).expect("a plan");
    assert!(plan.is_empty(), "{plan}");
}

/// The plan as text, after it was shown to lead where it should.
fn outcome(situation: &Situation) -> Result<String, String> {
    let mut world = World::default();
    if let Some(before) = &situation.before {
        let options = reconcile::UpOptions::plain();
        let plan = up(before, &world, &options)?;
        world.carry_out(before, &plan);
    }
    situation.host.iter().for_each(|line| world.change(line));
    let project = &situation.project;
    let plan = match &situation.command {
        Command::Up(options) => reconcile::up(project, &world.state_for(project), options),
        Command::Down(options) => reconcile::down(project, &world.state_for(project), options),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => {
            let hint = error.hint().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
            return Ok(format!("error: {error}\n{hint}"));
        }
    };
    check_order(&plan)?;
    let text = plan.to_string();
    match &situation.command {
        Command::Down(_) => world.carry_out(project, &plan),
        Command::Up(options) => check_up(&mut world, project, options.clone(), &text)?,
    }
    Ok(if text.is_empty() { "(nothing)\n".to_owned() } else { text })
}

/// Carried out, images first, the plan leaves nothing to do.
fn check_up(
    world: &mut World,
    project: &compose::Project,
    mut options: reconcile::UpOptions,
    text: &str,
) -> Result<(), String> {
    let images = reconcile::images(project, &world.state_for(project), &options);
    world.carry_out(project, &images.map_err(|error| error.to_string())?);
    options.images = ImageSteps::Done;
    let plan = up(project, world, &options)?;
    world.carry_out(project, &plan);
    for policy in [&mut options.recreate, &mut options.recreate_dependencies] {
        if *policy == Recreate::Always {
            *policy = Recreate::Changed;
        }
    }
    let left = up(project, world, &options)?;
    let steps = left.steps.iter().filter(|step| !starts_what_ended(step));
    let steps: Vec<String> = steps.map(|step| step.to_string()).collect();
    match steps.is_empty() {
        true => Ok(()),
        false => Err(format!("after the plan\n{text}there is left:\n{}", steps.join("\n"))),
    }
}

fn up(
    project: &compose::Project,
    world: &World,
    options: &reconcile::UpOptions,
) -> Result<Plan, String> {
    reconcile::up(project, &world.state_for(project), options).map_err(|error| error.to_string())
}

/// What is meant to end is started by every `up`, and waited for.
fn starts_what_ended(step: &reconcile::Step) -> bool {
    let ended = |reason: &Reason| matches!(reason, Reason::NotRunning(Status::Exited(0)));
    match step.action {
        Action::Start { .. } => step.reasons.iter().all(ended),
        Action::Wait { .. } => true,
        _ => false,
    }
}

fn check_order(plan: &Plan) -> Result<(), String> {
    for (at, step) in plan.steps.iter().enumerate() {
        if step.reasons.is_empty() {
            return Err(format!("no reason for: {step}"));
        }
        if step.after.iter().any(|before| *before >= at) {
            return Err(format!("step {} waits for a later one: {step}", at + 1));
        }
    }
    Ok(())
}
