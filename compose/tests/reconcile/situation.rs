//! A situation as a file: what it is about, `-- before --` (a project that was brought up), `-- project --`
//! (what it is now; the same if left out), `-- host --` (what else happened), `-- command --`, `-- plan --`.

use compose::model::{Project, ServiceNetwork};
use compose::reconcile::{BuildWhen, DownOptions, Images, Recreate, UpOptions};
use compose::source::Sources;
use compose::yaml;

pub(crate) struct Situation {
    /// Everything up to the plan.
    head: String,
    pub(crate) before: Option<Project>,
    pub(crate) project: Project,
    pub(crate) host: Vec<String>,
    pub(crate) command: Command,
    pub(crate) plan: String,
}

pub(crate) enum Command {
    Up(UpOptions),
    Down(DownOptions),
}

impl Situation {
    pub(crate) fn parse(text: &str) -> Situation {
        let section = |name: &str| {
            let start = text.find(&format!("-- {name} --\n"))?;
            let body = &text[start + name.len() + 7..];
            let end = body.find("\n-- ").map_or(body.len(), |at| at + 1);
            Some(body[..end].to_owned())
        };
        let before = section("before").map(|text| project(&text));
        let project = section("project").map(|text| project(&text)).or_else(|| before.clone());
        let mut project = project.expect("a project");
        let (command, scale) = command(&section("command").unwrap_or("up".to_owned()));
        for (service, replicas) in scale {
            project.services.get_mut(&service).expect("the service scaled").scale = Some(replicas);
        }
        Situation {
            head: text.split("-- plan --\n").next().expect("text").to_owned(),
            before,
            project,
            host: section("host").unwrap_or_default().lines().map(str::to_owned).collect(),
            command,
            plan: section("plan").unwrap_or_default(),
        }
    }

    pub(crate) fn with_plan(&self, plan: &str) -> String {
        format!("{}-- plan --\n{plan}", self.head)
    }
}

/// The project with what normalisation would fill in and these tests need.
fn project(text: &str) -> Project {
    let file = Sources::default().add("compose.yaml", text);
    let documents = yaml::parse(text, file).expect("YAML");
    let map = documents[0].root.as_map().expect("a mapping");
    let mut project = Project::from_tree(map).expect("a project");
    project.name = "shop".to_owned();
    for service in project.services.values_mut() {
        if service.networks.is_empty() && service.network_mode.is_empty() {
            service.networks.insert("default".to_owned(), None::<ServiceNetwork>);
        }
    }
    project.networks.entry("default".to_owned()).or_default();
    for (key, network) in &mut project.networks {
        if network.name.is_empty() {
            network.name = if network.external { key.clone() } else { format!("shop_{key}") };
        }
    }
    for (key, volume) in &mut project.volumes {
        if volume.name.is_empty() {
            volume.name = if volume.external { key.clone() } else { format!("shop_{key}") };
        }
    }
    let disabled = project.services.iter().filter(|(_, service)| !service.profiles.is_empty());
    for name in disabled.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
        let service = project.services.remove(&name).expect("the service");
        project.disabled_services.insert(name, service);
    }
    project
}

fn command(line: &str) -> (Command, Vec<(String, i64)>) {
    let mut words = line.split_whitespace();
    let mut scale = Vec::new();
    match words.next() {
        Some("up") => {
            let mut options = UpOptions::plain();
            for word in words {
                match word {
                    "--force-recreate" => options.recreate = Recreate::Always,
                    "--no-recreate" => {
                        options.recreate = Recreate::Never;
                        options.recreate_dependencies = Recreate::Never;
                    }
                    "--always-recreate-deps" => options.recreate_dependencies = Recreate::Always,
                    "--no-deps" => options.with_dependencies = false,
                    "--no-start" => options.start = false,
                    "--remove-orphans" => options.remove_orphans = true,
                    "--renew-anon-volumes" => options.renew_volumes = true,
                    "--build" => options.build = BuildWhen::Always,
                    "--no-build" => options.build = BuildWhen::Never,
                    _ => match (word.strip_prefix("--scale="), word.strip_prefix("--pull=")) {
                        (Some(pair), _) => {
                            let (service, replicas) = pair.split_once('=').expect("SERVICE=N");
                            scale.push((service.to_owned(), replicas.parse().expect("a number")));
                        }
                        (_, Some(policy)) => options.pull = Some(policy.to_owned()),
                        _ => options.services.push(word.to_owned()),
                    },
                }
            }
            (Command::Up(options), scale)
        }
        Some("down") => {
            let mut options = DownOptions {
                services: Vec::new(),
                remove_orphans: false,
                volumes: false,
                images: Images::Keep,
            };
            for word in words {
                match word {
                    "--remove-orphans" => options.remove_orphans = true,
                    "--volumes" => options.volumes = true,
                    "--rmi=local" => options.images = Images::Local,
                    "--rmi=all" => options.images = Images::All,
                    service => options.services.push(service.to_owned()),
                }
            }
            (Command::Down(options), scale)
        }
        other => panic!("unknown command {other:?}"),
    }
}
