//! The history of an image: one entry for each instruction, in BuildKit's words.

pub(crate) use parser::sexpr::quote as go_quote;
use store::{History, ImageConfig};

/// Says which program wrote the entry; tools look for it.
const COMMENT: &str = "buildkit.dockerfile.v0";

/// Whether an instruction made a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    Made,
    None,
}

/// Adds an entry. `created` is left to the commit when no time is prescribed.
pub(crate) fn append(config: &mut ImageConfig, text: String, layer: Layer, created: Option<i64>) {
    config.history.push(History {
        created: created.map(rfc3339),
        created_by: text,
        comment: COMMENT.to_owned(),
        empty_layer: layer == Layer::None,
        ..History::default()
    });
}

/// `RUN |1 A=b /bin/sh -c make # buildkit`
pub(crate) fn run_text(args: &[String], declared: &[(String, String)]) -> String {
    let mut words = Vec::new();
    if !declared.is_empty() {
        words.push(format!("|{}", declared.len()));
        words.extend(declared.iter().map(|(name, value)| format!("{name}={value}")));
    }
    words.extend(args.iter().cloned());
    format!("RUN {} # buildkit", words.join(" "))
}

/// `["a" "b"]`: the form in which CMD and ENTRYPOINT are shown.
pub(crate) fn quoted_list(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| go_quote(word)).collect();
    format!("[{}]", quoted.join(" "))
}

/// Seconds since 1970 as `2015-10-21T07:28:00Z`.
pub fn rfc3339(seconds: i64) -> String {
    let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day number (0 is 1970-01-01), in the Gregorian calendar.
fn civil_date(days: i64) -> (i64, i64, i64) {
    // Years are counted from 1 March of year 0, so that the leap day is a year's last.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_445_412_480), "2015-10-21T07:28:00Z");
        assert_eq!(rfc3339(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn run_lists_the_arguments_in_force() {
        let args = ["/bin/sh", "-c", "make"].map(str::to_owned);
        assert_eq!(run_text(&args, &[]), "RUN /bin/sh -c make # buildkit");
        let declared = [("A".to_owned(), "1".to_owned()), ("B".to_owned(), String::new())];
        assert_eq!(run_text(&args, &declared), "RUN |2 A=1 B= /bin/sh -c make # buildkit");
    }

    #[test]
    fn words_are_quoted_as_go_does() {
        let words = ["echo $HOME \"x\\y\"".to_owned(), "a\tb\u{1}ñ\u{a0}".to_owned()];
        assert_eq!(quoted_list(&words), r#"["echo $HOME \"x\\y\"" "a\tb\x01ñ\u00a0"]"#);
    }
}
