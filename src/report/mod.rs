//! What a run came to, for people and programs: built from the journal alone, so that it can be shown again at any time.
//! Must never say what was not read back, and never name a signer that was not seen.

mod next;
mod text;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::driver::gathered;
use crate::guards::Finding;
use crate::journal::{JournalError, Record, Run};
use crate::protocol::{Event, Outcome, State, replay};

pub use text::{findings_text, report_text};

/// The version of the document. `docs/report.schema.json` describes it.
pub const SCHEMA: &str = "failover.report/1";

/// One run, from its journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// Run id.
    pub run: String,
    /// `completed`, `unconfirmed`, `restored`, `parked`, `refused`; `running` while it is live and not parked.
    pub outcome: String,
    /// Name of the state.
    pub state: String,
    /// In one sentence, what the last event was.
    pub why: String,
    /// Whether either host was changed.
    pub changed: bool,
    /// The run's generation; none before the claim.
    pub generation: Option<u64>,
    /// The host that signed when the run began.
    pub primary: String,
    /// The host that was to sign.
    pub backup: String,
    /// Where the run was driven from.
    pub coordinator: String,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339, of the last event.
    pub last: String,
    /// Who signs now, as it was read back; none when nobody does or it is not known.
    pub signer: Option<String>,
    /// How many keys the run is about.
    pub keys: Option<u64>,
    /// Seconds between asking the primary to stop and the backup's first published attestation; none when there was no
    /// such gap, or it was not seen to end.
    pub gap_s: Option<f64>,
    /// Sequential round trips after the connections stood.
    pub round_trips: Option<u64>,
    /// What was gone through.
    pub states: Vec<Stay>,
    /// The newest verdict of each guard.
    pub guards: Vec<Finding>,
    /// Floors on the backup that the merge raised, and that were equal already.
    pub floors: Option<Floors>,
    /// How each host's history was collected; none before.
    pub collected: Option<Collected>,
    /// What came of comparing the primary's history with its client's own export; none where nothing was to compare.
    pub cross_check: Option<CrossCheck>,
    /// Where the backup's old database was kept, `host:path`.
    pub archive: Option<String>,
    /// Whether the last look, after the backup was halted, did not find the primary stopped and barred.
    pub primary_seen_alive: bool,
    /// Whether another run or a person took this run's claim away, and it ended on that without a look at any host.
    pub claim_lost: bool,
    /// Hosts on which this run's claim was left.
    pub claims_left_on: Vec<String>,
    /// Whether the hosts showed that the run was over, against its journal.
    #[serde(skip)]
    pub found_over: bool,
    /// Commands to do next, most urgent first.
    pub next: Vec<String>,
    /// What cannot be said as a command.
    pub notes: Vec<String>,
}

/// One state that the run was in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stay {
    /// Name of the state.
    pub name: String,
    /// When it was entered, RFC 3339.
    pub start: String,
    /// For how long.
    pub seconds: f64,
    /// The event that ended it.
    pub event: String,
    /// In words.
    pub why: String,
}

/// How each host's history was collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// From the primary.
    pub primary: Way,
    /// From the backup.
    pub backup: Way,
}

/// A way to a host's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// `direct`: its database was read here; `export`: its client was asked.
    pub way: String,
    /// Why the client was asked although its database could have been read; empty otherwise.
    pub why: String,
    /// What a person should know of the database that was read.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// The primary's history, compared with its client's own export after the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrossCheck {
    /// `agrees`, `differs`, `higher` (then the backup was stopped) or `not_made`.
    pub outcome: String,
    /// In words.
    pub why: String,
}

/// What the merge did to the backup's floors, in keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Floors {
    /// Raised.
    pub raised: u64,
    /// Equal already.
    pub equal: u64,
}

impl Report {
    /// The report of a run from its entries.
    ///
    /// # Errors
    /// The entries do not lead anywhere by the table.
    pub fn new(run: &Run, records: &[Record]) -> Result<Report, JournalError> {
        let state = replay(records.iter().map(|record| record.event)).unwrap_or(State::Preflight);
        let facts = gathered(records);
        let number = |name: &str| facts.get(name).and_then(Value::as_u64);
        let last = records.last();
        let word = state.outcome().map_or("running", Outcome::word);
        let touched = records.iter().any(|record| record.event == Event::Claimed);
        let found_over = records.iter().any(|record| record.event == Event::FoundOver);
        let mut report = Report {
            schema: SCHEMA.to_owned(),
            run: run.id.clone(),
            outcome: word.to_owned(),
            state: state.to_string(),
            why: decisive(records).map_or_else(String::new, |record| record.why.clone()),
            changed: touched && (state.outcome() != Some(Outcome::Refused) || found_over),
            generation: number("generation"),
            primary: run.primary.clone(),
            backup: run.backup.clone(),
            coordinator: run.coordinator.clone(),
            started: run.started_at.to_string(),
            last: last.map_or(run.started_at, |record| record.at).to_string(),
            signer: signer(run, state),
            keys: number("keys"),
            gap_s: facts.get("gap_s").and_then(Value::as_f64),
            round_trips: number("round_trips"),
            states: stays(run, records),
            guards: guards(records),
            floors: facts.get("floors").and_then(|floors| {
                Some(Floors {
                    raised: floors.get("raised")?.as_u64()?,
                    equal: floors.get("equal")?.as_u64()?,
                })
            }),
            collected: typed(&facts, "collected"),
            cross_check: typed(&facts, "cross_check"),
            archive: facts.get("archive").and_then(Value::as_str).map(str::to_owned),
            primary_seen_alive: facts.get("primary_seen").is_some_and(|seen| seen != "fenced"),
            claim_lost: claim_lost(records, state),
            claims_left_on: facts
                .get("claims_left_on")
                .and_then(Value::as_array)
                .map(|hosts| {
                    hosts
                        .iter()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect()
                })
                .unwrap_or_default(),
            found_over,
            next: Vec::new(),
            notes: Vec::new(),
        };
        let (next, notes) = next::next(&report, state);
        report.next = next;
        report.notes = notes;
        Ok(report)
    }
}

fn typed<T: serde::de::DeserializeOwned>(facts: &Value, name: &str) -> Option<T> {
    serde_json::from_value(facts.get(name)?.clone()).ok()
}

/// The record that decided the outcome: the last one that is neither housekeeping nor the carrying out of a decision.
fn decisive(records: &[Record]) -> Option<&Record> {
    records
        .iter()
        .rev()
        .find(|record| !carries_out(record))
        .or(records.last())
}

/// Whether nothing was done or seen any more behind the loss of the claim; a backup that was halted behind it was seen.
fn claim_lost(records: &[Record], state: State) -> bool {
    let over = matches!(
        state,
        State::Releasing(Outcome::Parked) | State::Ended(Outcome::Parked)
    );
    let acted = |record: &&Record| matches!(record.event, Event::ClaimLost | Event::BackupHalted);
    let last = records.iter().rev().find(acted);
    over && last.is_some_and(|record| record.event == Event::ClaimLost)
}

fn carries_out(record: &Record) -> bool {
    let left_behind = record.event == Event::LineLost && !record.state.starts_with("Parked");
    left_behind
        || matches!(
            record.event,
            Event::ClaimsReleased
                | Event::Resumed
                | Event::UndoAsked
                | Event::BackupHalted
                | Event::BackupBarred
                | Event::PrimaryRestored
                | Event::PrimaryLeftStopped
        )
}

fn signer(run: &Run, state: State) -> Option<String> {
    match state.outcome()? {
        Outcome::Completed => Some(run.backup.clone()),
        Outcome::Restored => Some(run.primary.clone()),
        Outcome::Unconfirmed | Outcome::Parked | Outcome::Refused => None,
    }
}

fn stays(run: &Run, records: &[Record]) -> Vec<Stay> {
    let mut since = run.started_at;
    let mut name = State::Preflight.to_string();
    let mut stays = Vec::new();
    for record in records {
        stays.push(Stay {
            name: std::mem::replace(&mut name, record.state.clone()),
            start: since.to_string(),
            seconds: record.at.duration_since(since).as_secs_f64(),
            event: record.event.name(),
            why: record.why.clone(),
        });
        since = record.at;
    }
    stays
}

/// Every guard that was judged, with its newest verdict, in the order of the first judgement.
fn guards(records: &[Record]) -> Vec<Finding> {
    let mut guards: Vec<Finding> = Vec::new();
    for record in records {
        let findings: Vec<Finding> = record
            .facts
            .get("findings")
            .cloned()
            .and_then(|findings| serde_json::from_value(findings).ok())
            .unwrap_or_default();
        for finding in findings {
            match guards.iter_mut().find(|known| known.id == finding.id) {
                Some(known) => *known = finding,
                None => guards.push(finding),
            }
        }
    }
    guards
}
