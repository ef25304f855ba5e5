//! Two coordinators on one pair.

use std::time::Duration;

use failover::protocol::{Outcome, State};

use crate::support::{A, B, How, Process, rig};

/// Proves that of two coordinators which begin at (nearly) the same moment exactly one goes on, whichever claims lie
/// first where, and that the other leaves nothing behind.
#[tokio::test(start_paused = true)]
async fn exactly_one_of_two_goes_on() {
    let mut won = [0, 0];
    for latency_ms in [[40, 40], [10, 90], [90, 10], [39, 41]] {
        for late_ms in [0, 1, 20, 60, 130, 200, 400] {
            let rig = rig();
            let other = rig.other_desk(latency_ms);
            let (one, two) = tokio::join!(rig.run("r1"), async {
                tokio::time::sleep(Duration::from_millis(late_ms)).await;
                other.run("r2").await
            });
            let outcomes = [one, two];
            let done = outcomes.map(|state| state == State::Ended(Outcome::Completed));
            let back = outcomes.map(|state| state == State::Ended(Outcome::Refused));
            let told = format!(
                "{latency_ms:?} +{late_ms} ms\n{}\n{}",
                rig.story("r1"),
                other.story("r2")
            );
            assert_eq!(done.iter().filter(|done| **done).count(), 1, "{told}");
            assert_eq!(back.iter().filter(|back| **back).count(), 1, "{told}");
            won[usize::from(done[1])] += 1;
            assert_eq!(
                (rig.paper(A, "claim"), rig.paper(B, "claim")),
                (None, None),
                "{told}"
            );
            rig.assert_clean("r1");
        }
    }
    println!("won: first {}, second {}", won[0], won[1]);
}

/// Proves that a coordinator which wants the opposite direction at the same time is refused.
#[tokio::test(start_paused = true)]
async fn the_opposite_direction_at_once_is_refused() {
    for late_ms in [0, 50, 150, 600, 2_000] {
        let rig = rig();
        let other = rig.other_desk([10, 10]);
        other.begin("r2", B, A);
        let how = How::default();
        let mut process = Process::new(&other, "r2", &how);
        let (one, two) = tokio::join!(rig.run("r1"), async {
            tokio::time::sleep(Duration::from_millis(late_ms)).await;
            process.drive(&how).await.unwrap()
        });
        assert_eq!(one, State::Ended(Outcome::Completed), "{}", rig.story("r1"));
        assert_eq!(two, State::Ended(Outcome::Refused), "{}", other.story("r2"));
        rig.assert_clean("r1");
    }
}
