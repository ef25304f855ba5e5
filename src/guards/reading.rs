//! One reading of a host, judged: what a fence proof is made of. Pure. Must never call positive what was not read in all
//! its parts: unit, cgroup, processes, lock, gate, disablement, and which machine, boot and lock it was.

use super::{FenceReading, HostEvidence, Life, Verdict, life, stands_barred};

/// What one reading of a host says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Stopped, barred, and by whom it was read.
    Positive(FenceReading),
    /// The validator lives.
    Alive(String),
    /// Stopped, but not barred.
    Unbarred(String),
    /// Something could not be read.
    Unknown(String),
}

/// Judges one reading.
pub fn reading_of(seen: &HostEvidence) -> Reading {
    match life(seen) {
        Life::Alive(why) => return Reading::Alive(why),
        Life::Unknown(why) => return Reading::Unknown(why),
        Life::Stopped(_) => {}
    }
    match stands_barred(seen) {
        Verdict::Refuse(why) => return Reading::Unbarred(why),
        Verdict::Unknown(why) => return Reading::Unknown(why),
        Verdict::Pass(_) => {}
    }
    match fence_reading(seen) {
        Ok(reading) => Reading::Positive(reading),
        Err(why) => Reading::Unknown(why),
    }
}

/// What a later reading of a host that stands is compared with.
///
/// # Errors
/// What was not read.
pub fn fence_reading(seen: &HostEvidence) -> Result<FenceReading, String> {
    let (identity, unit, bar) = (seen.identity.known()?, seen.unit.known()?, seen.bar.known()?);
    let lock_id = bar.lock_id.clone().ok_or("which lock it is was not read")?;
    Ok(FenceReading {
        machine_id: identity.machine_id.clone(),
        boot_id: identity.boot_id.clone(),
        main_start_us: unit.main_start_us,
        lock_id,
    })
}

impl FenceReading {
    /// Whether a later reading is of the same machine, and shows no start of the unit since this one.
    pub fn holds(&self, later: &FenceReading) -> bool {
        let since = if self.boot_id == later.boot_id {
            self.main_start_us
        } else {
            0
        };
        self.machine_id == later.machine_id && later.main_start_us <= since && self.lock_id == later.lock_id
    }
}
