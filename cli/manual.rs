//! What is made of the description of a command line: completion scripts for shells, and manual pages.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Args, Command, ValueEnum};

/// Print a script that completes commands and flags in a shell.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// To be read by the shell: `source <(rbuild completion bash)`
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Write the manual pages, one for each command.
#[derive(Debug, Args)]
pub struct ManualArgs {
    /// Directory for them, as `/usr/local/share/man/man1`; made if it does not exist
    #[arg(value_name = "DIR")]
    pub directory: std::path::PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Fish,
    Zsh,
}

/// The script for a program of this command line.
pub fn completion(mut command: Command, shell: Shell) -> String {
    let name = command.get_name().to_owned();
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Zsh => clap_complete::Shell::Zsh,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Writes `PROGRAM.1`, `PROGRAM-COMMAND.1` and so on.
pub fn write_pages(command: Command, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    write_page(&command, None, directory)
}

fn write_page(command: &Command, above: Option<&str>, directory: &Path) -> io::Result<()> {
    let name = match above {
        Some(above) => format!("{above}-{}", command.get_name()),
        None => command.get_name().to_owned(),
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name.to_uppercase()).render(&mut page)?;
    fs::write(directory.join(format!("{name}.1")), page)?;
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set());
    shown.into_iter().try_for_each(|below| write_page(below, Some(&name), directory))
}
