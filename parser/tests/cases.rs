//! The parser against BuildKit's recorded behaviour.

mod support;

use parser::ast::{ArgDecl, CommandForm, CopySource, Heredoc};
use parser::flag::{FlagKind, FlagTable, Flags};
use parser::mount::{self, MountError};
use parser::syntax::{self, Arguments, Node};
use parser::{InstructionKind, Source, Span, Word, directive, expose, heredoc};
use serde_json::Value;
use support::{Tally, cases_dir, run_table, same, str_of, strings};

/// Sub-folders of `dockerfile/…`, sorted: name and path.
fn folders(kind: &str) -> Vec<(String, std::path::PathBuf)> {
    let Some(dir) = cases_dir() else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(dir.join("dockerfile").join(kind)) else {
        return Vec::new();
    };
    let mut folders: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.is_dir())
        .map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), path))
        .collect();
    folders.sort();
    folders
}

fn json(path: std::path::PathBuf) -> Value {
    let text = std::fs::read_to_string(&path).expect("a recorded result");
    serde_json::from_str(&text).expect("JSON")
}

fn read(path: &std::path::Path) -> String {
    String::from_utf8(std::fs::read(path.join("Dockerfile")).expect("a Dockerfile")).expect("UTF-8")
}

fn messages(text: &str) -> Vec<String> {
    match parser::parse(text) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.errors.iter().map(ToString::to_string).collect(),
    }
}

/// An expected error: its text without the line, which is compared elsewhere.
fn contains(found: &[String], expected: &str) -> Result<(), String> {
    let expected = match expected.split_once("parse error on line ") {
        Some((_, rest)) => rest.split_once(": ").map_or(rest, |(_, text)| text),
        None => expected,
    };
    match found.iter().any(|message| message.contains(expected)) {
        true => Ok(()),
        false => Err(format!("found {found:?}, expected {expected:?}")),
    }
}

fn heredoc_json(heredocs: &[Heredoc]) -> Value {
    let one = |heredoc: &Heredoc| {
        serde_json::json!({
            "Name": heredoc.name, "FileDescriptor": heredoc.file_descriptor, "Expand": heredoc.expand,
            "Chomp": heredoc.chomp, "Content": heredoc.content,
        })
    };
    heredocs.iter().map(one).collect()
}

/// The arguments; those of ONBUILD are recorded as one dump.
fn args(node: &Node) -> Vec<String> {
    let Arguments::Trigger(_) = &node.arguments else { return node.arguments.texts() };
    let dump = parser::sexpr::dump(&node.original).expect("a dump");
    let trigger = dump.trim_end().trim_start_matches("(onbuild (").trim_end_matches("))");
    vec![format!("(ONBUILD) {trigger}")]
}

fn node_json(node: &Node) -> Value {
    let mut fields = serde_json::Map::new();
    let texts =
        |words: &[Word]| -> Vec<String> { words.iter().map(|word| word.text.clone()).collect() };
    fields.insert("name".into(), node.keyword.value.clone().into());
    fields.insert("start_line".into(), node.lines.0.into());
    fields.insert("end_line".into(), node.lines.1.into());
    fields.insert("args".into(), args(node).into());
    fields.insert("original".into(), node.original.clone().into());
    if !node.flags.is_empty() {
        fields.insert("flags".into(), texts(&node.flags).into());
    }
    if node.arguments.is_json() {
        fields.insert("json".into(), true.into());
    }
    if !node.heredocs.is_empty() {
        fields.insert("heredocs".into(), heredoc_json(&node.heredocs));
    }
    if !node.comments.is_empty() {
        fields.insert("prev_comment".into(), node.comments.clone().into());
    }
    Value::Object(fields)
}

/// Compares a file with what BuildKit's packages made of it.
fn check_recorded(text: &str, recorded: &Value) -> Result<(), String> {
    if let Some(expected) = recorded["parse_error"].as_str() {
        return contains(&messages(text), expected);
    }
    let syntax = syntax::read(text);
    same(syntax.errors, vec![])?;
    same(syntax.escape.to_string().as_str(), str_of(recorded, "escape"))?;
    let nodes: Vec<Value> = syntax.nodes.iter().map(node_json).collect();
    for (found, expected) in nodes.iter().zip(recorded["nodes"].as_array().expect("nodes")) {
        same(found, expected)?;
    }
    same(Some(nodes.len()), recorded["nodes"].as_array().map(Vec::len))?;
    same(syntax.warnings.len(), recorded["parser_warnings"].as_array().map_or(0, Vec::len))?;
    same(parser::sexpr::dump(text).expect("a dump").trim_end(), str_of(recorded, "sexpr"))?;
    match recorded["instruction_error"].as_str() {
        Some(expected) => {
            contains(&messages(text), expected).and_then(|()| check_line(text, expected))
        }
        None => check_stages(text, recorded),
    }
}

/// The first line with an error is the one BuildKit stops at.
fn check_line(text: &str, expected: &str) -> Result<(), String> {
    let Some((_, rest)) = expected.split_once("parse error on line ") else { return Ok(()) };
    let line = rest.split(':').next().and_then(|line| line.parse().ok());
    let errors = parser::parse(text).expect_err("errors").errors;
    let source = Source::new("Dockerfile", text);
    let lines: Vec<usize> =
        errors.iter().map(|error| source.position(error.span.start).line).collect();
    match line.is_some_and(|line| lines.contains(&line)) {
        true => Ok(()),
        false => Err(format!("errors on lines {lines:?}, expected {line:?}")),
    }
}

fn check_stages(text: &str, recorded: &Value) -> Result<(), String> {
    let file = parser::parse(text).map_err(|errors| errors.to_string())?;
    let stages: Vec<Value> = file.stages.iter().map(stage_json).collect();
    for (found, expected) in stages.iter().zip(recorded["stages"].as_array().expect("stages")) {
        same(found, expected)?;
    }
    same(Some(stages.len()), recorded["stages"].as_array().map(Vec::len))?;
    let arg = |decl: &ArgDecl| {
        serde_json::json!({
            "key": decl.name.text, "default": decl.default.as_ref().map(|word| &word.text),
            "doc": decl.description.as_deref().unwrap_or_default(),
        })
    };
    let args = file.global_args.iter().flat_map(|instruction| match &instruction.kind {
        InstructionKind::Arg(declarations) => declarations.iter().map(arg).collect(),
        _ => Vec::new(),
    });
    same(&args.collect::<Vec<_>>(), recorded["meta_args"].as_array().expect("meta_args"))
}

fn mount_json(value: &Word) -> Value {
    let identity = |text: &str| Ok::<_, MountError>(text.to_owned());
    let mount = mount::parse(&value.text, identity).expect("a mount BuildKit reads");
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    serde_json::json!({
        "Type": mount.kind.to_string(), "From": text(&mount.from), "Source": text(&mount.source),
        "Target": text(&mount.target), "ReadOnly": mount.read_only, "Required": mount.required,
        "CacheID": text(&mount.id), "Mode": mount.mode, "UID": mount.uid, "GID": mount.gid, "Env": mount.env,
        "CacheSharing": mount.sharing.map_or(String::new(), |sharing| format!("{sharing:?}").to_lowercase()),
        "SizeLimit": mount.size.unwrap_or(0),
    })
}

fn command_json(instruction: &parser::Instruction) -> Value {
    let mut fields = serde_json::Map::new();
    fields.insert("name".into(), instruction.keyword.value.clone().into());
    fields.insert("string".into(), instruction.original.clone().into());
    if let InstructionKind::Run(run) = &instruction.kind {
        fields.insert("shell".into(), matches!(run.command, CommandForm::Shell { .. }).into());
        if !run.mounts.is_empty() {
            fields.insert("mounts".into(), run.mounts.iter().map(mount_json).collect());
        }
    }
    Value::Object(fields)
}

fn stage_json(stage: &parser::Stage) -> Value {
    serde_json::json!({
        "base": stage.from.base.text,
        "name": stage.from.name.as_ref().map_or("", |name| &name.value),
        "platform": stage.from.platform.as_ref().map_or("", |platform| &platform.text),
        "doc": stage.description.as_deref().unwrap_or_default(),
        "source": stage.original,
        "commands": stage.instructions.iter().map(command_json).collect::<Vec<_>>(),
    })
}

#[test]
fn cases_testfiles() {
    let mut tally = Tally::new("parser/testfiles", &[]);
    for (name, path) in folders("parser/testfiles") {
        let text = read(&path);
        let expected = std::fs::read_to_string(path.join("result")).expect("a result");
        let dump = parser::sexpr::dump(&text).map_err(|errors| errors.to_string());
        let outcome = same(dump, Ok(expected))
            .and_then(|()| check_recorded(&text, &json(path.join("buildkit.json"))));
        tally.add(&name, outcome);
    }
    tally.finish();
}

#[test]
fn cases_testfiles_negative() {
    let mut tally = Tally::new("parser/testfiles-negative", &[]);
    for (name, path) in folders("parser/testfiles-negative") {
        tally.add(&name, check_recorded(&read(&path), &json(path.join("buildkit.json"))));
    }
    tally.finish();
}

#[test]
fn cases_single_files() {
    let Some(dir) = cases_dir() else { return };
    for kind in ["heredoc-extract", "empty-continuation", "testfile-line"] {
        let path = dir.join("dockerfile/parser").join(kind);
        let mut tally = Tally::new(&format!("parser/{kind}"), &[]);
        if path.is_dir() {
            let text = read(&path);
            let recorded = check_recorded(&text, &json(path.join("buildkit.json")));
            tally.add(
                kind,
                recorded.and_then(|()| check_single(&text, &json(path.join("expect.json")))),
            );
        }
        tally.finish();
    }
}

fn check_single(text: &str, expected: &Value) -> Result<(), String> {
    let syntax = syntax::read(text);
    if let Some(heredocs) = expected["heredocs"].as_array() {
        let of = |node: &Node| match node.heredocs.is_empty() {
            true => Value::Null,
            false => heredoc_json(&node.heredocs),
        };
        // Recorded without the first node.
        let found: Vec<Value> = syntax.nodes.iter().skip(1).map(of).collect();
        same(found.iter().take(heredocs.len()).collect::<Vec<_>>(), heredocs.iter().collect())?;
    }
    if let Some(children) = expected["children"].as_array() {
        let found: Vec<Value> = syntax
            .nodes
            .iter()
            .map(|node| serde_json::json!([node.lines.0, node.lines.1]))
            .collect();
        same(&found, children)?;
    }
    for (warning, expected) in
        syntax.warnings.iter().zip(expected["warnings"].as_array().unwrap_or(&Vec::new()))
    {
        let text = format!("Empty continuation line found in: {:?}", warning.kind);
        for part in strings(expected, "short_contains") {
            contains(std::slice::from_ref(&text), &part)?;
        }
    }
    Ok(())
}

#[test]
fn cases_realworld() {
    let mut tally = Tally::new("realworld", &[]);
    for (name, path) in folders("realworld") {
        tally.add(&name, check_recorded(&read(&path), &json(path.join("expect.json"))));
    }
    tally.finish();
}

/// Files of whole builds: BuildKit's parser accepts or refuses them as we do.
#[test]
fn cases_build_files() {
    let mut tally = Tally::new("build-cases (parser only)", &[]);
    for (name, path) in folders("build-cases") {
        let expect = json(path.join("expect.json"));
        let file = [path.join("Dockerfile"), path.join("dockerfile-dir/Dockerfile")];
        let Some(text) = file.iter().find_map(|file| std::fs::read(file).ok()) else { continue };
        let found = messages(&String::from_utf8_lossy(&text));
        let expected = expect["buildkit_error"].as_str().unwrap_or_default();
        let outcome = match expected.contains("dockerfile parse error") {
            true => contains(&found, expected),
            false if expect["result"] == "ok" => same(found, vec![]),
            false => continue,
        };
        tally.add(&name, outcome);
    }
    tally.finish();
}

#[test]
fn cases_lint_files() {
    run_table("lint", &[], |case| {
        let found = messages(str_of(case, "dockerfile"));
        match case["build_error"].as_str() {
            Some(expected) if expected.contains("dockerfile parse error") => {
                contains(&found, expected)
            }
            _ => same(found, vec![]),
        }
    });
}

#[test]
fn cases_instruction_errors() {
    run_table("instruction_errors", &[], |case| {
        let expected =
            case["error"].as_str().or(case["error_contains"].as_str()).expect("an error");
        contains(&messages(str_of(case, "dockerfile")), expected)
    });
}

#[test]
fn cases_instruction_flags() {
    const TABLE: FlagTable = &[
        ("str1", FlagKind::Text),
        ("str2", FlagKind::Text),
        ("bool1", FlagKind::Bool),
        ("bool2", FlagKind::Bool),
        ("strs", FlagKind::List),
    ];
    run_table("instruction_flags", &[], |case| {
        for name in case["declared"].as_object().expect("declared").keys() {
            assert!(TABLE.iter().any(|(known, _)| known == name), "the table lacks {name}");
        }
        let words: Vec<Word> =
            strings(case, "args").iter().map(|arg| Word::new(arg, Span::default())).collect();
        let (flags, errors) = Flags::read("RUN", TABLE, &words);
        same(errors.is_empty(), case["ok"] == true)?;
        for (name, expected) in case["values"].as_object().expect("values") {
            match expected {
                Value::Bool(expected) => same(flags.bool(name).unwrap_or(false), *expected)?,
                Value::Array(_) => {
                    let found: Vec<String> =
                        flags.list(name).into_iter().map(|word| word.text).collect();
                    same(&Value::from(found), expected)?;
                }
                // An empty value counts as not given.
                _ => same(
                    flags.text(name).map_or(String::new(), |word| word.text).as_str(),
                    expected.as_str().unwrap_or_default(),
                )?,
            }
        }
        Ok(())
    });
}

#[test]
fn cases_heredoc_word() {
    run_table("heredoc_word", &[], |case| {
        let found = heredoc::parse_word(str_of(case, "input"));
        match str_of(case, "kind") {
            "valid" => same(
                found.ok().flatten().map(|opener| opener.name).as_deref(),
                case["name"].as_str(),
            ),
            "none" => same(found, Ok(None)),
            _ => same(found.is_err(), true),
        }
    });
}

#[test]
fn cases_heredocs_from_line() {
    run_table("heredocs_from_line", &[], |case| {
        let names = strings(case, "names");
        let text = format!("{}\n{}\n", str_of(case, "line"), names.join("\n"));
        let syntax = syntax::read(&text);
        let found: Vec<String> =
            syntax.nodes[0].heredocs.iter().map(|heredoc| heredoc.name.clone()).collect();
        same(found, names)
    });
}

/// The only instruction of a text that has no FROM.
fn instruction(text: &str) -> Result<parser::Instruction, String> {
    let mut instructions = parser::parse_trigger(text).map_err(|errors| errors.to_string())?;
    instructions.pop().ok_or_else(|| "no instruction".to_owned())
}

#[test]
fn cases_copy_heredoc() {
    run_table("copy_heredoc", &[], |case| {
        let (sources, dest) = match instruction(str_of(case, "dockerfile"))?.kind {
            InstructionKind::Copy(copy) => (copy.sources, copy.dest),
            InstructionKind::Add(add) => (add.sources, add.dest),
            other => return Err(format!("{other:?}")),
        };
        same(dest.text.as_str(), str_of(case, "dest"))?;
        let (mut paths, mut contents) = (Vec::new(), Vec::new());
        for source in &sources {
            match source {
                CopySource::Path(word) => paths.push(word.text.clone()),
                CopySource::Heredoc(heredoc) => contents.push(
                    serde_json::json!({"Data": heredoc.body(), "Expand": heredoc.expand, "Path": heredoc.name}),
                ),
            }
        }
        same(paths, strings(case, "source_paths"))?;
        same(Value::from(contents), case["source_contents"].clone())
    });
}

#[test]
fn cases_run_heredoc() {
    run_table("run_heredoc", &[], |case| {
        let InstructionKind::Run(run) = instruction(str_of(case, "dockerfile"))?.kind else {
            return Err("no RUN".to_owned());
        };
        let (shell_form, words, heredocs) = match run.command {
            CommandForm::Exec(words) => (false, words, Vec::new()),
            CommandForm::Shell { text, heredocs } => (true, vec![text], heredocs),
        };
        same(shell_form, case["shell_form"] == true)?;
        same(words, strings(case, "cmdline"))?;
        let file = |heredoc: &Heredoc| serde_json::json!({"Chomp": heredoc.chomp, "Data": heredoc.content, "Name": heredoc.name});
        same(heredocs.iter().map(file).collect::<Value>(), case["files"].clone())
    });
}

#[test]
fn cases_json_string_arrays() {
    run_table("json_string_arrays", &[], |case| {
        let text = format!("CMD {}", str_of(case, "input"));
        let syntax = syntax::read(&text);
        if let Some(expected) = case["error"].as_str() {
            let found: Vec<String> = syntax.errors.iter().map(ToString::to_string).collect();
            return match syntax.nodes.first() {
                // Not JSON at all is the shell form.
                Some(node) => same(node.arguments.is_json(), false),
                None => contains(&found, expected),
            };
        }
        same(syntax.nodes[0].arguments.is_json(), true)?;
        same(syntax.nodes[0].arguments.texts(), strings(case, "expected"))
    });
}

#[test]
fn cases_parser_words() {
    run_table("parser_words", &[], |case| {
        let text = format!("ARG {}", str_of(case, "input"));
        let found = match &syntax::read(&text).nodes[0].arguments {
            Arguments::Words(words) => words.iter().map(|word| word.text.clone()).collect(),
            _ => Vec::new(),
        };
        same(found, strings(case, "expected"))
    });
}

#[test]
fn cases_directives() {
    run_table("directives", &[], |case| {
        let input = str_of(case, "input");
        if let Some(expected) = case["parse_all"].as_array() {
            let (found, _) = directive::directives(input);
            let found: Vec<Value> =
                found.iter().map(|d| serde_json::json!([d.name, d.value.value])).collect();
            return same(&found, expected);
        }
        let found = match str_of(case, "directive") {
            "syntax" => directive::detect_syntax(input),
            "check" => directive::detect_check(input),
            name => {
                directive::directives(input).0.into_iter().find(|directive| directive.name == name)
            }
        };
        same(found.is_some(), case["found"] == true)?;
        let Some(found) = found else { return Ok(()) };
        same(found.first_word(), str_of(case, "value"))?;
        if let Some(expected) = case["cmdline"].as_str() {
            same(found.value.value.as_str(), expected)?;
        }
        match case["line"].as_u64() {
            Some(line) => same(found.line as u64, line),
            None => Ok(()),
        }
    });
}

#[test]
fn cases_expose_ports() {
    run_table("expose_ports", &[], |case| {
        let found: Result<Vec<Vec<String>>, _> =
            strings(case, "specs").iter().map(|spec| expose::parse(spec)).collect();
        match (found, &case["error"]) {
            (Ok(ports), Value::Null) => same(ports.concat(), strings(case, "expected")),
            (Err(_), Value::Bool(true)) => Ok(()),
            (Err(error), Value::String(expected)) => contains(&[error.to_string()], expected),
            (found, _) => Err(format!("{found:?}")),
        }
    });
}
