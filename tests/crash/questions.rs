//! Something happens to a single question: it is lost, its answer is lost or torn, or the coordinator dies in it.

use failover::demo::transport::{Fate, Phase};
use failover::driver::DriveError;

use crate::events::scenes;
use crate::support::truth::Before;
use crate::support::{A, B, How, Process, rig};
use crate::table::{Table, counts, resumed};

#[derive(Clone, Copy, Debug)]
enum What {
    LostRequest,
    LostReply,
    TornReply,
    KilledBefore,
    KilledAfter,
}

const WHAT: [What; 5] = [
    What::LostRequest,
    What::LostReply,
    What::TornReply,
    What::KilledBefore,
    What::KilledAfter,
];

fn how(what: What, number: u64) -> How {
    let killed = |phase| How {
        kill_in_ask: Some((number, phase)),
        ..How::default()
    };
    match what {
        What::LostRequest => How::one_ask(number, Phase::Before, Fate::LoseRequest),
        What::LostReply => How::one_ask(number, Phase::After, Fate::LoseReply),
        What::TornReply => How::one_ask(number, Phase::After, Fate::Garble),
        What::KilledBefore => killed(Phase::Before),
        What::KilledAfter => killed(Phase::After),
    }
}

/// Every question of every scene meets one thing, on a clock and a thread of its own: the points and what came of them.
async fn every_question(what: What) -> Vec<(String, String)> {
    let mut points = Vec::new();
    for (name, prepare, interrupt_in) in scenes() {
        for number in 0.. {
            let rig = rig();
            prepare(&rig);
            rig.pass(3).await;
            let before = Before::of(&rig);
            rig.begin("r1", A, B);
            let how = How {
                interrupt_in,
                ..how(what, number)
            };
            let mut process = Process::new(&rig, "r1", &how);
            let first = process.drive(&how).await;
            let asked = process.plan.asks();
            assert!(first.is_ok() || matches!(first, Err(DriveError::Killed(_))));
            drop(process);
            let at = rig
                .records("r1")
                .last()
                .map_or("Preflight".to_owned(), |it| it.state.clone());
            let point = format!("{name}, {what:?} {number} ({at})");
            let came = resumed(&rig, "r1", first.ok(), &before, &point).await;
            points.push((point, came));
            if number >= asked {
                break;
            }
        }
    }
    points
}

/// Proves that no single lost, torn or fatal question makes a run unsafe or its report untrue, in any of the scenes.
#[test]
fn every_question_of_every_scene() {
    let alone = |what| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(every_question(what))
    };
    let mut table = Table::default();
    std::thread::scope(|scope| {
        let threads = WHAT.map(|what| scope.spawn(move || alone(what)));
        for thread in threads {
            for (point, came) in thread.join().unwrap() {
                table.add(point, came);
            }
        }
    });
    assert_eq!(
        table.print("one question"),
        counts(&[
            ("Completed", 174),
            ("Parked", 356),
            ("Parked(Fencing)", 52),
            ("Refused", 144),
            ("Restored", 224)
        ])
    );
}
