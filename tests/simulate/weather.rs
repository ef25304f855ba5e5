//! The weather on a desk's lines: what becomes of each question, drawn from dice. Must never look at what is asked, but to
//! leave the first preflight alone where a scene asks for that.

use std::time::Duration;

use failover::demo::transport::{Dice, Fate, FaultPlan, Phase};
use failover::transport::Op;

use crate::log::Log;

/// How bad it is.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// One question in so many meets a fault at each of its two ends; none: never.
    pub one_in: Option<u64>,
    /// Nothing happens before a claim is asked for.
    pub fair_until_claim: bool,
    /// The dice.
    pub seed: u64,
}

impl Weather {
    /// Nothing happens.
    pub fn fair() -> Weather {
        Weather {
            one_in: None,
            fair_until_claim: false,
            seed: 0,
        }
    }

    /// The plan for the lines of one process.
    pub fn plan(self, log: &Log) -> FaultPlan {
        let (mut dice, log) = (Dice(self.seed), log.clone());
        let mut fair = self.fair_until_claim;
        FaultPlan::new(move |ask| {
            fair &= !ask.calls.iter().any(|call| call.op == Op::Claim);
            let Some(one_in) = self.one_in.filter(|_| !fair) else {
                return Fate::Deliver;
            };
            if dice.below(one_in) != 0 {
                return Fate::Deliver;
            }
            let (kind, fate) = match ask.phase {
                Phase::Before => before(&mut dice),
                Phase::After => after(&mut dice),
            };
            // A fetch has no frame that could be damaged.
            if ask.calls.is_empty() && matches!(fate, Fate::Late(_)) {
                return Fate::Deliver;
            }
            log.struck(kind);
            let ops: Vec<&str> = ask.calls.iter().map(|call| call.op.name()).take(4).collect();
            log.tell(&format!("  {}: {kind} ({})", ask.host, ops.join(" ")));
            fate
        })
    }
}

fn before(dice: &mut Dice) -> (&'static str, Fate) {
    match dice.below(6) {
        0 => ("request lost", Fate::LoseRequest),
        1 => ("request lost in silence", Fate::SwallowRequest),
        2 => ("connection refused", Fate::Refuse),
        3 => (
            "request delayed",
            Fate::Delay(Duration::from_millis(dice.below(5_000))),
        ),
        _ => {
            let most = [2_000, 20_000, 120_000][dice.below(3) as usize];
            (
                "request late, behind its asker's back",
                Fate::Late(Duration::from_millis(dice.below(most))),
            )
        }
    }
}

fn after(dice: &mut Dice) -> (&'static str, Fate) {
    match dice.below(7) {
        0 | 1 => ("reply lost", Fate::LoseReply),
        2 => ("reply lost in silence", Fate::SwallowReply),
        3 => {
            let most = [2_000, 20_000, 60_000][dice.below(3) as usize];
            (
                "stale reading: reply held up",
                Fate::Delay(Duration::from_millis(dice.below(most))),
            )
        }
        4 => ("partial output: reply cut", Fate::Cut(dice.below(1_000) as u16)),
        5 => ("garbage in the output", Fate::Noise(dice.below(u64::MAX))),
        _ => ("stale reading: answer of an earlier question", Fate::Stale),
    }
}
