//! A project in a directory of its own, whose containers do not outlive their test.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Output, Sandbox, privileged, run};

pub(super) struct Stack {
    pub(super) sandbox: Sandbox,
}

impl Stack {
    /// None, with the reason printed, where containers cannot be started.
    pub(super) fn new(compose: &str) -> Option<Stack> {
        if !privileged() {
            return None;
        }
        Some(Stack::within(Sandbox::with_busybox(), compose))
    }

    /// The same in a sandbox that has the image already.
    pub(super) fn within(sandbox: Sandbox, compose: &str) -> Stack {
        let stack = Stack { sandbox };
        stack.write(compose);
        stack
    }

    pub(super) fn write(&self, compose: &str) {
        self.sandbox.write("shop/compose.yaml", compose);
    }

    pub(super) fn command(&self, line: &str) -> Command {
        let mut command = self.sandbox.command(env!("CARGO_BIN_EXE_rcompose"));
        command.current_dir(self.sandbox.path("shop")).args(line.split(' '));
        command
    }

    /// The words of a command line.
    #[track_caller]
    pub(super) fn rcompose(&self, line: &str) -> Output {
        run(&mut self.command(line), "")
    }

    /// What a successful command prints, without the end of the last line.
    #[track_caller]
    pub(super) fn ask(&self, line: &str) -> String {
        self.rcompose(line).success().stdout.trim_end().to_owned()
    }

    /// Asks again until it is so.
    #[track_caller]
    pub(super) fn until(&self, line: &str, expected: &str) {
        let began = Instant::now();
        loop {
            // What is being made anew does not answer in between.
            let output = self.rcompose(line);
            let found = output.stdout.trim_end();
            if output.status == Some(0) && found == expected {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "not {expected:?}: {output}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Takes all of it down and fails if anything is left of it.
    #[track_caller]
    pub(super) fn assert_goes(&self) {
        self.rcompose("down -v --remove-orphans -t 0").success();
        assert_eq!(self.ask("ps -aq"), "");
        self.sandbox.rbuild(["ps", "-aq"]).success().prints("");
        let networks = self.sandbox.rbuild(["network", "ls", "--format", "{{.Name}}"]).success();
        assert!(!networks.stdout.contains("shop"), "{networks}");
        self.sandbox.validate();
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // What a failed test has left.
        let _left = self.command("down -v --remove-orphans -t 0").output();
    }
}
