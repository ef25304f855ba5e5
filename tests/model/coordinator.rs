//! What a coordinator does, question by question: each command of `src/perform` as the questions that it asks, in their
//! order, with the shipping code's judgement of every answer. One call of `work` is one question to one host (a look at
//! both hosts is one, too), so that anything may happen between two of them. Must never lead from a state to another:
//! it learns an event, and the shipping `step` says where that leads.

use failover::guards::Stage;
use failover::protocol::{Command, Event, State};

use crate::evidence::{Judge, Judged, Read, holds};
use crate::mutants::{HostRule, Knobs, Weak};
use crate::physics::Said;
use crate::world::{Batch, Coord, Flaw, Found, Late, Mark, Power, Unit, World};

/// What becomes of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    Delivered,
    /// It never arrives.
    RequestLost,
    /// It is carried out, and the answer never arrives.
    ReplyLost,
    /// It is given up, and arrives later.
    Late,
    /// It is answered, and a copy that was asked before arrives once more, later.
    Twice,
}

/// What a step of the work asked of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Nothing,
    Look,
    /// Asked once; an answer that is lost is not asked for again.
    Change,
    /// Asked again until it is answered, so that it may be carried out twice.
    ChangeAgain,
}

/// How many readings a proof takes. The program's default is 3; 2 is the smallest number that can be interrupted.
const READINGS: u8 = 2;

/// One question of a coordinator.
pub struct Work<'a> {
    pub world: World,
    pub asked: Asked,
    judge: &'a Judge,
    knobs: &'a Knobs,
    at: usize,
    fate: Fate,
}

impl<'a> Work<'a> {
    /// Carries out the next question of a working coordinator.
    pub fn step(
        judge: &'a Judge,
        knobs: &'a Knobs,
        world: World,
        at: usize,
        command: Command,
        fate: Fate,
    ) -> Self {
        let mut work = Work {
            world,
            asked: Asked::Nothing,
            judge,
            knobs,
            at,
            fate,
        };
        work.perform(command);
        work
    }

    fn perform(&mut self, command: Command) {
        if self.me().at == 0 && !matches!(self.me().state, State::Releasing(_)) {
            self.mine().quiet = true;
        }
        match command {
            Command::CheckEverything => self.check_everything(),
            Command::ClaimBoth => self.claim_both(),
            Command::BarPrimary => self.bar_primary(),
            Command::StopPrimary => self.stop_primary(),
            Command::ProveStopped => self.prove_stopped(),
            Command::CollectProtection => self.collect(),
            Command::MergeProtection => self.merge(),
            Command::ImportProtection => self.import(),
            Command::ReadBackProtection => self.read_back(),
            Command::JudgeStart => self.judge_start(),
            Command::StartBackup => self.start_backup(),
            Command::LookAtBackup => self.look_at_backup(),
            Command::Watch => self.watch(),
            Command::HaltBackup => self.halt_backup(),
            Command::BarBackup => self.bar_backup(),
            Command::RestorePrimary => self.restore_primary(),
            Command::ReleaseClaims => self.release(),
        }
    }

    fn me(&self) -> Coord {
        self.world.coords[self.at]
    }

    fn mine(&mut self) -> &mut Coord {
        &mut self.world.coords[self.at]
    }

    fn learn(&mut self, event: Event) {
        let me = self.mine();
        (me.learnt, me.at, me.note, me.first) = (Some(event), 0, 0, None);
    }

    fn go(&mut self, at: u8) {
        self.mine().at = at;
    }

    /// Whether a look at a host is answered.
    fn look(&mut self, host: usize) -> bool {
        self.asked = Asked::Look;
        self.me().known[host] && self.world.hosts[host].power == Power::On && self.fate == Fate::Delivered
    }

    fn reading(&mut self, host: usize) -> Read {
        if !self.look(host) {
            return if self.knobs.unknown_is_stopped() {
                let seen = self.world.hosts[host];
                Read::Positive(Mark {
                    lock: seen.lock,
                    boot: seen.boot,
                })
            } else {
                Read::Unknown
            };
        }
        self.judge.reading(self.knobs, self.world.hosts[host])
    }

    /// Asks for a change. None: no answer came.
    fn change(&mut self, host: usize, batch: Batch) -> Option<Said> {
        self.asked = if batch.is_repeated() {
            Asked::ChangeAgain
        } else {
            Asked::Change
        };
        let late = Late {
            host: u8::try_from(host).unwrap_or(u8::MAX),
            coord: u8::try_from(self.at).unwrap_or(u8::MAX),
            batch,
        };
        // Papers can be asked for without knowing the unit.
        if !self.me().known[host] && !matches!(batch, Batch::Claim | Batch::Release) {
            self.asked = Asked::Nothing;
            return None;
        }
        match self.world.hosts[host].power {
            Power::On => {}
            Power::Off => return None,
            Power::Frozen => {
                self.world.late.get_or_insert(late);
                return None;
            }
        }
        if matches!(self.fate, Fate::Late | Fate::Twice) {
            self.world.late = Some(late);
        }
        if matches!(self.fate, Fate::RequestLost | Fate::Late) {
            return None;
        }
        let said = self.world.carry_out(self.knobs, self.at, host, batch);
        (self.fate != Fate::ReplyLost).then_some(said)
    }

    /// Asks for a change whose refusal by the host ends the command.
    fn held(&mut self, host: usize, batch: Batch) -> Option<Said> {
        match self.change(host, batch) {
            None => self.learn(Event::LineLost),
            Some(Said::NoClaim) => self.learn(Event::ClaimLost),
            Some(said) => return Some(said),
        }
        None
    }

    fn after(&self, host: usize) -> Read {
        self.judge.reading(self.knobs, self.world.hosts[host])
    }

    fn check_everything(&mut self) {
        let (primary, backup) = (self.me().primary(), self.me().backup());
        self.mine().known = self.world.hosts.map(|host| host.power == Power::On);
        if !(self.look(primary) && self.look(backup)) {
            return self.learn(Event::PreflightRefused);
        }
        match self
            .judge
            .judgement(self.knobs, &self.world, self.at, Stage::Preflight)
        {
            Judged::AlreadyDone => self.learn(Event::AlreadyDone),
            Judged::Blocked(..) => self.learn(Event::PreflightRefused),
            Judged::AllPass => {
                let (a, b) = (self.world.hosts[primary], self.world.hosts[backup]);
                let alive = self.judge.reading(self.knobs, a) == Read::Alive;
                let backup = Mark {
                    lock: b.lock,
                    boot: b.boot,
                };
                self.passed(Stage::Preflight);
                let me = self.mine();
                me.found = Some(Found {
                    primary_ran: alive,
                    primary_enabled: a.enabled,
                    backup,
                });
                me.papers = Some([a.paper, b.paper]);
                self.learn(Event::PreflightPassed);
            }
        }
    }

    /// Passing although something that a guard is for was there to be seen.
    fn passed(&mut self, stage: Stage) {
        let Flaw::Surroundings(number) = self.world.flaw else {
            return;
        };
        let id = crate::evidence::SURROUNDINGS[usize::from(number)].0;
        let guard = failover::guards::GUARDS.iter().find(|guard| guard.id == id);
        if guard.is_some_and(|guard| guard.stages.contains(&stage)) {
            self.world
                .break_("P7 a judgement passes over what one guard is for");
        }
    }

    /// Both hosts are asked side by side; their answers are judged together.
    fn claim_both(&mut self) {
        let (primary, backup) = (self.me().primary(), self.me().backup());
        match self.me().at {
            0 if self.me().papers.is_none() => {
                self.asked = Asked::Look;
                let on = self.world.hosts.iter().all(|host| host.power == Power::On);
                if !on || self.fate != Fate::Delivered {
                    return self.learn(Event::LineLost);
                }
                let papers = [self.world.hosts[primary].paper, self.world.hosts[backup].paper];
                self.mine().papers = Some(papers);
                self.go(1);
            }
            0 | 1 => {
                let said = self.change(primary, Batch::Claim);
                self.mine().note = self.claim_note(said, primary, 0);
                self.go(2);
            }
            _ => {
                let said = self.change(backup, Batch::Claim);
                let (first, second) = (self.me().note, self.claim_note(said, backup, 1));
                self.claimed(first.max(second));
            }
        }
    }

    /// 0: ours; 1: somebody else's, or papers that have changed; 2: no answer.
    fn claim_note(&self, said: Option<Said>, host: usize, place: usize) -> u8 {
        let seen = self.world.hosts[host];
        let ours = usize::from(seen.claim) == self.at + 1;
        let moved = self.me().papers.is_some_and(|papers| papers[place] != seen.paper);
        match said {
            None => 2,
            Some(_) => u8::from(!ours || moved),
        }
    }

    fn claimed(&mut self, note: u8) {
        match note {
            0 => {
                let papers = self.me().papers.unwrap_or_default();
                let me = self.mine();
                if me.generation == 0 {
                    me.generation = papers
                        .map(|paper| paper.generation)
                        .into_iter()
                        .max()
                        .unwrap_or(0)
                        + 1;
                }
                self.learn(Event::Claimed);
            }
            1 => self.learn(Event::ClaimHeld),
            _ => self.learn(Event::LineLost),
        }
    }

    fn bar_primary(&mut self) {
        let primary = self.me().primary();
        match self.held(primary, Batch::Bar) {
            None => {}
            Some(Said::NoPaper) => self.learn(Event::ClaimLost),
            Some(_) => {
                let barred = self.judge.stands_barred(self.knobs, self.world.hosts[primary]);
                self.learn(if barred {
                    Event::PrimaryBarred
                } else {
                    Event::BarFailed
                });
            }
        }
    }

    fn stop_primary(&mut self) {
        let primary = self.me().primary();
        if self.held(primary, Batch::Stop).is_some() {
            let first = match self.after(primary) {
                Read::Positive(mark) => Some(mark),
                Read::Alive | Read::Unbarred | Read::Unknown => None,
            };
            self.learn(Event::StopAnswered);
            self.mine().first = first;
        }
    }

    /// One more reading. Some: the readings are complete.
    fn prove(&mut self, host: usize) -> Option<Result<Mark, Read>> {
        let read = self.reading(host);
        let needed = if self.knobs.weak(Weak::OneReading) {
            1
        } else {
            READINGS
        };
        match (read, self.me().first) {
            (Read::Positive(mark), Some(first)) if mark == first => Some(Ok(mark)),
            (Read::Positive(mark), None) if needed == 1 => Some(Ok(mark)),
            (Read::Positive(mark), None) => {
                self.mine().first = Some(mark);
                None
            }
            // Another boot or another lock: the count starts again.
            (Read::Positive(_), Some(_)) => {
                self.mine().first = None;
                None
            }
            (other, _) => Some(Err(other)),
        }
    }

    fn prove_stopped(&mut self) {
        let primary = self.me().primary();
        match self.prove(primary) {
            None => {}
            Some(Ok(mark)) => {
                let me = self.mine();
                (me.proven, me.fence) = (Some(mark), Some(mark));
                self.learn(Event::ProvenStopped);
            }
            Some(Err(Read::Alive)) => self.learn(Event::SeenAlive),
            Some(Err(Read::Unbarred)) => self.learn(Event::BarFailed),
            Some(Err(Read::Unknown | Read::Positive(_))) => self.learn(Event::LineLost),
        }
    }

    /// Both hosts are asked side by side; the backup's answer is judged first.
    fn collect(&mut self) {
        let (primary, backup) = (self.me().primary(), self.me().backup());
        if self.me().at == 0 {
            let said = self.change(backup, Batch::Archive);
            let db = self.world.hosts[backup].db;
            match said {
                Some(Said::NoClaim) => return self.learn(Event::ClaimLost),
                Some(Said::NoStand) => return self.learn(Event::BackupHasRun),
                None => self.mine().note = 1,
                Some(_) if self.ran_before(db) => return self.learn(Event::BackupHasRun),
                Some(_) => self.mine().history = Some(([0; 2], db)),
            }
            return self.go(1);
        }
        let said = self.change(primary, Batch::Pack);
        match said {
            _ if self.me().note == 1 => self.learn(Event::LineLost),
            None => self.learn(Event::LineLost),
            Some(Said::NoClaim) => self.learn(Event::ClaimLost),
            Some(Said::NoStand) => self.learn(Event::SeenAlive),
            Some(_) if self.world.flaw == Flaw::Damaged => self.learn(Event::CollectFailed),
            Some(_) => {
                let ours = self.world.hosts[primary].db;
                let theirs = self.me().history.map_or([0; 2], |(_, theirs)| theirs);
                let me = self.mine();
                (me.history, me.print) = (Some((ours, theirs)), Some(ours));
                me.backup_print = Some(theirs);
                self.learn(Event::Collected);
            }
        }
    }

    /// Whether the backup's database is not as this run left it: other than when it was last looked at, or, where that is
    /// not known, higher than all that this run could have put there.
    fn ran_before(&self, db: [u8; 2]) -> bool {
        let me = self.me();
        let touched = me.backup_print.is_some_and(|print| print != db);
        let higher = me
            .merged
            .is_some_and(|merged| db.iter().zip(merged).any(|(floor, bound)| *floor > bound));
        (touched || higher) && !self.knobs.weak(Weak::NoBackupPrint)
    }

    fn merge(&mut self) {
        let Some((ours, theirs)) = self.me().history else {
            return self.learn(Event::MergeRefused);
        };
        if self.world.flaw == Flaw::Slashable {
            return self.learn(Event::MergeRefused);
        }
        let (merged, _) = self.judge.merged(ours, theirs);
        self.mine().merged = Some(if self.knobs.weak(Weak::NoMerge) {
            ours
        } else {
            merged
        });
        self.learn(Event::FloorsMerged);
    }

    fn import(&mut self) {
        let backup = self.me().backup();
        let Some((ours, theirs)) = self.me().history else {
            return self.learn(Event::ImportFailed);
        };
        if self.me().at == 1 {
            return self.put_back(Event::ImportFailed);
        }
        let (_, mut document) = self.judge.merged(ours, theirs);
        if self.knobs.weak(Weak::NoMerge) {
            document = ours;
        }
        if document == [0; 2] {
            return self.learn(Event::Imported);
        }
        let into = self.mine().backup_print.take().unwrap_or_default();
        match self.held(backup, Batch::Import { document, into }) {
            None => {}
            Some(Said::NoStand) => self.learn(Event::BackupHasRun),
            Some(Said::Failed) => self.go(1),
            Some(_) => {
                let host = self.world.hosts[backup];
                self.learn(Event::Imported);
                self.mine().read_back = Some((host.db, host.boot));
                self.mine().backup_print = Some(host.db);
            }
        }
    }

    fn put_back(&mut self, event: Event) {
        let backup = self.me().backup();
        self.mine().backup_print = None;
        if self.held(backup, Batch::PutBack).is_some() {
            self.mine().backup_print = Some(self.world.hosts[backup].db);
            self.learn(event);
        }
    }

    fn read_back(&mut self) {
        let backup = self.me().backup();
        if self.me().at == 1 {
            return self.put_back(Event::ReadBackFails);
        }
        if self.me().read_back.is_none() {
            if !self.look(backup) {
                return self.learn(Event::LineLost);
            }
            let host = self.world.hosts[backup];
            self.mine().read_back = Some((host.db, host.boot));
        }
        let found = self.me().read_back.map_or([0; 2], |(floors, _)| floors);
        let merged = self.me().merged.unwrap_or([u8::MAX; 2]);
        if self.knobs.weak(Weak::NoReadBack) || self.judge.covers(merged, found) {
            self.learn(Event::ReadBackCovers);
        } else {
            self.mine().read_back = None;
            self.go(1);
        }
    }

    fn judge_start(&mut self) {
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
    fn prove_again(&mut self, primary: usize) {
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

    fn start_backup(&mut self) {
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

    fn look_at_backup(&mut self) {
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
            Read::Positive(_) => self.learn(Event::BackupStands),
            Read::Unbarred => self.go(1),
        }
    }

    fn lives(&mut self, backup: usize) {
        let runs = self.world.hosts[backup].unit == Unit::Running;
        self.learn(if runs {
            Event::BackupRuns
        } else {
            Event::StartFailed
        });
    }

    /// The primary and the backup in turn. The adversary decides when the time is over.
    fn watch(&mut self) {
        let (primary, backup) = (self.me().primary(), self.me().backup());
        if !(self.me().known[primary] && self.me().known[backup]) {
            // Nothing was seen of the backup, and nothing is said of it.
            self.mine().quiet = false;
            return self.learn(Event::LineLost);
        }
        if self.me().at == 0 {
            match self.reading(primary) {
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

    fn halt_backup(&mut self) {
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

    fn bar_backup(&mut self) {
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
                Read::Positive(mark) if Some(mark) == self.me().first && !self.touched(backup) => {
                    self.learn(Event::BackupBarred);
                    self.mine().backup_fence = Some(mark);
                }
                Read::Positive(_) | Read::Alive | Read::Unbarred => self.learn(Event::BackupHasRun),
            },
        }
    }

    fn touched(&self, backup: usize) -> bool {
        let print = self.me().backup_print;
        print.is_some_and(|print| print != self.world.hosts[backup].db)
            && !self.knobs.weak(Weak::NoBackupPrint)
    }

    fn restore_primary(&mut self) {
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

    fn release(&mut self) {
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
