//! Images in and out by the command line: `load`, `save`, `import`, `export`.

use std::fs;
use std::process::Stdio;

use crate::support::{Sandbox, privileged, run};

fn app(sandbox: &Sandbox) {
    let dockerfile = "FROM scratch\nCOPY Dockerfile /a\nLABEL x=y\n";
    sandbox.build(dockerfile, &["-q", "-t", "app", "-t", "other:2"]).success();
}

/// The names, links and kinds of a tar, one a line.
fn listing(path: &std::path::Path) -> Vec<String> {
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    let line = |entry: std::io::Result<tar::Entry<'_, fs::File>>| {
        let mut entry = entry.unwrap();
        let xattrs = entry.pax_extensions().unwrap().into_iter().flatten();
        let xattrs: String = xattrs
            .map(|record| record.unwrap())
            .map(|record| format!(" {}={}", record.key().unwrap(), record.value().unwrap()))
            .collect();
        let link = entry.link_name().unwrap().map(|to| format!(" -> {}", to.display()));
        let kind = char::from(entry.header().entry_type().as_byte());
        format!("{kind} {}{}{xattrs}", entry.path().unwrap().display(), link.unwrap_or_default())
    };
    archive.entries().unwrap().map(line).collect()
}

#[test]
fn every_form_that_is_saved_is_loaded() {
    let sandbox = Sandbox::new();
    app(&sandbox);
    let id = sandbox.rbuild(["images", "-q", "--no-trunc", "app"]).success().stdout;
    for (format, file) in [("oci", "a"), ("docker", "b"), ("oci-dir", "c"), ("docker-archive", "d")]
    {
        let save = ["save", "--format", format, "-o", file, "app", "other:2"];
        sandbox.rbuild(save).success().prints("");
        sandbox.rbuild(["rmi", "app", "other:2"]).success();
        // The names are printed with `-q` too, as by docker: scripts read them.
        let loaded = sandbox.rbuild(["load", "-q", "-i", file]).success();
        loaded.prints("Loaded image: app:latest\nLoaded image: other:2\n");
        let again = sandbox.rbuild(["images", "-q", "--no-trunc", "app"]).success().stdout;
        assert_eq!(again, id);
    }
    sandbox.rbuild(["save", "--format", "oci-dir", "app"]).exits(1).says("cannot go to stdout");
    let missing = sandbox.rbuild(["load", "-i", "nowhere"]).exits(1);
    missing.says("cannot load `nowhere`").says("No such file");
    sandbox.validate();
}

#[test]
fn archives_go_through_pipes() {
    let sandbox = Sandbox::new();
    app(&sandbox);
    let mut save = sandbox.rbuild_command(["save", "app"]);
    let mut save = save.stdout(Stdio::piped()).spawn().unwrap();
    let mut load = sandbox.rbuild_command(["load"]);
    load.env("RBUILD_ROOT", sandbox.path("second")).stdin(save.stdout.take().unwrap());
    run(&mut load, "").success().prints("Loaded image: app:latest\n");
    assert!(save.wait().unwrap().success());
}

/// A blob that was damaged on the disk: nothing is left at the destination, and what was there stays.
#[test]
fn a_damaged_image_leaves_no_archive() {
    let sandbox = Sandbox::new();
    app(&sandbox);
    sandbox.rbuild(["save", "-o", "good.tar", "app"]).success();
    fs::write(sandbox.path("app.tar"), "what was there").unwrap();
    let blobs = sandbox.root().join("images/blobs/sha256");
    // The largest of them is the layer in one of its forms.
    for blob in fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().path()) {
        let mut bytes = fs::read(&blob).unwrap();
        if !bytes.starts_with(b"{") {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&blob, bytes).unwrap();
        }
    }
    let failed = sandbox.rbuild(["save", "-o", "app.tar", "app"]).exits(1);
    failed
        .says("cannot write `app.tar`")
        .says("cannot save image `app:latest`")
        .says("has digest sha256:");
    assert_eq!(sandbox.read("app.tar"), "what was there");
    let left = fs::read_dir(sandbox.path("")).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.contains(".tmp")).count(), 0);
}

#[test]
fn changes_describe_what_is_imported() {
    let sandbox = Sandbox::new();
    let mut archive = tar::Builder::new(fs::File::create(sandbox.path("r.tar")).unwrap());
    archive.append_data(&mut tar::Header::new_gnu(), "a", std::io::empty()).unwrap();
    archive.finish().unwrap();
    let import = |changes: &[&str]| {
        let changes = changes.iter().flat_map(|change| ["-c", change]);
        sandbox.rbuild(
            ["import", "-m", "made by hand"].into_iter().chain(changes).chain(["r.tar", "new"]),
        )
    };
    import(&["ENV PORT=80", "EXPOSE $PORT", "CMD [\"/a\", \"b\"]", "LABEL l=\"x y\""]).success();
    let text = sandbox.rbuild(["inspect", "new"]).success().stdout;
    let inspected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let config = &inspected[0]["Config"];
    assert_eq!(config["Cmd"], serde_json::json!(["/a", "b"]));
    assert_eq!(config["Env"], serde_json::json!(["PORT=80"]));
    assert_eq!(config["ExposedPorts"], serde_json::json!({"80/tcp": {}}));
    assert_eq!(config["Labels"]["l"], "x y");
    assert!(sandbox.rbuild(["history", "new"]).success().stdout.contains("made by hand"));
    // Mistakes are shown where they stand, before anything is read.
    let refused = import(&["CMD x", "RUN make"]).exits(1);
    refused.says("RUN is not a valid change command").says("2 | RUN make");
    import(&["STOPSIGNAL no"]).exits(1).says("invalid signal: no").says("^^");
    sandbox.rbuild(["import", "https://example.com/r.tar"]).exits(1).says("URLs are not supported");
    sandbox.validate();
}

#[test]
fn the_files_of_an_image_are_exported_merged() {
    if !privileged() {
        return;
    }
    let sandbox = Sandbox::new();
    let root = sandbox.path("root");
    fs::create_dir_all(root.join("d")).unwrap();
    fs::write(root.join("d/file"), "1").unwrap();
    fs::hard_link(root.join("d/file"), root.join("link")).unwrap();
    fs::write(root.join("gone"), "2").unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let device = rustix::fs::makedev(1, 3);
    let (kind, cwd) = (rustix::fs::FileType::CharacterDevice, rustix::fs::CWD);
    rustix::fs::mknodat(cwd, root.join("null"), kind, mode, device).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    let tagged = rustix::fs::setxattr(root.join("d/file"), "user.note", b"kept", flags).is_ok();
    let mut tar = sandbox.command("tar");
    tar.args(["--xattrs", "-C", "root", "-cf", "root.tar", "."]);
    run(&mut tar, "").success();
    sandbox.rbuild(["import", "root.tar", "base"]).success();
    let dockerfile = "FROM base\nCOPY --chmod=600 Dockerfile /d/new\n";
    sandbox.build(dockerfile, &["-t", "app", "-o", "type=tar,dest=built.tar"]).success();
    sandbox.rbuild(["export", "-o", "app.tar", "app"]).success();
    let note = if tagged { " SCHILY.xattr.user.note=kept" } else { "" };
    let expected = [
        "5 ./".to_owned(),
        "5 d/".to_owned(),
        format!("0 d/file{note}"),
        "0 d/new".to_owned(),
        "0 gone".to_owned(),
        "1 link -> d/file".to_owned(),
        "3 null".to_owned(),
    ];
    assert_eq!(listing(&sandbox.path("app.tar")), expected);
    // The same bytes as the build wrote, and to stdout.
    let bytes = fs::read(sandbox.path("app.tar")).unwrap();
    assert_eq!(bytes, fs::read(sandbox.path("built.tar")).unwrap());
    let stdout = sandbox.rbuild_command(["export", "app"]).output().unwrap().stdout;
    assert_eq!(bytes, stdout);
    sandbox.rbuild(["export", "nothing"]).exits(1).says("image `nothing` does not exist");
}

/// Every write to it fails as on a full disk.
#[test]
fn a_full_disk_is_named() {
    let sandbox = Sandbox::new();
    app(&sandbox);
    let full = sandbox.rbuild(["save", "-o", "/dev/full", "app"]).exits(1);
    full.says("cannot write `/dev/full`").says("No space left on device");
    let full = sandbox.rbuild(["convert", "store:app", "oci-archive:/dev/full"]).exits(1);
    full.says("cannot write `/dev/full`").says("No space left on device");
    let full = sandbox.rbuild(["export", "-o", "/dev/full", "app"]).exits(1);
    full.says("No space left on device");
}

/// What cannot be written leaves the image and what was written before.
#[test]
fn an_image_has_its_names_whether_or_not_an_output_can_be_written() {
    let sandbox = Sandbox::new();
    sandbox.write("context/a", &"text\n".repeat(100_000));
    sandbox.write("context/Dockerfile", "FROM scratch\nCOPY a /a\n");
    let build = |name: &str, outputs: &[&str]| {
        let mut args = vec!["build", "-t", name];
        outputs.iter().for_each(|output| args.extend(["-o", output]));
        args.push("context");
        sandbox.rbuild(args)
    };
    build(
        "whole",
        &["type=oci,dest=whole.tar", "type=docker,dest=docker.tar", "type=tar,dest=files.tar"],
    )
    .success();
    let failed = build("half", &["type=oci,dest=half.tar", "type=oci,dest=no/such/file.tar"]);
    assert_ne!(failed.status, Some(0), "{failed}");
    assert!(failed.stderr.contains("no/such/file.tar"), "{failed}");
    let ids = ["whole", "half"].map(|name| {
        let id = sandbox.rbuild(["inspect", "--format", "{{.Id}}", name]).success().stdout.clone();
        sandbox.rbuild(["rmi", name]).success();
        id
    });
    assert_eq!(ids[0], ids[1]);
    for archive in ["whole.tar", "docker.tar", "half.tar"] {
        sandbox.rbuild(["load", "-i", archive]).success();
        let name = if archive == "half.tar" { "half" } else { "whole" };
        let id = sandbox.rbuild(["inspect", "--format", "{{.Id}}", name]).success().stdout.clone();
        assert_eq!(id, ids[0], "{archive}");
    }
    sandbox.validate();
}
