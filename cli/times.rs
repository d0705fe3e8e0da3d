//! Times of images: RFC 3339 as stored, "2 hours ago" as shown.

use std::time::{SystemTime, UNIX_EPOCH};

use engine::time::unix_seconds;
pub use engine::time::{Instant, instant};

/// The time as images store it, in whole seconds.
pub fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    builder::rfc3339(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// How long ago an RFC 3339 time was, as docker says it. What is no time is shown as it is.
pub fn since(created: Option<&str>, now: SystemTime) -> String {
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
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..MINUTE => format!("{seconds} seconds"),
        _ if seconds < 2 * MINUTE => "About a minute".to_owned(),
        _ if seconds < HOUR => format!("{} minutes", seconds / MINUTE),
        _ => in_hours((seconds + HOUR / 2) / HOUR),
    }
}

/// Hours are rounded, what is longer is cut.
fn in_hours(hours: i64) -> String {
    const DAY: i64 = 24;
    match hours {
        ..=1 => "About an hour".to_owned(),
        2..48 => format!("{hours} hours"),
        _ if hours < 14 * DAY => format!("{} days", hours / DAY),
        _ if hours < 60 * DAY => format!("{} weeks", hours / DAY / 7),
        _ if hours < 730 * DAY => format!("{} months", hours / DAY / 30),
        _ => format!("{} years", hours / DAY / 365),
    }
}

/// The time as docker shows it in lists of images, in UTC: `2026-01-02 03:04:05 +0000 UTC`.
pub fn date_and_time(created: Option<&str>) -> String {
    match created.map(|created| (created, unix_seconds(created))) {
        Some((_, Some(seconds))) => {
            let text = builder::rfc3339(seconds);
            format!("{} +0000 UTC", text.trim_end_matches('Z').replace('T', " "))
        }
        Some((created, None)) => created.to_owned(),
        None => "N/A".to_owned(),
    }
}

/// The time in whole seconds and UTC: `2026-01-02T03:04:05Z`.
pub fn whole_seconds(created: Option<&str>) -> String {
    match created.map(|created| (created, unix_seconds(created))) {
        Some((_, Some(seconds))) => builder::rfc3339(seconds),
        Some((created, None)) => created.to_owned(),
        None => "N/A".to_owned(),
    }
}

/// Times of lines are as long as each other.
pub fn nine_digits(time: &str) -> String {
    let bare = time.trim_end_matches('Z');
    let (seconds, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    format!("{seconds}.{fraction:0<9}Z")
}

/// A time of this machine's; long ago if it is before 1970.
pub fn of_system(time: SystemTime) -> Instant {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}

/// The moment that `until=` means: an age (`24h`), seconds since 1970, or a date with or without time, which is
/// UTC unless it says otherwise.
pub fn moment(text: &str, now: SystemTime) -> Option<Instant> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    if let Ok(age) = parser::duration::parse(text) {
        let then = i128::try_from(now.as_nanos()).ok()? - i128::from(age);
        let second = 1_000_000_000;
        let seconds = i64::try_from(then.div_euclid(second)).ok()?;
        return Some((seconds, u32::try_from(then.rem_euclid(second)).ok()?));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((text.parse().ok()?, 0));
    }
    let complete = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        13 => format!("{text}:00:00Z"),
        16 => format!("{text}:00Z"),
        _ => text.to_owned(),
    };
    let zoned = [complete.clone(), format!("{complete}Z")];
    zoned.iter().find(|text| unix_seconds(text).is_some()).map(|text| instant(Some(text)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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
        assert_eq!(since(then, at(3599)), "59 minutes ago");
        assert_eq!(since(then, at(3600)), "About an hour ago");
        assert_eq!(since(then, at(5399)), "About an hour ago");
        assert_eq!(since(then, at(5400)), "2 hours ago");
        assert_eq!(since(then, at(7200)), "2 hours ago");
        assert_eq!(since(then, at(86_400 * 2 - 1801)), "47 hours ago");
        assert_eq!(since(then, at(86_400 * 2)), "2 days ago");
        assert_eq!(since(then, at(86_400 * 59)), "8 weeks ago");
        assert_eq!(since(then, at(86_400 * 60)), "2 months ago");
        assert_eq!(since(then, at(86_400 * 729)), "24 months ago");
        assert_eq!(since(then, at(86_400 * 730)), "2 years ago");
        assert_eq!(since(then, at(86_400 * 21)), "3 weeks ago");
        assert_eq!(since(None, at(0)), "N/A");
    }

    #[test]
    fn times_of_lines_have_nine_digits() {
        assert_eq!(nine_digits("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05.000000000Z");
        assert_eq!(nine_digits("2026-01-02T03:04:05.12Z"), "2026-01-02T03:04:05.120000000Z");
    }

    #[test]
    fn moments_are_ages_and_dates() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let table = [
            ("1h", Some((996_400, 0))),
            ("0.5s", Some((999_999, 500_000_000))),
            ("5", Some((5, 0))),
            ("1970-01-02", Some((86_400, 0))),
            ("1970-01-02T01", Some((90_000, 0))),
            ("1970-01-02T01:01", Some((90_060, 0))),
            ("1970-01-02T01:01:01", Some((90_061, 0))),
            ("1970-01-02T01:01:01.25", Some((90_061, 250_000_000))),
            ("1970-01-02T01:01:01.5+01:00", Some((86_461, 500_000_000))),
            ("yesterday", None),
            ("", None),
            ("1970-13-01", None),
        ];
        for (text, expected) in table {
            assert_eq!(moment(text, now), expected, "{text}");
        }
    }

    #[test]
    fn times_are_shown_in_utc() {
        let created = Some("2026-11-24T01:54:23.5+01:00");
        assert_eq!(date_and_time(created), "2026-11-24 00:54:23 +0000 UTC");
        assert_eq!(whole_seconds(created), "2026-11-24T00:54:23Z");
        assert_eq!(date_and_time(None), "N/A");
        assert!(instant(None) < instant(Some("1970-01-01T00:00:00Z")));
        assert!(instant(Some("2026-01-01T00:00:00.1Z")) > instant(Some("2026-01-01T00:00:00.09Z")));
    }
}
