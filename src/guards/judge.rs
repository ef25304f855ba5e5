//! Running the table over the evidence, and the two questions that several guards and the proof share: is the
//! validator alive, and does the bar stand? Must never call a host stopped on anything but positive readings.

use super::{Evidence, GUARDS, HostEvidence, Seen, Stage, Verdict};
use crate::services::systemd;

/// A guard's verdict with its numbers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// The guard's id.
    pub id: String,
    /// What it makes sure of.
    pub title: String,
    /// `pass`, `refuse` or `unknown`.
    pub verdict: String,
    /// What was seen, or why it is not known.
    pub why: String,
    /// What to do; empty when it passed.
    pub remedy: String,
}

impl Finding {
    /// Whether it blocks.
    pub fn blocks(&self) -> bool {
        self.verdict != "pass"
    }
}

/// Every guard of the stage over the evidence, in the table's order.
pub fn judge(evidence: &Evidence, stage: Stage) -> Vec<Finding> {
    GUARDS
        .iter()
        .filter(|guard| guard.stages.contains(&stage))
        .map(|guard| {
            let (verdict, why, remedy) = match (guard.check)(evidence, stage) {
                Verdict::Pass(why) => ("pass", why, ""),
                Verdict::Refuse(why) => ("refuse", why, guard.remedy),
                Verdict::Unknown(why) => ("unknown", why, guard.remedy),
            };
            Finding {
                id: guard.id.to_owned(),
                title: guard.title.to_owned(),
                verdict: verdict.to_owned(),
                why,
                remedy: remedy.to_owned(),
            }
        })
        .collect()
}

/// Those that block.
pub fn blocking(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.blocks()).collect()
}

/// Whether a host's validator runs, by everything that was read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// Every reading says stopped: unit, cgroup, processes.
    Stopped(String),
    /// Something says alive.
    Alive(String),
    /// Something could not be read, and nothing says alive.
    Unknown(String),
}

/// The validator's life on a host. Alive beats unknown; stopped needs the unit *and* the process list.
pub fn life(host: &HostEvidence) -> Life {
    let by_process = match &host.processes {
        Seen::Unknown(why) => Life::Unknown(format!("{}: processes: {why}", host.name)),
        Seen::Known(seen) => match seen.validator.first() {
            Some(found) => Life::Alive(format!(
                "{}: process {} is the validator ({}): {}",
                host.name, found.pid, found.because, found.exe
            )),
            None => Life::Stopped(format!(
                "{}: none of {} processes is the validator",
                host.name, seen.listed
            )),
        },
    };
    let by_unit = match &host.unit {
        Seen::Unknown(why) => Life::Unknown(format!("{}: unit: {why}", host.name)),
        Seen::Known(unit) => match systemd::life(unit) {
            systemd::Life::Stopped => Life::Stopped(format!(
                "{}: {} is {}, its cgroup empty",
                host.name, unit.name, unit.active_state
            )),
            systemd::Life::Alive(why) => Life::Alive(format!("{}: {why}", host.name)),
            systemd::Life::Unknown(why) => Life::Unknown(format!("{}: {why}", host.name)),
        },
    };
    match (by_unit, by_process) {
        (Life::Alive(why), _) | (_, Life::Alive(why)) => Life::Alive(why),
        (Life::Unknown(why), _) | (_, Life::Unknown(why)) => Life::Unknown(why),
        (Life::Stopped(unit), Life::Stopped(_)) => Life::Stopped(unit),
    }
}

/// Whether the bar stands in all its parts: lock file, gate on disk, gate loaded for that lock, unit not enabled.
pub fn stands_barred(host: &HostEvidence) -> Verdict {
    let (bar, unit) = match (host.bar.known(), host.unit.known()) {
        (Ok(bar), Ok(unit)) => (bar, unit),
        (Err(why), _) | (_, Err(why)) => return Verdict::Unknown(format!("{}: {why}", host.name)),
    };
    match systemd::barred(unit, bar) {
        Ok(()) => Verdict::Pass(format!(
            "{}: lock, gate and disablement of {} were read",
            host.name, unit.name
        )),
        Err(missing) => Verdict::Refuse(format!("{}: {missing}", host.name)),
    }
}
