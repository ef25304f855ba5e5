//! Whether what a run says is so, at the moment when it says it: looks at the simulated hosts, not at what the run knows.
//! What a person did past the gate after the last reading could not be seen; nothing else is forgiven.

use std::time::Duration;

use failover::demo::host::LOCK;
use failover::demo::host::unit::{Active, Unit};
use failover::demo::host::{SimHost, UNIT};
use failover::demo::referee::Period;
use failover::demo::world::Height;
use failover::journal::Record;
use failover::protocol::{Event, Outcome, State};
use std::collections::BTreeMap;

use crate::desk::Desk;
use crate::support::Rig;

/// A person went past the gate after the host had been read for the last time: no program can know.
pub const UNSEEN: &str = "a person went past the gate behind the last reading of that host";

/// What a run may change on a host, but for its claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks([(bool, Option<String>, bool, Option<String>); 2]);

impl Marks {
    /// As both hosts are marked now.
    pub fn of(rig: &Rig) -> Marks {
        let of = |host: &SimHost| {
            (
                host.files.exists(LOCK) || host.gate_lifted,
                host.files.text(&Unit::gate_path(UNIT)),
                host.unit.enabled,
                host.files.text("/var/lib/failover/generation.json"),
            )
        };
        Marks([rig.look(0, of), rig.look(1, of)])
    }
}

/// Heights by key.
pub type Heights = BTreeMap<String, Height>;

/// The heights of a host's database, read without the coordinator.
pub fn heights(rig: &Rig, host: usize) -> Heights {
    let records = rig.look(host, |host| host.database.records().unwrap());
    records
        .iter()
        .map(|(key, record)| (key.clone(), failover::demo::world::height_of(record)))
        .collect()
}

/// Looks at what an event claims.
pub fn look(desk: &Desk, record: &Record, state: State) {
    let (primary, backup) = (desk.primary(), desk.backup());
    let wrong = |what: &str| {
        desk.log
            .wrong(&format!("{} says {}: {what}", desk.name, record.event))
    };
    match (record.event, state) {
        (Event::AttestationSeen, _) => {
            at_rest(desk, primary, true, &wrong);
            runs(desk, backup, &wrong);
            if !signed_since_start(desk, backup) {
                wrong("the backup has signed nothing");
            }
        }
        (Event::WatchRanOut, _)
        | (Event::LineLost | Event::Interrupted, State::Releasing(Outcome::Unconfirmed)) => {
            at_rest(desk, primary, false, &wrong);
            if !desk
                .eyes()
                .lock()
                .unwrap()
                .starts
                .iter()
                .any(|(host, _)| *host == backup)
            {
                wrong("the backup was never started");
            }
        }
        (Event::PrimaryRestored, _) => {
            at_rest(desk, backup, true, &wrong);
            runs(desk, primary, &wrong);
        }
        (Event::BackupHalted, _) => {
            at_rest(desk, backup, true, &wrong);
            seen(desk, record, primary, &wrong);
        }
        (Event::PrimaryLeftStopped, _) => {
            at_rest(desk, backup, true, &wrong);
            seen(desk, record, primary, &wrong);
        }
        (Event::AlreadyDone, _) => {
            at_rest(desk, primary, true, &wrong);
            runs(desk, backup, &wrong);
        }
        (Event::BackupBarred, _) => at_rest(desk, backup, true, &wrong),
        (Event::ProvenStopped, _) => at_rest(desk, primary, true, &wrong),
        _ => {}
    }
    let refused = state == State::Ended(Outcome::Refused);
    if refused && desk.alone && desk.marks().is_some_and(|marks| marks != Marks::of(&desk.rig)) {
        wrong("refused, and a host is marked otherwise than before");
    }
    claims(desk, record, state, &wrong);
    if let [Some(one), Some(other)] = [able(desk, 0), able(desk, 1)] {
        wrong(&format!("both hosts may sign: {one}; {other}"));
    }
}

/// Why a host may sign now or after its next boot; none when it may not, or when a person went past its gate.
fn able(desk: &Desk, host: usize) -> Option<String> {
    let name = &desk.rig.names[host];
    let past_gate = desk.rig.look(host, |host| {
        host.gate_lifted
            || host
                .process
                .as_ref()
                .is_some_and(|process| process.cause.past_gate())
    });
    match (desk.rig.lives(host), desk.rig.barred(host)) {
        _ if past_gate => None,
        (true, _) => Some(format!("{name} lives")),
        (false, false) => Some(format!("{name} is not barred")),
        (false, true) => None,
    }
}

/// What lies on the hosts must be what the state says of the claims.
fn claims(desk: &Desk, record: &Record, state: State, wrong: &dyn Fn(&str)) {
    let needle = format!("\"run\":\"{}\"", desk.run());
    let ours = |host: usize| {
        let text = desk
            .rig
            .look(host, |host| host.files.text("/var/lib/failover/claim.json"));
        text.is_some_and(|text| text.contains(&needle))
    };
    let held = [ours(0), ours(1)];
    if record.event == Event::ClaimsReleased {
        desk.told_released();
    }
    if record.event == Event::ClaimsReleased && held != [false, false] {
        wrong("a claim is left, and not told");
    }
    if matches!(state, State::Parked(_)) && record.event != Event::ClaimLost && held == [false, false] {
        wrong("parked, and holds no host");
    }
}

/// The last period of a host's validator, and when the desk last read the host.
fn last(desk: &Desk, host: usize) -> (Option<Period>, Option<Duration>) {
    let read = desk
        .eyes()
        .lock()
        .unwrap()
        .readings
        .iter()
        .filter(|(it, _)| *it == host)
        .map(|(_, at)| *at)
        .max();
    (desk.rig.look(host, |host| host.periods.last().cloned()), read)
}

/// Barred if asked, and no validator alive, but for one that a person started past the gate behind the last reading.
fn at_rest(desk: &Desk, host: usize, barred: bool, wrong: &dyn Fn(&str)) {
    let name = &desk.rig.names[host];
    let (period, read) = last(desk, host);
    let unseen = |period: &Period| period.cause.past_gate() && read.is_none_or(|read| period.from >= read);
    let lives = desk.rig.lives(host);
    if let Some(period) = period.filter(|_| lives) {
        if unseen(&period) {
            desk.log.excused(UNSEEN, &format!("{name} lives"));
        } else {
            wrong(&format!(
                "{name} lives, since {:.3} ({:?}); last read {read:?}",
                period.from.as_secs_f64() - 1_800_000_000.0,
                period.cause
            ));
        }
    }
    if barred && !desk.rig.barred(host) {
        if desk.rig.look(host, |host| host.gate_lifted) {
            desk.log.excused(UNSEEN, &format!("{name} is not barred"));
        } else {
            wrong(&format!("{name} is not barred"));
        }
    }
}

/// Its validator runs, or ended behind the last reading.
fn runs(desk: &Desk, host: usize, wrong: &dyn Fn(&str)) {
    let (period, read) = last(desk, host);
    let ended_unseen = |period: &Period| match (period.until, read) {
        (None, _) => true,
        (Some(until), Some(read)) => until >= read,
        (Some(_), None) => false,
    };
    // A restart that is pending is alive, in the program's words too.
    let returns = desk
        .rig
        .look(host, |host| matches!(host.unit.active, Active::AutoRestart(_)));
    if !returns && !period.is_some_and(|period| ended_unseen(&period)) {
        wrong(&format!(
            "{} does not run, and was read since it ended",
            desk.rig.names[host]
        ));
    }
}

/// What the halt says of the primary.
fn seen(desk: &Desk, record: &Record, primary: usize, wrong: &dyn Fn(&str)) {
    if record.facts["primary_seen"] == "fenced" {
        at_rest(desk, primary, true, wrong);
    }
}

/// Whether the host has signed since this desk first asked it to start.
fn signed_since_start(desk: &Desk, host: usize) -> bool {
    let eyes = desk.eyes();
    let eyes = eyes.lock().unwrap();
    let Some(since) = eyes
        .starts
        .iter()
        .filter(|(it, _)| *it == host)
        .map(|(_, at)| *at)
        .min()
    else {
        return false;
    };
    let name = desk.rig.names[host].clone();
    desk.rig.world.with(|inside, _| {
        inside
            .referee
            .messages()
            .iter()
            .rev()
            .any(|message| message.host == name && message.at >= since)
    })
}
