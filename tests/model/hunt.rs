//! The hunt for mutants: each is one thing taken out of the program, and has to be missed by a property of the search or by
//! a named rule of the table. Must never call a mutant killed that was only not looked at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use failover::guards::GUARDS;
use failover::protocol::{Event, State, step};

use crate::adversary::{Adversity, Moves};
use crate::evidence::Judge;
use crate::journal::append;
use crate::mutants::{Blind, HostRule, Knobs, Weak};
use crate::quiet::Quiet;
use crate::rules::RULES;
use crate::search::{Found, Setting, explore};
use crate::world::{Life, World};

/// Worlds in which each row of the table is about to be used, from the worlds of a search.
pub type Uses = HashMap<(State, Event), Vec<World>>;

/// How many of them are tried for each mutant at first, and how far.
const SEEDS: usize = 12;
const FAR: usize = 250;

/// Collects the uses of every row.
pub fn uses(found: &Found, into: &mut Uses) {
    let mut note = |row, world: &World| {
        let worlds = into.entry(row).or_default();
        worlds.push(*world);
    };
    let mut worlds: Vec<(&World, &u32)> = found.worlds.iter().collect();
    worlds.sort_by_key(|(_, number)| **number);
    for (world, _) in worlds {
        for coord in world.coords {
            match (coord.life, coord.learnt) {
                (Life::Working, Some(event)) => note((coord.state, event), world),
                (Life::Gone, _) => {
                    for event in [Event::Resumed, Event::UndoAsked] {
                        if step(coord.state, event).is_ok() {
                            note((coord.state, event), world);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// What killed a mutant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Property(&'static str),
    Rule(&'static str),
    Survived,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Property(says) => write!(f, "property: {says}"),
            End::Rule(says) => write!(f, "rule: {says}"),
            End::Survived => write!(f, "nothing"),
        }
    }
}

/// Every row of the table, led to every other state.
pub fn rows() -> Vec<(State, Event, State)> {
    let all = State::all();
    let mut rows = Vec::new();
    for from in &all {
        for event in Event::ALL {
            if let Ok(right) = step(*from, event) {
                let others = all.iter().filter(|to| **to != right);
                rows.extend(others.map(|to| (*from, event, *to)));
            }
        }
    }
    rows
}

/// What becomes of one row that leads elsewhere.
pub fn hunt_row(judge: &Judge, uses: &Uses, on: &[Adversity], row: (State, Event, State)) -> End {
    let knobs = Knobs {
        row: Some(row),
        ..Knobs::default()
    };
    let seeds = uses.get(&(row.0, row.1)).map_or(&[][..], Vec::as_slice);
    // Spread over all of them: the first are alike.
    let apart = (seeds.len() / SEEDS).max(1);
    let some: Vec<&World> = seeds.iter().step_by(apart).collect();
    let mut quiet = Quiet::new(judge, &knobs);
    if let Some(property) = some.iter().find_map(|world| quiet.leads_nowhere(world)) {
        return End::Property(property);
    }
    let mut seen = HashSet::new();
    let mut front = Vec::new();
    for world in some {
        for at in 0..2 {
            let coord = world.coords[at];
            if coord.state == row.0 && (coord.learnt == Some(row.1) || coord.life == Life::Gone) {
                let mut next = *world;
                next.coords[at].life = Life::Working;
                next.coords[at].known = [true; 2];
                append(&knobs, &mut next, at, row.1);
                front.push(next);
            }
        }
    }
    let mut moves = Moves::new(judge, &knobs, on);
    while let Some(world) = front.pop() {
        if let Some(property) = world.broken.or_else(|| quiet.leads_nowhere(&world)) {
            return End::Property(property);
        }
        if seen.len() < FAR {
            for next in moves.of(&world) {
                if next.world.broken.is_some() || seen.insert(next.world) {
                    front.push(next.world);
                }
            }
        }
    }
    let table = |state, event| knobs.step(state, event).ok();
    match RULES.iter().find(|rule| !(rule.holds)(&table)) {
        Some(rule) => End::Rule(rule.says),
        None => End::Survived,
    }
}

/// What is expected of something that was taken out.
pub enum Expected {
    /// The search misses it in this setting.
    Killed(Setting),
    /// Nothing misses it, and why that is right.
    Survives(&'static str),
}

use Expected::{Killed, Survives};

const fn on(on: &'static [Adversity], budget: u8) -> Setting {
    Setting { on, budget }
}

const NOTHING: Setting = on(&[], 0);
const FLAW: Setting = on(&[Adversity::Flaw], 1);
const SURROUNDINGS: Setting = on(&[Adversity::Surroundings], 1);
const BY_HAND: Setting = on(&[Adversity::ByHand], 1);
const PERSON: Setting = on(&[Adversity::Person], 1);
const RESTARTED: Setting = on(&[Adversity::Person, Adversity::Restart], 2);
const LATE: Setting = on(&[Adversity::Network], 1);
const LATE_AND_FLAWED: Setting = on(&[Adversity::Network, Adversity::Surroundings], 2);
const LATE_BY_HAND: Setting = on(&[Adversity::Network, Adversity::ByHand], 2);
const FROZEN_BY_HAND: Setting = on(&[Adversity::Power, Adversity::ByHand], 2);

/// Every guard, and what becomes of a program without it. Whatever stands here, each guard has rows of its own in
/// `tests/guards.rs`, which fail without it.
fn of_guard(id: &str) -> Expected {
    match id {
        "primary-fenced" => Killed(BY_HAND),
        "claims-free" => Killed(PERSON),
        "reached" => Survives("every other guard that looks at a silent host is unknown, too, and blocks"),
        "unit-found" => {
            Survives("a unit that is not loaded is not known to rest: backup-stopped, primary-process say so")
        }
        "keys-known" => Survives("keys-alive is unknown without keys, too"),
        "primary-process" => Survives(
            "a stray validator survives the stop, is seen alive, and the run parks: a look beforehand saves that",
        ),
        "roles" => Survives(
            "a backup that signs is not stopped and not barred: two other guards refuse it; this one says why",
        ),
        "backup-stopped" => Survives(
            "while the primary is fenced a backup that runs already is no second signer; its start fails and is halted",
        ),
        "backup-barred" => Survives(
            "nothing in the run takes the backup's bar away before the start; without it its next boot would",
        ),
        "history-covers" => Survives(
            "what was imported was read back two states before; without both a property fails (below)",
        ),
        _ => Killed(SURROUNDINGS),
    }
}

/// Everything else that can be taken out, by name, and what is expected of it.
pub fn weakened() -> BTreeMap<String, (Knobs, Expected)> {
    let mut all = BTreeMap::new();
    let plain = Knobs::default();
    for guard in GUARDS {
        let knobs = Knobs {
            guard: Some(guard.id),
            ..plain
        };
        all.insert(format!("guard {}", guard.id), (knobs, of_guard(guard.id)));
    }
    for weak in Weak::ALL {
        let knobs = Knobs {
            weak: Some(weak),
            ..plain
        };
        all.insert(format!("coordinator {weak:?}"), (knobs, of_weak(weak)));
    }
    for rule in HostRule::ALL {
        let knobs = Knobs {
            rule: Some(rule),
            ..plain
        };
        all.insert(format!("host {rule:?}"), (knobs, of_rule(rule)));
    }
    for blind in Blind::ALL {
        let knobs = Knobs {
            blind: Some(blind),
            ..plain
        };
        all.insert(format!("reading {blind:?}"), (knobs, of_blind(blind)));
    }
    // Where one thing stands behind another, both have to go.
    let (weak, guard) = (Some(Weak::NoReadBack), Some("history-covers"));
    let knobs = Knobs { weak, guard, ..plain };
    all.insert(
        "both NoReadBack and history-covers".to_owned(),
        (knobs, Killed(FLAW)),
    );
    let (rule, rule_too) = (Some(HostRule::Stands), Some(HostRule::Unchanged));
    let knobs = Knobs {
        rule,
        rule_too,
        ..plain
    };
    all.insert("both Stands and Unchanged".to_owned(), (knobs, Killed(LATE)));
    let (rule, weak) = (Some(HostRule::Deadline), Some(Weak::HaltKeepsClaim));
    let knobs = Knobs { rule, weak, ..plain };
    all.insert(
        "both Deadline and HaltKeepsClaim".to_owned(),
        (knobs, Killed(LATE_AND_FLAWED)),
    );
    let (rule, blind) = (Some(HostRule::Stands), Some(Blind::Cgroup));
    let knobs = Knobs { rule, blind, ..plain };
    all.insert("both Stands and Cgroup".to_owned(), (knobs, Killed(FLAW)));
    all
}

fn of_weak(weak: Weak) -> Expected {
    match weak {
        Weak::UnknownIsStopped => Killed(FROZEN_BY_HAND),
        Weak::NoMerge => Killed(NOTHING),
        Weak::NoSecondJudgement | Weak::NoBackupPrint => Killed(BY_HAND),
        Weak::OneReading => Survives(
            "a reading here is whole and true for its moment; several are for hosts where that is not so (tests/drive)",
        ),
        Weak::NoLookOnResume => Survives(
            "a run without its claim is refused by the hosts themselves; the look is for an old copy of a journal (tests/kill)",
        ),
        Weak::NoReadBack => {
            Survives("history-covers judges the same before the start; without both a property fails (below)")
        }
        Weak::HaltKeepsClaim => Killed(LATE_AND_FLAWED),
        Weak::NoBackupProof => Survives(
            "the state before proved it; the proof bounds how long ago that may be, and what can happen in between is excused",
        ),
    }
}

fn of_rule(rule: HostRule) -> Expected {
    match rule {
        HostRule::Claim => Killed(LATE_AND_FLAWED),
        HostRule::Deadline => {
            Survives("a claim that a halt gave back is missed first; without both a property fails (below)")
        }
        HostRule::Unchanged => Killed(LATE_BY_HAND),
        HostRule::Stands => Survives(
            "an import begins only with the database that was collected; without both a property fails (below)",
        ),
        HostRule::Generation => Survives(
            "claims keep two runs apart; the paper is for a claim that somebody took away, which takes three adversities",
        ),
        HostRule::BrokenBatch => Survives(
            "only a refused generation breaks a batch here, and that takes three adversities; tests/transport has every break",
        ),
    }
}

fn of_blind(blind: Blind) -> Expected {
    match blind {
        Blind::UnitState => Killed(RESTARTED),
        Blind::Processes | Blind::Fingerprint => Killed(BY_HAND),
        Blind::Lock => Killed(PERSON),
        Blind::Gate => Killed(FLAW),
        Blind::Disablement => Killed(SURROUNDINGS),
        Blind::Cgroup => Survives(
            "the host itself looks at the cgroup before its database is touched; without both a property fails (below)",
        ),
        Blind::LockId => Survives(
            "a lock that was taken away and put back does no harm unless something signed, and then the fingerprint differs",
        ),
        Blind::Expiry => Survives(
            "every judgement reads the primary again; the proof's end bounds the step behind it, and what can happen there is excused",
        ),
    }
}

/// What becomes of a program with something taken out: the property that misses it and how long its story is, or nothing.
pub fn hunt(knobs: &Knobs, setting: Setting) -> Option<(String, usize)> {
    let story = explore(&Judge::default(), knobs, setting).story?;
    let property = story.lines().next().unwrap_or_default().to_owned();
    let moves = story
        .lines()
        .filter(|line| line.trim_start().starts_with(|it: char| it.is_ascii_digit()))
        .count();
    Some((property, moves))
}
