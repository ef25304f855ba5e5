//! Many faults at once, drawn from seeds.

use std::time::Duration;

use failover::demo::transport::{Dice, Fate, FaultPlan};
use failover::protocol::{Event, State};
use failover::transport::Op;

use crate::support::truth::Before;
use crate::support::{How, rig};
use crate::table::{Table, counts, resumed};

/// About one question in eight meets a fault; in the first process not before the claim, since a preflight that meets
/// one is refused.
fn after_the_claim(seed: u64, mut quiet: bool) -> FaultPlan {
    let mut dice = Dice(seed);
    FaultPlan::new(move |ask| {
        quiet &= !ask.calls.iter().any(|call| call.op == Op::Claim);
        if quiet || dice.below(16) != 0 {
            return Fate::Deliver;
        }
        match dice.below(5) {
            0 => Fate::LoseRequest,
            1 => Fate::LoseReply,
            2 => Fate::Delay(Duration::from_millis(dice.below(3_000))),
            3 => Fate::Garble,
            _ => Fate::Refuse,
        }
    })
}

/// Proves that lines which lose, tear, delay and refuse at random, under a coordinator that is killed at random,
/// never make a run unsafe or its report untrue.
#[tokio::test(start_paused = true)]
async fn bad_lines_and_kills() {
    let mut table = Table::default();
    for seed in 0..150 {
        let rig = rig();
        let before = Before::of(&rig);
        let mut dice = Dice(seed);
        let mut state = None;
        for process in 0..6 {
            let how = How {
                kill_after: (dice.below(2) == 0).then(|| 1 + dice.below(16) as u32),
                faults: Some(after_the_claim(seed * 100 + process, process == 0)),
                ..How::default()
            };
            let driven = match process {
                0 => rig.run_with("r1", how).await,
                _ if matches!(state, Some(State::Parked(failover::protocol::Parking::Fencing)))
                    && dice.below(3) == 0 =>
                {
                    rig.resume_with("r1", Event::UndoAsked, how).await
                }
                _ => rig.resume_with("r1", Event::Resumed, how).await,
            };
            state = driven.ok();
            if let Some(state) = state {
                let left = rig
                    .records("r1")
                    .iter()
                    .any(|record| record.why.contains("is left on"));
                if !left {
                    rig.assert_safe("r1", state, &before, &format!("seed {seed}"));
                }
            }
            if matches!(state, Some(State::Ended(_))) {
                break;
            }
            rig.pass(dice.below(90)).await;
        }
        let point = format!("seed {seed}");
        let came = resumed(&rig, "r1", state, &before, &point).await;
        table.add(point, came);
    }
    assert_eq!(
        table.print("bad lines and kills"),
        counts(&[("Completed", 136), ("Refused", 2), ("Restored", 12)])
    );
}
