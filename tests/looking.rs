//! `images`, `history`, `inspect`, `version` and `info`: what they print, filter and refuse.

use serde_json::Value;

use crate::support::Sandbox;

const DOCKERFILE: &str = "FROM scratch\nCOPY a /a\nCOPY b /b\nLABEL kind=test team=\"a & b\"\n\
     EXPOSE 80\nENTRYPOINT [\"/a\"]\n";

/// Two images made at two fixed times: `app:1`, also named `example.com/team/app:2`, and a younger one
/// without a name.
fn images() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("context/a", &"a".repeat(1_234_000));
    sandbox.write("context/b", "b");
    let made = |seconds: u64| format!("SOURCE_DATE_EPOCH={seconds}");
    let older = ["--build-arg", &made(1_700_000_000), "-t", "app:1"];
    sandbox.build(DOCKERFILE, &older).success();
    sandbox.rbuild(["tag", "app:1", "example.com/team/app:2"]).success();
    let younger = ["--build-arg", &made(1_700_000_001)];
    sandbox.build("FROM scratch\nCOPY b /c\n", &younger).success();
    sandbox
}

/// What `rbuild images ARGS` lists, in its order: one word for each line.
#[track_caller]
fn listed(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let format = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
    let output = sandbox.rbuild(format.iter().chain(args)).success();
    output.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn lists_are_dockers_tables() {
    let sandbox = images();
    let id = |name: &str| {
        let output = sandbox.rbuild(["inspect", "-f", "{{slice .Id 7 19}}", name]).success();
        output.stdout.trim().to_owned()
    };
    let ids = sandbox.rbuild(["images", "-q"]).success().stdout;
    let (unnamed, app) = (ids.lines().next().unwrap(), id("app:1"));
    let table = r"table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedAt}}\t{{.Size}}";
    sandbox.rbuild(["images", "--format", table]).success().prints(&format!(
        "REPOSITORY             TAG       IMAGE ID       CREATED AT                      SIZE\n\
         <none>                 <none>    {unnamed}   2023-11-14 22:13:21 +0000 UTC   1B\n\
         app                    1         {app}   2023-11-14 22:13:20 +0000 UTC   1.23MB\n\
         example.com/team/app   2         {app}   2023-11-14 22:13:20 +0000 UTC   1.23MB\n"
    ));
    let header = sandbox.rbuild(["images"]).success().stdout;
    assert!(
        header.starts_with("REPOSITORY             TAG       IMAGE ID       CREATED       SIZE\n"),
        "{header}"
    );
    sandbox
        .rbuild(["images", "none"])
        .success()
        .prints("REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
    let json = sandbox.rbuild(["image", "ls", "--no-trunc", "--format", "json"]).success().stdout;
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[1]["Repository"], "app");
    assert_eq!(lines[1]["VirtualSize"], "1.234MB");
    assert_eq!(lines[1]["ID"].as_str().unwrap().len(), "sha256:".len() + 64);
    let digests = sandbox.rbuild(["images", "--digests"]).success().stdout;
    assert!(digests.lines().next().unwrap().contains("TAG       DIGEST"), "{digests}");
    let own = ["images", "--digests", "--format", "table {{.Tag}}"];
    assert!(sandbox.rbuild(own).success().stdout.contains("sha256:"));
}

#[test]
fn lists_are_filtered() {
    let sandbox = images();
    let (app, team, none) = ("app:1", "example.com/team/app:2", "<none>:<none>");
    let table: &[(&[&str], &[&str])] = &[
        (&[], &[none, app, team]),
        (&["-a"], &[none, app, team]),
        (&["app"], &[app]),
        (&["app:2"], &[]),
        (&["docker.io/library/app"], &[app]),
        (&["example.com/*/app"], &[team]),
        (&["-f", "dangling=true"], &[none]),
        (&["-f", "dangling=false"], &[app, team]),
        (&["-f", "label=kind"], &[app, team]),
        (&["-f", "label=kind=test", "-f", "label=team=a & b"], &[app, team]),
        (&["-f", "label=kind=test", "-f", "label=other"], &[]),
        (&["-f", "since=app:1"], &[none]),
        (&["-f", "before=app:1"], &[]),
        (&["-f", "until=1700000001"], &[app, team]),
        (&["-f", "until=2023-11-14T22:13:20Z"], &[]),
        (&["-f", "until=1h"], &[none, app, team]),
        (&["-f", "reference=a*", "-f", "reference=*/*/*:2"], &[app, team]),
        (&["-f", "reference=a*", "-f", "dangling=true"], &[]),
    ];
    for (args, expected) in table {
        assert_eq!(listed(&sandbox, args), *expected, "{args:?}");
    }
    for (filter, says) in [
        ("nonsense=1", "the filters are `dangling`"),
        ("dangling", "not of the form name=value"),
        ("dangling=maybe", "neither `true` nor `false`"),
        ("until=yesterday", "no time and no duration"),
        ("since=nothing", "image `nothing` does not exist"),
        ("reference=[", "syntax error in pattern `[`"),
    ] {
        let refused = sandbox.rbuild(["images", "-f", filter]).exits(1);
        refused.says(&format!("cannot use `--filter {filter}`")).says(says);
    }
}

#[test]
fn history_is_dockers_table() {
    let sandbox = images();
    let format = ["history", "--format", r"{{.CreatedBy}}|{{.Size}}|{{.CreatedAt}}", "app:1"];
    let lines = sandbox.rbuild(format).success().stdout;
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[0], "ENTRYPOINT [\"/a\"]|0B|2023-11-14T22:13:20Z");
    assert_eq!(lines.last().unwrap(), &"COPY a /a # buildkit|1.23MB|2023-11-14T22:13:20Z");
    let exact = sandbox.rbuild(["history", "--human=false", "app:1"]).success().stdout;
    assert!(exact.starts_with("IMAGE          CREATED AT             CREATED BY"), "{exact}");
    assert!(exact.lines().last().unwrap().contains("   1234000   "), "{exact}");
    let quiet = sandbox.rbuild(["image", "history", "-q", "app:1"]).success().stdout;
    assert_eq!(quiet.lines().filter(|line| *line == "<missing>").count(), 4, "{quiet}");
    for command in ["history", "inspect"] {
        sandbox.rbuild([command, "--platform", "linux", "app:1"]).success();
        sandbox.rbuild([command, "--platform", "windows/amd64", "app:1"]).exits(1).says("windows");
    }
}

#[test]
fn inspect_is_dockers_document() {
    let sandbox = images();
    let text = sandbox.rbuild(["inspect", "app:1"]).success().stdout;
    assert!(text.starts_with("[\n    {\n        \"Id\": \"sha256:"), "{text}");
    let all: Value = serde_json::from_str(&text).unwrap();
    let keys: Vec<&String> = all[0].as_object().unwrap().keys().collect();
    let expected = [
        "Id",
        "RepoTags",
        "RepoDigests",
        "Parent",
        "Comment",
        "Created",
        "DockerVersion",
        "Author",
        "Config",
        "Architecture",
        "Os",
        "Size",
        "GraphDriver",
        "RootFS",
        "Metadata",
        "Descriptor",
    ];
    assert_eq!(keys, expected);
    assert_eq!(all[0]["Size"], 1_234_001);
    assert_eq!(all[0]["RepoTags"], serde_json::json!(["app:1", "example.com/team/app:2"]));
    let line = sandbox.rbuild(["image", "inspect", "-f", "json", "app:1"]).success().stdout;
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), all);
    assert_eq!(line.lines().count(), 1);
    let lines = "{{.Config.Labels.team}} {{.Config.Labels.none}} {{json .Config.Cmd}} \
         {{range $port, $_ := .Config.ExposedPorts}}{{$port}}{{end}} {{len .RootFS.Layers}}";
    let template = ["inspect", "--type", "image", "-f", lines, "app:1", "example.com/team/app:2"];
    let line = "a & b <no value> null 80/tcp 2\n";
    sandbox.rbuild(template).success().prints(&format!("{line}{line}"));
}

#[test]
fn sizes_are_those_of_files_and_links() {
    let sandbox = Sandbox::new();
    sandbox.write("context/dir/file", "12345");
    std::os::unix::fs::symlink("target", sandbox.path("context/dir/link")).unwrap();
    sandbox.build("FROM scratch\nCOPY dir /dir\n", &["-t", "app"]).success();
    sandbox.rbuild(["inspect", "-f", "{{.Size}}", "app"]).success().prints("11\n");
    sandbox.rbuild(["images", "--format", "{{.Size}}"]).success().prints("11B\n");
    // Loaded, compressed and never used it is as large; only who asks for the size waits for it to be counted.
    sandbox.rbuild(["save", "-o", "a.tar", "app"]).success();
    sandbox.rbuild(["rmi", "app"]).success();
    std::fs::remove_dir_all(sandbox.root()).unwrap();
    sandbox.rbuild(["load", "-i", "a.tar"]).success();
    let counted = || std::fs::read_dir(sandbox.path("store/cache/indexes")).unwrap().count();
    sandbox.rbuild(["images", "-q"]).success();
    assert_eq!(counted(), 0);
    sandbox.rbuild(["images", "--format", "{{.Size}}"]).success().prints("11B\n");
    assert_eq!(counted(), 1);
    sandbox.rbuild(["history", "--format", "{{.Size}}", "app"]).success().prints("11B\n");
}

#[test]
fn a_damaged_image_is_listed_beside_the_others() {
    let sandbox = images();
    sandbox.rbuild(["save", "-o", "a.tar", "app:1"]).success();
    std::fs::remove_dir_all(sandbox.root()).unwrap();
    sandbox.rbuild(["load", "-i", "a.tar"]).success();
    let template = "{{range .RootFS.Layers}}{{slice . 7}}{{end}}";
    let blobs = sandbox.path("store/images/blobs/sha256");
    let largest = std::fs::read_dir(blobs).unwrap().map(|entry| entry.unwrap());
    let largest = largest.max_by_key(|entry| entry.metadata().unwrap().len()).unwrap();
    std::fs::write(largest.path(), "damage").unwrap();
    let format = ["images", "--format", "{{.Tag}} {{.Size}}"];
    sandbox.rbuild(format).success().prints("1 N/A\n");
    sandbox.rbuild(["inspect", "-f", template, "app:1"]).exits(1).says("error: ");
    sandbox.build("FROM scratch\nCOPY b /c\n", &["-t", "whole"]).success();
    let both = sandbox.rbuild(["inspect", "-f", "{{.Os}}", "app:1", "whole"]).exits(1);
    both.prints("linux\n").says("error: cannot inspect image `app:1`");
}

#[test]
fn what_images_say_of_themselves_does_not_steer_the_terminal() {
    let sandbox = Sandbox::new();
    let evil = "\x1b]0;gone\x07\x1b[2J\u{9b}2J";
    let dockerfile = format!("FROM scratch\nLABEL evil=\"{evil}\"\nLABEL {evil}=1\n");
    sandbox.build(&dockerfile, &["-t", "app"]).success();
    for args in [
        &["history", "app"][..],
        &["history", "--no-trunc", "app"],
        &["history", "--format", r"table {{.CreatedBy}}\t{{json .}}", "app"],
        &["history", "--format", "json", "app"],
        &["inspect", "app"],
        &["inspect", "-f", "json", "app"],
        &["inspect", "-f", "{{json .Config.Labels}}", "app"],
    ] {
        let text = sandbox.rbuild(args).success().stdout;
        assert!(text.contains("gone"), "{text:?}");
        assert!(!text.contains(|char: char| char.is_control() && char != '\n'), "{text:?}");
    }
    // As docker: what a program asks for it gets.
    let label = ["inspect", "-f", "{{.Config.Labels.evil}}", "app"];
    sandbox.rbuild(label).success().prints(&format!("{evil}\n"));
}

#[test]
fn what_cannot_be_inspected_is_named_beside_what_can() {
    let sandbox = images();
    sandbox.rbuild(["inspect", "nothing"]).exits(1).prints("[]\n").says("`nothing` does not exist");
    let some = sandbox.rbuild(["inspect", "-f", "{{.Os}}", "nothing", "app:1"]).exits(1);
    some.prints("linux\n").says("`nothing` does not exist");
    sandbox.rbuild(["inspect", "-f", "{{.Os}}", "nothing"]).exits(1).prints("\n");
    let wrong = sandbox.rbuild(["inspect", "-f", "{{.Os}} {{.Config.Nonsense}}", "app:1"]).exits(1);
    wrong.prints("\n").says(
        "error: an image's configuration has no field `Nonsense`\n \
         --> --format:1:11\n  \
         |\n\
         1 | {{.Os}} {{.Config.Nonsense}}\n  \
         |           ^^^^^^^^^^^^^^^^\n\
         hint: the fields are Hostname",
    );
    sandbox
        .rbuild(["inspect", "--type", "plugin", "app:1"])
        .exits(2)
        .says("only containers, images, networks and volumes");
    sandbox.rbuild(["inspect", "--type", "volume", "app:1"]).exits(1).says("volume `app:1`");
    let unclosed = sandbox.rbuild(["images", "--format", "{{.ID"]).exits(1);
    unclosed.says("unclosed action").says("1 | {{.ID\n  | ^^");
}

#[test]
fn commands_about_images_are_under_one_roof_too() {
    let sandbox = images();
    sandbox.rbuild(["image", "tag", "app:1", "other"]).success();
    sandbox.rbuild(["image", "save", "-o", "a.tar", "other"]).success();
    sandbox
        .rbuild(["image", "rm", "--no-prune", "other"])
        .success()
        .prints("Untagged: other:latest\n");
    sandbox.rbuild(["image", "load", "-i", "a.tar"]).success();
    assert_eq!(listed(&sandbox, &["other"]), ["other:latest"]);
    sandbox.rbuild(["image", "remove", "other"]).success();
    sandbox.rbuild(["image", "list", "--tree"]).exits(1).says("`rbuild images --tree`");
    sandbox.rbuild(["image", "build", "--squash", "."]).exits(1).says("`rbuild build --squash`");
    sandbox.write("other/Dockerfile", "FROM scratch\n");
    sandbox.rbuild(["image", "build", "-q", "-t", "built", "other"]).success();
    assert_eq!(listed(&sandbox, &["built"]), ["built:latest"]);
}

#[test]
fn space_is_listed_by_the_same_formatter() {
    let sandbox = images();
    let lines =
        |format: &str| sandbox.rbuild(["system", "df", "--format", format]).success().stdout;
    assert_eq!(
        lines("{{.Type}} {{.TotalCount}}"),
        "Images 2\nContainers 0\nLocal Volumes 0\nBuild Cache 3\nOther 0\n"
    );
    assert_eq!(
        lines("table {{.TotalCount}}\\t{{.Type}}").lines().next().unwrap(),
        "TOTAL     TYPE"
    );
    let first: Value = serde_json::from_str(lines("json").lines().next().unwrap()).unwrap();
    let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["Active", "Reclaimable", "Size", "TotalCount", "Type"]);
    sandbox.rbuild(["system", "df", "--format", "{{.Nonsense}}"]).exits(1).says("`Nonsense`");
}

/// What two images share counts as shared in both; what is removed with an image is what it has alone.
#[test]
fn space_is_listed_image_by_image() {
    let sandbox = Sandbox::new();
    sandbox.write("context/common", &"c".repeat(400_000));
    sandbox.write("context/own", &"o".repeat(100_000));
    sandbox.build("FROM scratch\nCOPY common /\n", &["-t", "base"]).success();
    sandbox.rbuild(["tag", "base", "base:2"]).success();
    sandbox.build("FROM base\nCOPY own /\n", &["-t", "app"]).success();
    let df = |args: &[&str]| sandbox.rbuild(["df", "-v"].iter().chain(args)).success().stdout;
    let all: Value = serde_json::from_str(&df(&["--format", "json"])).unwrap();
    let image = |tag: &str, name: &str| {
        let mut images = all["Images"].as_array().unwrap().iter();
        images.find(|row| row["Tag"] == tag && row["Repository"] == name).unwrap().clone()
    };
    let bytes = |row: &Value, field: &str| -> f64 {
        let text = row[field].as_str().unwrap();
        let number = text.trim_end_matches(|char: char| char.is_alphabetic());
        let unit = match &text[number.len()..] {
            "B" => 1.0,
            "kB" => 1e3,
            "MB" => 1e6,
            other => panic!("{other}"),
        };
        number.parse::<f64>().unwrap() * unit
    };
    let (base, app) = (image("latest", "base"), image("latest", "app"));
    assert_eq!(image("2", "base")["UniqueSize"], base["UniqueSize"]);
    // Allocated blocks: a layer of 400 kB and little else; two documents of an image of its own.
    for row in [&base, &app] {
        assert!((400e3..440e3).contains(&bytes(row, "SharedSize")), "{row}");
        let (size, parts) =
            (bytes(row, "Size"), bytes(row, "SharedSize") + bytes(row, "UniqueSize"));
        assert!((size - parts).abs() < size / 100.0, "{row}");
        assert_eq!(row["Containers"], "0");
    }
    assert!((1.0..40e3).contains(&bytes(&base, "UniqueSize")), "{base}");
    assert!((100e3..140e3).contains(&bytes(&app, "UniqueSize")), "{app}");
    let steps = all["BuildCache"].as_array().unwrap();
    assert_eq!(steps.len(), 2);
    assert!(steps.iter().all(|step| step["Shared"] == "true" && step["CacheType"] == "regular"));

    let table = df(&[]);
    let lines: Vec<Vec<&str>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(table.lines().next(), Some("Images space usage:"));
    let titles = "REPOSITORY TAG IMAGE ID CREATED SIZE SHARED SIZE UNIQUE SIZE CONTAINERS";
    assert_eq!(lines[2].join(" "), titles);
    assert!(table.contains("\nBuild cache usage: 0B\n\nCACHE ID"), "{table}");
    assert!(table.contains("COPY own /"), "{table}");
    let template = "{{range .Images}}{{.Repository}} {{end}}{{len .BuildCache}}";
    assert_eq!(df(&["--format", template]), "app base base 2\n");
    // Without the image its layers are the cache's own.
    sandbox.rbuild(["rmi", "app"]).success();
    let step = "{{range .BuildCache}}{{.Description}}={{.Shared}} {{end}}";
    let after = df(&["--format", step]);
    assert!(after.contains("COPY own /=false") && after.contains("COPY common /=true"), "{after}");
    sandbox.rbuild(["df", "-v", "--format", "{{.Nonsense}}"]).exits(1).says("`Nonsense`");
}

#[test]
fn the_machine_and_the_version_are_known() {
    let sandbox = images();
    let version = env!("CARGO_PKG_VERSION");
    let client = ["version", "-f", "{{.Client.Version}} {{.Client.Os}}"];
    sandbox.rbuild(client).success().prints(&format!("{version} linux\n"));
    sandbox.rbuild(["version", "-f", "{{.Server.Version}}"]).exits(1).says("there is no daemon");
    for command in [&["info"] as &[&str], &["system", "info"]] {
        let format =
            ["--format", "{{.Images}} {{.OSType}} {{gt .NCPU 0}} {{gt .MemTotal 1000000}}"];
        sandbox.rbuild(command.iter().chain(&format)).success().prints("2 linux true true\n");
        let lines = sandbox.rbuild(command).success().stdout;
        assert!(lines.starts_with("Images: 2\n"), "{lines}");
    }
    for form in ["overlay", "copy"] {
        for args in [
            &["info", "-f", "{{.Driver}}"][..],
            &["inspect", "-f", "{{.GraphDriver.Name}}", "app:1"],
        ] {
            let mut command = sandbox.rbuild_command(args);
            let output = crate::support::run(command.env("RBUILD_SNAPSHOTTER", form), "");
            output.success().prints(&format!("{form}\n"));
        }
    }
    sandbox.rbuild(["info", "-f", "{{.Swarm}}"]).exits(1).says("has no field `Swarm`");
}
