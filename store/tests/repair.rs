//! Every kind of damage to every kind of file: found by name, mended or reported as lost, and gone afterwards.
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use store::archive::ArchiveKind;
use store::{FormOptions, Held, ImageToSave, LayerForm, LoadOptions, Repairs, Store};
use tempfile::TempDir;

use crate::support::{image, may_unpack, open};

/// What a repair makes of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All images are as they were.
    Mended,
    /// The image is not in the list any more, and what is left of it is set aside.
    Lost,
}

/// A store with everything a store can have, and a copy of it to put back.
struct World {
    dir: TempDir,
    /// Its files: path in the store and content.
    files: BTreeMap<PathBuf, Vec<u8>>,
    documents: Vec<String>,
    /// All blobs of the image.
    parts: Vec<String>,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir.path().join("template"));
        let layers: [&[(&str, &str)]; 3] = [
            &[("d/", ""), ("d/a", "hello"), ("x", "x")],
            &[("!x", ""), ("d/b", "world")],
            &[("c", "c")],
        ];
        let app = image(&store, &["app"], &layers);
        let unpacked = store.unpack(&app).unwrap();
        let stack: Vec<_> = unpacked.iter().map(|layer| layer.snapshot.clone()).collect();
        // With a limit this low the stack is merged.
        let snapshotter = store::snapshot::OverlaySnapshotter::with_limit(store.clone(), 2);
        store::Snapshotter::view(&snapshotter, &stack).unwrap();
        let saved =
            [ImageToSave { target: app.descriptor.clone(), names: Vec::new(), labels: Vec::new() }];
        let options = FormOptions { form: LayerForm::GZIP, force: false };
        store.save(&saved, ArchiveKind::Oci, options, &mut std::io::sink()).unwrap();
        store.keep("c1", &[Held::Blob(app.descriptor.digest)]).unwrap();
        store.sync().unwrap();
        let documents = [app.descriptor.digest.hex(), app.id().hex()].to_vec();
        let parts = app.blobs().map(|part| part.digest.hex()).collect();
        let root = store.root().to_owned();
        drop((store, snapshotter));
        let mut files = BTreeMap::new();
        read_files(&root, &root, &mut files);
        World { dir, files, documents, parts }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn reset(&self) {
        let _absent = fs::remove_dir_all(self.root());
        let from = self.dir.path().join("template");
        let copied = Command::new("cp").arg("-a").arg(from).arg(self.root()).status().unwrap();
        assert!(copied.success());
    }

    /// What becomes of damage to this file; none if a store can do without noticing.
    fn end_of(&self, path: &Path) -> Option<End> {
        let name = path.file_name().unwrap().to_str().unwrap();
        match path.components().next().unwrap().as_os_str().to_str().unwrap() {
            "schema.json" | "locks" => None,
            // These lists carry a sum of their own: a damaged one counts as none (`archive::pieces`, `midstates`, `image::sizes`).
            "cache" if path.starts_with("cache/pieces") => None,
            "cache" if path.starts_with("cache/midstates") => None,
            "cache" if path.starts_with("cache/image-sizes") => None,
            "images" if self.documents.iter().any(|document| document == name) => Some(End::Lost),
            _ => Some(End::Mended),
        }
    }

    /// Checks, repairs and checks again.
    #[track_caller]
    fn expect(&self, what: &str, object: &str, end: End) -> Repairs {
        let store = open(&self.root());
        let found = problems(&store);
        assert!(found.iter().any(|line| line.contains(object)), "{what}: not found: {found:?}");
        let repairs = store.repair().unwrap();
        assert!(repairs.left.is_empty(), "{what}: left {:?} of {found:?}", repairs.left);
        assert_eq!(problems(&store), [] as [String; 0], "{what}");
        let lost = repairs.lost.iter().flat_map(|lost| &lost.names).collect::<Vec<_>>();
        match end {
            End::Mended => {
                assert!(lost.is_empty(), "{what}: {lost:?} lost after {found:?}");
                assert!(!repairs.mended.is_empty(), "{what}");
                let app = store.resolve("app").unwrap();
                store.unpack(&app).unwrap();
                assert_eq!(problems(&store), [] as [String; 0], "{what}");
            }
            End::Lost => {
                assert_eq!(lost, ["app:latest"], "{what}: {found:?}");
                assert!(store.resolve("app").is_err());
                let index = fs::read_to_string(repairs.lost[0].aside.join("index.json")).unwrap();
                assert!(index.contains("docker.io/library/app:latest"), "{what}: {index}");
            }
        }
        repairs
    }
}

fn problems(store: &Store) -> Vec<String> {
    store.validate().unwrap().iter().map(ToString::to_string).collect()
}

fn read_files(root: &Path, dir: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            read_files(root, &entry.path(), files);
        } else if kind.is_file() {
            let path = entry.path().strip_prefix(root).unwrap().to_owned();
            files.insert(path, fs::read(entry.path()).unwrap());
        }
    }
}

/// What a problem of this file is reported as.
fn object_of(path: &Path) -> String {
    let text = path.to_str().unwrap();
    let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
    match parts[..] {
        // Files of merged snapshots are those of the others.
        ["snapshots", "fs", _, ref path @ ..] => format!("`{}`", path.join("/")),
        ["leases", name] => name.replace("keep.", "lease "),
        ["images", "index.json"] => String::new(),
        _ => text.to_owned(),
    }
}

/// Whether the damaged list of images says something else that it may say: no names at all, another platform.
fn is_another_list(good: &[u8], damaged: &[u8]) -> bool {
    let facts = |bytes: &[u8]| -> Option<Vec<String>> {
        let list: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        let facts = |entry: &serde_json::Value| {
            let name = entry["annotations"]["io.containerd.image.name"].as_str();
            let name = name.map(|name| name.parse::<store::Reference>().ok());
            let familiar = entry["annotations"]["org.opencontainers.image.ref.name"].as_str();
            let named = match name {
                Some(name) => name.is_some_and(|name| Some(&*name.familiar()) == familiar),
                None => familiar.is_none_or(|name| name == "app:latest"),
            };
            // Without a type, the manifest itself says what it is.
            let kind = entry["mediaType"].as_str().unwrap_or(store::media_type::IMAGE_MANIFEST);
            format!("{} {} {kind} {named}", entry["digest"], entry["size"])
        };
        Some(list["manifests"].as_array()?.iter().map(facts).collect())
    };
    facts(damaged).is_some_and(|damaged| Some(damaged) == facts(good))
}

#[test]
fn a_flipped_byte_in_any_file_is_found_and_mended() {
    if !may_unpack() {
        return;
    }
    let world = World::new();
    let mut tried = BTreeMap::new();
    for (path, good) in &world.files {
        let Some(end) = world.end_of(path) else { continue };
        let is_list = path.ends_with("index.json");
        let stride = (good.len() / if is_list { 50 } else { 6 }).max(1);
        for position in (0..good.len()).step_by(stride) {
            let mut damaged = good.clone();
            damaged[position] ^= 1;
            if is_list {
                flip_in_the_list(&world, &damaged, position);
                continue;
            }
            world.reset();
            fs::write(world.root().join(path), &damaged).unwrap();
            if path.starts_with("cache/forms") && names_nothing(&world, &damaged) {
                continue;
            }
            world.expect(&format!("{} at {position}", path.display()), &object_of(path), end);
            *tried.entry(path.parent().unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    println!("bytes flipped: {tried:?}");
    let kinds =
        ["images/blobs/sha256", "snapshots/chains", "snapshots/merged", "cache/forms", "leases"];
    assert!(kinds.iter().all(|kind| tried.contains_key(Path::new(kind))), "{tried:?}");
}

/// A record of a form that is not there, which is made again then.
fn names_nothing(world: &World, record: &[u8]) -> bool {
    let record: Option<store::Descriptor> = serde_json::from_slice(record).ok();
    record.is_some_and(|form| !open(&world.root()).has_blob(&form.digest))
}

/// The image keeps its name, or is found again without it, or is lost by name: never silently.
#[track_caller]
fn flip_in_the_list(world: &World, damaged: &[u8], position: usize) {
    let path = Path::new("images/index.json");
    if is_another_list(&world.files[path], damaged) {
        return;
    }
    world.reset();
    fs::write(world.root().join(path), damaged).unwrap();
    let store = open(&world.root());
    let found = problems(&store);
    assert!(!found.is_empty(), "position {position}: {}", String::from_utf8_lossy(damaged));
    let repairs = store.repair().unwrap();
    assert!(repairs.left.is_empty(), "position {position}: {:?}", repairs.left);
    let images = store.images().unwrap();
    assert_eq!(images.len(), 1, "position {position}: {repairs:?}");
    assert_eq!(images[0].id.hex(), world.documents[1]);
    let named = images[0].names.iter().any(|name| name.familiar() == "app:latest");
    let told = repairs.mended.iter().map(ToString::to_string).collect::<String>();
    assert!(named || told.contains("rbuild tag"), "position {position}: {told}");
}

#[test]
fn files_cut_short_or_missing_are_found_and_mended() {
    if !may_unpack() {
        return;
    }
    let world = World::new();
    for (path, good) in &world.files {
        let (Some(end), false) = (world.end_of(path), path.ends_with("index.json")) else {
            continue;
        };
        let what = format!("{} cut", path.display());
        if !good.is_empty() && !path.starts_with("leases") && !path.starts_with("snapshots/merged")
        {
            world.reset();
            fs::write(world.root().join(path), &good[..good.len() / 2]).unwrap();
            world.expect(&what, &object_of(path), end);
        }
        // Records that are not there are as if they had never been made.
        let is_part = world.parts.iter().any(|part| path.ends_with(part));
        if is_part && path.starts_with("images/blobs") {
            world.reset();
            fs::remove_file(world.root().join(path)).unwrap();
            world.expect(&format!("{} missing", path.display()), "app", end);
        }
    }
}

#[test]
fn documents_and_directories_that_are_missing_come_back() {
    let world = World::new();
    world.reset();
    for dir in ["temp", "unsynced", "locks", "snapshots/empty"] {
        fs::remove_dir_all(world.root().join(dir)).unwrap();
    }
    let store = open(&world.root());
    assert_eq!(problems(&store), [] as [String; 0]);
    store.unpack(&store.resolve("app").unwrap()).unwrap();
    drop(store);

    fs::remove_file(world.root().join("images/oci-layout")).unwrap();
    world.expect("no layout", "images/oci-layout", End::Mended);

    fs::remove_file(world.root().join("images/index.json")).unwrap();
    let store = open(&world.root());
    assert!(problems(&store).iter().any(|line| line.contains("images/index.json")));
    let repairs = store.repair().unwrap();
    assert!(repairs.left.is_empty() && repairs.lost.is_empty(), "{repairs:?}");
    let told: Vec<String> = repairs.mended.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|line| line.contains("rbuild tag")), "{told:?}");
    assert_eq!(store.images().unwrap()[0].id.hex(), world.documents[1]);
}

/// Together they are no worse than alone.
#[test]
fn a_damaged_list_of_an_image_with_a_damaged_layer_comes_back() {
    if !may_unpack() {
        return;
    }
    let world = World::new();
    world.reset();
    let root = world.root();
    fs::write(root.join("images/index.json"), "{").unwrap();
    let layer = root.join("images/blobs/sha256").join(&world.parts[0]);
    fs::write(layer, "damage").unwrap();
    let store = open(&root);
    let repairs = store.repair().unwrap();
    assert!(repairs.left.is_empty() && repairs.lost.is_empty(), "{repairs:?}");
    assert_eq!(store.images().unwrap()[0].id.hex(), world.documents[1]);
    assert_eq!(problems(&store), [] as [String; 0]);
    // And what cannot be mended is told to be lost.
    fs::write(root.join("images/index.json"), "{").unwrap();
    fs::write(root.join("images/blobs/sha256").join(&world.documents[1]), "damage").unwrap();
    let repairs = store.repair().unwrap();
    assert!(repairs.lost.iter().any(|lost| !lost.missing.is_empty()), "{repairs:?}");
}

#[test]
fn a_damaged_description_is_named_and_written_anew() {
    let world = World::new();
    world.reset();
    let (path, state) = (world.root().join("schema.json"), world.dir.path().join("state"));
    let good = fs::read(&path).unwrap();
    let mut mended = 0;
    for position in 0..good.len() {
        for bit in 0..8 {
            let mut damaged = good.clone();
            damaged[position] ^= 1 << bit;
            fs::write(&path, damaged).unwrap();
            let Err(error) = Store::open(&world.root(), &state) else { continue };
            // Another number is another format, perhaps.
            let other = matches!(error, store::StoreError::Schema { .. });
            assert!(other || error.to_string().contains("schema.json"), "{error}");
            assert_eq!(Store::repair_description(&world.root()).unwrap(), !other);
            if !other {
                assert_eq!(fs::read(&path).unwrap(), good);
                mended += 1;
            }
        }
    }
    assert!(mended > 50, "{mended}");
    fs::write(&path, &good).unwrap();
    assert!(!Store::repair_description(&world.root()).unwrap());
    // Somebody's directory that is no store stays as it is.
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("schema.json"), "mine").unwrap();
    assert!(!Store::repair_description(other.path()).unwrap());
}

type Damage = fn(&Path);

#[test]
fn what_is_unpacked_differs_in_any_attribute() {
    if !may_unpack() {
        return;
    }
    let world = World::new();
    let damages: [(&str, Damage); 9] = [
        ("has another mode", |dir| mode(&dir.join("a"), 0o600)),
        ("has another mode", |dir| mode(dir, 0o700)),
        ("has another owner", |dir| chown(dir.join("a"), Some(7), None).unwrap()),
        ("has other extended attributes", |dir| attribute(&dir.join("a"), "user.x", "y")),
        ("hides other files", |dir| attribute(dir, "trusted.overlay.opaque", "y")),
        ("is not in the layer", |dir| fs::write(dir.join("more"), "").unwrap()),
        ("is not in the layer", |dir| fs::create_dir(dir.join("more")).unwrap()),
        ("is missing", |dir| fs::remove_file(dir.join("a")).unwrap()),
        ("has other content", |dir| fs::write(dir.join("a"), "jello").unwrap()),
    ];
    for (words, damage) in damages {
        world.reset();
        let snapshots = world.root().join("snapshots/fs");
        let below = fs::read_dir(snapshots).unwrap().map(|entry| entry.unwrap().path().join("d"));
        // Not the merged one, which has both files. What hides something is above something.
        let (has, has_not) = if words.starts_with("hides") { ("b", "a") } else { ("a", "b") };
        let it = |d: &PathBuf| d.join(has).exists() && !d.join(has_not).exists();
        damage(&below.into_iter().find(it).unwrap());
        world.expect(words, words, End::Mended);
    }
}

/// What only the kernel's limit on stacks needs is made again, too.
#[test]
fn a_merged_snapshot_differs_from_its_parts() {
    if !may_unpack() {
        return;
    }
    let world = World::new();
    let damages: [(&str, Damage); 7] = [
        ("`d` is not as in its parts", |dir| mode(&dir.join("d"), 0o700)),
        ("`d` is not as in its parts", |dir| chown(dir.join("d"), None, Some(7)).unwrap()),
        ("`d` is not as in its parts", |dir| attribute(&dir.join("d"), "user.x", "y")),
        ("`d/b` is missing", |dir| fs::remove_file(dir.join("d/b")).unwrap()),
        // Deleted by the second layer.
        ("`x` is in none of its parts", |dir| fs::write(dir.join("x"), "x").unwrap()),
        ("`d/more` is in none of its parts", |dir| fs::create_dir(dir.join("d/more")).unwrap()),
        ("`d/a` is not as in its parts", |dir| {
            fs::remove_file(dir.join("d/a")).unwrap();
            fs::write(dir.join("d/a"), "jello").unwrap();
        }),
    ];
    for (words, damage) in damages {
        world.reset();
        let records = fs::read_dir(world.root().join("snapshots/merged")).unwrap();
        let ids = records.map(|record| fs::read_to_string(record.unwrap().path()).unwrap());
        let merged = ids.filter_map(|ids| ids.split(' ').next().map(str::to_owned));
        let dirs = merged.map(|id| world.root().join("snapshots/fs").join(id));
        damage(&dirs.into_iter().find(|dir| dir.join("d/b").exists()).unwrap());
        world.expect(words, words, End::Mended);
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn attribute(path: &Path, name: &str, value: &str) {
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(path, name, value.as_bytes(), flags).unwrap();
}

#[test]
fn a_damaged_compressed_layer_is_made_again_from_its_plain_form() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("root"));
    let app = image(&store, &["app"], &[&[("a", &"hello\n".repeat(1000))]]);
    let options = FormOptions { form: LayerForm::GZIP, force: false };
    let archive = dir.path().join("app.tar");
    let mut file = fs::File::create(&archive).unwrap();
    let names = vec!["app".parse().unwrap()];
    let to_save = ImageToSave { target: app.descriptor, names, labels: Vec::new() };
    store.save(&[to_save], ArchiveKind::Oci, options, &mut file).unwrap();
    store.untag("app", false).unwrap();
    store.load_path(&archive, &LoadOptions::default()).unwrap();
    let loaded = store.resolve("app").unwrap();
    let layer = &loaded.manifest.layers[0].digest;
    fs::write(store.blob_path(layer), "damaged").unwrap();
    let repairs = store.repair().unwrap();
    assert!(repairs.lost.is_empty() && repairs.left.is_empty(), "{repairs:?}");
    let told: Vec<String> = repairs.mended.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|line| line.contains("made again from its other form")), "{told:?}");
    assert_eq!(problems(&store), [] as [String; 0]);
}

#[test]
fn a_snapshot_in_use_is_left_alone() {
    if !may_unpack() {
        return;
    }
    let world = World::new();
    world.reset();
    let user = open(&world.root());
    let app = user.resolve("app").unwrap();
    let used = user.unpack(&app).unwrap()[0].snapshot.clone();
    let file = world.root().join("snapshots/fs").join(used.as_str()).join("d/a");
    fs::write(&file, "jello").unwrap();
    let other = open(&world.root());
    let repairs = other.repair().unwrap();
    assert!(!repairs.left.is_empty() && file.exists());
    assert!(repairs.mended.iter().any(|mended| mended.to_string().contains("in use")));
    drop(user);
    assert!(other.repair().unwrap().left.is_empty());
}
