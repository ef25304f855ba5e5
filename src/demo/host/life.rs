//! What happens to a simulated host: power, boots, crashes, starts by the service manager and by hand.
//! Every start by the service manager passes the gate; a start by hand does not, as on a real host.

use std::time::Duration;

use super::unit::{Active, Cause, Unit};
use super::{Power, Process, SimHost, done, failed};
use crate::demo::referee::Period;
use crate::transport::Output;

impl SimHost {
    /// Lets what was due by itself happen up to a unix time: the end of a boot, an automatic restart.
    pub fn settle(&mut self, now: Duration) {
        if self.frozen.is_some() {
            return;
        }
        if let Power::Booting(at) = self.power
            && at <= now
        {
            self.boot(at);
        }
        while let Active::AutoRestart(at) = self.unit.active
            && at <= now
        {
            self.unit.restarts += 1;
            self.start_unit(at);
        }
    }

    /// The power goes, with everything that runs. Files stay.
    pub fn power_cut(&mut self, now: Duration) {
        self.end_process(now);
        self.unit.active = Active::Inactive;
        self.power = Power::Off;
        self.frozen = None;
    }

    /// Power comes back; the host boots.
    pub fn power_on(&mut self, now: Duration) {
        if self.power == Power::Off {
            self.power = Power::Booting(now + self.timing.boot);
        }
    }

    /// The host reboots: everything ends, the service manager reads its files anew and starts what is enabled.
    pub fn reboot(&mut self, now: Duration) {
        self.power_cut(now);
        self.power_on(now);
    }

    /// The validator process dies; `Restart=` brings it back if the unit may start.
    pub fn crash_validator(&mut self, now: Duration) {
        let in_unit = self.process.as_ref().is_some_and(|process| process.in_unit);
        self.end_process(now);
        if in_unit {
            self.unit.active = if self.unit.restart {
                Active::AutoRestart(now + self.unit.restart_after)
            } else {
                Active::Failed
            };
        }
    }

    /// Somebody runs the validator's command line in a shell: no gate stops that. Nothing happens if one is alive
    /// already, since the client locks its database.
    pub fn start_by_hand(&mut self, now: Duration) {
        if self.power == Power::On && self.frozen.is_none() && self.process.is_none() {
            self.begin_process(now, Cause::ByHand);
        }
    }

    /// The process that was started by hand is ended.
    pub fn stop_by_hand(&mut self, now: Duration) {
        if self.process.as_ref().is_some_and(|process| !process.in_unit) {
            self.end_process(now);
        }
    }

    fn boot(&mut self, now: Duration) {
        self.power = Power::On;
        self.boots += 1;
        self.booted_at = now;
        self.stood_still = Duration::ZERO;
        self.bars = 0;
        self.released.clear();
        self.unit.restarts = 0;
        self.unit.started_monotonic = Duration::ZERO;
        self.reload();
        if self.unit.enabled {
            self.start_unit(now);
        }
    }

    /// Starts the unit at the beginning of the world.
    pub(in crate::demo) fn start_at_beginning(&mut self, now: Duration) {
        self.start_unit_because(now, Cause::Beginning);
    }

    /// `daemon-reload`.
    pub(in crate::demo) fn reload(&mut self) {
        let gate = self.files.text(&Unit::gate_path(&self.unit.name));
        self.unit.reload(gate.as_deref());
    }

    /// The start job of the unit: evaluates the asserts, then runs the process. What `systemctl start` says.
    pub(super) fn start_unit(&mut self, now: Duration) -> Output {
        self.start_unit_because(now, Cause::Service)
    }

    /// The same, told who asked for it.
    pub(super) fn start_unit_because(&mut self, now: Duration, cause: Cause) -> Output {
        if self.unit.active == Active::Active {
            return done("");
        }
        if self
            .unit
            .loaded_asserts
            .iter()
            .any(|path| self.files.exists(path))
        {
            self.unit.active = Active::Inactive;
            return failed(1, format!("Assertion failed on job for {}.\n", self.unit.name));
        }
        self.unit.starts += 1;
        self.unit.started_monotonic = now.saturating_sub(self.booted_at);
        if self.quirks.start_fails {
            self.unit.active = Active::Failed;
            let name = &self.unit.name;
            return failed(
                1,
                format!("Job for {name} failed because the control process exited with error code.\n"),
            );
        }
        if self.process.is_some() {
            // Another process holds the database: this one ends at once, and Restart= tries again.
            self.unit.active = Active::AutoRestart(now + self.unit.restart_after);
            return done("");
        }
        self.unit.active = Active::Active;
        let cause = if self.gate_lifted { Cause::Lifted } else { cause };
        self.begin_process(now, cause);
        done("")
    }

    fn begin_process(&mut self, now: Duration, cause: Cause) {
        let in_unit = cause != Cause::ByHand;
        let after = if in_unit {
            self.timing.start_to_signing
        } else {
            self.timing.by_hand_to_signing
        };
        self.next_pid += 13;
        self.process = Some(Process {
            pid: self.next_pid,
            in_unit,
            cause,
            signs_from: now + after,
            attestations: 0,
            blocks: 0,
        });
        self.periods.push(Period {
            host: self.name.clone(),
            from: now,
            until: None,
            cause,
        });
    }

    pub(super) fn end_process(&mut self, now: Duration) {
        if self.process.take().is_some()
            && let Some(period) = self.periods.last_mut()
        {
            period.until = Some(now);
        }
    }

    /// Hundredths of a second since it booted, as the script's `uptime` prints.
    pub fn uptime_cs(&self, now: Duration) -> u64 {
        let stands = self.frozen.filter(|frozen| frozen.uptime_stands);
        let now = stands.map_or(now, |frozen| frozen.since);
        let up = now
            .saturating_sub(self.booted_at)
            .saturating_sub(self.stood_still);
        u64::try_from(up.as_millis() / 10).unwrap_or(u64::MAX)
    }

    /// A process id that was not given before.
    pub(super) fn new_pid(&mut self) -> u32 {
        self.next_pid += 1;
        self.next_pid
    }
}
