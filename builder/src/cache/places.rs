//! `cache/places`: which record each step of a stage had last, to explain misses and to copy from the layer of before.
//!
//! A file for each stage of a Dockerfile and platform, and one for whichever platform built it last; a line for each step.
//! Lines of before and steps of now are matched by their text, so that a step that was inserted, removed or moved is not
//! taken for a change of its neighbours.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::sync::{Mutex, PoisonError};

use super::{Cache, KeyBuilder, StepKey};
use crate::execute::StepError;

/// Letters of a key in hexadecimal.
const KEY_LENGTH: usize = 64;
/// Of the hash of a text.
const TEXT_LENGTH: usize = 16;

/// A step as it stands in the Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// `RUN`
    word: String,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    place: Place,
    pub(super) key: String,
}

/// What the steps of a stage were before, and are now.
#[derive(Debug)]
pub(crate) struct Places {
    /// The file of this platform, and of any.
    files: [StepKey; 2],
    steps: Vec<Place>,
    before: Vec<Line>,
    /// For each step its line of before.
    matched: Vec<Option<usize>>,
    /// Whether some step was made.
    made: Mutex<bool>,
    keys: Mutex<Vec<Option<StepKey>>>,
}

/// A step that does not follow the one that it followed before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// The key of the step that it followed; none for the base.
    pub(crate) followed: Option<String>,
}

impl Places {
    /// `steps` are keywords and texts; `stage` is what distinguishes it from all others.
    pub(crate) fn open<'a>(
        cache: &Cache,
        stage: &[&[u8]],
        platform: &str,
        steps: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Places {
        let file = |platform: &str| {
            let stage = stage.iter().fold(KeyBuilder::new("stage"), |key, part| key.part(part));
            stage.part(platform.as_bytes()).finish()
        };
        let files = [file(platform), file("any")];
        let steps: Vec<Place> = steps.map(|(word, text)| Place::new(word, text)).collect();
        let read = |file: &StepKey| {
            let text = fs::read_to_string(cache.places.join(file.to_string())).ok()?;
            Some(lines(&text)).filter(|lines| !lines.is_empty())
        };
        let before = files.iter().find_map(read).unwrap_or_default();
        let matched = matched(&steps, &before);
        let keys = Mutex::new(vec![None; steps.len()]);
        Places { files, steps, before, matched, made: Mutex::default(), keys }
    }

    /// The key of the record that a step had before.
    pub(crate) fn former(&self, step: usize) -> Option<&str> {
        let line = self.matched.get(step).copied().flatten()?;
        Some(self.before[line].key.as_str())
    }

    /// None if it follows the same step as before.
    pub(crate) fn moved(&self, step: usize) -> Option<Moved> {
        let line = self.matched.get(step).copied().flatten()?;
        let (followed, follows) = (line.checked_sub(1), step.checked_sub(1));
        if follows.map(|step| self.matched[step]) == followed.map(Some) {
            return None;
        }
        Some(Moved { followed: followed.map(|line| self.before[line].key.clone()) })
    }

    pub(crate) fn set(&self, step: usize, key: StepKey, made: bool) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)[step] = Some(key);
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) |= made;
    }

    /// Writes down what the steps are now; those that were not reached are what they were.
    pub(crate) fn save(&self, cache: &Cache) -> Result<(), StepError> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let made = *self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |(step, place): (usize, &Place)| match keys[step] {
            Some(key) => Some(Line { place: place.clone(), key: key.to_string() }),
            None => self.matched[step].map(|line| self.before[line].clone()),
        };
        let lines: Vec<Line> = self.steps.iter().enumerate().filter_map(line).collect();
        if !made && (lines == self.before || lines.is_empty()) {
            return Ok(());
        }
        let text: String = lines.iter().map(Line::text).collect();
        let [own, any] = &self.files;
        cache.set_place(*own, &text)?;
        if made { cache.set_place(*any, &text) } else { Ok(()) }
    }
}

impl Place {
    fn new(word: &str, text: &[u8]) -> Place {
        let text = blake3::hash(text).to_hex()[..TEXT_LENGTH].to_owned();
        Place { word: word.to_owned(), text }
    }
}

impl Line {
    fn text(&self) -> String {
        format!("{} {} {}\n", self.place.word, self.place.text, self.key)
    }
}

/// A file that is damaged says nothing, as does one of a version before.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let is_hash = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let line = |line: &str| {
        let mut words = line.split(' ');
        let [word, text, key] = [words.next()?, words.next()?, words.next()?];
        let whole =
            is_hash(text, TEXT_LENGTH) && is_hash(key, KEY_LENGTH) && words.next().is_none();
        let place = Place { word: word.to_owned(), text: text.to_owned() };
        whole.then(|| Line { place, key: key.to_owned() })
    };
    text.lines().map(line).collect::<Option<_>>().unwrap_or_default()
}

/// The line of each step: the one with its text; else one with its keyword between the lines of the steps around it; else
/// one with its keyword; else the one at its number.
fn matched(steps: &[Place], before: &[Line]) -> Vec<Option<usize>> {
    let mut matched = vec![None; steps.len()];
    let mut free = vec![true; before.len()];
    let mut by_text: HashMap<(&str, &str), VecDeque<usize>> = HashMap::new();
    for (number, Line { place, .. }) in before.iter().enumerate() {
        by_text.entry((&place.word, &place.text)).or_default().push_back(number);
    }
    for (step, place) in steps.iter().enumerate() {
        let line = by_text.get_mut(&(place.word.as_str(), place.text.as_str()));
        if let Some(line) = line.and_then(VecDeque::pop_front) {
            (matched[step], free[line]) = (Some(line), false);
        }
    }
    let anchors = matched.clone();
    let mut take = |step: usize, line: Option<usize>, free: &mut [bool]| {
        if let Some(line) = line {
            (matched[step], free[line]) = (Some(line), false);
        }
    };
    let rest: Vec<usize> = (0..steps.len()).filter(|step| anchors[*step].is_none()).collect();
    let mut left = Vec::new();
    for step in rest {
        let from = anchors[..step].iter().rev().find_map(|line| *line).map_or(0, |line| line + 1);
        let to = anchors[step..].iter().find_map(|line| *line).unwrap_or(before.len());
        let same_word = |line: &usize| free[*line] && before[*line].place.word == steps[step].word;
        match (from..to).find(same_word) {
            None => left.push(step),
            line => take(step, line, &mut free),
        }
    }
    let mut last = Vec::new();
    for step in left {
        let same_word = |line: &usize| free[*line] && before[*line].place.word == steps[step].word;
        match (0..before.len()).find(same_word) {
            None => last.push(step),
            line => take(step, line, &mut free),
        }
    }
    for step in last {
        let line = Some(step).filter(|line| free.get(*line).copied().unwrap_or(false));
        take(step, line, &mut free);
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of lines, `-` for none.
    #[track_caller]
    fn check(before: &str, now: &str, expected: &str) {
        let places = |text: &str| -> Vec<Place> {
            let steps = text.split(", ").filter(|step| !step.is_empty());
            steps.map(|step| Place::new(step.split(' ').next().unwrap(), step.as_bytes())).collect()
        };
        let line = |place| Line { place, key: String::new() };
        let before: Vec<Line> = places(before).into_iter().map(line).collect();
        let matched = matched(&places(now), &before);
        let shown: Vec<String> = matched
            .iter()
            .map(|line| line.map_or("-".to_owned(), |line| line.to_string()))
            .collect();
        assert_eq!(shown.join(" "), expected, "{now}");
    }

    #[test]
    fn steps_are_known_by_their_text_and_then_by_their_keyword() {
        let before = "COPY a, RUN b, RUN c, WORKDIR d";
        check(before, before, "0 1 2 3");
        check(before, "COPY a, RUN new, RUN b, RUN c, WORKDIR d", "0 - 1 2 3");
        check(before, "COPY a, RUN c, WORKDIR d", "0 2 3");
        check(before, "COPY a, RUN c, RUN b, WORKDIR d", "0 2 1 3");
        check(before, "COPY a, RUN changed, RUN c, WORKDIR d", "0 1 2 3");
        check(before, "COPY a, RUN b, RUN changed, WORKDIR d", "0 1 2 3");
        check(before, "COPY a, COPY new, RUN c, WORKDIR d", "0 1 2 3");
        check(before, "COPY a, RUN b, RUN c, WORKDIR d, COPY new, WORKDIR other", "0 1 2 3 - -");
        check(before, "WORKDIR d, RUN other, RUN c", "3 1 2");
        check("RUN same, RUN same", "RUN same, RUN same, RUN same", "0 1 -");
        check("", "RUN a", "-");
        check("RUN a", "", "");
    }

    #[test]
    fn lines_that_are_not_whole_say_nothing() {
        let line = Line { place: Place::new("RUN", b"a"), key: "0".repeat(KEY_LENGTH) };
        assert_eq!(lines(&line.text().repeat(2)), [line.clone(), line.clone()]);
        for text in ["", &line.key, &line.text().replace("RUN ", ""), &line.text()[..50]] {
            assert_eq!(lines(text), [], "{text}");
        }
        assert_eq!(lines(&(line.text() + "RUN")), []);
    }
}
