//! `rbuild convert`: every form to every other, with the same manifests unless something has to change.

use std::fs;

use serde_json::Value;

use crate::support::Sandbox;

/// `layout/` with the image `app:1`, from a store that is not the sandbox's.
fn layout(sandbox: &Sandbox) {
    let other = Sandbox::new();
    other.build("FROM scratch\nCOPY Dockerfile /a\n", &["-q", "-t", "app:1"]).success();
    let path = sandbox.path("layout");
    let save = ["save", "--format", "oci-dir", "-o", path.to_str().unwrap(), "app:1"];
    other.rbuild(save).success();
}

/// `index.json` and the bytes of what its only entry leads to.
fn entry(sandbox: &Sandbox, layout: &str) -> (Value, Value) {
    let index: Value =
        serde_json::from_str(&sandbox.read(&format!("{layout}/index.json"))).unwrap();
    let entry = index["manifests"][0].clone();
    let blob = entry["digest"].as_str().unwrap().replace(':', "/");
    let manifest = sandbox.read(&format!("{layout}/blobs/{blob}"));
    (entry, serde_json::from_str(&manifest).unwrap())
}

#[track_caller]
fn convert(sandbox: &Sandbox, args: &[&str]) {
    sandbox.rbuild(["convert"].iter().chain(args)).success().prints("");
}

#[test]
fn all_forms_lead_to_each_other() {
    let sandbox = Sandbox::new();
    layout(&sandbox);
    let chain = [
        "oci:layout",
        "oci-archive:a.tar",
        "docker-archive:b.tar",
        "oci-archive:c.tar:other:2",
        "oci:back",
    ];
    for pair in chain.windows(2) {
        convert(&sandbox, &[pair[0], pair[1]]);
    }
    let ((before, _), (after, _)) = (entry(&sandbox, "layout"), entry(&sandbox, "back"));
    assert_eq!(before["digest"], after["digest"]);
    assert_eq!(after["annotations"]["org.opencontainers.image.ref.name"], "other:2");
    // The store has seen nothing of it.
    sandbox.rbuild(["images", "-q"]).success().prints("");
    assert_eq!(fs::read_dir(sandbox.root().join("images/blobs/sha256")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(sandbox.root().join("temp")).unwrap().count(), 0);
    // Until it is asked for, by any of its names.
    convert(&sandbox, &["docker-archive:b.tar:app:1", "store:mine"]);
    convert(&sandbox, &["store:mine", "oci:again:any-text"]);
    let (again, _) = entry(&sandbox, "again");
    assert_eq!(again["digest"], before["digest"]);
    assert_eq!(again["annotations"]["org.opencontainers.image.ref.name"], "any-text");
    convert(&sandbox, &["oci:again:any-text", "oci-archive:label.tar"]);
    convert(&sandbox, &["oci-archive:label.tar:any-text", "oci:more"]);
    assert_eq!(entry(&sandbox, "more").0["annotations"], again["annotations"]);
    // A whole name too stays as skopeo has written it.
    const NAME: &str = "docker.io/someone/app:1";
    convert(&sandbox, &["oci:more", &format!("oci:full:{NAME}")]);
    for pair in [["oci:full", "oci-archive:full.tar"], ["oci-archive:full.tar", "oci:full-again"]] {
        convert(&sandbox, &pair);
    }
    let (full, _) = entry(&sandbox, "full-again");
    assert_eq!(full["annotations"], serde_json::json!({"org.opencontainers.image.ref.name": NAME}));
    convert(&sandbox, &["oci:full", "docker-archive:full-docker.tar"]);
    let loaded = sandbox.rbuild(["load", "-i", "full-docker.tar"]).success();
    loaded.prints("Loaded image: someone/app:1\n");
    sandbox.validate();
}

#[test]
fn layers_get_the_compression_asked_for() {
    let sandbox = Sandbox::new();
    layout(&sandbox);
    let (_, gzip) = entry(&sandbox, "layout");
    let form = |manifest: &Value| {
        let media_type = manifest["layers"][0]["mediaType"].as_str().unwrap();
        media_type.rsplit('.').next().unwrap().to_owned()
    };
    assert_eq!(form(&gzip), "tar+gzip");
    for (args, to, expected) in [
        (&["--compression", "zstd"][..], "kept", "tar+gzip"),
        (&["--compression", "zstd", "--force-compression"], "zstd", "tar+zstd"),
        (&["--compression=uncompressed", "--force-compression"], "plain", "tar"),
        (
            &["--compression=gzip", "--compression-level=1", "--force-compression"],
            "same",
            "tar+gzip",
        ),
    ] {
        convert(&sandbox, &[args, &["oci:layout", &format!("oci:{to}")]].concat());
        let (_, manifest) = entry(&sandbox, to);
        assert_eq!(form(&manifest), expected);
        assert_eq!(manifest["config"], gzip["config"]);
    }
    // Layers that are not compressed get it without force.
    convert(&sandbox, &["--compression", "zstd", "oci:plain", "oci-archive:z.tar"]);
    convert(&sandbox, &["oci-archive:z.tar", "oci:z"]);
    assert_eq!(entry(&sandbox, "z").1, entry(&sandbox, "zstd").1);
}

/// `save` and `build` take the same flags; an output that says something of its own counts first.
#[test]
fn what_goes_out_gets_the_compression_asked_for() {
    let sandbox = Sandbox::new();
    let text = "FROM scratch\nCOPY Dockerfile /a\n";
    sandbox.build(text, &["-t", "app:1"]).success();
    let form = |to: &str| {
        let (_, manifest) = entry(&sandbox, to);
        let media_type = manifest["layers"][0]["mediaType"].as_str().unwrap();
        media_type.rsplit('.').next().unwrap().to_owned()
    };
    let zstd = &["--compression", "zstd", "--compression-level=5"][..];
    let save = |flags: &[&str], image: &str, to: &str| {
        let command = ["save", "--format=oci-dir", "-o", to];
        sandbox.rbuild([&command[..], flags, &[image]].concat())
    };
    for (flags, to, expected) in [
        (&[][..], "s-none", "tar+gzip"),
        (zstd, "s-zstd", "tar+zstd"),
        (&["--compression", "uncompressed"], "s-plain", "tar"),
    ] {
        save(flags, "app:1", to).success();
        assert_eq!(form(to), expected, "{to}");
    }
    // What came compressed stays so unless it is forced.
    sandbox.rbuild(["load", "-i", "s-zstd"]).success();
    save(&["--compression=gzip"], "app:1", "s-kept").success();
    save(&["--force-compression"], "app:1", "s-forced").success();
    assert_eq!([form("s-kept"), form("s-forced")], ["tar+zstd", "tar+gzip"]);
    save(&["--uncompressed", "--compression=gzip"], "app:1", "x").exits(2).says("--compression");
    save(&["--compression=xz"], "app:1", "x").exits(1).says("`xz` is not supported");

    let build = |flags: &[&str], own: &str, to: &str| {
        let output = format!("type=oci,tar=false,dest={to}{own}");
        sandbox.build(text, &[flags, &["-o", &output]].concat())
    };
    build(zstd, "", "b-zstd").success();
    build(zstd, ",compression=gzip", "b-own").success();
    assert_eq!([form("b-zstd"), form("b-own")], ["tar+zstd", "tar+gzip"]);
    let nothing = sandbox.build(text, zstd).exits(1);
    nothing.says("about images that go out");
    sandbox.build(text, &["--force-compression", "-o", "files"]).exits(1).says("go out");
}

#[test]
fn what_cannot_be_converted_is_said() {
    let sandbox = Sandbox::new();
    layout(&sandbox);
    for (args, text) in [
        (&["layout", "oci:x"][..], "`layout` does not say what it is: expected oci:DIR[:NAME]"),
        (&["docker://busybox", "oci:x"], "`docker:` is not supported"),
        (&["oci-archive:layout", "oci:x"], "it is a directory: write `oci:layout`"),
        (&["oci:nowhere", "oci:x"], "there is no such directory"),
        (&["oci:layout:nothing", "oci:x"], "has no image `nothing`; it has 1"),
        (&["oci:layout", "oci:layout"], "not empty"),
        (&["--compression", "xz", "oci:layout", "oci:x"], "compression `xz` is not supported"),
        (&["--compression-level", "3", "oci:layout", "oci:x"], "needs `--compression`"),
        (&["--compression=zstd", "--compression-level=23", "oci:layout", "oci:x"], "1 to 22"),
        (&["oci:layout", "store:UPPER"], "UPPER"),
        (&["oci:layout", "oci-archive:no/such/directory.tar"], "No such file"),
        (&["--platform", "linux/s390x", "oci:layout", "oci:x"], "not for linux/s390x"),
    ] {
        sandbox.rbuild(["convert"].iter().chain(args)).exits(1).says(text);
        assert!(!sandbox.path("x").exists(), "{args:?}");
    }
    // Damage is found on the way, and nothing is left of what was begun.
    let (_, manifest) = entry(&sandbox, "layout");
    let layer = manifest["layers"][0]["digest"].as_str().unwrap().replace(':', "/");
    let path = sandbox.path(&format!("layout/blobs/{layer}"));
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let damaged = sandbox.rbuild(["convert", "oci:layout", "oci-archive:x"]).exits(1);
    damaged.says(&layer).says("has digest");
    assert!(!sandbox.path("x").exists());
}
