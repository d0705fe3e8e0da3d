//! Programs that are run at certain moments of a container's life, with its state as their standard input.
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::spec::{Hook, HookState};
use crate::zygote::message::{Step, StepError};

/// So much of what a hook says goes into an error.
const MOST_WORDS: u64 = 2000;

/// In this process's namespaces, one after the other; the first that fails is the last.
pub(crate) fn run_all(hooks: &[Hook], state: &HookState) -> Result<(), StepError> {
    hooks.iter().try_for_each(|hook| run(hook, state))
}

/// In a container, which numbers its processes itself.
pub(crate) fn run_here(hooks: &[Hook], state: &HookState) -> Result<(), StepError> {
    if hooks.is_empty() {
        return Ok(());
    }
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    run_all(hooks, &HookState { pid: Some(pid), ..state.clone() })
}

fn run(hook: &Hook, state: &HookState) -> Result<(), StepError> {
    let step = || format!("run hook `{}`", hook.path.display());
    // Not a pipe: nobody waits for what a hook leaves running.
    let words = memfd_create("hook", MemfdFlags::CLOEXEC).step(step())?;
    let mut child = spawn(hook, &words).step(step())?;
    let text = serde_json::to_vec(state).step(step())?;
    if let Some(mut input) = child.stdin.take() {
        // One that does not want to know is none the worse for it.
        let _unread = input.write_all(&text);
    }
    let status = wait(&mut child, hook.timeout).step(step())?;
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("{}{}", how(status), said(words))).step(step()),
        None => {
            let seconds = hook.timeout.unwrap_or_default();
            Err(format!("it was not done after {seconds} s{}", said(words))).step(step())
        }
    }
}

fn spawn(hook: &Hook, words: &OwnedFd) -> std::io::Result<Child> {
    let mut command = Command::new(&hook.path);
    if let Some((name, rest)) = hook.args.split_first() {
        command.arg0(name).args(rest);
    }
    command.env_clear();
    for entry in &hook.env {
        if let Some((name, value)) = entry.split_once('=') {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::piped()).stdout(words.try_clone()?).stderr(words.try_clone()?);
    command.spawn()
}

/// None when it took too long and was killed.
fn wait(child: &mut Child, timeout: Option<u64>) -> std::io::Result<Option<ExitStatus>> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let (Some(seconds), Some(pid)) = (timeout, pid) {
        let ended = pidfd_open(pid, PidfdFlags::empty())?;
        let most = Timespec::try_from(Duration::from_secs(seconds)).unwrap_or_default();
        if poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&most))? == 0 {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
    }
    child.wait().map(Some)
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it failed with exit code {code}"),
        (None, signal) => format!("it was killed by signal {}", signal.unwrap_or_default()),
    }
}

fn said(words: OwnedFd) -> String {
    let mut file = File::from(words);
    let mut text = Vec::new();
    // Without its words the error is still one.
    let _unread = file.rewind().and_then(|()| file.take(MOST_WORDS).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    if text.trim().is_empty() { String::new() } else { format!(": {}", text.trim()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(script: &str, timeout: Option<u64>) -> Hook {
        let args = ["hook", "-c", script].map(str::to_owned).to_vec();
        Hook { path: "/bin/sh".into(), args, env: vec!["WORD=x".to_owned()], timeout }
    }

    #[test]
    fn hooks_read_the_state_and_tell_why_they_fail() {
        let state = HookState { id: "c1".to_owned(), ..HookState::default() };
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("told");
        let script = format!("cat > {}; printf %s \"$WORD$HOME\" >> {0}", file.display());
        run_all(&[hook(&script, Some(60))], &state).unwrap_or_else(|error| panic!("{error:?}"));
        let told = std::fs::read_to_string(&file).unwrap();
        assert!(told.contains("\"id\":\"c1\"") && told.ends_with("}x"), "{told}");
        let failed = |script, timeout| run_all(&[hook(script, timeout)], &state).unwrap_err().cause;
        assert_eq!(failed("echo no >&2; exit 3", None), "it failed with exit code 3: no");
        assert_eq!(failed("kill -9 $$", None), "it was killed by signal 9");
        assert_eq!(failed("exec sleep 600", Some(0)), "it was not done after 0 s");
    }
}
