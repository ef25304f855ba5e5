//! Halting, undoing and releasing, as `perform/{undo,claims}.rs` ask for them. Must never give a host back before the
//! other is proven stopped.

use failover::protocol::Event;

use super::{Asked, Work};
use crate::evidence::{Read, holds};
use crate::mutants::{HostRule, Weak};
use crate::physics::Said;
use crate::world::{Batch, Unit};

impl<'a> Work<'a> {
    pub(super) fn halt_backup(&mut self) {
        let backup = self.me().backup();
        if self.me().at == 0 {
            return match self.change(backup, Batch::Halt) {
                None => self.learn(Event::LineLost),
                Some(_) => self.go(1),
            };
        }
        match self.prove(backup) {
            None => {}
            Some(Ok(_)) => self.learn(Event::BackupHalted),
            Some(Err(_)) if self.me().note == 0 => {
                self.mine().note = 1;
                self.mine().first = None;
                self.go(0);
            }
            Some(Err(_)) => self.learn(Event::LineLost),
        }
    }

    pub(super) fn bar_backup(&mut self) {
        let backup = self.me().backup();
        let Some(found) = self.me().found else {
            return self.learn(Event::LineLost);
        };
        let has_run = |work: &Self, mark| !holds(work.knobs, found.backup, mark);
        match self.me().at {
            0 => {
                if !self.look(backup) {
                    return self.learn(Event::LineLost);
                }
                let ours = usize::from(self.world.hosts[backup].claim) == self.at + 1;
                if !ours && !self.knobs.without(HostRule::Claim) {
                    return self.learn(Event::ClaimLost);
                }
                match self.after(backup) {
                    Read::Positive(mark) if has_run(self, mark) => self.learn(Event::BackupHasRun),
                    Read::Positive(_) => self.go(1),
                    Read::Unbarred | Read::Alive => self.learn(Event::BackupHasRun),
                    Read::Unknown => self.learn(Event::LineLost),
                }
            }
            1 => {
                if self.held(backup, Batch::BarAndStop).is_some() {
                    self.go(2);
                }
            }
            2 => match self.prove(backup) {
                None => {}
                Some(Ok(mark)) if has_run(self, mark) => self.learn(Event::BackupHasRun),
                Some(Ok(mark)) => {
                    self.mine().first = Some(mark);
                    self.go(3);
                }
                Some(Err(Read::Alive)) => self.learn(Event::BackupHasRun),
                Some(Err(_)) => self.learn(Event::LineLost),
            },
            // A last look that also holds the database against what this run left: a validator that was run by hand
            // and is gone again has left its traces there.
            _ => match self.reading(backup) {
                Read::Unknown => self.learn(Event::LineLost),
                Read::Positive(mark)
                    if Some(mark) == self.me().first && !self.ran_before(self.world.hosts[backup].db) =>
                {
                    self.learn(Event::BackupBarred);
                    self.mine().backup_fence = Some(mark);
                }
                Read::Positive(_) | Read::Alive | Read::Unbarred => self.learn(Event::BackupHasRun),
            },
        }
    }

    pub(super) fn restore_primary(&mut self) {
        let primary = self.me().primary();
        let Some(found) = self.me().found else {
            return self.learn(Event::LineLost);
        };
        if !found.primary_ran {
            self.asked = Asked::Look;
            return self.learn(Event::PrimaryLeftStopped);
        }
        if self.me().backup_fence.is_none() && !self.knobs.weak(Weak::NoBackupProof) {
            return self.learn(Event::LineLost);
        }
        if self.me().at == 0 {
            let stray = self.world.hosts[primary].stray;
            if !self.look(primary) || stray {
                return self.learn(Event::LineLost);
            }
            return self.go(1);
        }
        self.mine().backup_fence = None;
        let enable = found.primary_enabled;
        if let Some(said) = self.held(primary, Batch::Restore { enable }) {
            let runs = said == Said::Done && self.world.hosts[primary].unit == Unit::Running;
            self.learn(if runs {
                Event::PrimaryRestored
            } else {
                Event::LineLost
            });
        }
    }

    pub(super) fn release(&mut self) {
        let (primary, backup) = (self.me().primary(), self.me().backup());
        if self.me().at == 0 {
            self.mine().note = u8::from(self.change(primary, Batch::Release).is_none());
            return self.go(1);
        }
        let released = self.change(backup, Batch::Release).is_some() && self.me().note == 0;
        self.learn(if released {
            Event::ClaimsReleased
        } else {
            Event::LineLost
        });
    }
}
