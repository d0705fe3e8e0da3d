//! `--since`, `--until`, `--tail` and `--follow`, which lines of a log are meant.

use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use engine::logs::LogQuery;

use crate::times;

pub fn log_query(
    since: Option<&str>,
    until: Option<&str>,
    tail: &str,
    follow: bool,
) -> Result<LogQuery> {
    let moment = |flag: &str, text: Option<&str>| {
        let parsed = text.map(|text| {
            times::moment(text, SystemTime::now())
                .with_context(|| format!("`{flag} {text}` is no time and no duration"))
        });
        parsed.transpose()
    };
    let tail = match tail {
        "all" => None,
        // As docker: a number below zero is all of them.
        text => match text.parse::<i64>() {
            Ok(number) => usize::try_from(number).ok(),
            Err(_) => bail!("`--tail {text}` is no number of lines, nor `all`"),
        },
    };
    Ok(LogQuery {
        since: moment("--since", since)?,
        until: moment("--until", until)?,
        tail,
        follow,
    })
}
