//! The quiet world: nothing goes wrong any more, machines run, and a person resumes what is left. From every state it must
//! lead to an outcome. Must never help a run along in any other way.

use std::collections::HashSet;

use failover::protocol::{Event, State, command};

use crate::coordinator::{Fate, Work};
use crate::evidence::Judge;
use crate::journal::{append, resumed};
use crate::mutants::Knobs;
use crate::properties::{LEFT_CLAIM, TRAP};
use crate::world::{Flaw, Life, Power, Unit, World};

/// Longest way of one run that is not taken for a circle.
const LONGEST: usize = 300;

/// Walks from worlds to outcomes, and remembers the ways that led there.
pub struct Quiet<'a> {
    judge: &'a Judge,
    knobs: &'a Knobs,
    good: HashSet<World>,
}

impl<'a> Quiet<'a> {
    pub fn new(judge: &'a Judge, knobs: &'a Knobs) -> Quiet<'a> {
        Quiet {
            judge,
            knobs,
            good: HashSet::new(),
        }
    }

    /// None: it leads to outcomes that are true. Some: the property that does not hold.
    pub fn leads_nowhere(&mut self, world: &World) -> Option<&'static str> {
        let mut now = calm(world);
        // A run whose last request was lost already says so in its report.
        let over_before = now.coords.map(|coord| match coord.state {
            State::Ended(_) => true,
            State::Releasing(_) => coord.note == 1 || coord.learnt == Some(Event::LineLost),
            _ => false,
        });
        let mut way = Vec::new();
        for _ in 0..4 {
            let before = now;
            for at in 0..2 {
                for step in 0..LONGEST {
                    settle(&mut now);
                    if self.good.contains(&now) {
                        self.good.extend(way);
                        return None;
                    }
                    way.push(now);
                    if now.broken.is_some() {
                        return now.broken;
                    }
                    if !self.step(&mut now, at, step) {
                        break;
                    }
                }
            }
            let over = |world: &World| {
                world
                    .coords
                    .iter()
                    .all(|coord| coord.life == Life::Absent || matches!(coord.state, State::Ended(_)))
            };
            if over(&now) {
                let left = now
                    .hosts
                    .iter()
                    .any(|host| host.claim != 0 && !over_before[usize::from(host.claim) - 1]);
                if left {
                    return Some(LEFT_CLAIM);
                }
                self.good.extend(way);
                return None;
            }
            if now == before {
                break;
            }
        }
        Some(TRAP)
    }

    /// One step of one run. False: it is over, or parked again.
    fn step(&self, world: &mut World, at: usize, step: usize) -> bool {
        let coord = world.coords[at];
        match (coord.life, coord.learnt) {
            (Life::Absent, _) => false,
            (Life::Gone, _) if matches!(coord.state, State::Ended(_)) => false,
            (Life::Gone, _) if step > 0 && matches!(coord.state, State::Parked(_)) => false,
            (Life::Gone, _) => match resumed(self.knobs, world, at, Event::Resumed) {
                Some(next) => {
                    *world = next;
                    true
                }
                None => false,
            },
            (Life::Working, Some(event)) => {
                append(self.knobs, world, at, event);
                true
            }
            (Life::Working, None) if coord.state == State::Watching && step > LONGEST / 2 => {
                *world = Work::watched_long_enough(self.judge, self.knobs, *world, at);
                true
            }
            (Life::Working, None) => match command(coord.state) {
                Some(next) => {
                    let work = Work::step(self.judge, self.knobs, *world, at, next, Fate::Delivered);
                    let before = std::mem::replace(world, work.world);
                    world.disturbed(&before, Some(at));
                    true
                }
                None => false,
            },
        }
    }
}

/// The adversary goes home.
fn calm(world: &World) -> World {
    let mut calm = *world;
    calm.flaw = Flaw::None;
    calm.late = None;
    calm.budget = 0;
    for at in 0..2 {
        calm.hosts[at].stray = false;
        match calm.hosts[at].power {
            Power::On => {}
            Power::Off => calm.boot(at),
            Power::Frozen => calm.hosts[at].power = Power::On,
        }
    }
    calm.judge_hosts();
    calm
}

fn settle(world: &mut World) {
    for at in 0..2 {
        if world.hosts[at].unit == Unit::Restarting {
            world.begin_unit(at);
        }
        world.appear(at);
    }
    world.judge_hosts();
}
