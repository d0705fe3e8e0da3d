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
pub(super) fn date_and_time(created: Option<&str>) -> String {
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
pub(super) fn whole_seconds(created: Option<&str>) -> String {
    match created.map(|created| (created, unix_seconds(created))) {
        Some((_, Some(seconds))) => builder::rfc3339(seconds),
        Some((created, None)) => created.to_owned(),
        None => "N/A".to_owned(),
    }
}

/// A time to compare with others: seconds since 1970, then the fraction.
pub(super) type Instant = (i64, u32);

/// When an image was made; what says nothing is older than everything.
pub(super) fn instant(created: Option<&str>) -> Instant {
    let Some(created) = created else { return (i64::MIN, 0) };
    let fraction = created.split_once('.').map_or("", |(_, behind)| behind);
    let digits: String = fraction.chars().take_while(char::is_ascii_digit).take(9).collect();
    let nanoseconds = format!("{digits:0<9}").parse().unwrap_or(0);
    unix_seconds(created).map_or((i64::MIN, 0), |seconds| (seconds, nanoseconds))
}

/// A time of this machine's; long ago if it is before 1970.
pub(super) fn of_system(time: SystemTime) -> Instant {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}

/// The moment that `until=` means: an age (`24h`), seconds since 1970, or a date with or without time, which is
/// UTC unless it says otherwise.
pub(super) fn moment(text: &str, now: SystemTime) -> Option<Instant> {
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
