//! The answers of a simulated host to the operations that change it: claim, bar, unbar, stop, start, generation.
//! Each does what its function in `remote.sh` does, in the same order, and fails where that would fail.

use std::time::Duration;

use super::files::parent;
use super::unit::{Active, Cause, Unit};
use super::{STATE, SimHost, done, failed};
use crate::transport::Output;

/// Less free space than this, and every write fails.
const SMALLEST_FREE: u64 = 4096;

impl SimHost {
    /// Why nothing can be written to the disk now, in the shell's words.
    pub(super) fn unwritable(&self) -> Option<Output> {
        if self.quirks.read_only {
            Some(failed(
                1,
                "mkdir: cannot create directory: Read-only file system\n",
            ))
        } else if self.disk_free < SMALLEST_FREE {
            Some(failed(1, "sh: 1: printf: I/O error: No space left on device\n"))
        } else {
            None
        }
    }

    pub(super) fn claim(&mut self, run: &str, json: &str) -> Output {
        if let Some(why) = self.unwritable() {
            return why;
        }
        if run.is_empty() {
            return failed(2, "no run\n");
        }
        if self.released.contains(run) {
            return failed(9, format!("run {run} has released this host\n"));
        }
        self.files.make_directory(STATE);
        let path = format!("{STATE}/claim.json");
        // ln refuses to replace: the claim that lies there stays.
        if !self.files.exists(&path)
            && let Err(why) = self.files.write(&path, format!("{json}\n"))
        {
            return failed(1, why + "\n");
        }
        done(self.papers())
    }

    pub(super) fn release(&mut self, run: &str) -> Output {
        self.released.insert(run.to_owned());
        let path = format!("{STATE}/claim.json");
        let ours = self
            .files
            .text(&path)
            .is_some_and(|text| text.contains(&format!("\"run\":\"{run}\"")));
        if ours {
            if let Some(why) = self.unwritable().filter(|_| self.quirks.read_only) {
                return why;
            }
            self.files.remove(&path);
        }
        done(self.papers())
    }

    pub(super) fn bar(&mut self, unit: &str, lock: &str, text: &str) -> Output {
        // The count lies in memory, and every part is tried whatever became of the others.
        self.bars += 1;
        if let Some(why) = self.unwritable() {
            if self.unit.is(unit) && !self.quirks.read_only {
                self.unit.enabled = false;
                self.reload();
            }
            return why;
        }
        self.gate_lifted = false;
        self.files.make_directory(parent(lock));
        let gate = Unit::gate_path(unit);
        self.files.make_directory(parent(&gate));
        let lines = format!(
            "# Written by failover: refuses to start the validator while the host is barred.\n\
             [Unit]\nAssertPathExists=!{lock}\n"
        );
        let lock_written = if self.files.exists(lock) {
            Ok(())
        } else {
            self.files.write(lock, format!("{text}\n"))
        };
        if let Err(why) = lock_written.and_then(|()| self.files.write(&gate, lines)) {
            return failed(1, why + "\n");
        }
        if !self.unit.is(unit) {
            return failed(
                1,
                format!("Failed to disable unit: Unit file {unit} does not exist.\n"),
            );
        }
        let was_enabled = std::mem::replace(&mut self.unit.enabled, false);
        self.reload();
        let removed = format!(
            "Removed \"/etc/systemd/system/multi-user.target.wants/{}\".\n",
            self.unit.name
        );
        Output {
            status: 0,
            stdout: String::new(),
            stderr: if was_enabled { removed } else { String::new() },
        }
    }

    /// Whether lock, resting unit and empty cgroup say that the host stands.
    pub(super) fn stands(&self, unit: &str, lock: &str) -> Output {
        if !self.files.exists(lock) {
            return failed(9, format!("the lock {lock} is not there\n"));
        }
        let in_unit = self.process.as_ref().is_some_and(|process| process.in_unit);
        if !self.unit.is(unit) || in_unit || self.unit.active == Active::Active {
            return failed(9, format!("{unit} does not rest\n"));
        }
        done("")
    }

    pub(super) fn unbar(&mut self, unit: &str, lock: &str, enable: &str) -> Output {
        if let Some(why) = self.unwritable().filter(|_| self.quirks.read_only) {
            return why;
        }
        self.gate_lifted = false;
        if enable == "enable" {
            if !self.unit.is(unit) {
                return failed(
                    1,
                    format!("Failed to enable unit: Unit file {unit} does not exist.\n"),
                );
            }
            self.unit.enabled = true;
            // `systemctl enable` reloads the manager, as it does on a real host.
            self.reload();
        }
        self.files.remove(lock);
        done("")
    }

    pub(super) fn stop(&mut self, now: Duration, unit: &str) -> Output {
        if !self.unit.is(unit) {
            // The script goes on after a failed stop, finds no cgroup and nothing to wait for.
            return Output {
                stderr: format!("Failed to stop {unit}: Unit {unit} not loaded.\n"),
                ..done("")
            };
        }
        if self.quirks.stop_fails {
            return failed(
                124,
                format!("Failed to stop {}: Connection timed out\n", self.unit.name),
            );
        }
        if self.process.as_ref().is_some_and(|process| process.in_unit) {
            self.end_process(now);
        }
        self.unit.active = Active::Inactive;
        done("")
    }

    pub(super) fn start(&mut self, now: Duration, unit: &str) -> Output {
        if !self.unit.is(unit) {
            return failed(5, format!("Failed to start {unit}: Unit {unit} not found.\n"));
        }
        if self.unit.active != Active::Active {
            self.unit.restarts = 0;
        }
        self.start_unit_because(now, Cause::Coordinator)
    }

    pub(super) fn generation(&mut self, number: &str, json: &str) -> Output {
        let Ok(asked) = number.parse::<u64>() else {
            return failed(2, format!("not a generation: {number}\n"));
        };
        if let Some(why) = self.unwritable() {
            return why;
        }
        self.files.make_directory(STATE);
        let path = format!("{STATE}/generation.json");
        if let Some(text) = self.files.text(&path) {
            match generation_in(&text) {
                Some(lies_here) if lies_here <= asked => {}
                Some(lies_here) => {
                    return failed(
                        3,
                        format!("generation {lies_here} lies here, {asked} would lower it\n"),
                    );
                }
                None => return failed(3, "the generation that lies here cannot be read\n"),
            }
        }
        match self.files.write(&path, format!("{json}\n")) {
            Ok(()) => done(self.papers()),
            Err(why) => failed(1, why + "\n"),
        }
    }
}

/// The number after `"generation":`, as the script's sed finds it.
fn generation_in(text: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once("\"generation\":")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
