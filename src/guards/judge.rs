//! Running the table over the evidence, and the two questions that several guards and the proof share: is the
//! validator alive, and does the bar stand? Must never call a host stopped on anything but positive readings.

use super::{Evidence, GUARDS, HostEvidence, Seen, Stage, Unit, Verdict};

/// A guard's verdict with its numbers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
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
                host.name, found.pid, found.because, found.command
            )),
            None => Life::Stopped(format!(
                "{}: none of {} processes is the validator",
                host.name, seen.listed
            )),
        },
    };
    let by_unit = match &host.unit {
        Seen::Unknown(why) => Life::Unknown(format!("{}: unit: {why}", host.name)),
        Seen::Known(unit) => unit_life(&host.name, unit),
    };
    match (by_unit, by_process) {
        (Life::Alive(why), _) | (_, Life::Alive(why)) => Life::Alive(why),
        (Life::Unknown(why), _) | (_, Life::Unknown(why)) => Life::Unknown(why),
        (Life::Stopped(unit), Life::Stopped(_)) => Life::Stopped(unit),
    }
}

fn unit_life(host: &str, unit: &Unit) -> Life {
    let name = &unit.name;
    if unit.load_state != "loaded" && unit.load_state != "masked" {
        return Life::Unknown(format!("{host}: {name} is {}", unit.load_state));
    }
    if let Some(pid) = unit.cgroup_pids.first() {
        return Life::Alive(format!("{host}: process {pid} is left in the cgroup of {name}"));
    }
    if unit.main_pid != 0 {
        return Life::Alive(format!("{host}: {name} has main process {}", unit.main_pid));
    }
    match (unit.active_state.as_str(), unit.sub_state.as_str()) {
        (_, "auto-restart" | "auto-restart-queued") => Life::Alive(format!(
            "{host}: {name} waits to restart (Restart={})",
            unit.restart
        )),
        ("inactive", "dead") | ("failed", "failed") => Life::Stopped(format!(
            "{host}: {name} is {}, its cgroup empty",
            unit.active_state
        )),
        (active, sub) => Life::Alive(format!("{host}: {name} is {active} ({sub})")),
    }
}

/// Whether the bar stands in all its parts: lock file, gate on disk, gate loaded for that lock, unit not enabled.
pub fn stands_barred(host: &HostEvidence) -> Verdict {
    let (bar, unit) = match (host.bar.known(), host.unit.known()) {
        (Ok(bar), Ok(unit)) => (bar, unit),
        (Err(why), _) | (_, Err(why)) => return Verdict::Unknown(format!("{}: {why}", host.name)),
    };
    let mut missing = Vec::new();
    if bar.lock.is_none() {
        missing.push(format!("no lock file {}", bar.lock_path));
    }
    if !bar.gate {
        missing.push("no gate drop-in 90-failover.conf".to_owned());
    }
    if !unit.asserts_absent.contains(&bar.lock_path) {
        missing.push(format!(
            "the running systemd has not loaded the gate for {}",
            bar.lock_path
        ));
    }
    match unit.file_state.as_str() {
        "disabled" | "masked" | "static" | "indirect" | "generated" | "transient" | "linked" => {}
        other => missing.push(format!("{} is {other}", unit.name)),
    }
    if missing.is_empty() {
        Verdict::Pass(format!(
            "{}: lock, gate and disablement of {} were read",
            host.name, unit.name
        ))
    } else {
        Verdict::Refuse(format!("{}: {}", host.name, missing.join(", ")))
    }
}
