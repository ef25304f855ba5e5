//! A validator that somebody runs by hand on the backup, past the gate: seen alive, or gone again and known only by what it
//! wrote into the database. Its history is not on the primary, so there is no way back. And an import that comes late.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use failover::demo::host::unit::Active;
use failover::demo::host::{LOCK, SimHost};
use failover::demo::transport::{Ask, Fate, FaultPlan, Phase};
use failover::protocol::{Event, Outcome, Parking, State};
use failover::transport::{Broken, Call, Op};

use crate::support::{A, B, How, Rig, rig};

const COMPLETED: State = State::Ended(Outcome::Completed);
const RESTORED: State = State::Ended(Outcome::Restored);
const PARKED: State = State::Ended(Outcome::Parked);
/// How long a start may be under way: it comes behind the halt, and the host would still begin it.
const STILL_GOOD: Duration = Duration::from_secs(25);
const FENCING: State = State::Parked(Parking::Fencing);

/// Somebody does something on the backup around a question to it.
fn meddled(
    rig: &Rig,
    mut meddle: impl FnMut(&Ask<'_>, &mut SimHost, Duration) -> Fate + Send + 'static,
) -> How {
    let world = Arc::clone(&rig.world);
    How::faults(FaultPlan::new(move |ask| {
        if ask.host != "val-b" {
            return Fate::Deliver;
        }
        let met = world.with_host(B, |host, now| meddle(ask, host, now));
        met.unwrap_or(Fate::Deliver)
    }))
}

fn asks(ask: &Ask<'_>, op: Op) -> bool {
    ask.calls.iter().any(|call| call.op == op)
}

fn imports(ask: &Ask<'_>) -> bool {
    asks(ask, Op::Put)
}

/// The judgement of the start: the only look that asks for readings and papers behind the import.
fn judges(ask: &Ask<'_>) -> bool {
    asks(ask, Op::Processes) && asks(ask, Op::Papers)
}

/// What a validator leaves that has attested once and is gone.
fn has_signed(host: &mut SimHost) {
    let keys: Vec<String> = host.database.records().unwrap().into_keys().collect();
    for key in &keys {
        assert_eq!(
            host.database
                .sign_attestation(key, 9_999, 10_000, &format!("0x{}", "bb".repeat(32))),
            Ok(true)
        );
    }
}

/// The primary was not given back, and what was signed on the backup is still there.
fn no_way_back(rig: &Rig, state: State) {
    let story = rig.story("r1");
    assert_eq!(state, PARKED, "{story}");
    assert!(rig.events("r1").contains(&Event::BackupHasRun), "{story}");
    assert!(rig.barred(A) && rig.barred(B), "{story}");
    assert!(!rig.lives(A) && !rig.lives(B), "{story}");
    let signed = |host: &SimHost| {
        let records = host.database.records().unwrap();
        records
            .values()
            .all(|record| record.attestations.contains_key(&10_000))
    };
    assert!(rig.look(B, signed), "{story}");
    rig.assert_clean("r1");
}

/// A run that was parked where its import's answer was lost, before (`arrives`: false) or after it was carried out.
async fn import_unknown(rig: &Rig, arrives: bool) {
    let lost = meddled(rig, move |ask, _, _| {
        let now = if arrives { Phase::After } else { Phase::Before };
        match imports(ask) && ask.phase == now {
            true if arrives => Fate::LoseReply,
            true => Fate::LoseRequest,
            false => Fate::Deliver,
        }
    });
    assert_eq!(
        rig.run_with("r1", lost).await.unwrap(),
        FENCING,
        "{}",
        rig.story("r1")
    );
}

/// Proves that a validator which the judgement of the start saw on the backup is not forgotten when it has ended before the
/// undo looks.
#[tokio::test(start_paused = true)]
async fn seen_alive_by_the_judgement() {
    let rig = rig();
    rig.change(B, |host| {
        host.timing.by_hand_to_signing = Duration::from_secs(86_400)
    });
    let mut imported = false;
    let how = meddled(&rig, move |ask, host, now| {
        imported |= imports(ask);
        if imported && judges(ask) {
            match ask.phase {
                Phase::Before => host.start_by_hand(now),
                Phase::After => host.stop_by_hand(now),
            }
        }
        Fate::Deliver
    });
    let state = rig.run_with("r1", how).await.unwrap();
    assert_eq!(state, PARKED, "{}", rig.story("r1"));
    assert!(
        rig.events("r1").contains(&Event::BackupHasRun),
        "{}",
        rig.story("r1")
    );
    assert!(rig.barred(A) && rig.barred(B) && !rig.lives(A) && !rig.lives(B));
    rig.assert_clean("r1");
}

/// Proves that the judgement after a lost start looks again when it finds the backup alive: the start has come late.
#[tokio::test(start_paused = true)]
async fn a_start_that_comes_late() {
    let rig = rig();
    let mut lost = false;
    let how = meddled(&rig, move |ask, host, now| {
        if asks(ask, Op::Start) && !lost {
            lost = true;
            return Fate::LoseRequest;
        }
        if lost && judges(ask) && ask.phase == Phase::Before && host.unit.active != Active::Active {
            host.files.remove(LOCK);
            (host.unit.enabled, host.unit.active) = (true, Active::AutoRestart(now));
            host.settle(now);
        }
        Fate::Deliver
    });
    let state = rig.run_with("r1", how).await.unwrap();
    assert_eq!(state, COMPLETED, "{}", rig.story("r1"));
    let events = rig.events("r1");
    let at = events
        .iter()
        .position(|event| *event == Event::BackupHasRun)
        .unwrap();
    assert_eq!(events[at + 1], Event::BackupRuns);
    assert_eq!(rig.look(B, |host| host.unit.starts), 1, "started once");
    rig.assert_clean("r1");
}

/// Proves that a start which the network still holds when the backup is halted starts nothing any more, although giving the
/// claims back was lost too: the halt itself takes the backup's claim away. (Found by the search: a judgement had forbidden
/// the start by then.)
#[tokio::test(start_paused = true)]
async fn a_start_that_comes_behind_the_halt() {
    let rig = rig();
    let mut sent = false;
    let how = meddled(&rig, move |ask, host, _| {
        if asks(ask, Op::Start) && !sent {
            sent = true;
            (host.beacon.syncing, host.beacon.behind) = (true, 900);
            return Fate::Late(STILL_GOOD);
        }
        let gives_back = asks(ask, Op::Release) && !asks(ask, Op::Stop);
        if gives_back {
            Fate::LoseRequest
        } else {
            Fate::Deliver
        }
    });
    let began = tokio::time::Instant::now();
    let state = rig.run_with("r1", how).await.unwrap();
    let took = began.elapsed();
    assert_eq!(state, PARKED, "{}", rig.story("r1"));
    assert!(rig.events("r1").contains(&Event::BackupHalted));
    assert!(
        took < STILL_GOOD,
        "the start came before the run had ended: {took:?}"
    );
    rig.pass(STILL_GOOD.as_secs()).await;
    assert!(rig.barred(B) && !rig.lives(B), "{}", rig.story("r1"));
    assert_eq!(rig.look(B, |host| host.unit.starts), 0);
    rig.assert_clean("r1");
}

/// Proves that a validator which lives on the backup without its unit is not taken for the start that was asked for, neither
/// by the first look nor behind the bar.
#[tokio::test(start_paused = true)]
async fn alive_and_not_the_unit() {
    for unbarred in [false, true] {
        let rig = rig();
        rig.change(B, |host| {
            host.timing.by_hand_to_signing = Duration::from_secs(86_400)
        });
        let mut lost = false;
        let how = meddled(&rig, move |ask, host, now| {
            if asks(ask, Op::Start) && !lost {
                lost = true;
                if unbarred {
                    host.files.remove(LOCK);
                }
                return Fate::LoseRequest;
            }
            let looks = asks(ask, Op::Processes) && asks(ask, Op::Bar) == unbarred;
            if lost && looks && ask.phase == Phase::Before {
                host.start_by_hand(now);
            }
            Fate::Deliver
        });
        let state = rig.run_with("r1", how).await.unwrap();
        assert_eq!(state, State::Parked(Parking::Halting), "{}", rig.story("r1"));
        let events = rig.events("r1");
        assert!(
            events.contains(&Event::StartFailed) && !events.contains(&Event::BackupRuns),
            "{}",
            rig.story("r1")
        );
        rig.world.with_host(B, |host, now| host.stop_by_hand(now));
        assert_eq!(rig.resume("r1").await, PARKED, "{}", rig.story("r1"));
        rig.assert_clean("r1");
    }
}

/// Proves that nothing is imported into a database that somebody has written to since it was collected.
#[tokio::test(start_paused = true)]
async fn signed_between_collecting_and_import() {
    let rig = rig();
    let how = meddled(&rig, |ask, host, _| {
        if imports(ask) && ask.phase == Phase::Before {
            has_signed(host);
        }
        Fate::Deliver
    });
    let state = rig.run_with("r1", how).await.unwrap();
    no_way_back(&rig, state);
    assert!(!rig.events("r1").contains(&Event::Imported));
}

/// Proves that an import which the network delivers late, while the run still holds the host, does nothing.
#[tokio::test(start_paused = true)]
async fn an_import_that_comes_late() {
    let rig = rig();
    let kept: Arc<Mutex<Vec<Call>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let mut how = meddled(&rig, move |ask, _, _| {
        if imports(ask) {
            keep.lock().unwrap().clone_from(&ask.calls.to_vec());
        }
        Fate::Deliver
    });
    how.interrupt_in = Some(State::JudgingStart);
    assert_eq!(rig.run_with("r1", how).await.unwrap(), FENCING);
    let before = rig.look(B, |host| host.database.records().unwrap());
    let calls = kept.lock().unwrap().clone();
    let (mut broken, mut statuses) = (Broken::No, Vec::new());
    for call in &calls {
        let output = rig.world.perform_unless(broken, B, call).await.unwrap();
        if output.status != 0 {
            broken = broken.max(call.op.breaks());
        }
        statuses.push((call.op, output.status));
    }
    println!("{statuses:?}");
    assert!(statuses.contains(&(Op::Unchanged, 9)) && statuses.contains(&(Op::Run, 125)));
    assert_eq!(rig.look(B, |host| host.database.records().unwrap()), before);
    assert_eq!(rig.resume("r1").await, COMPLETED, "{}", rig.story("r1"));
    rig.assert_clean("r1");
}

/// Proves that a run which is taken up again finds that somebody has signed on the backup meanwhile: where it knows how it
/// left the database, and where the answer of its import was lost.
#[tokio::test(start_paused = true)]
async fn signed_while_the_run_was_parked() {
    for event in [Event::Resumed, Event::UndoAsked] {
        for state in [State::Merging, State::ReadingBack, State::JudgingStart] {
            let rig = rig();
            let how = How::interrupted_in(state);
            assert_eq!(rig.run_with("r1", how).await.unwrap(), FENCING);
            rig.change(B, has_signed);
            let state = rig.resume_with("r1", event, How::default()).await.unwrap();
            no_way_back(&rig, state);
        }
        for arrives in [false, true] {
            let rig = rig();
            import_unknown(&rig, arrives).await;
            rig.change(B, has_signed);
            let state = rig.resume_with("r1", event, How::default()).await.unwrap();
            no_way_back(&rig, state);
        }
    }
}

/// Proves that a run whose import's answer was lost goes on and goes back when nobody has signed there: whether it was
/// carried out or not, the database is within what the run can have put there.
#[tokio::test(start_paused = true)]
async fn an_import_of_unknown_fate_is_no_trace() {
    for (event, end) in [(Event::Resumed, COMPLETED), (Event::UndoAsked, RESTORED)] {
        for arrives in [false, true] {
            let rig = rig();
            rig.pass(5).await;
            import_unknown(&rig, arrives).await;
            let state = rig.resume_with("r1", event, How::default()).await.unwrap();
            assert_eq!(state, end, "{event} {arrives}\n{}", rig.story("r1"));
            rig.pass(30).await;
            rig.assert_clean("r1");
        }
    }
}

/// Proves that where an import's answer was lost and the database cannot be read, the primary is not given back.
#[tokio::test(start_paused = true)]
async fn what_an_import_left_has_to_be_read() {
    let rig = rig();
    import_unknown(&rig, true).await;
    rig.change(B, |host| host.quirks.database_damaged = true);
    let state = rig.resume_with("r1", Event::UndoAsked, How::default()).await;
    assert_eq!(
        state.unwrap(),
        State::Parked(Parking::Restoring),
        "{}",
        rig.story("r1")
    );
    assert!(rig.why("r1").contains("cannot be read"), "{}", rig.why("r1"));
    rig.change(B, |host| host.quirks.database_damaged = false);
    assert_eq!(rig.resume("r1").await, RESTORED, "{}", rig.story("r1"));
    rig.assert_clean("r1");
}

/// Proves that the undo looks once more behind its proof: at what lives there, and at the database.
#[tokio::test(start_paused = true)]
async fn the_last_look_of_an_undo() {
    for signs in [false, true] {
        let rig = rig();
        rig.change(B, |host| {
            host.timing.by_hand_to_signing = Duration::from_secs(86_400)
        });
        let parked = rig.run_with("r1", How::interrupted_in(State::Merging)).await;
        assert_eq!(parked.unwrap(), FENCING);
        let how = meddled(&rig, move |ask, host, now| {
            let last = asks(ask, Op::Mine) && asks(ask, Op::Fingerprint) && !asks(ask, Op::Stands);
            match (last && ask.phase == Phase::Before, signs) {
                (true, true) => has_signed(host),
                (true, false) => host.start_by_hand(now),
                (false, _) => {}
            }
            Fate::Deliver
        });
        let state = rig.resume_with("r1", Event::UndoAsked, how).await.unwrap();
        if signs {
            no_way_back(&rig, state);
        } else {
            assert_eq!(state, State::Parked(Parking::Halting), "{}", rig.story("r1"));
            assert!(rig.events("r1").contains(&Event::BackupHasRun));
        }
        assert!(!rig.lives(A) && rig.barred(A));
        rig.assert_clean("r1");
    }
}
