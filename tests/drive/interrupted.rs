//! Ctrl-C: wherever it arrives, the run stops where it is safe, and goes on from there.

use failover::protocol::{Event, Outcome, Parking, State, step};

use crate::support::{A, B, How, rig};

/// Proves that in every state of a healthy run that allows it an interrupt leads to a refusal or a park before the
/// start, to an open watch after it, and that resume completes.
#[tokio::test(start_paused = true)]
async fn in_every_state() {
    let healthy = [
        State::Preflight,
        State::Claiming,
        State::BarringPrimary,
        State::StoppingPrimary,
        State::ProvingStopped,
        State::Collecting,
        State::Merging,
        State::Importing,
        State::ReadingBack,
        State::JudgingStart,
        State::StartingBackup,
        State::Watching,
    ];
    let mut seen = Vec::new();
    for state in healthy {
        let rig = rig();
        let stopped = rig.run_with("r1", How::interrupted_in(state)).await.unwrap();
        println!("{state} -> {stopped}");
        seen.push(stopped);
        match stopped {
            State::Ended(Outcome::Refused) => assert!(rig.serves(A) && rig.paper(A, "claim").is_none()),
            State::Parked(Parking::Fencing) => {
                assert!(rig.barred(B) && !rig.lives(B));
                assert_eq!(
                    rig.resume("r1").await,
                    State::Ended(Outcome::Completed),
                    "{}",
                    rig.story("r1")
                );
            }
            State::Ended(Outcome::Unconfirmed) => assert!(rig.serves(B) && rig.barred(A)),
            _ => panic!("{state} -> {stopped}\n{}", rig.story("r1")),
        }
        // A start that was decided is seen through: its own row does not exist.
        assert_eq!(
            step(state, Event::Interrupted).is_ok(),
            state != State::StartingBackup
        );
        rig.pass(30).await;
        rig.assert_clean("r1");
    }
    let count = |wanted: State| seen.iter().filter(|state| **state == wanted).count();
    assert_eq!(count(State::Ended(Outcome::Refused)), 2);
    assert_eq!(count(State::Parked(Parking::Fencing)), 8);
    assert_eq!(count(State::Ended(Outcome::Unconfirmed)), 2);
}
