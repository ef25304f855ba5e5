//! Whether a run that is resumed is over already, as the hosts show it: its journal may have been put back from an old copy,
//! or somebody took its claims away. Asked once, before the first command. Must never call a run over because a host does
//! not answer, and never change a host.

use super::{Happened, World};
use crate::guards::{Generation, Papers};
use crate::observe::Patience;
use crate::protocol::{Event, State};
use crate::services::host::read_papers;
use crate::transport::{Call, Op};

/// What is said of a run without claims.
pub(super) const GONE: &str = "neither host carries this run's claim any more";

/// What a resumed run knows of itself.
pub struct Known<'a> {
    /// Its id.
    pub run: &'a str,
    /// Its generation; none before its claim.
    pub generation: Option<u64>,
    /// The generations that its own preflight found.
    pub before: Option<&'a (Option<Generation>, Option<Generation>)>,
    /// Runs that this journal knows to be over.
    pub ended: &'a [String],
}

/// The event that ends a run which is over on the hosts; `state` is where the resume has brought it.
pub async fn found_over(world: &mut World, state: State) -> Option<Happened> {
    let batch = vec![Call::new(Op::Papers, [""; 0])];
    // Once: a host that is down must not hold up the halt of the other one. What is unknown here ends nothing.
    let (a, b) = world.hosts.ask_both(&batch, &batch, 0, Patience::Once).await;
    let [a, b] = [a, b].map(|reply| reply.ok().and_then(|it| read_papers(it.outputs.last()?).ok()));
    let ours = |papers: &Papers| papers.claim.as_ref().is_some_and(|it| it.run == world.run.id);
    let gone = a.as_ref().is_some_and(|it| !ours(it)) && b.as_ref().is_some_and(|it| !ours(it));
    let known = Known {
        run: &world.run.id,
        generation: world.memory.generation,
        before: world.memory.papers.as_ref(),
        ended: &world.ended_runs,
    };
    let happened = judged(&known, state, a.as_ref(), b.as_ref(), gone);
    world.memory.claims_gone = gone;
    happened
}

/// The event that ends a run which is over, by the papers of its hosts (none: not read). `gone`: both were read, and
/// neither carries its claim. Pure.
pub fn judged(
    known: &Known<'_>,
    state: State,
    a: Option<&Papers>,
    b: Option<&Papers>,
    gone: bool,
) -> Option<Happened> {
    let newer = [a, b].into_iter().flatten().find_map(|papers| {
        let paper = papers.generation.as_ref()?;
        let generation = known.generation?;
        let theirs =
            paper.generation > generation || (paper.generation == generation && paper.run != known.run);
        theirs.then(|| {
            format!(
                "run {} has handed over since (generation {})",
                paper.run, paper.generation
            )
        })
    });
    let over = |why: String| Some(Happened::new(Event::FoundOver, why));
    match state {
        // While it holds a claim, nobody can have come between, and going on is what is left to do.
        State::Preflight | State::CheckingAgain if !gone => None,
        State::Preflight | State::CheckingAgain => began_anew(known, a, b),
        State::BarringPrimary | State::RebarringBackup => match newer {
            Some(why) => over(why),
            None if gone => over(went_on(known, a, b)),
            None => None,
        },
        // After a start the claims may be gone and the run may still be seen to its end: only another run's paper ends it.
        State::LookingAtBackup | State::Watching | State::HaltingBackup | State::Releasing(_) => {
            newer.and_then(over)
        }
        // No resume leads here, or there is nothing to go on with.
        State::Claiming
        | State::StoppingPrimary
        | State::ProvingStopped
        | State::StoppingAgain
        | State::ProvingAgain
        | State::Collecting
        | State::Merging
        | State::Importing
        | State::ReadingBack
        | State::JudgingStart
        | State::StartingBackup
        | State::JudgingRestart
        | State::RestoringPrimary
        | State::Parked(_)
        | State::Ended(_) => None,
    }
}

/// A run that by its journal has touched nothing would begin anew. It must not, if it went further than that, or if
/// another run may have come between its beginning and now. What it has finished, the preflight itself sees.
fn began_anew(known: &Known<'_>, a: Option<&Papers>, b: Option<&Papers>) -> Option<Happened> {
    let lying = (a?.generation.clone(), b?.generation.clone());
    let papers: Vec<&Generation> = [&lying.0, &lying.1].into_iter().flatten().collect();
    let own: Vec<&str> = papers
        .iter()
        .filter(|it| it.run == known.run)
        .map(|it| it.role.as_str())
        .collect();
    let refused = |why: String| Some(Happened::new(Event::PreflightRefused, why));
    if own == ["fenced", "signer"] {
        return None;
    }
    if !own.is_empty() {
        return refused(
            "this run went further than its journal says: the journal is older than the hosts; nothing was changed".to_owned(),
        );
    }
    if let Some(before) = known.before {
        let same = *before == lying;
        return refused("another run has handed over since this one looked; nothing was changed".to_owned())
            .filter(|_| !same);
    }
    let unknown = papers.iter().find(|it| !known.ended.contains(&it.run))?;
    refused(format!(
        "the hosts carry generation {} of run {}, of which this journal knows nothing: it may be an old copy. Nothing was \
         changed; look which host signs and give the command of the hand-over again",
        unknown.generation, unknown.run
    ))
}

/// What became of a run that has lost both its claims.
fn went_on(known: &Known<'_>, a: Option<&Papers>, b: Option<&Papers>) -> String {
    let signer = [a, b].into_iter().flatten().find_map(|papers| {
        let paper = papers.generation.as_ref()?;
        (paper.run == known.run && paper.role == "signer").then_some(paper.generation)
    });
    match signer {
        Some(generation) => {
            format!("{GONE}, and generation {generation} is its own: it went further than this journal says")
        }
        None => format!("{GONE}: someone took it away"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;
    use crate::guards::Claim;
    use crate::protocol::{Outcome, step};

    fn papers(claim: Option<&str>, generation: Option<(u64, &str, &str)>) -> Papers {
        Papers {
            claim: claim.map(|run| Claim {
                run: run.to_owned(),
                pair: "a->b".to_owned(),
                generation: 4,
                coordinator: "root@desk".to_owned(),
                since: String::new(),
            }),
            generation: generation.map(|(generation, role, run)| Generation {
                pair: "a->b".to_owned(),
                generation,
                role: role.to_owned(),
                run: run.to_owned(),
            }),
        }
    }

    const OURS: Known<'_> = Known {
        run: "r4",
        generation: Some(4),
        before: None,
        ended: &[],
    };

    /// Where a resume leads to, once the run holds its claims.
    fn landings() -> Vec<State> {
        let mut all = vec![
            State::BarringPrimary,
            State::RebarringBackup,
            State::LookingAtBackup,
            State::Watching,
            State::HaltingBackup,
        ];
        all.extend(
            [
                Outcome::Completed,
                Outcome::Unconfirmed,
                Outcome::Restored,
                Outcome::Parked,
            ]
            .map(State::Releasing),
        );
        all
    }

    /// Proves that another run's paper on either host ends a run wherever a resume has brought it, and that the table has
    /// a row for it; and that the run's own papers, with its claims, end it nowhere.
    #[test]
    fn a_later_run_ends_it_everywhere() {
        let mine = papers(Some("r4"), Some((4, "fenced", "r4")));
        for state in landings() {
            for theirs in [(5, "signer", "r5"), (4, "fenced", "r9")] {
                let other = papers(None, Some(theirs));
                for (a, b) in [(&mine, &other), (&other, &mine)] {
                    let over = judged(&OURS, state, Some(a), Some(b), false).unwrap();
                    assert!(step(state, over.event).is_ok(), "{state}");
                    assert!(judged(&OURS, state, Some(b), None, false).is_some() == (b == &other));
                }
            }
            assert!(
                judged(&OURS, state, Some(&mine), Some(&mine), false).is_none(),
                "{state}"
            );
            assert!(
                judged(&OURS, state, None, None, false).is_none(),
                "unknown: {state}"
            );
        }
    }

    /// Proves that without claims a run that has yet to start the backup is over, and that one which has is seen to its end.
    #[test]
    fn lost_claims_end_what_was_not_started() {
        let own = papers(None, Some((4, "fenced", "r4")));
        for state in landings() {
            let over = judged(&OURS, state, Some(&own), Some(&own), true).is_some();
            assert_eq!(
                over,
                !state.start_tried() && !matches!(state, State::Releasing(_)),
                "{state}"
            );
        }
    }

    /// Proves that a run which has touched nothing by its journal begins anew only if the hosts know nothing else.
    #[test]
    fn nothing_touched_is_not_believed() {
        let ended = ["r3".to_owned()];
        let fresh = Known {
            run: "r4",
            generation: None,
            before: None,
            ended: &ended,
        };
        let of = |paper| papers(None, paper);
        let (none, older) = (of(None), of(Some((3, "signer", "r3"))));
        let begins = |known: &Known<'_>, a: &Papers, b: &Papers, gone| {
            judged(known, State::CheckingAgain, Some(a), Some(b), gone).is_none()
        };
        assert!(begins(&fresh, &none, &none, true) && begins(&fresh, &older, &older, true));
        let (fenced, signer) = (of(Some((4, "fenced", "r4"))), of(Some((4, "signer", "r4"))));
        assert!(
            begins(&fresh, &fenced, &signer, true),
            "finished: the preflight says so"
        );
        assert!(!begins(&fresh, &signer, &fenced, true), "restored");
        assert!(!begins(&fresh, &fenced, &older, true), "cut off");
        assert!(begins(&fresh, &fenced, &older, false), "it still holds its claim");
        let later = of(Some((5, "signer", "r5")));
        assert!(
            !begins(&fresh, &older, &later, true),
            "of a run that is not known"
        );
        let seen = (older.generation.clone(), older.generation.clone());
        let looked = Known {
            before: Some(&seen),
            ..fresh
        };
        assert!(begins(&looked, &older, &older, true) && !begins(&looked, &older, &later, true));
    }
}
