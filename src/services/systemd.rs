//! Judges a systemd unit: does it live, is it barred. Reads the bar's files. Must never call a unit stopped or
//! barred because something was not seen: each of the two words needs every positive reading that it stands for.

use crate::guards::evidence::{Bar, Unit};
use crate::transport::Output;

use super::fields::Fields;

pub use super::unit::{read_environment, read_unit};

/// Whether the unit's validator lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// Inactive or failed, no start pending, no main process, nothing in the cgroup.
    Stopped,
    /// Something of it runs or is about to; what.
    Alive(String),
    /// It cannot be said, and why.
    Unknown(String),
}

/// Whether the unit lives, from one reading. Says nothing of processes outside the unit.
pub fn life(unit: &Unit) -> Life {
    let state = format!("{} ({})", unit.active_state, unit.sub_state);
    if unit.main_pid != 0 {
        return Life::Alive(format!(
            "{} is {state} with main process {}",
            unit.name, unit.main_pid
        ));
    }
    if !unit.cgroup_pids.is_empty() {
        return Life::Alive(format!(
            "{} is {state}, but its cgroup still holds process {} (KillMode={})",
            unit.name,
            list(&unit.cgroup_pids),
            unit.kill_mode
        ));
    }
    if unit.sub_state.contains("auto-restart") {
        return Life::Alive(format!(
            "{} is {state}: systemd is about to start it again",
            unit.name
        ));
    }
    match unit.active_state.as_str() {
        "active" | "activating" | "deactivating" | "reloading" | "refreshing" | "maintenance" => {
            Life::Alive(format!("{} is {state}", unit.name))
        }
        "inactive" | "failed" => resting(unit, &state),
        _ => Life::Unknown(format!(
            "{} is {state}, a state that is not known here",
            unit.name
        )),
    }
}

fn resting(unit: &Unit, state: &str) -> Life {
    match unit.load_state.as_str() {
        "loaded" | "masked" => {}
        "not-found" => {
            return Life::Unknown(format!(
                "the host has no unit {}: name the validator's unit",
                unit.name
            ));
        }
        other => return Life::Unknown(format!("systemd could not load {}: {other}", unit.name)),
    }
    match unit.sub_state.as_str() {
        "dead" | "failed" => Life::Stopped,
        _ => Life::Unknown(format!(
            "{} is {state}, a state that is not known here",
            unit.name
        )),
    }
}

/// What the gate drop-in says, comments left out. The path must be absolute.
pub fn gate_lines(lock_path: &str) -> [String; 2] {
    ["[Unit]".to_string(), format!("AssertPathExists=!{lock_path}")]
}

/// The bar as it lies on disk. The gate counts as lying there only when it says exactly [`gate_lines`].
///
/// # Errors
/// The call failed, or a file can neither be read nor said to be absent.
pub fn read_bar(lock_path: &str, output: &Output) -> Result<Bar, String> {
    let fields = Fields::read(output.ok()?)?;
    let lock = fields.file("lock")?;
    let gate = fields.file("gate")?.is_some_and(|text| is_gate(&text, lock_path));
    let lock_id = if lock.is_some() {
        Some(fields.one("lock.id")?.to_string())
    } else {
        None
    };
    Ok(Bar {
        lock_path: lock_path.to_string(),
        lock,
        lock_id,
        gate,
    })
}

fn is_gate(text: &str, lock_path: &str) -> bool {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
        .eq(gate_lines(lock_path).iter().map(String::as_str))
}

/// Whether the host is barred: lock there, gate on disk, gate loaded for exactly this lock, nothing enabled.
///
/// # Errors
/// Every part that is missing, in words.
pub fn barred(unit: &Unit, bar: &Bar) -> Result<(), String> {
    let mut missing = Vec::new();
    if bar.lock.is_none() {
        missing.push(format!("the lock file {} is not there", bar.lock_path));
    }
    if !bar.gate {
        missing.push(format!(
            "the gate drop-in of {} is not there or says something else",
            unit.name
        ));
    }
    if let Err(why) = gated(unit, &bar.lock_path) {
        missing.push(why);
    }
    if let Err(why) = unrevived(unit) {
        missing.push(why);
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(missing.join("; "))
    }
}

/// Whether the running manager has loaded the gate for exactly this lock path.
///
/// # Errors
/// What it has loaded instead.
pub fn gated(unit: &Unit, lock_path: &str) -> Result<(), String> {
    if unit.asserts_absent.iter().any(|path| path == lock_path) {
        return Ok(());
    }
    Err(match (unit.load_state.as_str(), unit.asserts_absent.as_slice()) {
        ("masked", _) => format!(
            "{} is masked, so systemd loads no gate for it: unmask it",
            unit.name
        ),
        (_, []) => format!(
            "systemd has no gate loaded for {}: systemctl daemon-reload",
            unit.name
        ),
        (_, others) => {
            format!(
                "systemd has a gate loaded for {}, not for {lock_path}",
                others.join(", ")
            )
        }
    })
}

/// Whether nothing starts the unit at boot or in another unit's wake.
fn unrevived(unit: &Unit) -> Result<(), String> {
    match (unit.file_state.as_str(), unit.revived_by.as_slice()) {
        ("disabled" | "masked", _) | ("static", []) => Ok(()),
        ("static", revivers) => Err(format!(
            "{} is static and {} can start it",
            unit.name,
            revivers.join(", ")
        )),
        ("", _) => Err(format!("systemd does not say whether {} is enabled", unit.name)),
        (state, _) => Err(format!("{} is {state}, not disabled", unit.name)),
    }
}

fn list(pids: &[u64]) -> String {
    pids.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}
