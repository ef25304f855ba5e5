//! The judgement, the start and the watch, as `perform/{start,watch}.rs` ask for them. Must never start without a proof.

use failover::guards::Stage;
use failover::protocol::Event;

use super::{Asked, Fate, Work};
use crate::evidence::{Judge, Judged, Read, holds};
use crate::mutants::{Knobs, Weak};
use crate::physics::Said;
use crate::world::{Batch, Flaw, Unit, World};

impl<'a> Work<'a> {
    pub(super) fn judge_start(&mut self) {
        let (primary, backup) = (self.me().primary(), self.me().backup());
        if self.me().at == 0 && self.me().fence.is_none() {
            return self.prove_again(primary);
        }
        if self.me().merged.is_none() {
            return self.learn(Event::StartForbidden);
        }
        if self.me().read_back.is_none() {
            if !self.look(backup) {
                return self.learn(Event::LineLost);
            }
            let host = self.world.hosts[backup];
            self.mine().read_back = Some((host.db, host.boot));
            return self.go(1);
        }
        if self.knobs.weak(Weak::NoSecondJudgement) {
            return self.learn(Event::StartAllowed);
        }
        if !(self.look(primary) && self.look(backup)) {
            return self.learn(Event::LineLost);
        }
        let judged = self
            .judge
            .judgement(self.knobs, &self.world, self.at, Stage::Start);
        match judged {
            Judged::AllPass | Judged::AlreadyDone => {
                self.passed(Stage::Start);
                self.learn(Event::StartAllowed);
            }
            Judged::Blocked("claims-free", _) => self.learn(Event::ClaimLost),
            Judged::Blocked("backup-stopped", _) => self.learn(Event::BackupHasRun),
            Judged::Blocked("primary-fenced", true) => self.learn(Event::HistoryStale),
            Judged::Blocked(..) => self.learn(Event::StartForbidden),
        }
    }

    /// A proof that has run out is taken again; it counts only if it is of the same lock as the one behind the history.
    pub(super) fn prove_again(&mut self, primary: usize) {
        match self.prove(primary) {
            None => {}
            Some(Ok(mark)) => {
                let same = self.me().proven.is_some_and(|then| holds(self.knobs, then, mark));
                if !same {
                    return self.learn(Event::HistoryStale);
                }
                self.mine().fence = Some(mark);
                self.mine().first = None;
                self.go(1);
            }
            Some(Err(Read::Unknown | Read::Positive(_))) => self.learn(Event::LineLost),
            Some(Err(Read::Alive | Read::Unbarred)) => self.learn(Event::StartForbidden),
        }
    }

    pub(super) fn start_backup(&mut self) {
        let backup = self.me().backup();
        if self.me().fence.is_none() {
            return self.learn(Event::LineLost);
        }
        self.mine().fence = None;
        match self.held(backup, Batch::StartBackup) {
            None => {}
            // The host did not begin the start.
            Some(Said::NoPaper) => self.learn(Event::LineLost),
            Some(_) => {
                let runs = self.world.hosts[backup].unit == Unit::Running;
                self.learn(if runs {
                    Event::BackupStarted
                } else {
                    Event::StartFailed
                });
            }
        }
    }

    pub(super) fn look_at_backup(&mut self) {
        let backup = self.me().backup();
        if self.me().at == 1 {
            return match self.held(backup, Batch::Bar).map(|_| self.after(backup)) {
                None => {}
                Some(Read::Positive(_)) => self.learn(Event::BackupStands),
                Some(Read::Alive) => self.lives(backup),
                Some(Read::Unbarred | Read::Unknown) => self.learn(Event::LineLost),
            };
        }
        match self.reading(backup) {
            Read::Alive => self.lives(backup),
            Read::Unknown => self.learn(Event::LineLost),
            Read::Positive(_) if self.me().claims_gone => self.learn(Event::FoundOver),
            Read::Positive(_) => self.learn(Event::BackupStands),
            Read::Unbarred => self.go(1),
        }
    }

    pub(super) fn lives(&mut self, backup: usize) {
        let runs = self.world.hosts[backup].unit == Unit::Running;
        self.learn(if runs {
            Event::BackupRuns
        } else {
            Event::StartFailed
        });
    }

    /// The primary and the backup in turn. The adversary decides when the time is over.
    pub(super) fn watch(&mut self) {
        let (primary, backup) = (self.me().primary(), self.me().backup());
        if !(self.me().known[primary] && self.me().known[backup]) {
            // Nothing was seen of the backup, and nothing is said of it.
            self.mine().quiet = false;
            return self.learn(Event::LineLost);
        }
        if self.me().at == 0 {
            let read = self.reading(primary);
            self.mine().quiet |= read != Read::Unknown;
            match read {
                Read::Alive => return self.learn(Event::PrimaryAlive),
                Read::Positive(_) => self.mine().note = 1,
                Read::Unbarred => {
                    self.mine().note = 0;
                    if self.fate == Fate::Delivered {
                        self.world.carry_out(self.knobs, self.at, primary, Batch::Bar);
                    }
                }
                Read::Unknown => {}
            }
            if self.me().note == 1 && self.world.flaw == Flaw::Hidden {
                return self.learn(Event::HistoryIncomplete);
            }
            return self.go(1);
        }
        if !self.look(backup) {
            return self.go(0);
        }
        match (self.world.hosts[backup].unit, self.me().note) {
            (Unit::Running, 1) => self.learn(Event::AttestationSeen),
            (Unit::Running, _) => self.go(0),
            _ => self.learn(Event::BackupDied),
        }
    }

    /// The end of the watch: its last wait on the backup says whether that still runs, or nothing at all.
    pub fn watched_long_enough(judge: &'a Judge, knobs: &'a Knobs, world: World, at: usize) -> World {
        let mut work = Work {
            world,
            asked: Asked::Look,
            judge,
            knobs,
            at,
            fate: Fate::Delivered,
        };
        let backup = work.me().backup();
        let seen = work.look(backup);
        work.mine().quiet = seen;
        let died = seen && work.world.hosts[backup].unit != Unit::Running;
        work.learn(if died {
            Event::BackupDied
        } else {
            Event::WatchRanOut
        });
        work.world
    }
}
