//! Images from and to a registry: Debian's `docker-registry`, and skopeo as the neighbour.

mod cache;
mod lists;
mod rules;
mod tokens;
mod transport;

use std::process::Stdio;

use crate::support::{
    HttpServer, Output, PATIENCE, Registry, Sandbox, certify, installed, online, online_with,
    response, run, until,
};

fn skopeo(sandbox: &Sandbox, args: &[&str]) -> Output {
    run(sandbox.command("skopeo").args(args), "")
}

/// A store with `small:1`, an image of one layer.
fn with_image() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("context/file", "content\n");
    sandbox.build("FROM scratch\nCOPY file /\nCMD [\"/file\"]\n", &["-t", "small:1"]).success();
    sandbox
}

fn digest_there(sandbox: &Sandbox, name: &str) -> String {
    let name = format!("docker://{name}");
    let args = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &name];
    skopeo(sandbox, &args).success().stdout.trim().to_owned()
}

#[test]
fn images_go_to_a_registry_and_come_back_from_a_neighbour_the_same() {
    let sandbox = with_image();
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    if !installed("skopeo") {
        return;
    }
    let (ours, theirs) = (registry.name("ours:1"), registry.name("group/theirs:2"));
    sandbox.rbuild(["tag", "small:1", &ours]).success();
    let pushed = online(&sandbox, &["push", &ours]).success();
    let digest = digest_there(&sandbox, &ours);
    assert!(pushed.stdout.contains(&format!("1: digest: {digest} size: ")), "{pushed}");
    assert!(pushed.stdout.contains(": Pushed\n"), "{pushed}");
    let again = online(&sandbox, &["push", &ours]).success();
    assert!(!again.stdout.contains(": Pushed\n"), "{again}");
    assert!(again.stdout.contains(": Layer already exists\n"), "{again}");
    // In another form it is another image there.
    let small = registry.name("small:zstd");
    sandbox.rbuild(["tag", "small:1", &small]).success();
    online(&sandbox, &["push", "--compression=zstd", "--force-compression", &small]).success();
    let raw = format!("docker://{small}");
    let raw = skopeo(&sandbox, &["inspect", "--tls-verify=false", "--raw", &raw]).success().stdout;
    assert!(raw.contains("tar+zstd") && !raw.contains("gzip"), "{raw}");
    let (from, to) = (format!("docker://{ours}"), format!("docker://{theirs}"));
    let copy = ["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &to];
    skopeo(&sandbox, &copy).success();

    let other = Sandbox::new();
    let pulled = online(&other, &["pull", &theirs]).success();
    for line in [
        format!("2: Pulling from {}\n", registry.name("group/theirs")),
        format!("Digest: {digest}\n"),
        format!("Status: Downloaded newer image for {theirs}\n{theirs}\n"),
    ] {
        assert!(pulled.stdout.contains(&line), "no `{line}` in {pulled}");
    }
    let status = format!("Status: Image is up to date for {theirs}\n");
    assert!(online(&other, &["pull", &theirs]).success().stdout.contains(&status));
    online(&other, &["pull", "-q", &theirs]).success().prints(&format!("{theirs}\n"));
    other.validate();
    // The layer need not be sent: the registry has it in the other repository.
    let third = registry.name("third:3");
    other.rbuild(["tag", &theirs, &third]).success();
    let mounted = online(&other, &["push", &third]).success();
    assert!(mounted.stdout.contains(": Mounted from group/theirs\n"), "{mounted}");
    assert_eq!(digest_there(&sandbox, &third), digest);
    // By digest.
    let exact = format!("{}@{digest}", registry.name("third"));
    online(&other, &["pull", &exact]).success();
    other.rbuild(["rmi", &theirs, &third]).success();
    other.rbuild(["inspect", &exact]).success();
}

#[test]
fn builds_pull_what_they_start_from_and_push_what_they_make() {
    let sandbox = with_image();
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    let (base, made) = (registry.name("base:1"), registry.name("made:1"));
    sandbox.rbuild(["tag", "small:1", &base]).success();
    online(&sandbox, &["push", "-q", &base]).success().prints(&format!("{base}\n"));

    let other = Sandbox::new();
    other.write("context/more", "more\n");
    let dockerfile = format!("FROM {base}\nCOPY more /\n");
    other.write("context/Dockerfile", &dockerfile);
    let build = |args: &[&str]| {
        let words = ["build", "--progress", "plain"].iter().chain(args).chain(&["context"]);
        online(&other, &words.copied().collect::<Vec<_>>())
    };
    let offline = other.build(&dockerfile, &[]).exits(1);
    offline.says(&format!("{base}: failed to resolve source metadata"));
    let built = build(&["-t", &made, "--push"]).success().says(&format!("pull {base}"));
    // Each layer, on its way and unpacked, as BuildKit tells of them.
    let layers = built.stderr.lines().filter(|line| line.contains(" sha256:"));
    assert!(layers.clone().any(|line| line.ends_with("s done")), "{built}");
    assert!(layers.clone().any(|line| line.contains(" extracting sha256:")), "{built}");
    build(&["--pull"]).success().says(&format!("pull {base}"));
    let quiet = build(&["-o", &format!("type=registry,name={}", registry.name("named:2"))]);
    assert!(!quiet.success().stderr.contains(&format!("pull {base}")), "it is in the store");
    let third = Sandbox::new();
    for name in [&made, &registry.name("named:2")] {
        online(&third, &["pull", name]).success();
    }
    other.write("context/Dockerfile", "FROM base\n");
    let context = format!("--build-context=base=docker-image://{made}");
    build(&[&context]).success();
    build(&["--build-context=base=docker-image://127.0.0.1:1/x"])
        .exits(1)
        .says("cannot pull `x:latest` from the registry `127.0.0.1:1`")
        .says("`rbuild load` takes images from archives");
}

/// No tag leads to what is pushed by digest: `manifest create` puts such images under one name later.
#[test]
fn what_is_pushed_by_digest_has_no_tag() {
    let sandbox = with_image();
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    let name = registry.name("parts");
    let build = |output: &str, more: &[&str]| {
        let words = ["build", "-q", "--metadata-file", "told.json", "-o", output, "context"];
        sandbox.write("context/Dockerfile", "FROM scratch\nCOPY file /\n");
        online(&sandbox, &words.iter().chain(more).copied().collect::<Vec<_>>())
    };
    let mut images = Vec::new();
    for platform in ["linux/amd64", "linux/arm64"] {
        let output = format!("type=image,push-by-digest=true,name={name},push=true");
        build(&output, &["--platform", platform]).success();
        let told: serde_json::Value = serde_json::from_str(&sandbox.read("told.json")).unwrap();
        assert_eq!(told["image.name"].as_str(), Some(name.as_str()));
        let digest = told["containerimage.digest"].as_str().unwrap();
        images.push(format!("{name}@{digest}"));
        online(&sandbox, &["pull", images.last().unwrap(), "--platform", platform]).success();
    }
    if installed("skopeo") {
        let listed = ["list-tags", "--tls-verify=false", &format!("docker://{name}")];
        assert!(!skopeo(&sandbox, &listed).stdout.contains("latest"));
    }
    let list = registry.name("parts:1");
    online(&sandbox, &["manifest", "create", &list, &images[0], &images[1]]).success();
    online(&sandbox, &["manifest", "push", &list]).success();
    for platform in ["linux/amd64", "linux/arm64"] {
        online(&sandbox, &["pull", &list, "--platform", platform]).success();
    }
    build("type=registry,push-by-digest=true", &["-t", &list])
        .exits(1)
        .says("no tag leads to what is pushed by digest");
}

/// Who is asked to come again later need not be waited for once the build is not wanted any more.
#[test]
fn a_build_that_waits_for_a_registry_can_be_interrupted() {
    let later = |_: &str| response("503 Later", &["Retry-After: 30"], b"");
    let (sandbox, server) = (Sandbox::new(), HttpServer::start(later));
    let from = format!("FROM {}/app:1\n", server.url("").trim_start_matches("http://"));
    sandbox.write("context/Dockerfile", &from);
    let mut command = sandbox.rbuild_command(["build", "--progress", "plain", "context"]);
    command.env_remove("RBUILD_OFFLINE").stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    until("the registry is asked", || !server.requests().is_empty());
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::SIGINT).unwrap();
    // Four pauses of half a minute would be longer than anyone's patience.
    let deadline = std::time::Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // Nothing happens to one that has ended.
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn containers_pull_their_image_when_it_is_wanted() {
    let sandbox = with_image();
    let Some(registry) = Registry::start(&sandbox, "") else { return };
    let name = registry.name("app:1");
    sandbox.rbuild(["tag", "small:1", &name]).success();
    online(&sandbox, &["push", "-q", &name]).success();
    sandbox.rbuild(["rmi", &name]).success();
    let missing = format!("image `{name}` does not exist");
    online(&sandbox, &["create", "--pull", "never", &name]).exits(125).says(&missing);
    sandbox.rbuild(["create", &name]).exits(125).says(&missing);
    online(&sandbox, &["create", &name])
        .success()
        .says(&format!("Unable to find image '{name}' locally"))
        .says(&format!("Status: Downloaded newer image for {name}"));
    let always = online(&sandbox, &["create", "--pull", "always", &name]).success();
    always.says(&format!("Status: Image is up to date for {name}"));
    let quiet = online(&sandbox, &["create", "-q", "--pull", "always", &name]).success();
    assert!(quiet.stderr.is_empty(), "{quiet}");
}

#[test]
fn credentials_and_certificates_are_where_docker_has_them() {
    let sandbox = with_image();
    if !certify(&sandbox, "r", "IP:127.0.0.1") {
        return;
    }
    // me:secret, by bcrypt
    sandbox.write("htpasswd", "me:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n");
    let path = |name: &str| sandbox.path(name).display().to_string();
    let more = format!(", tls: {{certificate: {}, key: {}}}", path("r.crt"), path("r.key"));
    let auth = format!("}}\nauth: {{htpasswd: {{realm: r, path: {}}}", path("htpasswd"));
    let Some(registry) = Registry::start(&sandbox, &format!("{more}{auth}")) else { return };
    let name = registry.name("app:1");
    sandbox.rbuild(["tag", "small:1", &name]).success();
    online(&sandbox, &["push", &name]).exits(1).says("certificate").says("--tls-verify=false");
    online(&sandbox, &["push", "--tls-verify=false", &name]).exits(1).says("access is denied");
    sandbox.write(&format!("certs/{}/ca.crt", registry.address), &sandbox.read("ca.crt"));
    let certs = sandbox.path("certs");
    let secure = |args: &[&str], input: &str| {
        let mut command = sandbox.rbuild_command(args);
        command.env_remove("RBUILD_OFFLINE").env("HOME", sandbox.path("home"));
        command.env("RBUILD_CERTS", &certs).stdin(Stdio::piped());
        run(&mut command, input)
    };
    let login = |password: &str| {
        secure(&["login", "-u", "me", "--password-stdin", &registry.address], password)
    };
    login("wrong\n").exits(1).says("cannot log in to the registry").says("access is denied");
    login("secret\n").success().prints("Login Succeeded\n");
    let config = sandbox.read("home/.docker/config.json");
    assert!(config.contains(&format!("\"{}\"", registry.address)), "{config}");
    secure(&["push", &name], "").success();
    secure(&["pull", &name], "").success();
    // The same by podman's file, and by a program that docker's file names.
    sandbox.write("auth.json", &config);
    secure(&["logout", &registry.address], "").success();
    let path = std::env::vars_os().find(|(name, _)| name == "PATH").unwrap().1;
    let path = format!("{}:{}", sandbox.path("bin").display(), path.to_string_lossy());
    let known_by = |variable: &str, value: &str| {
        let mut command = sandbox.rbuild_command(["pull", &name]);
        command.env_remove("RBUILD_OFFLINE").env("HOME", sandbox.path("home"));
        command.env("RBUILD_CERTS", &certs).env(variable, value);
        run(&mut command, "")
    };
    known_by("REGISTRY_AUTH_FILE", &sandbox.path("auth.json").display().to_string()).success();
    known_by("REGISTRY_AUTH_FILE", "/nowhere/auth.json").exits(1).says("access is denied");
    let helper = "#!/bin/sh\nread key\ntest \"$1 $key\" = \"get $EXPECTED\" || exit 1\n\
        echo '{\"Username\":\"me\",\"Secret\":\"secret\"}'\n";
    sandbox.write("bin/docker-credential-own", &helper.replace("$EXPECTED", &registry.address));
    run(sandbox.command("chmod").args(["+x", "bin/docker-credential-own"]), "").success();
    let named = format!("{{\"credHelpers\": {{\"{}\": \"own\"}}}}", registry.address);
    sandbox.write("docker/config.json", &named);
    let docker = sandbox.path("docker").display().to_string();
    let mut command = sandbox.rbuild_command(["pull", &name]);
    command.env_remove("RBUILD_OFFLINE").env("PATH", path).env("DOCKER_CONFIG", docker);
    run(command.env("RBUILD_CERTS", &certs), "").success();
    secure(&["pull", &name], "").exits(1).says(&format!("`rbuild login {}`", registry.address));
    secure(&["logout", &registry.address], "")
        .success()
        .prints(&format!("Not logged in to {}\n", registry.address));
}

/// What `login` gives to the helper that `credsStore` names, pushing and pulling get from there, and `logout` takes away.
#[test]
fn credentials_live_in_a_store_of_their_own() {
    let sandbox = with_image();
    sandbox.write("htpasswd", "me:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n");
    let path = sandbox.path("htpasswd").display().to_string();
    let auth = format!("}}\nauth: {{htpasswd: {{realm: r, path: {path}}}");
    let Some(registry) = Registry::start(&sandbox, &auth) else { return };
    let helper = "#!/bin/sh\ncd $(dirname $0)\ncase $1 in\n\
        store) cat > kept;;\n\
        get) read key; test -e kept || { echo credentials not found in native keychain; exit 1; }; cat kept;;\n\
        erase) rm kept;;\nesac\n";
    sandbox.write("bin/docker-credential-box", helper);
    run(sandbox.command("chmod").args(["+x", "bin/docker-credential-box"]), "").success();
    sandbox.write("home/.docker/config.json", "{\"credsStore\": \"box\", \"other\": 1}");
    let path = std::env::vars_os().find(|(name, _)| name == "PATH").unwrap().1;
    let path = format!("{}:{}", sandbox.path("bin").display(), path.to_string_lossy());
    let asked = |args: &[&str]| online_with(&sandbox, &[("PATH", &path)], args);
    let name = registry.name("app:1");
    sandbox.rbuild(["tag", "small:1", &name]).success();
    asked(&["push", "-q", &name]).exits(1).says("access is denied");
    asked(&["login", "-u", "me", "-p", "secret", &registry.address]).success();
    let kept: serde_json::Value = serde_json::from_str(&sandbox.read("bin/kept")).unwrap();
    assert_eq!(kept["Username"], "me");
    assert_eq!(kept["Secret"], "secret");
    let config = sandbox.read("home/.docker/config.json");
    assert!(config.contains("\"other\"") && !config.contains("secret"), "{config}");
    asked(&["push", "-q", &name]).success();
    asked(&["pull", "-q", &name]).success();
    asked(&["logout", &registry.address]).success();
    assert!(!sandbox.path("bin/kept").exists());
    asked(&["pull", "-q", &name]).exits(1).says("access is denied");
}

/// One that is asked by its name, as docker asks it.
#[test]
fn a_helper_keeps_credentials() {
    let sandbox = Sandbox::new();
    let helper = "#!/bin/sh\ncase $1 in\n\
        get) read key; test \"$key\" = kept.invalid || { echo credentials not found in native keychain; exit 1; }\n\
        echo '{\"Username\":\"me\",\"Secret\":\"s\"}';;\n\
        erase) read key; echo \"$key\" > erased;;\nesac\n";
    sandbox.write("bin/docker-credential-test", helper);
    run(sandbox.command("chmod").args(["+x", "bin/docker-credential-test"]), "").success();
    sandbox.write(
        "home/.docker/config.json",
        "{\"credsStore\": \"test\", \"auths\": {\"kept.invalid\": {}}}",
    );
    let mut command = sandbox.rbuild_command(["logout", "kept.invalid"]);
    let path = std::env::vars_os().find(|(name, _)| name == "PATH").unwrap().1;
    let path = format!("{}:{}", sandbox.path("bin").display(), path.to_string_lossy());
    command.env("PATH", path).env("HOME", sandbox.path("home"));
    run(&mut command, "").success().prints("Removing login credentials for kept.invalid\n");
    assert_eq!(sandbox.read("erased"), "kept.invalid\n");
    assert!(!sandbox.read("home/.docker/config.json").contains("kept.invalid"));
}
