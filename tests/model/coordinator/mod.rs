//! What a coordinator does, question by question: each command of `src/perform` as the questions that it asks, in their
//! order, with the shipping code's judgement of every answer. One call of `work` is one question to one host (a look at
//! both hosts is one, too), so that anything may happen between two of them. Must never lead from a state to another:
//! it learns an event, and the shipping `step` says where that leads.

mod fence;
mod history;
mod start;
mod undo;

use failover::protocol::{Command, Event, State};

use crate::evidence::{Judge, Read};
use crate::mutants::Knobs;
use crate::physics::Said;
use crate::world::{Batch, Coord, Late, Mark, Power, World};

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
        // A watch looks again and again, and a look that was not answered shows nothing.
        if self.me().at == 0 && !matches!(self.me().state, State::Releasing(_) | State::Watching) {
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
}
