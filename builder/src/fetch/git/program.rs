//! Running the program `git` so that nothing but what is said here decides what it does: no configuration and no
//! variables of the user, no hooks, no questions, no transports but the one that is meant.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::GitSettings;
use super::credentials::Credentials;
use super::error::GitError;
use crate::cancel::Cancel;
use crate::fetch::HttpSettings;

/// What git writes to stdout is read into memory: the references of a repository, or names of files.
const MOST_OUTPUT: u64 = 256 << 20;
const MOST_ERRORS: u64 = 64 << 10;
/// How long a git that was told to end has for it.
const GRACE: Duration = Duration::from_secs(3);

/// Settings for every call. Those that come from repositories rank below.
const CONFIG: [(&str, &str); 14] = [
    ("advice.detachedHead", "false"),
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.logAllRefUpdates", "false"),
    ("credential.helper", ""),
    ("fetch.recurseSubmodules", "false"),
    ("gc.auto", "0"),
    ("http.lowSpeedLimit", "1"),
    // Seconds of silence, as for other downloads.
    ("http.lowSpeedTime", "60"),
    ("init.defaultBranch", "master"),
    ("maintenance.auto", "false"),
    ("pack.threads", "1"),
    ("pack.writeReverseIndex", "false"),
    ("submodule.recurse", "false"),
];

/// How git is found and reaches servers.
#[derive(Clone, Debug)]
pub(super) struct Program<'a> {
    pub(super) settings: &'a GitSettings,
    pub(super) http: &'a HttpSettings,
    pub(super) cancel: &'a Cancel,
    /// The user's ssh agent, if it may be used.
    pub(super) agent: Option<PathBuf>,
    /// The keys of hosts that were met before.
    pub(super) known_hosts: PathBuf,
}

/// One call of git.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    /// For messages: `cannot {act} {repository}`.
    pub(super) act: &'static str,
    pub(super) repository: &'a str,
    /// For hints.
    pub(super) host: Option<&'a str>,
    /// The only one that is allowed.
    pub(super) transport: &'a str,
    pub(super) credentials: Option<(&'a str, &'a Credentials)>,
    pub(super) git_dir: &'a Path,
    pub(super) work_tree: Option<&'a Path>,
    pub(super) index: Option<&'a Path>,
}

impl Program<'_> {
    /// What git writes to stdout.
    pub(super) fn run<A: AsRef<OsStr>>(
        &self,
        call: &Call<'_>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<u8>, GitError> {
        let (status, stdout, stderr) = self.start(call, args)?;
        if self.cancel.is_cancelled() {
            return Err(GitError::Cancelled);
        }
        if stdout.len() as u64 > MOST_OUTPUT {
            return Err(GitError::Flood { repository: call.repository.to_owned() });
        }
        if status.success() {
            return Ok(stdout);
        }
        Err(GitError::Failed {
            act: call.act,
            repository: call.repository.to_owned(),
            output: String::from_utf8_lossy(&stderr).into_owned(),
            host: call.host.map(str::to_owned),
        })
    }

    fn start<A: AsRef<OsStr>>(
        &self,
        call: &Call<'_>,
        args: impl IntoIterator<Item = A>,
    ) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), GitError> {
        if self.cancel.is_cancelled() {
            return Err(GitError::Cancelled);
        }
        let mut command = Command::new("git");
        command.args(args).env_clear().current_dir(call.work_tree.unwrap_or(Path::new("/")));
        command.envs(self.variables(call)).envs(configuration(call));
        // A group of its own: the helpers that git starts are ended with it.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => {
                GitError::NotInstalled { repository: call.repository.to_owned() }
            }
            _ => GitError::Start { source },
        };
        let child = command.spawn().map_err(failed)?;
        finish(child, self.cancel).map_err(|source| GitError::Start { source })
    }

    fn variables(&self, call: &Call<'_>) -> Vec<(&'static str, OsString)> {
        let mut variables: Vec<(&str, OsString)> = vec![
            ("PATH", self.settings.search_path.clone()),
            ("HOME", "/dev/null".into()),
            ("LC_ALL", "C".into()),
            ("GIT_ALLOW_PROTOCOL", call.transport.into()),
            ("GIT_ATTR_NOSYSTEM", "1".into()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_DIR", call.git_dir.into()),
            ("GIT_NO_REPLACE_OBJECTS", "1".into()),
            ("GIT_SSH_COMMAND", self.ssh().into()),
            ("GIT_SSH_VARIANT", "ssh".into()),
            ("GIT_TERMINAL_PROMPT", "0".into()),
            ("SSH_ASKPASS_REQUIRE", "never".into()),
        ];
        let sudo_uid = self.settings.sudo_uid.iter();
        variables.extend(sudo_uid.map(|uid| ("SUDO_UID", uid.clone())));
        let paths = [("GIT_WORK_TREE", call.work_tree), ("GIT_INDEX_FILE", call.index)];
        variables.extend(paths.into_iter().filter_map(|(name, path)| Some((name, path?.into()))));
        variables.extend(self.agent.iter().map(|socket| ("SSH_AUTH_SOCK", socket.into())));
        let http = self.http;
        let proxies = [
            ("http_proxy", &http.http_proxy),
            ("https_proxy", &http.https_proxy),
            ("no_proxy", &http.no_proxy),
        ];
        let proxies = proxies.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        variables.extend(proxies.map(|(name, value)| (name, value.into())));
        let authorities = http.authorities.iter().find(|path| path.exists());
        variables.extend(authorities.map(|path| ("GIT_SSL_CAINFO", path.into())));
        variables
    }

    /// Hosts nobody knows yet are remembered, others have to be what they were. Keys come from the agent alone.
    fn ssh(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
        let known_hosts = self.known_hosts.to_string_lossy();
        let known_hosts = known_hosts.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
        let known_hosts = format!("UserKnownHostsFile=\"{known_hosts}\" ~/.ssh/known_hosts");
        let options = [
            "BatchMode=yes",
            "ConnectTimeout=30",
            "ControlMaster=no",
            "ControlPath=none",
            "IdentityFile=none",
            "LogLevel=ERROR",
            "StrictHostKeyChecking=accept-new",
            &known_hosts,
            if self.agent.is_some() { "IdentityAgent=SSH_AUTH_SOCK" } else { "IdentityAgent=none" },
        ];
        let options: Vec<String> = options.iter().map(|option| quoted(option)).collect();
        format!("ssh -F /dev/null -o {}", options.join(" -o "))
    }
}

/// Settings as variables: arguments can be seen by everybody.
fn configuration(call: &Call<'_>) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> =
        CONFIG.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    if let Some((remote, Credentials { authorization: Some(authorization) })) = call.credentials {
        let header = format!("Authorization: {authorization}");
        settings.push((format!("http.{remote}.extraHeader"), header));
        // Git would take the header along to wherever it is sent.
        settings.push(("http.followRedirects".to_owned(), "false".to_owned()));
    }
    let mut variables = vec![("GIT_CONFIG_COUNT".to_owned(), settings.len().to_string())];
    for (number, (key, value)) in settings.into_iter().enumerate() {
        variables.push((format!("GIT_CONFIG_KEY_{number}"), key));
        variables.push((format!("GIT_CONFIG_VALUE_{number}"), value));
    }
    variables
}

/// Reads everything and waits for the end, which a cancelled build brings about.
fn finish(mut child: Child, cancel: &Cancel) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let group = Arc::new(Mutex::new(Pid::from_raw(child.id().cast_signed())));
    let stopper = group.clone();
    let _watching = cancel.on_cancel(move || stop(&stopper));
    let stderr = child.stderr.take();
    let errors = std::thread::spawn(move || read_some(stderr, MOST_ERRORS));
    let stdout = read_some(child.stdout.take(), MOST_OUTPUT + 1);
    let stderr = errors.join().unwrap_or_default();
    if let Some(pid) = lock(&group).as_ref().copied() {
        // Ended, but not yet waited for: the number still means it.
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    }
    *lock(&group) = None;
    Ok((child.wait()?, stdout, stderr))
}

/// What there is, but no more than `most`; the rest is read and forgotten.
fn read_some(from: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        // A pipe that breaks has ended.
        let _ = from.by_ref().take(most).read_to_end(&mut bytes);
        let _ = io::copy(&mut from, &mut io::sink());
    }
    bytes
}

/// Asks git and its helpers to end, and ends them if they do not.
fn stop(group: &Arc<Mutex<Option<Pid>>>) {
    signal(group, Signal::TERM);
    let group = group.clone();
    std::thread::spawn(move || {
        std::thread::sleep(GRACE);
        signal(&group, Signal::KILL);
    });
}

fn signal(group: &Mutex<Option<Pid>>, signal: Signal) {
    if let Some(pid) = *lock(group) {
        // It may have ended.
        let _ = kill_process_group(pid, signal);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
