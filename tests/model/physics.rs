//! What happens on a host: power, the service manager, the client, and the operations of `remote.sh` in the order and
//! with the conditions that they have there. Must never know which run is in the right: a host does what it is asked,
//! unless its claim, its standing or its generation forbid it.

use failover::protocol::{Outcome, State};

use crate::mutants::{HostRule, Knobs, Weak};
use crate::world::{Batch, Coord, Flaw, Host, LAST_SLOT, Paper, Power, Unit, World};

pub const TWO_SIGNERS: &str = "P1 two hosts are able to sign";
pub const NO_HISTORY: &str = "P2 a host may sign without the history of the other";
pub const LOWER_FLOOR: &str = "P4 a floor fell";
pub const OVER: &str = "P8 a run that is over starts a validator";
pub const GENERATION: &str = "P8 a generation fell";

/// What a host said to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Done,
    /// This run holds no claim there.
    NoClaim,
    /// A newer or other generation lies there.
    NoPaper,
    /// The host does not stand: no lock, or its unit does not rest.
    NoStand,
    /// The client failed.
    Failed,
}

/// Whether a run has said that it ends, and not with this host as its signer, so that a start that was asked for before must
/// not come any more. For the primary that is known only when it has heard the release: until then its deadline is what
/// ends a question (docs/safety.md). A run that lost a claim knows nothing of its end until it is over.
fn over(coord: Coord, batch: Batch, released: bool) -> bool {
    let end = match coord.state {
        State::Ended(end) => end,
        State::Releasing(end) if !coord.displaced => end,
        _ => return false,
    };
    match batch {
        Batch::StartBackup => !matches!(end, Outcome::Completed | Outcome::Unconfirmed),
        Batch::Restore { .. } => released && end != Outcome::Restored,
        _ => false,
    }
}

impl World {
    fn host(&mut self, at: usize) -> &mut Host {
        &mut self.hosts[at]
    }

    /// `systemctl start`, a boot, or a restart: the asserts are tested, then the process comes.
    pub fn begin_unit(&mut self, at: usize) {
        let host = self.host(at);
        if matches!(host.unit, Unit::Running | Unit::Starting) {
            return;
        }
        host.unit = if host.lock != 0 && host.gate {
            Unit::Rest
        } else if host.stray {
            // The database is locked: the process ends at once.
            Unit::Restarting
        } else {
            Unit::Starting
        };
    }

    /// The process of a unit that is being started is there.
    pub fn appear(&mut self, at: usize) {
        if self.hosts[at].unit != Unit::Starting {
            return;
        }
        if self.flaw == Flaw::StartFails {
            self.host(at).unit = Unit::Rest;
            return;
        }
        self.host(at).unit = Unit::Running;
        self.must_know_history(at);
    }

    /// Whoever becomes able to sign has to hold what the other may have signed.
    pub fn must_know_history(&mut self, at: usize) {
        let (host, other) = (self.hosts[at], self.hosts[1 - at]);
        if !self.excused && host.db.iter().any(|floor| *floor < other.signed) {
            self.break_(NO_HISTORY);
        }
    }

    /// A slot passes: whoever can, signs for it with both keys.
    pub fn tick(&mut self) {
        self.clock += 1;
        for at in 0..2 {
            self.sign(at);
        }
    }

    /// A host signs for the present slot, if something on it can and its database allows it.
    pub fn sign(&mut self, at: usize) {
        let slot = self.clock;
        let host = self.host(at);
        if host.power == Power::On && host.able() && host.db.iter().all(|floor| *floor < slot) {
            host.db = [slot; 2];
            host.signed = slot;
        }
    }

    /// Whether a slot can pass, and somebody would sign for it.
    pub fn can_tick(&self) -> bool {
        self.clock < LAST_SLOT
            && self
                .hosts
                .iter()
                .any(|host| host.power == Power::On && host.able())
    }

    pub fn power_cut(&mut self, at: usize) {
        let host = self.host(at);
        (host.power, host.unit, host.stray) = (Power::Off, Unit::Rest, false);
        self.late = self.late.filter(|late| usize::from(late.host) != at);
    }

    pub fn boot(&mut self, at: usize) {
        let boot = self.new_boot();
        let host = self.host(at);
        (host.power, host.boot) = (Power::On, boot);
        host.released = [false; 2];
        if host.enabled {
            self.begin_unit(at);
        }
    }

    fn stop(&mut self, at: usize) {
        let flaw = self.flaw;
        let host = self.host(at);
        host.unit = match (host.unit, flaw) {
            (Unit::Running, Flaw::StopFails) => Unit::Running,
            (Unit::Running, Flaw::StopLeavesChild) => Unit::Left,
            _ => Unit::Rest,
        };
    }

    fn bar(&mut self, at: usize) {
        let fresh = self.new_lock();
        let loads = self.flaw != Flaw::GateNotLoaded;
        let host = self.host(at);
        if host.lock == 0 {
            host.lock = fresh;
        }
        host.opened = false;
        host.gate |= loads;
        host.enabled = false;
    }

    fn release(&mut self, coord: usize, at: usize) {
        let host = self.host(at);
        host.released[coord] = true;
        if usize::from(host.claim) == coord + 1 {
            host.claim = 0;
        }
    }

    /// Carries out a batch that a coordinator sent, now or long ago.
    pub fn carry_out(&mut self, knobs: &Knobs, coord: usize, at: usize, batch: Batch) -> Said {
        let run = u8::try_from(coord + 1).unwrap_or(u8::MAX);
        match batch {
            Batch::Claim => {
                let host = self.host(at);
                if host.claim == 0 && !host.released[coord] {
                    host.claim = run;
                }
                return Said::Done;
            }
            Batch::Release => {
                self.release(coord, at);
                return Said::Done;
            }
            Batch::Halt => {
                self.stop(at);
                if !knobs.weak(Weak::HaltKeepsClaim) {
                    self.release(coord, at);
                }
                self.bar(at);
                self.stop(at);
                self.coords[coord].acted = true;
                // Written last, and a newer one is left as it is.
                if self.coords[coord].generation != 0 {
                    self.paper(knobs, coord, at, false);
                }
                return Said::Done;
            }
            _ => {}
        }
        if self.hosts[at].claim != run && !knobs.without(HostRule::Claim) {
            return Said::NoClaim;
        }
        let (rests, released) = (self.hosts[at].unit == Unit::Rest, self.hosts[at].released[coord]);
        if rests && !self.stood_still && !self.excused && over(self.coords[coord], batch, released) {
            self.break_(OVER);
        }
        self.coords[coord].acted |= !matches!(batch, Batch::Pack | Batch::Archive);
        match batch {
            Batch::Claim | Batch::Release | Batch::Halt => Said::Done,
            Batch::Bar | Batch::BarAndStop => {
                let paper = self.paper(knobs, coord, at, false);
                self.bar(at);
                if batch == Batch::BarAndStop {
                    self.stop(at);
                }
                if paper { Said::Done } else { Said::NoPaper }
            }
            Batch::Stop => {
                self.stop(at);
                Said::Done
            }
            Batch::StartBackup => {
                self.coords[coord].started = true;
                self.unbar_and_start(knobs, coord, at, true)
            }
            Batch::Restore { enable } => self.unbar_and_start(knobs, coord, at, enable),
            Batch::Pack | Batch::Archive | Batch::Import { .. } | Batch::PutBack => {
                self.database(knobs, coord, at, batch)
            }
        }
    }

    /// The paper only ever grows; at the same number it is of the same run.
    fn paper(&mut self, knobs: &Knobs, coord: usize, at: usize, signer: bool) -> bool {
        let generation = self.coords[coord].generation;
        let host = self.host(at);
        if host.paper.generation > generation && !knobs.without(HostRule::Generation) {
            return false;
        }
        let fell = host.paper.generation > generation;
        host.paper = Paper {
            generation,
            signer,
            run: u8::try_from(coord + 1).unwrap_or(u8::MAX),
        };
        if fell {
            self.break_(GENERATION);
        }
        true
    }

    fn unbar_and_start(&mut self, knobs: &Knobs, coord: usize, at: usize, enable: bool) -> Said {
        if !self.paper(knobs, coord, at, true) && !knobs.without(HostRule::BrokenBatch) {
            return Said::NoPaper;
        }
        let host = self.host(at);
        host.enabled |= enable;
        (host.lock, host.opened) = (0, false);
        self.begin_unit(at);
        self.appear(at);
        Said::Done
    }

    fn database(&mut self, knobs: &Knobs, coord: usize, at: usize, batch: Batch) -> Said {
        let host = self.hosts[at];
        let stands = host.lock != 0 && host.unit == Unit::Rest;
        if !stands && !knobs.without(HostRule::Stands) {
            return Said::NoStand;
        }
        let mut db = host.db;
        match batch {
            Batch::Archive => self.coords[coord].archived = Some(host.db),
            Batch::Import { into, .. } if into != host.db && !knobs.without(HostRule::Unchanged) => {
                return Said::NoStand;
            }
            Batch::Import { .. } if self.flaw == Flaw::ImportFails => return Said::Failed,
            Batch::Import { document, .. } => {
                for (key, floor) in document.into_iter().enumerate() {
                    let dropped = self.flaw == Flaw::ImportDropsKey && key == 1;
                    // A client that writes over what it has: the worst that a client does.
                    if floor != 0 && !dropped {
                        db[key] = floor;
                    }
                }
                if !self.excused && db.iter().zip(host.db).any(|(new, old)| *new < old) {
                    self.break_(LOWER_FLOOR);
                }
            }
            Batch::PutBack => db = self.coords[coord].archived.unwrap_or(db),
            _ => {}
        }
        // Whatever is put there: never below what this host itself has signed.
        if !self.excused && db.iter().any(|floor| *floor < host.signed) {
            self.break_(LOWER_FLOOR);
        }
        self.host(at).db = db;
        Said::Done
    }

    /// After a move: whoever did not make it and had looked at the hosts does not know of it.
    pub fn disturbed(&mut self, before: &World, by: Option<usize>) {
        if before.hosts.map(|host| host.outside()) != self.hosts.map(|host| host.outside()) {
            for (at, coord) in self.coords.iter_mut().enumerate() {
                coord.quiet &= by == Some(at);
            }
        }
        self.judge_hosts();
    }

    /// What must hold after every move, whoever made it. What somebody runs by hand may be excused; two units never are.
    pub fn judge_hosts(&mut self) {
        let by_unit = |host: &Host| host.able() && matches!(host.unit, Unit::Running | Unit::Left);
        let able = if self.excused { by_unit } else { Host::able };
        if !self.lifted && self.hosts.iter().all(able) {
            self.break_(TWO_SIGNERS);
        }
    }
}
