//! Killed right after an event is on disk, and resumed by a new process.

use std::time::Duration;

use failover::demo::world::{Trigger, When};
use failover::driver::DriveError;
use failover::protocol::{Event, State};
use failover::transport::{Call, Op};

use crate::support::truth::Before;
use crate::support::{A, B, How, Rig, rig};
use crate::table::{Table, counts, resumed};

fn arm(rig: &Rig, on: fn(&Call) -> bool, act: fn(&mut [failover::demo::host::SimHost], Duration)) {
    let (host, when, action) = (B, When::After, Box::new(act));
    rig.world.arm(Trigger {
        host,
        on,
        when,
        action,
        kills_coordinator: false,
    });
}

/// A name, what is prepared in the world, and the state in which Ctrl-C arrives.
pub type Scene = (&'static str, fn(&Rig), Option<State>);

/// A healthy run, and every way that leads back, to a halt or to a park.
pub fn scenes() -> Vec<Scene> {
    vec![
        ("healthy", |_| (), None),
        (
            "database damaged",
            |rig| rig.change(A, |host| host.quirks.database_damaged = true),
            None,
        ),
        (
            "import drops a key",
            |rig| rig.change(B, |host| host.quirks.import_drops_key = Some(1)),
            None,
        ),
        (
            "start fails",
            |rig| rig.change(B, |host| host.quirks.start_fails = true),
            None,
        ),
        (
            "stop fails",
            |rig| rig.change(A, |host| host.quirks.stop_fails = true),
            None,
        ),
        (
            "backup dies",
            |rig| {
                rig.change(B, |host| host.unit.restart = false);
                arm(
                    rig,
                    |call| call.op == Op::AwaitMetric,
                    |hosts, now| hosts[B].crash_validator(now),
                );
            },
            None,
        ),
        ("interrupted at the import", |_| (), Some(State::Importing)),
        (
            "primary was down",
            |rig| {
                rig.world.with_host(A, |host, now| {
                    host.unit.restart = false;
                    host.crash_validator(now);
                });
                rig.change(A, |host| host.quirks.database_damaged = true);
            },
            None,
        ),
    ]
}

/// Proves that a coordinator killed after any event of any of these runs is resumed to a safe and true end.
#[tokio::test(start_paused = true)]
async fn killed_after_every_event() {
    let mut table = Table::default();
    for (name, prepare, interrupt_in) in scenes() {
        for later_s in [0, 120] {
            for limit in 1.. {
                let rig = rig();
                prepare(&rig);
                rig.pass(3).await;
                let before = Before::of(&rig);
                let how = How {
                    kill_after: Some(limit),
                    interrupt_in,
                    ..How::default()
                };
                let first = rig.run_with("r1", how).await;
                let killed = matches!(first, Err(DriveError::Killed(_)));
                let last = rig.records("r1").pop().unwrap();
                let point = format!("{name} +{later_s} s, {limit} {}", last.event);
                rig.pass(later_s).await;
                let came = resumed(&rig, "r1", first.ok(), &before, &point).await;
                table.add(point, came);
                if !killed {
                    break;
                }
            }
        }
    }
    assert_eq!(
        table.print("killed after an event"),
        counts(&[
            ("Completed", 44),
            ("Parked", 72),
            ("Parked(Fencing)", 16),
            ("Restored", 42)
        ])
    );
}

/// Proves the same when the process that resumes is killed, too: every pair of points of a healthy run.
#[tokio::test(start_paused = true)]
async fn killed_twice() {
    let mut table = Table::default();
    for first in 1..13 {
        for second in 1.. {
            let rig = rig();
            let before = Before::of(&rig);
            let killed = rig.run_with("r1", How::killed_after(first)).await;
            assert!(matches!(killed, Err(DriveError::Killed(_))));
            let how = How::killed_after(first + second);
            let again = rig.resume_with("r1", Event::Resumed, how).await;
            let killed = matches!(again, Err(DriveError::Killed(_)));
            let point = format!("after {first} and {second}");
            let came = resumed(&rig, "r1", again.ok(), &before, &point).await;
            table.add(point, came);
            if !killed {
                break;
            }
        }
    }
    assert_eq!(table.print("killed twice"), counts(&[("Completed", 121)]));
}

/// Proves that undoing a parked run is safe at every point, too.
#[tokio::test(start_paused = true)]
async fn killed_while_undoing() {
    let mut table = Table::default();
    for limit in 1.. {
        let rig = rig();
        let before = Before::of(&rig);
        let parked = rig
            .run_with("r1", How::interrupted_in(State::Importing))
            .await
            .unwrap();
        assert!(matches!(parked, State::Parked(_)));
        let so_far = u32::try_from(rig.records("r1").len()).unwrap();
        let how = How::killed_after(so_far + limit);
        let undone = rig.resume_with("r1", Event::UndoAsked, how).await;
        let killed = matches!(undone, Err(DriveError::Killed(_)));
        let point = format!("undo {limit} {}", rig.records("r1").pop().unwrap().event);
        let came = resumed(&rig, "r1", undone.ok(), &before, &point).await;
        table.add(point, came);
        if !killed {
            break;
        }
    }
    assert_eq!(table.print("killed while undoing"), counts(&[("Restored", 4)]));
}
