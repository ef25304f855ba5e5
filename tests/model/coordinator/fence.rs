//! Looking, claiming, barring, stopping and proving, as `perform/{preflight,claims,fence}.rs` ask for them. Must never take
//! silence for an answer.

use failover::guards::Stage;
use failover::protocol::Event;

use super::Asked;
use super::{Fate, READINGS, Work};
use crate::evidence::{Judged, Read};
use crate::mutants::Weak;
use crate::physics::Said;
use crate::world::{Batch, Flaw, Found, Mark, Power};

impl<'a> Work<'a> {
    pub(super) fn check_everything(&mut self) {
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
    pub(super) fn passed(&mut self, stage: Stage) {
        let Flaw::Surroundings(number) = self.world.flaw else {
            return;
        };
        let id = crate::surroundings::SURROUNDINGS[usize::from(number)].0;
        let guard = failover::guards::GUARDS.iter().find(|guard| guard.id == id);
        if guard.is_some_and(|guard| guard.stages.contains(&stage)) {
            self.world
                .break_("P7 a judgement passes over what one guard is for");
        }
    }

    /// Both hosts are asked side by side; their answers are judged together.
    pub(super) fn claim_both(&mut self) {
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
    pub(super) fn claim_note(&self, said: Option<Said>, host: usize, place: usize) -> u8 {
        let seen = self.world.hosts[host];
        let ours = usize::from(seen.claim) == self.at + 1;
        let moved = self.me().papers.is_some_and(|papers| papers[place] != seen.paper);
        match said {
            None => 2,
            Some(_) => u8::from(!ours || moved),
        }
    }

    pub(super) fn claimed(&mut self, note: u8) {
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
                me.claims_gone = false;
                self.learn(Event::Claimed);
            }
            1 => self.learn(Event::ClaimHeld),
            _ => self.learn(Event::LineLost),
        }
    }

    pub(super) fn bar_primary(&mut self) {
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

    pub(super) fn stop_primary(&mut self) {
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
    pub(super) fn prove(&mut self, host: usize) -> Option<Result<Mark, Read>> {
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

    pub(super) fn prove_stopped(&mut self) {
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
}
