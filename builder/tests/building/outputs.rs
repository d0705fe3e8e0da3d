//! What a build writes outside of the store.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use builder::request::{Destination, ImageOutput, LayerCompression, Output};
use builder::{BuildRequest, BuiltImage};
use store::Store;

use super::{Bench, assert_valid};

const DOCKERFILE: &str =
    "FROM scratch\nCOPY --chmod=600 a /dir/a\nCOPY links /\nCMD [\"/dir/a\"]\n";

fn bench() -> Bench {
    let bench = Bench::new();
    bench.file("a", "A");
    fs::create_dir(bench.path("context/links")).unwrap();
    symlink("dir/a", bench.path("context/links/link")).unwrap();
    bench
}

fn image(bench: &Bench, name: &str) -> ImageOutput {
    ImageOutput {
        dest: Destination::Path(bench.path(name)),
        as_directory: false,
        names: Vec::new(),
        compression: LayerCompression::Gzip { level: None },
        force_compression: false,
        rewrite_timestamp: None,
    }
}

fn build(bench: &Bench, platforms: &[&str], output: Output) -> BuiltImage {
    let request = BuildRequest {
        outputs: vec![output],
        platforms: platforms.iter().map(|platform| (*platform).to_owned()).collect(),
        ..bench.request(DOCKERFILE)
    };
    bench.build(&request).0
}

/// Loads an archive into an empty store and looks at the image.
fn load(bench: &Bench, name: &str) -> store::Image {
    let store = Store::open(&bench.path("other"), &bench.path("other-state")).unwrap();
    let loaded = store.load_path(&bench.path(name), &store::LoadOptions::default()).unwrap();
    assert_eq!(loaded.len(), 1);
    assert_valid(&store);
    store.resolve("img").unwrap()
}

#[test]
fn archives_hold_the_image() {
    for kind in [Output::Oci, Output::Docker] {
        let bench = bench();
        let built = build(&bench, &["linux/amd64"], kind(image(&bench, "out.tar")));
        let loaded = load(&bench, "out.tar");
        assert_eq!(loaded.id(), built.image_id);
        assert_eq!(built.metadata["containerimage.digest"], loaded.descriptor.digest.to_string());
        let left = fs::read_dir(bench.dir.path()).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().contains(".tmp")), "{left:?}");
    }
}

#[test]
fn a_layout_goes_into_a_directory() {
    let bench = bench();
    let output = ImageOutput { as_directory: true, ..image(&bench, "layout") };
    let built = build(&bench, &["linux/amd64"], Output::Oci(output.clone()));
    assert_eq!(load(&bench, "layout").id(), built.image_id);
    let request = BuildRequest { outputs: vec![Output::Oci(output)], ..bench.request(DOCKERFILE) };
    let error = bench.try_build(&request).0.unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
}

#[test]
fn files_as_a_directory_and_as_an_archive() {
    let bench = bench();
    build(&bench, &["linux/amd64"], Output::Local(bench.path("files")));
    assert_eq!(fs::read_to_string(bench.path("files/link")).unwrap(), "A");
    assert_eq!(fs::metadata(bench.path("files/dir/a")).unwrap().mode() & 0o7777, 0o600);
    let dest = Destination::Path(bench.path("files.tar"));
    build(&bench, &["linux/amd64"], Output::Tar(dest));
    let mut paths = Vec::new();
    let file = fs::File::open(bench.path("files.tar")).unwrap();
    let whiteouts = store::layer::Whiteouts::Literal;
    store::layer::read_layer(file, whiteouts, &mut |member, _content| {
        if let store::layer::Member::Entry(entry) = member {
            paths.push(entry.as_path().display().to_string());
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(paths, ["dir", "dir/a", "link"]);
}

#[test]
fn several_platforms_are_one_image() {
    let bench = bench();
    let platforms = ["linux/amd64", "linux/arm64"];
    let built = build(&bench, &platforms, Output::Oci(image(&bench, "out.tar")));
    assert_eq!(built.image_id, built.manifest.digest);
    for platform in platforms {
        let image = bench.store.resolve_for("img", &platform.parse().unwrap()).unwrap();
        assert_eq!(image.platform().to_string(), platform);
    }
    assert_eq!(load(&bench, "out.tar").platform().to_string(), "linux/amd64");
    let again = Store::open(&bench.path("store"), &bench.path("state")).unwrap();
    again.forget_images(&|listed| listed.name.is_none()).unwrap();
    again.prune(&mut || Ok(Vec::new())).unwrap();
    assert_valid(&again);
    assert_eq!(again.images().unwrap().len(), 1);
    build(&bench, &platforms, Output::Local(bench.path("files")));
    assert_eq!(fs::read_to_string(bench.path("files/linux_arm64/dir/a")).unwrap(), "A");
    let request = BuildRequest {
        platforms: platforms.map(str::to_owned).to_vec(),
        outputs: vec![Output::Docker(image(&bench, "docker.tar"))],
        ..bench.request(DOCKERFILE)
    };
    let error = bench.try_build(&request).0.unwrap_err();
    assert!(error.to_string().contains("one platform"), "{error}");
    assert!(!bench.path("docker.tar").exists());
}

#[test]
fn an_image_for_other_machines_is_listed_and_removed() {
    let bench = bench();
    let request = BuildRequest {
        platforms: vec!["linux/arm64".to_owned(), "linux/riscv64".to_owned()],
        ..bench.request(DOCKERFILE)
    };
    bench.build(&request);
    let listed = bench.store.images().unwrap();
    assert_eq!(listed.len(), 1);
    bench.store.untag("img", false).unwrap();
    assert!(bench.store.images().unwrap().is_empty());
}
