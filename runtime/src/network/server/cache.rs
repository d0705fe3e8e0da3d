//! Answers of other servers, kept for as long as they say and not longer than a few seconds: a program that connects
//! often asks the same question each time.
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::wire::skip_name;

/// As many questions; more of them begin anew.
const MOST: usize = 1000;
/// What is not found now may be there soon, and what has moved is to be found: as for names of containers.
const LONGEST: Duration = Duration::from_secs(5);
const HEADER: usize = 12;
/// The record of options, whose time to live is none.
const OPTIONS: u16 = 41;

#[derive(Debug, Default)]
pub(super) struct Cache {
    /// By the question as it came but for its number, so that an answer fits in every respect.
    answers: HashMap<Vec<u8>, Kept>,
}

#[derive(Debug)]
struct Kept {
    answer: Vec<u8>,
    /// Where times to live are in it.
    times: Vec<usize>,
    since: Instant,
    until: Instant,
}

impl Cache {
    /// The answer to this question as of `now`.
    pub(super) fn find(&mut self, question: &[u8], now: Instant) -> Option<Vec<u8>> {
        let (number, rest) = question.split_at_checked(2)?;
        let kept = self.answers.get(rest).filter(|kept| now < kept.until)?;
        let age = now.duration_since(kept.since).as_secs() as u32;
        let mut answer = kept.answer.clone();
        answer[..2].copy_from_slice(number);
        for at in &kept.times {
            if let Some(time) = read_u32(&answer, *at) {
                answer[*at..at + 4].copy_from_slice(&time.saturating_sub(age).to_be_bytes());
            }
        }
        Some(answer)
    }

    /// Keeps an answer if it may be kept: whole, and either with records or a clear no.
    pub(super) fn keep(&mut self, question: &[u8], answer: &[u8], now: Instant) {
        let Some((_, rest)) = question.split_at_checked(2) else { return };
        let Some((times, least)) = times_to_live(answer) else { return };
        if least == 0 || !is_about(question, answer) {
            return;
        }
        if self.answers.len() >= MOST {
            self.answers.retain(|_, kept| now < kept.until);
        }
        if self.answers.len() >= MOST {
            self.answers.clear();
        }
        let until = now + LONGEST.min(Duration::from_secs(least.into()));
        let kept = Kept { answer: answer.to_vec(), times, since: now, until };
        self.answers.insert(rest.to_vec(), kept);
    }
}

/// It repeats the question, as every server does.
fn is_about(question: &[u8], answer: &[u8]) -> bool {
    let end = skip_name(question, HEADER).map(|end| end + 4);
    let part = |message: &[u8]| message.get(HEADER..end?).map(<[u8]>::to_ascii_lowercase);
    part(question).is_some() && part(question) == part(answer)
}

/// Where the times are, and the shortest. None for what is not to be kept.
fn times_to_live(answer: &[u8]) -> Option<(Vec<usize>, u32)> {
    const TRUNCATED: u16 = 1 << 9;
    const NO_SUCH_NAME: u16 = 3;
    let half = |at: usize| Some(u16::from_be_bytes([*answer.get(at)?, *answer.get(at + 1)?]));
    let flags = half(2)?;
    if flags & TRUNCATED != 0 || !matches!(flags & 0xf, 0 | NO_SUCH_NAME) {
        return None;
    }
    let mut at = HEADER;
    for _ in 0..half(4)? {
        at = skip_name(answer, at)? + 4;
    }
    let (mut times, mut least) = (Vec::new(), None);
    let records = u32::from(half(6)?) + u32::from(half(8)?) + u32::from(half(10)?);
    for _ in 0..records {
        at = skip_name(answer, at)?;
        let (kind, time) = (half(at)?, read_u32(answer, at + 4)?);
        if kind != OPTIONS {
            times.push(at + 4);
            least = Some(least.map_or(time, |least: u32| least.min(time)));
        }
        at += 10 + usize::from(half(at + 8)?);
        if at > answer.len() {
            return None;
        }
    }
    // Without any record nobody says for how long it is true.
    least.map(|least| (times, least))
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::wire::ADDRESS;
    use super::super::wire::tests::question;
    use super::*;

    /// The question's answer with records of these times, an option behind them.
    fn answer(question: &[u8], flags: u16, times: &[u32]) -> Vec<u8> {
        let mut answer = question.to_vec();
        answer[2..4].copy_from_slice(&(0x8180 | flags).to_be_bytes());
        answer[7] = times.len() as u8;
        answer[11] = 1;
        for time in times {
            answer.extend([0xc0, 12, 0, 1, 0, 1]);
            answer.extend(time.to_be_bytes());
            answer.extend([0, 4, 192, 0, 2, 1]);
        }
        answer.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        answer
    }

    #[test]
    fn an_answer_is_kept_for_as_long_as_its_shortest_record() {
        let (asked, mut again) = (question("a.example", ADDRESS), question("a.example", ADDRESS));
        again[..2].copy_from_slice(&[9, 9]);
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.keep(&asked, &answer(&asked, 0, &[60, 3]), now);
        let later = |seconds| now + Duration::from_secs(seconds);
        let found = cache.find(&again, later(2)).unwrap();
        assert_eq!(found[..2], [9, 9]);
        let (times, least) = times_to_live(&found).unwrap();
        assert_eq!((times.len(), least), (2, 1));
        assert!(cache.find(&again, later(3)).is_none());
        assert!(cache.find(&question("b.example", ADDRESS), now).is_none());
        // Nobody's word counts for more than a few seconds.
        cache.keep(&asked, &answer(&asked, 0, &[86400]), now);
        assert!(cache.find(&asked, later(4)).is_some() && cache.find(&asked, later(5)).is_none());
    }

    #[test]
    fn what_is_no_clear_answer_is_not_kept() {
        let asked = question("a.example", ADDRESS);
        let (now, mut cache) = (Instant::now(), Cache::default());
        let whole = answer(&asked, 0, &[60]);
        for (flags, times, kept) in [
            (0, &[60][..], true),
            (3, &[60], true),
            (2, &[60], false),
            (0x200, &[60], false),
            (0, &[0], false),
            (0, &[], false),
        ] {
            cache.answers.clear();
            cache.keep(&asked, &answer(&asked, flags, times), now);
            assert_eq!(cache.find(&asked, now).is_some(), kept, "{flags} {times:?}");
        }
        cache.answers.clear();
        cache.keep(&asked, &answer(&question("b.example", ADDRESS), 0, &[60]), now);
        assert!(cache.find(&asked, now).is_none());
        for length in 0..whole.len() {
            cache.answers.clear();
            cache.keep(&asked, &whole[..length], now);
            assert!(cache.find(&asked, now).is_none(), "{length}");
        }
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let (now, mut cache) = (Instant::now(), Cache::default());
        for number in 0..3 * MOST {
            let asked = question(&format!("n{number}.example"), ADDRESS);
            cache.keep(&asked, &answer(&asked, 0, &[60]), now);
            assert!(cache.answers.len() <= MOST);
        }
    }
}
