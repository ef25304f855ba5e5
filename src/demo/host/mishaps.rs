//! What accidents and persons do to a simulated host beside power and processes: it freezes and thaws, its clock is wrong,
//! somebody uses systemctl, or takes the lock away. Every start by the service manager still passes the gate.

use std::time::Duration;

use super::unit::Active;
use super::{LOCK, Power, SimHost};
use crate::demo::chain::{Chain, Moment};
use crate::transport::Output;

/// A host on which nothing moves: a virtual machine that is paused, a kernel that hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frozen {
    /// Unix time.
    pub since: Duration,
    /// Whether its uptime stands still with it, as a paused virtual machine's does.
    pub uptime_stands: bool,
}

impl SimHost {
    /// Nothing on it moves any more; what is sent to it waits.
    pub fn freeze(&mut self, now: Duration, uptime_stands: bool) {
        if self.power == Power::On && self.frozen.is_none() {
            self.frozen = Some(Frozen {
                since: now,
                uptime_stands,
            });
        }
    }

    /// It goes on. Since when it had stood; none if it had not.
    pub(in crate::demo) fn thaw(&mut self, now: Duration) -> Option<Duration> {
        let frozen = self.frozen.take()?;
        if frozen.uptime_stands {
            self.stood_still += now.saturating_sub(frozen.since);
        }
        Some(frozen.since)
    }

    /// The moment as the host's own clock shows it, in whole slots: a validator signs for the slot of its clock.
    pub(super) fn as_it_seems(&self, chain: &Chain, moment: Moment) -> Moment {
        let slots = self.clock_ahead_ms / i64::try_from(chain.slot_ms).unwrap_or(i64::MAX);
        Moment {
            slot: moment.slot.saturating_add_signed(slots),
            ..moment
        }
    }

    /// `systemctl start`, by a person.
    pub fn systemctl_start(&mut self, now: Duration) -> Option<Output> {
        (self.power == Power::On && self.frozen.is_none()).then(|| self.start_unit(now))
    }

    /// `systemctl stop`, by a person.
    pub fn systemctl_stop(&mut self, now: Duration) {
        if self.power != Power::On || self.frozen.is_some() || self.quirks.stop_fails {
            return;
        }
        if self.process.as_ref().is_some_and(|process| process.in_unit) {
            self.end_process(now);
        }
        self.unit.active = Active::Inactive;
    }

    /// Somebody takes the lock away by hand and starts the unit: no program stops that.
    pub fn lift_gate_and_start(&mut self, now: Duration) {
        if self.power != Power::On || self.frozen.is_some() || self.process.is_some() {
            return;
        }
        self.gate_lifted |= self.files.remove(LOCK);
        self.start_unit(now);
    }
}
