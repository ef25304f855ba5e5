//! Everything that can happen next in a world: a coordinator's next question and what the network makes of it, time, and
//! every adversity that is switched on. Must never leave out what a person or a machine could do within the bound.

use failover::protocol::{Event, State, command};

use crate::coordinator::{Asked, Fate, Work};
use crate::evidence::Judge;
use crate::journal::{append, resumed};
use crate::mutants::{HostRule, Knobs};
use crate::persons::{by_hand, expire, lift, start};
use crate::surroundings::SURROUNDINGS;
use crate::world::{Coord, Flaw, Life, Power, Unit, World};

/// A kind of adversity, to be switched on by itself or with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Adversity {
    /// Requests and replies are lost, late, or arrive twice.
    Network,
    /// The coordinator is killed, or stopped by a signal.
    Coordinator,
    /// A second coordinator, in either direction.
    SecondRun,
    /// Reboots, power cuts, freezing and thawing.
    Power,
    /// The validator dies and is restarted by the service manager.
    Restart,
    /// A person starts and stops units, takes a claim or a lock away.
    Person,
    /// A person runs a validator by hand, past the gate.
    ByHand,
    /// A client, a unit or a database that is not as it should be.
    Flaw,
    /// The surroundings that one guard alone is for.
    Surroundings,
}

impl Adversity {
    pub const ALL: [Adversity; 9] = [
        Adversity::Network,
        Adversity::Coordinator,
        Adversity::SecondRun,
        Adversity::Power,
        Adversity::Restart,
        Adversity::Person,
        Adversity::ByHand,
        Adversity::Flaw,
        Adversity::Surroundings,
    ];
}

/// A move, for the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Work(u8, Fate),
    Journal(u8, Event, State),
    Resume(u8, Event),
    TimeRunsOut(u8),
    SlotPasses,
    ProofsExpire,
    LateArrives,
    ProcessAppears(u8),
    ServiceRestarts(u8),
    Thaws(u8),
    Boots(u8),
    StrayEnds(u8),
    Killed(u8),
    Signal(u8),
    SecondRun { reversed: bool },
    Reboot(u8),
    PowerCut(u8),
    Freeze(u8),
    ValidatorDies(u8),
    PersonStarts(u8),
    PersonStops(u8),
    ClaimRemoved(u8),
    LockRemoved(u8),
    ByHand(u8),
    Flawed(Flaw),
}

/// One move and the world behind it.
pub struct Next {
    pub by: Move,
    pub world: World,
    /// The row of the table that was used.
    pub row: Option<(State, Event)>,
}

/// Finds the moves.
pub struct Moves<'a> {
    pub judge: &'a Judge,
    pub knobs: &'a Knobs,
    pub on: &'a [Adversity],
    out: Vec<Next>,
}

const FLAWS: [Flaw; 9] = [
    Flaw::ImportDropsKey,
    Flaw::ImportFails,
    Flaw::StopFails,
    Flaw::StopLeavesChild,
    Flaw::StartFails,
    Flaw::GateNotLoaded,
    Flaw::Damaged,
    Flaw::Slashable,
    Flaw::Hidden,
];

impl<'a> Moves<'a> {
    pub fn new(judge: &'a Judge, knobs: &'a Knobs, on: &'a [Adversity]) -> Moves<'a> {
        Moves {
            judge,
            knobs,
            on,
            out: Vec::new(),
        }
    }

    /// Every world that can be next.
    pub fn of(&mut self, world: &World) -> Vec<Next> {
        self.out = Vec::new();
        for at in 0..2 {
            self.coordinator(world, at);
        }
        self.time(world);
        if world.budget > 0 {
            let mut poorer = *world;
            poorer.budget -= 1;
            self.adversities(&poorer);
        }
        std::mem::take(&mut self.out)
    }

    fn is_on(&self, adversity: Adversity) -> bool {
        self.on.contains(&adversity)
    }

    /// A move that is not a coordinator's own: whoever has just looked does not know of it.
    fn push(&mut self, before: &World, by: Move, mut world: World) {
        world.disturbed(before, None);
        self.out.push(Next { by, world, row: None });
    }

    fn coordinator(&mut self, world: &World, at: usize) {
        let coord = world.coords[at];
        let number = small(at);
        match coord.life {
            Life::Absent => {}
            Life::Gone => {
                for event in [Event::Resumed, Event::UndoAsked] {
                    if let Some(next) = resumed(self.knobs, world, at, event) {
                        self.out.push(Next {
                            by: Move::Resume(number, event),
                            row: Some((coord.state, event)),
                            world: next,
                        });
                    }
                }
            }
            Life::Working => match coord.learnt {
                Some(event) => {
                    let mut next = *world;
                    let to = append(self.knobs, &mut next, at, event);
                    self.out.push(Next {
                        by: Move::Journal(number, event, to),
                        world: next,
                        row: Some((coord.state, event)),
                    });
                }
                None => self.work(world, at),
            },
        }
    }

    fn work(&mut self, world: &World, at: usize) {
        let number = small(at);
        let asked = self.worked(world, at, Fate::Delivered);
        if world.coords[at].state == State::Watching {
            self.out.push(Next {
                by: Move::TimeRunsOut(number),
                world: Work::watched_long_enough(self.judge, self.knobs, *world, at),
                row: None,
            });
        }
        if !self.is_on(Adversity::Network) || world.budget == 0 {
            return;
        }
        let mut poorer = *world;
        poorer.budget -= 1;
        match asked {
            Asked::Nothing => {}
            Asked::Look => drop(self.worked(&poorer, at, Fate::RequestLost)),
            Asked::Change => {
                self.worked(&poorer, at, Fate::RequestLost);
                self.worked(&poorer, at, Fate::ReplyLost);
                if world.late.is_none() {
                    self.worked(&poorer, at, Fate::Late);
                }
            }
            Asked::ChangeAgain => {
                self.worked(&poorer, at, Fate::RequestLost);
                self.worked(&poorer, at, Fate::ReplyLost);
                if world.late.is_none() {
                    self.worked(&poorer, at, Fate::Late);
                    self.worked(&poorer, at, Fate::Twice);
                }
            }
        }
    }

    fn worked(&mut self, world: &World, at: usize, fate: Fate) -> Asked {
        let Some(next) = command(world.coords[at].state) else {
            return Asked::Nothing;
        };
        let work = Work::step(self.judge, self.knobs, *world, at, next, fate);
        let asked = work.asked;
        let mut after = work.world;
        after.disturbed(world, Some(at));
        self.out.push(Next {
            by: Move::Work(small(at), fate),
            world: after,
            row: None,
        });
        asked
    }

    /// What comes without anybody's doing, sooner or later or not at all.
    fn time(&mut self, world: &World) {
        if world.can_tick() {
            self.moved(world, Move::SlotPasses, World::tick);
        }
        let proofs = world
            .coords
            .iter()
            .any(|coord| coord.fence.is_some() || coord.backup_fence.is_some());
        if proofs || world.late.is_some() {
            let deadline = !self.knobs.without(HostRule::Deadline);
            self.moved(world, Move::ProofsExpire, |next| expire(next, deadline));
        }
        if let Some(late) = world.late
            && world.hosts[usize::from(late.host)].power == Power::On
        {
            let knobs = *self.knobs;
            self.moved(world, Move::LateArrives, |next| {
                next.late = None;
                next.carry_out(
                    &knobs,
                    usize::from(late.coord),
                    usize::from(late.host),
                    late.batch,
                );
            });
        }
        for at in 0..2 {
            let host = world.hosts[at];
            let on = host.power == Power::On;
            if on && host.unit == Unit::Starting {
                self.moved(world, Move::ProcessAppears(small(at)), |next| next.appear(at));
            }
            if on && host.unit == Unit::Restarting && !host.stray {
                self.moved(world, Move::ServiceRestarts(small(at)), |next| {
                    next.begin_unit(at)
                });
            }
            if host.power == Power::Frozen {
                self.moved(world, Move::Thaws(small(at)), |next| {
                    next.hosts[at].power = Power::On;
                    // It signs once before it notices anything.
                    next.sign(at);
                });
            }
            if host.power == Power::Off {
                self.moved(world, Move::Boots(small(at)), |next| next.boot(at));
            }
            if on && host.stray {
                self.moved(world, Move::StrayEnds(small(at)), |next| {
                    next.hosts[at].stray = false
                });
            }
        }
    }

    fn moved(&mut self, world: &World, by: Move, change: impl FnOnce(&mut World)) {
        let mut next = *world;
        change(&mut next);
        self.push(world, by, next);
    }

    fn adversities(&mut self, world: &World) {
        for at in 0..2 {
            if self.is_on(Adversity::Coordinator) {
                self.against_coordinator(world, at);
            }
            self.against_host(world, at);
        }
        if self.is_on(Adversity::SecondRun) && world.coords[1].life == Life::Absent {
            for reversed in [false, true] {
                self.moved(world, Move::SecondRun { reversed }, |next| {
                    next.coords[1] = Coord::begun(reversed);
                });
            }
        }
        if world.flaw == Flaw::None {
            let surroundings = (0..SURROUNDINGS.len()).map(|at| Flaw::Surroundings(small(at)));
            let mut flaws = Vec::new();
            if self.is_on(Adversity::Flaw) {
                flaws.extend(FLAWS);
            }
            if self.is_on(Adversity::Surroundings) {
                flaws.extend(surroundings);
            }
            for flaw in flaws {
                self.moved(world, Move::Flawed(flaw), |next| next.flaw = flaw);
            }
        }
    }

    fn against_coordinator(&mut self, world: &World, at: usize) {
        let coord = world.coords[at];
        if coord.life != Life::Working {
            return;
        }
        self.moved(world, Move::Killed(small(at)), |next| next.coords[at].gone());
        let between = coord.at == 0 || coord.state == State::Watching;
        if coord.learnt.is_none() && between && self.knobs.step(coord.state, Event::Interrupted).is_ok() {
            self.moved(world, Move::Signal(small(at)), |next| {
                next.coords[at].learnt = Some(Event::Interrupted);
                next.coords[at].at = 0;
                next.coords[at].quiet = false;
            });
        }
    }

    fn against_host(&mut self, world: &World, at: usize) {
        let host = world.hosts[at];
        if host.power != Power::On {
            return;
        }
        let number = small(at);
        if self.is_on(Adversity::Power) {
            self.moved(world, Move::Reboot(number), |next| {
                next.power_cut(at);
                next.boot(at);
            });
            self.moved(world, Move::PowerCut(number), |next| next.power_cut(at));
            self.moved(world, Move::Freeze(number), |next| {
                next.hosts[at].power = Power::Frozen;
                next.stood_still = true;
            });
        }
        if self.is_on(Adversity::Restart) && host.unit == Unit::Running {
            self.moved(world, Move::ValidatorDies(number), |next| {
                next.hosts[at].unit = Unit::Restarting;
            });
        }
        if self.is_on(Adversity::Person) {
            if matches!(host.unit, Unit::Rest | Unit::Left | Unit::Restarting) {
                self.moved(world, Move::PersonStarts(number), |next| start(next, at));
            } else {
                self.moved(world, Move::PersonStops(number), |next| {
                    next.hosts[at].unit = Unit::Rest;
                });
            }
            if host.claim != 0 {
                self.moved(world, Move::ClaimRemoved(number), |next| {
                    next.hosts[at].claim = 0;
                    next.claim_removed = true;
                });
            }
            if host.lock != 0 {
                self.moved(world, Move::LockRemoved(number), |next| lift(next, at));
            }
        }
        if self.is_on(Adversity::ByHand) && !host.stray && host.unit != Unit::Running {
            self.moved(world, Move::ByHand(number), |next| by_hand(next, at));
        }
    }
}

fn small(number: usize) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
