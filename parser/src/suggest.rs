//! "Did you mean …?": the nearest candidate by edit distance.

/// Names further away than this are not worth proposing.
const MAX_DISTANCE: usize = 2;

/// The candidate nearest to `name`, case mattering (variable names, stage references).
///
/// `None` when nothing is near, and when `name` is itself a candidate: then the error is
/// about something else.
pub fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    let mut best = None;
    let mut best_distance = MAX_DISTANCE + 1;
    for candidate in candidates {
        if candidate == name {
            return None;
        }
        if candidate.chars().count().abs_diff(length) > MAX_DISTANCE {
            continue;
        }
        let distance = edit_distance(name, candidate);
        if distance < best_distance {
            best_distance = distance;
            best = Some(candidate);
        }
    }
    best
}

/// Levenshtein distance in characters.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut previous: Vec<usize> = (0..=to.len()).collect();
    for (row, from_char) in from.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, to_char) in to.iter().enumerate() {
            let replaced = previous[column] + usize::from(from_char != *to_char);
            let inserted = current[column] + 1;
            let removed = previous[column + 1] + 1;
            current.push(replaced.min(inserted).min(removed));
        }
        previous = current;
    }
    previous[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", "abc"), 0);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("BULIDPLATFORM", "BUILDPLATFORM"), 2);
    }

    #[test]
    fn nearest_wins_and_the_first_of_equals() {
        assert_eq!(suggest("fo", ["foo", "fob"]), Some("foo"));
        assert_eq!(suggest("versoin", ["region", "version"]), Some("version"));
        assert_eq!(suggest("MYARCH", ["TARGETARCH", "MY_ARCH"]), Some("MY_ARCH"));
    }

    #[test]
    fn far_or_exact_gives_nothing() {
        assert_eq!(suggest("abc", ["something"]), None);
        assert_eq!(suggest("abc", ["abd", "abc"]), None);
        assert_eq!(suggest("abc", []), None);
        assert_eq!(suggest("FORM", ["from"]), None);
        assert_eq!(suggest("ab", ["abcde"]), None);
    }
}
