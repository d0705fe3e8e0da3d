//! Signals by name and number, as they are typed.

use super::{Result, ValueError};

pub const TERM: i32 = 15;

/// Linux's names on x86-64 and ARM, by number from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// Other names of the same.
const OTHERS: [(&str, i32); 4] = [("IOT", 6), ("CLD", 17), ("POLL", 29), ("UNUSED", 31)];
const FIRST_REAL_TIME: i32 = 34;
const LAST_REAL_TIME: i32 = 64;

/// `9`, `KILL`, `SIGKILL`, `sigkill`, `RTMIN+3`.
pub fn parse(text: &str) -> Result<i32> {
    if let Ok(number) = text.parse::<i32>() {
        if !(1..=LAST_REAL_TIME).contains(&number) {
            return Err(ValueError::SignalNumber { number, last: LAST_REAL_TIME });
        }
        return Ok(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let known = NAMES.iter().copied().zip(1..).chain(OTHERS);
    let known = known.into_iter().find(|(known, _)| *known == name).map(|(_, number)| number);
    match known.or_else(|| real_time(name)) {
        Some(number) => Ok(number),
        None => Err(ValueError::Signal { text: text.to_owned() }),
    }
}

fn real_time(name: &str) -> Option<i32> {
    let offset = |rest: &str, sign: char| match rest {
        "" => Some(0),
        _ => rest.strip_prefix(sign)?.parse::<i32>().ok(),
    };
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => FIRST_REAL_TIME + offset(rest, '+')?,
        (_, Some(rest)) => LAST_REAL_TIME - offset(rest, '-')?,
        _ => return None,
    };
    (FIRST_REAL_TIME..=LAST_REAL_TIME).contains(&number).then_some(number)
}

/// `SIGTERM`; a number where there is no name.
pub fn name(number: i32) -> String {
    let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
    NAMES.get(index).map_or(number.to_string(), |name| format!("SIG{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for (text, expected) in [
            ("9", 9),
            ("KILL", 9),
            ("SIGKILL", 9),
            ("sigterm", 15),
            ("sys", 31),
            ("CLD", 17),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("64", 64),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        for wrong in ["", "0", "65", "-1", "SIGNOPE", "RTMIN+40", "RTMAX+1", "SIG"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!((name(15), name(40)), ("SIGTERM".to_owned(), "40".to_owned()));
    }
}
