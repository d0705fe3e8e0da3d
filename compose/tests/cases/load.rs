//! Whole loads, as compose-go's own tests do them.

use std::collections::BTreeMap;
use std::path::Path;

use compose::load::{InputFile, LoadOptions, LoadRequest, load};
use compose::render::Form;
use serde_json::Value;

use crate::disk::Disk;
use crate::short_forms::as_newer_versions;
use crate::{compare, folder, json, unit_but};

/// Results of compose-go that we do not want, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    ("TestLoadIncludeExtendsCombined", "a relative working directory is added twice"),
    ("TestXService", "a network called `x-network` is taken for an extension and lost"),
    ("AllResourceKinds", "the models are lost"),
    ("TestResetCycle", "the same cycle, told from the merge key instead of what it expands to"),
];

fn differs(case: &Value) -> bool {
    let test = case["test"].as_str().unwrap();
    DIFFERENCES.iter().any(|(name, _)| test.contains(name))
}

#[test]
fn loads() {
    let Some(folder) = folder() else { return };
    let root = folder.join("data/compose-go");
    unit_but("load", differs, |case| {
        let request = request(case, &root);
        let test = case["test"].as_str().unwrap();
        let package = test.split_once(':').unwrap().0.rsplit_once('/').unwrap().0;
        let result = match load(&request, &Disk { directory: root.join(package) }) {
            Ok(_) if broken_json(case) => return Ok(()),
            Ok(mut loaded) => {
                select(case, test, &mut loaded.project);
                let mut document = json::of_data(&loaded.project.document(Form::Json));
                as_newer_versions(&mut document);
                Ok(document)
            }
            Err(error) => Err(error.to_string().replace(root.to_str().unwrap(), "${ROOT}")),
        };
        let mut output = placed(&case["project"], &root);
        as_newer_versions(&mut output);
        compare(result, &output, &case["error"])
    });
}

/// What compose-go cannot write as JSON: SSH keys with a path. There is nothing to compare with.
fn broken_json(case: &Value) -> bool {
    case["project"].is_null() && case["error"].is_null()
}

/// Which services a test selected was not recorded, only which there were in the end.
fn select(case: &Value, test: &str, project: &mut compose::Project) {
    let function = test.split_once(':').unwrap().1;
    if !function.contains("Option") || case["project"].is_null() {
        return;
    }
    if function.starts_with("TestWithSelectedServicesOption")
        || function.starts_with("TestWithoutUnnecessaryResourcesOption")
    {
        let names: Vec<String> =
            case["project"]["services"].as_object().unwrap().keys().cloned().collect();
        project.select(&names).unwrap();
    }
    if function.starts_with("TestWithoutUnnecessaryResourcesOption") {
        project.drop_unused();
    }
}

/// Whether env files were forgotten was not recorded; the result shows it.
fn discards(case: &Value) -> bool {
    let test = case["test"].as_str().unwrap();
    test.contains("DiscardEnvFile") && !case["project"].to_string().contains("\"env_file\"")
}

fn request(case: &Value, root: &Path) -> LoadRequest {
    let options = &case["options"];
    let skip = |key: &str| options[key].as_bool() == Some(true);
    let text = |value: &Value| {
        value.as_str().unwrap_or_default().replace("${ROOT}", root.to_str().unwrap())
    };
    let files = case["files"].as_array().unwrap().iter().map(|file| InputFile {
        path: text(&file["filename"]),
        content: file["content"].as_str().map(str::to_owned),
    });
    let environment: BTreeMap<String, String> = case["environment"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect();
    let name = options["project_name"].as_str().unwrap_or_default().to_owned();
    LoadRequest {
        files: files.collect(),
        directory: text(&case["working_dir"]),
        name_is_chosen: !name.is_empty(),
        name,
        profiles: options["profiles"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| it.as_str().map(str::to_owned))
            .collect(),
        home: environment.get("HOME").cloned(),
        environment,
        options: LoadOptions {
            interpolate: !skip("skip_interpolation"),
            validate: !skip("skip_validation"),
            normalize: !skip("skip_normalization"),
            resolve_paths: options["resolve_paths"].as_bool() == Some(true),
            check_consistency: !skip("skip_consistency_check"),
            resolve_environment: !skip("skip_resolve_environment"),
            discard_env_files: discards(case),
        },
    }
}

fn placed(value: &Value, root: &Path) -> Value {
    let text = value.to_string().replace("${ROOT}", root.to_str().unwrap());
    serde_json::from_str(&text).unwrap()
}
