//! Which steps have to miss when one world becomes another.

use std::collections::BTreeMap;

use super::model::{Modelled, Origin, Step, World};

/// How much a step, or the state after it, differs from what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Nothing it depends on is another: it comes from the cache.
    Same,
    /// It is after a step whose result may or may not come out as before.
    Perhaps,
    /// It runs.
    Other,
}

#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) keyword: String,
    pub(super) verdict: Verdict,
    /// Steps with the same one are the same step on the same state: a build does it once.
    pub(super) identity: String,
}

/// By name of the stage and place of the step in it.
pub(super) type Verdicts = BTreeMap<(String, usize), Expected>;

/// Of two models of the same stages.
pub(super) fn verdicts(
    (before, was): (&World, &[Modelled]),
    (after, is): (&World, &[Modelled]),
) -> Verdicts {
    let mut ends: Vec<(Verdict, String)> = Vec::new();
    let mut verdicts = Verdicts::new();
    for (old, new) in was.iter().zip(is) {
        assert_eq!(old.steps.len(), new.steps.len());
        let (mut below, mut identity) = match &new.from {
            _ if old.from != new.from => (Verdict::Other, format!("{:?}", new.from)),
            Origin::Scratch => (Verdict::Same, String::new()),
            Origin::Stage(stage) => ends[*stage].clone(),
            Origin::Image(name) if before.image == after.image => (Verdict::Same, name.clone()),
            Origin::Image(name) => (Verdict::Other, name.clone()),
        };
        for (number, (old, new)) in old.steps.iter().zip(&new.steps).enumerate() {
            let own = own(old, new, &ends);
            let verdict = if new.linked { own } else { own.max(below) };
            let other_bytes = own == Verdict::Other && old.bytes != new.bytes;
            below = match verdict {
                _ if other_bytes => Verdict::Other,
                Verdict::Other if own == Verdict::Other => below.max(Verdict::Perhaps),
                _ => below.max(verdict),
            };
            identity = format!("{identity} > {new:?}");
            let keyword = new.keyword.clone();
            let expected = Expected { keyword, verdict, identity: identity.clone() };
            verdicts.insert((is[ends.len()].name.clone(), number), expected);
        }
        ends.push((below, identity));
    }
    verdicts
}

/// Without what is below.
fn own(old: &Step, new: &Step, ends: &[(Verdict, String)]) -> Verdict {
    if old.bytes != new.bytes || old.settings != new.settings {
        return Verdict::Other;
    }
    let used = new.stages.iter().any(|stage| ends[*stage].0 != Verdict::Same);
    if used || old.loose != new.loose { Verdict::Perhaps } else { Verdict::Same }
}
