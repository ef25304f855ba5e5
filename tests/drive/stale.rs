//! What a run believed may be old: the world has moved on while it was parked, or a reading does not say what it
//! seems to say.

use failover::demo::host::{LOCK, STATE, UNIT};
use failover::demo::transport::{Fate, FaultPlan, Phase};
use failover::demo::world::{Trigger, When};
use failover::protocol::{Event, Outcome, Parking, State};
use failover::report::{Report, report_text};
use failover::transport::{Call, Op};

use crate::support::{A, B, How, Process, Rig, rig};

const COMPLETED: State = State::Ended(Outcome::Completed);
const FENCING: State = State::Parked(Parking::Fencing);

/// One operation on a host, as a person would do it there.
async fn by_hand(rig: &Rig, host: usize, op: Op, args: &[&str]) {
    rig.world.perform(host, &Call::new(op, args)).await.unwrap();
}

/// Proves that a part of a reading which could not be had is no proof, whichever part it is.
#[tokio::test(start_paused = true)]
async fn half_a_reading_proves_nothing() {
    for op in [Op::Unit, Op::BarState, Op::Processes, Op::Identity] {
        let rig = rig();
        rig.world.arm(Trigger {
            host: A,
            on: |call| call.op == Op::Stop,
            when: When::Before,
            action: Box::new(move |hosts, _| {
                hosts[A].quirks.missing.insert(op);
            }),
            kills_coordinator: false,
        });
        assert_eq!(rig.run("r1").await, FENCING, "{op:?}\n{}", rig.story("r1"));
        assert!(!rig.events("r1").contains(&Event::ProvenStopped), "{op:?}");
        assert!(rig.barred(B) && !rig.lives(B));
        rig.change(A, |host| host.quirks.missing.clear());
        assert_eq!(rig.resume("r1").await, COMPLETED, "{}", rig.story("r1"));
        rig.assert_clean("r1");
    }
}

/// Proves that a reading without an answer neither counts nor lets the count go on.
#[tokio::test(start_paused = true)]
async fn a_lost_reading_is_not_counted() {
    let rig = rig();
    let mut stopped = false;
    let faults = FaultPlan::new(move |ask| {
        stopped |= ask.calls.iter().any(|call| call.op == Op::Stop);
        let reading = ask.host == "val-a" && ask.calls.iter().any(|call| call.op == Op::Processes);
        let lost = stopped && reading && ask.phase == Phase::After;
        if lost { Fate::LoseReply } else { Fate::Deliver }
    });
    assert_eq!(rig.run_with("r1", How::faults(faults)).await.unwrap(), FENCING);
    assert!(
        !rig.events("r1").contains(&Event::ProvenStopped),
        "{}",
        rig.story("r1")
    );
    assert!(rig.barred(B) && !rig.lives(B));
}

/// Proves that what the primary signed while the run was parked at the start forbids another start: the history that
/// was imported does not hold it.
#[tokio::test(start_paused = true)]
async fn the_primary_signed_while_the_run_was_parked() {
    let rig = rig();
    let mut gone = false;
    let faults = FaultPlan::new(move |ask| {
        gone |= ask.calls.iter().any(|call| call.op == Op::Start);
        let lost = gone && ask.host == "val-b" && ask.phase == Phase::Before;
        if lost { Fate::LoseRequest } else { Fate::Deliver }
    });
    assert_eq!(
        rig.run_with("r1", How::faults(faults)).await.unwrap(),
        State::Parked(Parking::Starting),
        "{}",
        rig.story("r1")
    );
    assert!(!rig.lives(B));
    by_hand(&rig, A, Op::Unbar, &[UNIT, LOCK, "keep"]).await;
    by_hand(&rig, A, Op::Start, &[UNIT, "10"]).await;
    rig.pass(20).await;
    by_hand(&rig, A, Op::Stop, &[UNIT, "10"]).await;
    by_hand(&rig, A, Op::Bar, &[UNIT, LOCK, "barred by hand"]).await;
    let state = rig.resume("r1").await;
    println!("{}", rig.story("r1"));
    assert_eq!(state, State::Ended(Outcome::Parked), "{}", rig.story("r1"));
    assert_eq!(rig.look(B, |host| host.unit.starts), 0, "never started");
    rig.pass(30).await;
    rig.assert_clean("r1");
}

/// Proves that a run which was parked while another coordinator (after the claims were removed by hand) has handed
/// over does not touch either host when it is resumed or undone, and is over itself then: its pair is free at its own desk.
#[tokio::test(start_paused = true)]
async fn another_desk_has_handed_over_meanwhile() {
    for event in [Event::Resumed, Event::UndoAsked] {
        let rig = rig();
        let parked = rig
            .run_with("r1", How::interrupted_in(State::Importing))
            .await
            .unwrap();
        assert_eq!(parked, FENCING);
        for host in [A, B] {
            rig.change(host, |host| host.files.remove(&format!("{STATE}/claim.json")));
        }
        let other = rig.other_desk([30, 30]);
        assert_eq!(other.run("r2").await, COMPLETED, "{}", other.story("r2"));
        rig.pass(30).await;
        // What the parked run itself has left there it may still take away.
        for host in [A, B] {
            rig.change(host, |host| {
                host.files
                    .remove_all(|path| path.starts_with("/var/lib/failover/work"));
            });
        }
        let before = (
            rig.snapshot(A),
            rig.look(B, |host| host.process.as_ref().map(|it| it.pid)),
        );
        let state = rig.resume_with("r1", event, How::default()).await.unwrap();
        println!("{}", rig.story("r1"));
        assert_eq!(state, State::Ended(Outcome::Refused), "{}", rig.story("r1"));
        assert!(
            rig.events("r1").contains(&Event::FoundOver),
            "{}",
            rig.story("r1")
        );
        let report = Report::new(&rig.journal().run("r1").unwrap(), &rig.records("r1")).unwrap();
        let text = report_text(&report);
        println!("{text}");
        assert!(report.signer.is_none() && !text.contains("barred"), "{text}");
        assert_eq!(report.next[0], "failover status --primary val-a --backup val-b");
        let after = (
            rig.snapshot(A),
            rig.look(B, |host| host.process.as_ref().map(|it| it.pid)),
        );
        assert_eq!(before, after, "a host was touched");
        rig.pass(30).await;
        assert!(rig.serves(B) && rig.barred(A));
        rig.assert_clean("r1");
    }
}

/// Proves that a claim which an ended run left behind is taken away by the next run of the same coordinator, and
/// still keeps another coordinator out.
#[tokio::test(start_paused = true)]
async fn a_claim_left_behind() {
    let rig = rig();
    let lost = How::faults(FaultPlan::new(|ask| {
        let release = ask.calls.iter().any(|call| call.op == Op::Release);
        if release && ask.phase == Phase::Before {
            Fate::LoseRequest
        } else {
            Fate::Deliver
        }
    }));
    assert_eq!(rig.run_with("r1", lost).await.unwrap(), COMPLETED);
    assert!(rig.paper(A, "claim").is_some() && rig.paper(B, "claim").is_some());
    let other = rig.other_desk([30, 30]);
    other.begin("r8", B, A);
    let how = How::default();
    let state = Process::new(&other, "r8", &how).drive(&how).await.unwrap();
    assert_eq!(state, State::Ended(Outcome::Refused), "{}", other.story("r8"));
    rig.begin("r2", B, A);
    let state = Process::new(&rig, "r2", &how).drive(&how).await.unwrap();
    assert_eq!(state, COMPLETED, "{}", rig.story("r2"));
    assert_eq!((rig.paper(A, "claim"), rig.paper(B, "claim")), (None, None));
    rig.assert_clean("r2");
}
