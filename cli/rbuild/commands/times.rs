//! Times of images: RFC 3339 as stored, "2 hours ago" as shown.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time as images store it, in whole seconds.
pub(super) fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    builder::rfc3339(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// How long ago an RFC 3339 time was, as docker says it. What is no time is shown as it is.
pub(super) fn since(created: Option<&str>, now: SystemTime) -> String {
    let Some(created) = created else { return "N/A".to_owned() };
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    match unix_seconds(created) {
        Some(then) => format!("{} ago", in_words(i64::try_from(now).unwrap_or(i64::MAX) - then)),
        None => created.to_owned(),
    }
}

fn in_words(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..MINUTE => format!("{seconds} seconds"),
        _ if seconds < 2 * MINUTE => "About a minute".to_owned(),
        _ if seconds < HOUR => format!("{} minutes", seconds / MINUTE),
        _ if seconds < 2 * HOUR => "About an hour".to_owned(),
        _ if seconds < 2 * DAY => format!("{} hours", seconds / HOUR),
        _ if seconds < 14 * DAY => format!("{} days", seconds / DAY),
        _ if seconds < 60 * DAY => format!("{} weeks", seconds / (7 * DAY)),
        _ if seconds < 730 * DAY => format!("{} months", seconds / (30 * DAY)),
        _ => format!("{} years", seconds / (365 * DAY)),
    }
}

/// Seconds since 1970 of `2026-01-02T03:04:05[.678][Z|+01:00]`.
fn unix_seconds(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let bytes = text.as_bytes();
    if separators.iter().any(|(at, expected)| bytes.get(*at) != Some(expected)) {
        return None;
    }
    let days = days_since_1970(number(0..4)?, number(5..7)?, number(8..10)?)?;
    let seconds = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    Some(days * 86_400 + seconds - offset(text.get(19..)?)?)
}

/// Seconds east of Greenwich, after an optional fraction.
fn offset(rest: &str) -> Option<i64> {
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|char: char| char.is_ascii_digit()),
        None => rest,
    };
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

/// Days of the Gregorian calendar; years begin in March so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(unix_seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix_seconds("2026-11-24T00:54:23.123456789Z"), Some(1_795_481_663));
        assert_eq!(unix_seconds("2024-02-29T12:00:00+02:00"), Some(1_709_200_800));
        for wrong in ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00"] {
            assert_eq!(unix_seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for seconds in [0, 68_169_600, 1_709_164_800, 1_795_481_663, 4_102_444_799] {
            let text = rfc3339(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(unix_seconds(&text), i64::try_from(seconds).ok(), "{text}");
        }
    }

    #[test]
    fn ages_read_as_dockers() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let then = Some("1970-01-01T00:00:00Z");
        assert_eq!(since(then, at(0)), "Less than a second ago");
        assert_eq!(since(then, at(59)), "59 seconds ago");
        assert_eq!(since(then, at(7200)), "2 hours ago");
        assert_eq!(since(then, at(86_400 * 21)), "3 weeks ago");
        assert_eq!(since(None, at(0)), "N/A");
    }
}
