//! The judge: reads every message of every simulated validator when all is over, and says what was wrong. Each thing that
//! no program can prevent is a predicate with a name and a sentence, counted; nothing else is forgiven.

use std::time::Duration;

use failover::demo::host::unit::Cause;
use failover::demo::referee::{Message, Offence, Period};
use failover::protocol::State;

use crate::desk::Desk;
use crate::lasting::FILES_LACK;
use crate::support::Rig;
use crate::surroundings::Clocks;
use crate::truth::{Heights, heights};

/// A message was signed by a validator that a person had started past the gate (safety.md, "What remains").
const PAST_GATE: &str = "signed by a validator that a person had started past the gate";
/// A person started a validator past the gate while the other host was able to sign (safety.md, "What remains").
const JOINED: &str = "a person started a validator past the gate beside one that runs";
/// A person started a validator past the gate behind the reading that the start of the other rested on.
const GAP: &str = "a person started a validator past the gate between the last reading and the start";
/// A validator that a person had started past the gate ran when the other host's service manager started its own again.
const REVIVED: &str = "a rightful validator came back beside one that a person had started past the gate";
/// The signer's clock stood behind by a slot or more (safety.md, A8 and R17).
const SET_BACK: &str = "the signer's clock had been set back (A8, R17)";

/// What was signed did not lie in the files of the database (safety.md, A7); the cross-check comes after the start.
const NOT_IN_FILES: &str = "the database's files did not hold what had been signed (A7)";

/// The floors of both hosts at the beginning.
pub struct Beginning([Heights; 2]);

impl Beginning {
    /// As they are now.
    pub fn of(rig: &Rig) -> Beginning {
        Beginning([heights(rig, 0), heights(rig, 1)])
    }
}

/// Everything, at the end of a seed.
pub fn judge(rig: &Rig, desks: &[&Desk], beginning: &Beginning, clocks: &Clocks) {
    let log = &desks[0].log;
    let files_lacked = log.notes().struck.contains_key(FILES_LACK);
    let periods: [Vec<Period>; 2] = [0, 1].map(|host| rig.look(host, |host| host.periods.clone()));
    for offence in rig.verdict().offences {
        match forgiven(rig, &offence, &periods, clocks, files_lacked) {
            Some(excuse) => log.excused(excuse, &offence.to_string()),
            None => log.wrong(&format!("SLASHABLE {offence}")),
        }
    }
    for first in &periods[0] {
        for second in &periods[1] {
            let (first, second) = if first.from <= second.from {
                (first, second)
            } else {
                (second, first)
            };
            if first.until.is_some_and(|until| until <= second.from) {
                continue;
            }
            let told = format!(
                "OVERLAP {} ({:?}, since {:.3}) and {} ({:?}, since {:.3})",
                first.host,
                first.cause,
                seconds(first.from),
                second.host,
                second.cause,
                seconds(second.from)
            );
            match overlap(rig, desks, first, second) {
                Some(excuse) => log.excused(excuse, &told),
                None => log.wrong(&told),
            }
        }
    }
    for lacking in rig.world.with(|inside, _| inside.heights.lacking.clone()) {
        let told = format!(
            "WITHOUT HISTORY {} at {:.3} than {}: {}",
            lacking.host,
            seconds(lacking.at),
            lacking.than,
            lacking.what
        );
        if lacking.cause.past_gate() {
            log.excused(PAST_GATE, &told);
        } else if files_lacked {
            log.excused(NOT_IN_FILES, &told);
        } else {
            log.wrong(&told);
        }
    }
    for host in [0, 1] {
        floors(rig, host, &beginning.0[host], &periods[host], desks);
    }
    ends(desks);
}

fn seconds(at: Duration) -> f64 {
    at.as_secs_f64() - 1_800_000_000.0
}

fn forgiven(
    rig: &Rig,
    offence: &Offence,
    periods: &[Vec<Period>; 2],
    clocks: &Clocks,
    files_lacked: bool,
) -> Option<&'static str> {
    let past_gate = |message: &Message| {
        periods.iter().flatten().any(|period| {
            let within = period.from <= message.at && period.until.is_none_or(|until| message.at <= until);
            period.host == message.host && within && period.cause.past_gate()
        })
    };
    if past_gate(&offence.first) || past_gate(&offence.second) {
        return Some(PAST_GATE);
    }
    if files_lacked {
        return Some(NOT_IN_FILES);
    }
    let later = if offence.first.at <= offence.second.at {
        &offence.second
    } else {
        &offence.first
    };
    let host = rig.world.position(&later.host)?;
    let clocks = clocks.lock().unwrap();
    let ahead_ms = clocks
        .iter()
        .rev()
        .find(|(it, at, _)| *it == host && *at <= later.at)
        .map_or(0, |(_, _, ahead)| *ahead);
    (ahead_ms <= -1_000).then_some(SET_BACK)
}

fn overlap(rig: &Rig, desks: &[&Desk], first: &Period, second: &Period) -> Option<&'static str> {
    if second.cause.past_gate() {
        return Some(JOINED);
    }
    if !first.cause.past_gate() {
        return None;
    }
    match second.cause {
        Cause::Service | Cause::Beginning => Some(REVIVED),
        Cause::Lifted | Cause::ByHand => Some(JOINED),
        Cause::Coordinator => {
            let (of, on) = (
                rig.world.position(&first.host)?,
                rig.world.position(&second.host)?,
            );
            let last = |desk: &&&Desk| {
                let eyes = desk.eyes();
                let eyes = eyes.lock().unwrap();
                eyes.starts
                    .iter()
                    .filter(|(host, at)| *host == on && *at <= second.from)
                    .map(|(_, at)| *at)
                    .max()
            };
            let desk = desks.iter().max_by_key(last)?;
            let asked = last(&desk)?;
            let eyes = desk.eyes();
            let eyes = eyes.lock().unwrap();
            let judged = *eyes.judged.iter().filter(|at| **at <= asked).max()?;
            let read = eyes
                .readings
                .iter()
                .filter(|(host, at)| *host == of && *at <= asked)
                .map(|(_, at)| *at)
                .max()?;
            (read >= judged && first.from >= read).then_some(GAP)
        }
    }
}

/// No floor of a database is below what it was, nor below what the host signed.
fn floors(rig: &Rig, host: usize, before: &Heights, periods: &[Period], desks: &[&Desk]) {
    let now = heights(rig, host);
    let name = &rig.names[host];
    let signed = rig.world.with(|inside, _| inside.heights.of(name));
    for (key, height) in before.iter().chain(&signed) {
        let held = now.get(key).copied().unwrap_or_default();
        if held.0 < height.0 || held.1 < height.1 || held.2 < height.2 {
            let told = format!("FLOOR FELL {name} {}: {height:?} to {held:?}", &key[..10]);
            if periods.iter().any(|period| period.cause.past_gate()) {
                desks[0].log.excused(PAST_GATE, &told);
            } else {
                desks[0].log.wrong(&told);
            }
        }
    }
}

/// The claim that lies on a host.
pub fn claim_on(rig: &Rig, host: usize) -> Option<String> {
    rig.look(host, |host| host.files.text("/var/lib/failover/claim.json"))
}

/// Every run is over once everything was put right, and holds no host.
fn ends(desks: &[&Desk]) {
    for desk in desks {
        match desk.state() {
            Some(State::Ended(_)) => {}
            state => desk
                .log
                .wrong(&format!("TRAP {} rests in {state:?} on fair days", desk.run())),
        }
    }
}
