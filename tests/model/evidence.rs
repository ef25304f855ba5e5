//! From the small world to the evidence that the shipping guards judge, and back to what they said. Every judgement here is
//! made by the shipping `judge`, `reading_of`, `already_done`, `merge` and `verify_read_back`; this file only translates
//! and remembers answers. Must never decide anything itself.

use std::cell::RefCell;
use std::collections::HashMap;

use failover::guards::{
    Claim, FenceReading, GUARDS, Generation, HostEvidence, Papers, Process, Reading, RunEvidence, Seen,
    Stage, Verdict, reading_of, stands_barred,
};
use failover::perform::{Known, already_done, judged_over};
use failover::protection::{FloorMap, Floors, History, Input, PublicKey, merge};
use failover::protocol::Event;

use crate::healthy::{self, healthy, key, process, unknown};
use crate::mutants::Knobs;
use crate::surroundings::SURROUNDINGS;
use crate::world::{Coord, Flaw, Host, Mark, Paper, Power, Unit, World};

/// One reading of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    Positive(Mark),
    Alive,
    Unbarred,
    Unknown,
}

/// What a judgement came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    AllPass,
    AlreadyDone,
    /// The first guard that blocks, and whether the primary's database was touched.
    Blocked(&'static str, bool),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Question {
    stage: Stage,
    hosts: [Host; 2],
    flaw: Flaw,
    coord: Coord,
}

/// Floors of both keys.
type Both = [u8; 2];

/// Asks the shipping code, and remembers its answers.
#[derive(Default)]
pub struct Judge {
    readings: RefCell<HashMap<Host, Read>>,
    bars: RefCell<HashMap<Host, bool>>,
    judgements: RefCell<HashMap<Question, Judged>>,
    merges: RefCell<HashMap<(Both, Both), (Both, Both)>>,
}

impl Judge {
    /// One reading of a host.
    pub fn reading(&self, knobs: &Knobs, host: Host) -> Read {
        let host = Host {
            db: [0; 2],
            signed: 0,
            ..host
        };
        *self.readings.borrow_mut().entry(host).or_insert_with(|| {
            let mut seen = host_evidence("x", &host, &[Coord::ABSENT; 2]);
            knobs.blind_host(&mut seen);
            match reading_of(&seen) {
                Reading::Positive(reading) => Read::Positive(mark(&reading)),
                Reading::Alive(_) => Read::Alive,
                Reading::Unbarred(_) => Read::Unbarred,
                Reading::Unknown(_) if knobs.unknown_is_stopped() => Read::Positive(Mark {
                    lock: host.lock,
                    boot: host.boot,
                }),
                Reading::Unknown(_) => Read::Unknown,
            }
        })
    }

    /// Whether the bar stands in all its parts, alive or not.
    pub fn stands_barred(&self, knobs: &Knobs, host: Host) -> bool {
        let host = Host {
            db: [0; 2],
            signed: 0,
            ..host
        };
        *self.bars.borrow_mut().entry(host).or_insert_with(|| {
            let mut seen = host_evidence("x", &host, &[Coord::ABSENT; 2]);
            knobs.blind_host(&mut seen);
            matches!(stands_barred(&seen), Verdict::Pass(_))
        })
    }

    /// All guards of a stage over both hosts as they are now.
    pub fn judgement(&self, knobs: &Knobs, world: &World, at: usize, stage: Stage) -> Judged {
        let coord = world.coords[at];
        let question = Question {
            stage,
            hosts: world.hosts.map(|host| Host { signed: 0, ..host }),
            flaw: world.flaw,
            coord: Coord {
                at: u8::try_from(at).unwrap_or(u8::MAX),
                note: 0,
                first: None,
                papers: None,
                quiet: false,
                archived: None,
                ..coord
            },
        };
        if let Some(known) = self.judgements.borrow().get(&question) {
            return *known;
        }
        let judged = judged(knobs, world, at, stage);
        self.judgements.borrow_mut().insert(question, judged);
        judged
    }

    /// Merged floors, and of them those that are to be imported (0: not named).
    pub fn merged(&self, ours: [u8; 2], theirs: [u8; 2]) -> ([u8; 2], [u8; 2]) {
        *self.merges.borrow_mut().entry((ours, theirs)).or_insert_with(|| {
            let (ours, theirs) = (history(ours), history(theirs));
            let inputs = [Input::new("primary", &ours), Input::new("backup", &theirs)];
            let merged = merge(&inputs, ROOT).unwrap();
            merged.comparison(&theirs).never_lower().unwrap();
            let raised = merged.only_raised(&theirs);
            (small(merged.floors()), small(raised.floors()))
        })
    }

    /// Whether what was read back covers the merged floors.
    pub fn covers(&self, merged: [u8; 2], found: [u8; 2]) -> bool {
        let whole = history(merged);
        let inputs = [Input::new("merged", &whole)];
        merge(&inputs, ROOT)
            .unwrap()
            .verify_read_back(&history(found))
            .is_ok()
    }
}

const ROOT: [u8; 32] = {
    let mut root = [0; 32];
    root[31] = 0xaa;
    root
};

fn floors(small: u8) -> Floors {
    Floors {
        block_slot: Some(6_000 + u64::from(small) * 32),
        source_epoch: Some(189 + u64::from(small)),
        target_epoch: Some(190 + u64::from(small)),
    }
}

fn floor_map(small: [u8; 2]) -> FloorMap {
    let known = small.into_iter().enumerate().filter(|(_, floor)| *floor != 0);
    known
        .map(|(at, floor)| (key(u8::try_from(at).unwrap() + 1), floors(floor)))
        .collect()
}

fn history(small: [u8; 2]) -> History {
    History {
        genesis_validators_root: Some(ROOT.into()),
        floors: floor_map(small),
    }
}

fn small(floors: &FloorMap) -> [u8; 2] {
    let of = |key: &PublicKey| {
        floors
            .get(key)
            .and_then(|floors| floors.target_epoch)
            .map_or(0, |target| u8::try_from(target - 190).unwrap())
    };
    [of(&key(1)), of(&key(2))]
}

fn mark(reading: &FenceReading) -> Mark {
    let number = |text: &str| text.rsplit('-').next().unwrap().parse().unwrap();
    Mark {
        lock: number(&reading.lock_id),
        boot: number(&reading.boot_id),
    }
}

fn fence_reading(name: &str, mark: Mark) -> FenceReading {
    FenceReading {
        machine_id: format!("machine of {name}"),
        boot_id: format!("boot-{}", mark.boot),
        main_start_us: 0,
        lock_id: format!("lock-{}", mark.lock),
    }
}

/// Whether a run that is resumed is over by its hosts' papers, as the shipping judgement says; and whether both were read
/// and carry no claim of it.
pub fn over(world: &World, at: usize) -> (Option<Event>, bool) {
    let coord = &world.coords[at];
    let run = format!("r{}", at + 1);
    let hosts = [coord.primary(), coord.backup()];
    let papers = hosts.map(|host| {
        let seen = host_evidence("x", &world.hosts[host], &world.coords);
        seen.papers.known().ok().cloned()
    });
    let ours = |papers: &Papers| papers.claim.as_ref().is_some_and(|claim| claim.run == run);
    let gone = papers
        .iter()
        .all(|papers| papers.as_ref().is_some_and(|papers| !ours(papers)));
    let before = coord.papers.map(|[a, b]| {
        let generation = |paper: Paper| generation(paper, &world.coords);
        (generation(a), generation(b))
    });
    let known = Known {
        run: &run,
        generation: (coord.generation != 0).then_some(u64::from(coord.generation)),
        before: before.as_ref(),
        ended: &[],
    };
    let [a, b] = &papers;
    let happened = judged_over(&known, coord.state, a.as_ref(), b.as_ref(), gone);
    (happened.map(|happened| happened.event), gone)
}

fn generation(paper: Paper, coords: &[Coord; 2]) -> Option<Generation> {
    (paper.generation != 0).then(|| Generation {
        pair: pair(&coords[usize::from(paper.run) - 1]),
        generation: u64::from(paper.generation),
        role: if paper.signer { "signer" } else { "fenced" }.to_owned(),
        run: format!("r{}", paper.run),
    })
}

/// Whether a later reading shows no start since an earlier one, as the shipping comparison says.
pub fn holds(knobs: &Knobs, earlier: Mark, later: Mark) -> bool {
    knobs.blind_to_lock_id() || fence_reading("x", earlier).holds(&fence_reading("x", later))
}

fn pair(coord: &Coord) -> String {
    format!("{}->{}", coord.primary(), coord.backup())
}

fn host_evidence(name: &str, host: &Host, coords: &[Coord; 2]) -> HostEvidence {
    let mut seen = healthy::host(name, false);
    if host.power != Power::On {
        seen.identity = unknown();
        seen.unit = unknown();
        seen.bar = unknown();
        seen.processes = unknown();
        seen.papers = unknown();
        seen.beacon = unknown();
        seen.fingerprint = unknown();
        return seen;
    }
    if let (Seen::Known(identity), Seen::Known(unit), Seen::Known(bar), Seen::Known(processes)) = (
        &mut seen.identity,
        &mut seen.unit,
        &mut seen.bar,
        &mut seen.processes,
    ) {
        identity.boot_id = format!("boot-{}", host.boot);
        let (active, sub, main, members): (_, _, u64, &[u64]) = match host.unit {
            Unit::Rest => ("inactive", "dead", 0, &[]),
            Unit::Starting => ("activating", "start-pre", 0, &[]),
            Unit::Running => ("active", "running", 70, &[70]),
            Unit::Restarting => ("activating", "auto-restart", 0, &[]),
            Unit::Left => ("inactive", "dead", 0, &[71]),
        };
        unit.active_state = active.to_owned();
        unit.sub_state = sub.to_owned();
        unit.main_pid = main;
        unit.main_start_us = if main == 0 { 0 } else { 5_000_000 };
        unit.cgroup_pids = members.to_vec();
        unit.file_state = if host.enabled { "enabled" } else { "disabled" }.to_owned();
        unit.asserts_absent = if host.gate {
            vec![healthy::LOCK.to_owned()]
        } else {
            vec![]
        };
        bar.lock = (host.lock != 0).then(|| "barred".to_owned());
        bar.lock_id = (host.lock != 0).then(|| format!("lock-{}", host.lock));
        bar.gate = host.gate;
        if host.unit == Unit::Running {
            processes.validator.push(process());
        }
        if host.stray {
            processes.validator.push(Process { pid: 99, ..process() });
        }
    }
    if let Seen::Known(papers) = &mut seen.papers {
        papers.claim = (host.claim != 0).then(|| Claim {
            run: format!("r{}", host.claim),
            ..healthy::claim("x")
        });
        papers.generation = generation(host.paper, coords);
    }
    seen.fingerprint = Seen::Known(format!("{:?}", host.db));
    if let Seen::Known(protection) = &mut seen.protection {
        protection.floors = floor_map(host.db);
    }
    seen
}

fn judged(knobs: &Knobs, world: &World, at: usize, stage: Stage) -> Judged {
    let coord = &world.coords[at];
    let (primary, backup) = (coord.primary(), coord.backup());
    let evidence_of = |at: usize| host_evidence(&at.to_string(), &world.hosts[at], &world.coords);
    let mut evidence = healthy(stage);
    (evidence.primary, evidence.backup) = (evidence_of(primary), evidence_of(backup));
    // The primary's database is never opened while its validator may run.
    evidence.primary.protection = unknown();
    evidence.run = RunEvidence {
        id: Some(format!("r{}", at + 1)),
        ..RunEvidence::default()
    };
    if stage == Stage::Start {
        let mark = coord.fence.or(coord.proven);
        evidence.run.generation = Some(u64::from(coord.generation));
        evidence.run.fence = mark.map(|mark| fence_reading(&primary.to_string(), mark));
        evidence.run.fence_left_s = Some(if coord.fence.is_some() { 50.0 } else { -1.0 });
        evidence.run.fingerprint = coord.print.map(|print| format!("{print:?}"));
        evidence.run.genesis_validators_root = Some(healthy::ROOT.to_owned());
        evidence.run.merged = coord.merged.map(floor_map);
        evidence.run.read_back = coord.read_back.map(|(floors, _)| floor_map(floors));
        evidence.run.read_back_boot = coord.read_back.map(|(_, boot)| format!("boot-{boot}"));
    }
    if let Flaw::Surroundings(number) = world.flaw {
        SURROUNDINGS[usize::from(number)].1(&mut evidence);
    }
    knobs.blind(&mut evidence);
    let done = stage == Stage::Preflight && already_done(&evidence, &pair(coord)).is_some();
    if done {
        return Judged::AlreadyDone;
    }
    let touched = evidence.run.fingerprint.as_ref() != evidence.primary.fingerprint.known().ok();
    let blocked = GUARDS
        .iter()
        .filter(|guard| guard.stages.contains(&stage) && knobs.has_guard(guard.id))
        .find(|guard| !matches!((guard.check)(&evidence, stage), Verdict::Pass(_)));
    blocked.map_or(Judged::AllPass, |guard| Judged::Blocked(guard.id, touched))
}
