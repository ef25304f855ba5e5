//! Lost connections, and machines that are not who they were.

use failover::demo::host::Link;
use failover::demo::transport::{Fate, FaultPlan, Phase};
use failover::demo::world::{Trigger, When};
use failover::protocol::{Event, Outcome, Parking, State};
use failover::transport::Op;

use crate::support::{A, B, How, Rig, rig};

const COMPLETED: State = State::Ended(Outcome::Completed);

/// The connection to the primary breaks right after the stop, and the run parks.
async fn lost_while_proving(rig: &Rig) {
    rig.world.arm(Trigger {
        host: A,
        on: |call| call.op == Op::Stop,
        when: When::After,
        action: Box::new(|hosts, _| hosts[A].link = Link::Dark),
        kills_coordinator: false,
    });
    assert_eq!(
        rig.run("r1").await,
        State::Parked(Parking::Fencing),
        "{}",
        rig.story("r1")
    );
    assert!(!rig.events("r1").contains(&Event::ProvenStopped));
    assert!(rig.barred(B) && !rig.lives(B), "the backup was not touched");
    rig.world.heal_links();
    rig.pass(30).await;
}

/// Proves that unknown is not stopped, and that resume completes once the line is back.
#[tokio::test(start_paused = true)]
async fn connection_lost_while_proving_then_resumed() {
    let rig = rig();
    lost_while_proving(&rig).await;
    assert_eq!(rig.resume("r1").await, COMPLETED, "{}", rig.story("r1"));
    rig.assert_clean("r1");
}

/// Proves that the person may have the primary back instead.
#[tokio::test(start_paused = true)]
async fn connection_lost_while_proving_then_undone() {
    let rig = rig();
    lost_while_proving(&rig).await;
    let state = rig
        .resume_with("r1", Event::UndoAsked, How::default())
        .await
        .unwrap();
    assert_eq!(state, State::Ended(Outcome::Restored), "{}", rig.story("r1"));
    assert!(rig.serves(A) && rig.barred(B));
    rig.pass(30).await;
    rig.assert_clean("r1");
}

fn lose_start(fate: Fate, at: Phase, times: usize) -> How {
    let mut left = times;
    How::faults(FaultPlan::new(move |ask| {
        let is_start = ask.host == "val-b" && ask.calls.iter().any(|call| call.op == Op::Start);
        if is_start && ask.phase == at && left > 0 {
            left -= 1;
            return fate.clone();
        }
        Fate::Deliver
    }))
}

/// Proves that a lost reply to the start is looked after, and that nobody starts blindly a second time.
#[tokio::test(start_paused = true)]
async fn lost_reply_to_the_start() {
    let rig = rig();
    let state = rig
        .run_with("r1", lose_start(Fate::LoseReply, Phase::After, 1))
        .await
        .unwrap();
    assert_eq!(state, COMPLETED, "{}", rig.story("r1"));
    assert!(rig.events("r1").contains(&Event::BackupRuns));
    assert_eq!(rig.look(B, |host| host.unit.starts), 1, "started once");
    rig.assert_clean("r1");
}

/// Proves that a start which never arrived is judged again before it is asked again.
#[tokio::test(start_paused = true)]
async fn lost_request_to_start() {
    let rig = rig();
    let state = rig
        .run_with("r1", lose_start(Fate::LoseRequest, Phase::Before, 2))
        .await
        .unwrap();
    assert_eq!(state, COMPLETED, "{}", rig.story("r1"));
    let judged = rig
        .events("r1")
        .iter()
        .filter(|event| **event == Event::StartAllowed)
        .count();
    assert_eq!(judged, 3, "a judgement before each of three starts");
    assert_eq!(rig.look(B, |host| host.unit.starts), 1);
    rig.assert_clean("r1");
}

/// Proves that a backup which vanishes at the start parks the run; looking again later completes it.
#[tokio::test(start_paused = true)]
async fn backup_gone_at_the_start() {
    let rig = rig();
    rig.world.arm(Trigger {
        host: B,
        on: |call| call.op == Op::Start,
        when: When::After,
        action: Box::new(|hosts, _| hosts[B].link = Link::Dark),
        kills_coordinator: false,
    });
    assert_eq!(
        rig.run("r1").await,
        State::Parked(Parking::Starting),
        "{}",
        rig.story("r1")
    );
    assert!(rig.barred(A) && !rig.lives(A));
    rig.world.heal_links();
    assert_eq!(rig.resume("r1").await, COMPLETED, "{}", rig.story("r1"));
    rig.assert_clean("r1");
}

/// Proves that another machine which answers in the primary's name in mid-run is not taken for the primary: neither
/// in the same process after a reconnect, nor by the process that resumes.
#[tokio::test(start_paused = true)]
async fn another_machine_in_the_primarys_name() {
    let ops: [fn(&failover::transport::Call) -> bool; 3] = [
        |call| call.op == Op::Claim,
        |call| call.op == Op::Bar,
        |call| call.op == Op::Stop,
    ];
    for on in ops {
        let rig = rig();
        let true_id = rig.look(A, |host| host.machine_id.clone());
        rig.world.arm(Trigger {
            host: A,
            on,
            when: When::After,
            action: Box::new(|hosts, _| hosts[A].machine_id = "0123456789abcdef0123456789abcdef".to_owned()),
            kills_coordinator: false,
        });
        let state = rig.run("r1").await;
        println!("{}", rig.story("r1"));
        assert!(matches!(
            state,
            State::Parked(Parking::Fencing) | State::Ended(Outcome::Refused)
        ));
        assert!(!rig.lives(B) && rig.barred(B));
        if state == State::Parked(Parking::Fencing) {
            assert_eq!(rig.resume("r1").await, state, "{}", rig.story("r1"));
            rig.change(A, |host| host.machine_id = true_id);
            assert_eq!(rig.resume("r1").await, COMPLETED, "{}", rig.story("r1"));
        }
        rig.assert_clean("r1");
    }
}

/// Proves that a watch whose lines are refused at once, behind the first attestation, waits between two questions and
/// does not ask for ever more: it ends, unconfirmed, after a number of questions that fits its time.
#[tokio::test(start_paused = true)]
async fn a_refused_line_is_not_asked_in_a_busy_loop() {
    let rig = rig();
    rig.world.arm(Trigger {
        host: B,
        on: |call| call.op == Op::AwaitHead,
        when: When::Before,
        action: Box::new(|hosts, _| hosts[B].link = Link::Refusing),
        kills_coordinator: false,
    });
    let faults = FaultPlan::none();
    let state = rig.run_with("r1", How::faults(faults.clone())).await.unwrap();
    assert_eq!(state, State::Ended(Outcome::Unconfirmed), "{}", rig.story("r1"));
    assert!(faults.asks() < 400, "{} questions", faults.asks());
    assert!(rig.lives(B) && rig.barred(A));
}
