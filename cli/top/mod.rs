//! A container's processes, as `ps` on the host would show them.

mod column;
mod process;

use std::time::SystemTime;

use anyhow::{Result, bail};
use runtime::EngineId;
use runtime::containers::Container;

use crate::format::align_within;
use column::Column;
use process::{Machine, Process};

/// Docker's widths.
const NARROWEST: usize = 20;
const BETWEEN: usize = 1;

/// Refuses options that cannot be honoured.
pub fn check(options: &[String]) -> Result<()> {
    columns(options).map(drop)
}

/// Titles, and a line for each process; `options` are those of `ps`.
pub fn table(engine: &EngineId, container: &Container, options: &[String]) -> Result<String> {
    table_of(&runtime::processes_of(engine, container)?, options)
}

/// The same of processes by their numbers here.
pub fn table_of(processes: &[i32], options: &[String]) -> Result<String> {
    let columns = columns(options)?;
    let machine = Machine::now(SystemTime::now());
    let mut text = line(columns.iter().map(|column| column.title().to_owned()));
    for pid in processes {
        // One that has ended meanwhile is none.
        let Some(process) = Process::read(*pid) else { continue };
        text.push_str(&line(columns.iter().map(|column| column.of(&process, &machine))));
    }
    Ok(align_within(&text, NARROWEST, BETWEEN))
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> =
        cells.map(|cell| crate::terminal_text::line(&cell).into_owned()).collect();
    cells.join("\t") + "\n"
}

/// Of the options of `ps` those that choose columns. Which processes are shown is not for them to say.
fn columns(options: &[String]) -> Result<Vec<Column>> {
    let mut chosen: Vec<Column> = Vec::new();
    let mut words = options.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let bare = word.trim_start_matches('-');
        match bare {
            "ef" | "f" | "fe" | "e" | "A" | "" => {}
            "aux" | "u" | "axu" | "uax" => chosen = Column::list(column::AUX)?,
            "ax" | "a" | "x" => chosen = Column::list(column::AX)?,
            _ => match bare.trim_start_matches(['e', 'A', 'a', 'x']).strip_prefix('o') {
                Some("") => {
                    let Some(list) = words.next() else {
                        bail!("`{word}` needs a list of columns")
                    };
                    chosen.extend(Column::list(list)?);
                }
                Some(list) => chosen.extend(Column::list(list)?),
                None => bail!(
                    "the option `{word}` of `ps` is not supported; known are -ef, aux, ax and -o LIST"
                ),
            },
        }
    }
    match chosen.is_empty() {
        true => Column::list(column::EF),
        false => Ok(chosen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(options: &[&str]) -> Result<String> {
        let options: Vec<String> = options.iter().map(|word| (*word).to_owned()).collect();
        let titles: Vec<_> = columns(&options)?.iter().map(|column| column.title()).collect();
        Ok(titles.join(" "))
    }

    #[test]
    fn options_choose_columns() {
        let usual = "UID PID PPID C STIME TTY TIME CMD";
        for (options, expected) in [
            (&[][..], usual),
            (&["-ef"], usual),
            (&["aux"], "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND"),
            (&["-o", "pid,comm"], "PID COMMAND"),
            (&["-eo", "pid,user"], "PID USER"),
            (&["-opid", "-o", "args"], "PID COMMAND"),
        ] {
            assert_eq!(titles(options).unwrap(), expected, "{options:?}");
        }
        for wrong in [&["-Z"][..], &["-o"], &["-o", "colour"]] {
            assert!(titles(wrong).is_err(), "{wrong:?}");
        }
    }
}
