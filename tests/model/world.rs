//! The world that the shipping table is explored in: two hosts, up to two coordinators, one letter that is late. Small
//! numbers stand for identities (locks, boots), which are only ever compared. Must never hold a verdict of its own about
//! what a run should do: that is the shipping `step`.

use failover::protocol::{Event, State};

pub use crate::letters::{Batch, Late};

/// Whether a machine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Power {
    On,
    Off,
    /// Stopped in its tracks, with all its processes: answers nothing, forgets nothing.
    Frozen,
}

/// The validator's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Stopped.
    Rest,
    /// Its asserts have passed; its process is not there yet.
    Starting,
    /// Its process lives.
    Running,
    /// Its process died; the service manager will start it again.
    Restarting,
    /// Stopped, but a child lives on in its cgroup under another name.
    Left,
}

/// `generation.json`; generation 0: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Paper {
    pub generation: u8,
    pub signer: bool,
    /// The run that wrote it.
    pub run: u8,
}

/// One host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Host {
    pub power: Power,
    pub boot: u8,
    pub enabled: bool,
    /// Which lock file lies there; 0: none.
    pub lock: u8,
    /// Somebody took the lock away.
    pub opened: bool,
    /// The drop-in lies there and is loaded.
    pub gate: bool,
    pub unit: Unit,
    /// A validator that somebody runs by hand, past the gate.
    pub stray: bool,
    /// The run whose claim lies there; 0: none.
    pub claim: u8,
    /// Runs that have released it in this boot: a claim of theirs that is late is refused.
    pub released: [bool; 2],
    pub paper: Paper,
    /// Floors of both keys in its database; 0: the database does not know the key.
    pub db: [u8; 2],
    /// The newest slot that it signed for, with both keys.
    pub signed: u8,
}

/// A positive reading: which lock, which boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark {
    pub lock: u8,
    pub boot: u8,
}

/// What the preflight found and the journal keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Found {
    pub primary_ran: bool,
    pub primary_enabled: bool,
    pub backup: Mark,
}

/// Whether a coordinator's process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Life {
    /// There is no such run.
    Absent,
    Working,
    /// Killed, parked or over; only the journal and what lies on the hosts is left.
    Gone,
}

/// One coordinator: what is in its journal, and what only its process knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Coord {
    pub life: Life,
    /// Primary is host 1.
    pub reversed: bool,
    pub state: State,
    // In the journal.
    pub found: Option<Found>,
    /// 0: not claimed.
    pub generation: u8,
    pub proven: Option<Mark>,
    pub print: Option<[u8; 2]>,
    /// The generations that its preflight found, primary and backup.
    pub papers: Option<[Paper; 2]>,
    pub merged: Option<[u8; 2]>,
    /// What the backup's database looked like when this run last left it; none: not known.
    pub backup_print: Option<[u8; 2]>,
    // On the backup's disk.
    pub archived: Option<[u8; 2]>,
    // In the process.
    /// Step within the command.
    pub at: u8,
    /// What was performed and is not in the journal yet.
    pub learnt: Option<Event>,
    pub known: [bool; 2],
    /// On resuming neither host carried its claim.
    pub claims_gone: bool,
    pub note: u8,
    pub first: Option<Mark>,
    pub fence: Option<Mark>,
    pub backup_fence: Option<Mark>,
    pub history: Option<([u8; 2], [u8; 2])>,
    /// The backup's floors as read back, and in which boot.
    pub read_back: Option<([u8; 2], u8)>,
    // For the properties alone.
    /// Nobody else changed a host since this command began to look.
    pub quiet: bool,
    /// A batch of this run that changes more than a claim was carried out.
    pub acted: bool,
    /// A start of the backup by this run was carried out.
    pub started: bool,
    /// It ended because somebody else acts there: it says nothing of the hosts.
    pub displaced: bool,
}

/// What is wrong with the world, at most one thing at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    None,
    /// The client's import says success and leaves one key out.
    ImportDropsKey,
    /// The client's import fails.
    ImportFails,
    /// A stop does not end the process.
    StopFails,
    /// A first stop leaves a child.
    StopLeavesChild,
    /// The unit's process ends at once.
    StartFails,
    /// The manager does not load the gate.
    GateNotLoaded,
    /// The primary's database cannot be read.
    Damaged,
    /// The histories hold slashable messages.
    Slashable,
    /// The primary's client exports more than its files hold.
    Hidden,
    /// Something that one guard alone is for; a number in `evidence::SURROUNDINGS`.
    Surroundings(u8),
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct World {
    pub hosts: [Host; 2],
    pub coords: [Coord; 2],
    pub late: Option<Late>,
    /// The newest slot.
    pub clock: u8,
    pub flaw: Flaw,
    /// Somebody has run a validator by hand where no software can prevent it: what follows is excused.
    pub excused: bool,
    /// Somebody has taken a lock away where no software can prevent what follows.
    pub lifted: bool,
    /// A host was frozen, and its clock with it: what it had been asked has no deadline there (docs/safety.md).
    pub stood_still: bool,
    /// Somebody took a claim away by hand.
    pub claim_removed: bool,
    /// How many more adversities may come.
    pub budget: u8,
    /// A property that does not hold.
    pub broken: Option<&'static str>,
}

/// The last slot that the clock comes to.
pub const LAST_SLOT: u8 = 3;

impl Host {
    /// Whether something on it can sign, now or when it thaws.
    pub fn able(&self) -> bool {
        self.power != Power::Off && (self.stray || matches!(self.unit, Unit::Running | Unit::Left))
    }

    /// Whether its next boot starts the validator.
    pub fn starts_at_boot(&self) -> bool {
        self.enabled && !(self.lock != 0 && self.gate)
    }

    /// Lock there, gate loaded, not enabled.
    pub fn barred(&self) -> bool {
        self.lock != 0 && self.gate && !self.enabled
    }

    /// What is compared to see whether a host was changed.
    pub fn outside(&self) -> (Power, bool, u8, bool, Unit, bool) {
        (
            self.power,
            self.enabled,
            self.lock,
            self.gate,
            self.unit,
            self.stray,
        )
    }
}

impl Coord {
    pub const ABSENT: Coord = Coord {
        life: Life::Absent,
        reversed: false,
        state: State::Preflight,
        found: None,
        generation: 0,
        proven: None,
        print: None,
        merged: None,
        backup_print: None,
        archived: None,
        at: 0,
        learnt: None,
        known: [false; 2],
        claims_gone: false,
        papers: None,
        note: 0,
        first: None,
        fence: None,
        backup_fence: None,
        history: None,
        read_back: None,
        quiet: false,
        acted: false,
        started: false,
        displaced: false,
    };

    /// A new run.
    pub fn begun(reversed: bool) -> Coord {
        Coord {
            life: Life::Working,
            reversed,
            known: [true; 2],
            ..Coord::ABSENT
        }
    }

    pub fn primary(&self) -> usize {
        usize::from(self.reversed)
    }

    pub fn backup(&self) -> usize {
        usize::from(!self.reversed)
    }

    /// The process is gone, with all that it knew. What it had performed and not written down, nobody knows.
    pub fn gone(&mut self) {
        match self.learnt {
            Some(Event::PreflightPassed) => (self.found, self.papers) = (None, None),
            Some(Event::Claimed) => self.generation = 0,
            Some(Event::ProvenStopped) => self.proven = None,
            Some(Event::Collected) => (self.print, self.backup_print) = (None, None),
            Some(Event::Imported | Event::ImportFailed | Event::ReadBackFails) => self.backup_print = None,
            Some(Event::FloorsMerged) => self.merged = None,
            _ => {}
        }
        *self = Coord {
            life: Life::Gone,
            reversed: self.reversed,
            state: self.state,
            found: self.found,
            generation: self.generation,
            proven: self.proven,
            print: self.print,
            papers: self.papers,
            merged: self.merged,
            backup_print: self.backup_print,
            archived: self.archived,
            acted: self.acted,
            started: self.started,
            displaced: self.displaced,
            ..Coord::ABSENT
        };
    }
}

impl World {
    /// Host 0 signs; host 1 stands barred, with a higher floor for one key and no history of the other.
    pub fn beginning(budget: u8) -> World {
        let host = Host {
            power: Power::On,
            boot: 1,
            enabled: true,
            lock: 0,
            opened: false,
            gate: false,
            unit: Unit::Running,
            stray: false,
            claim: 0,
            released: [false; 2],
            paper: Paper::default(),
            db: [1, 1],
            signed: 1,
        };
        let standby = Host {
            enabled: false,
            lock: 1,
            gate: true,
            unit: Unit::Rest,
            db: [2, 0],
            signed: 0,
            ..host
        };
        World {
            hosts: [host, standby],
            coords: [Coord::begun(false), Coord::ABSENT],
            late: None,
            clock: 2,
            flaw: Flaw::None,
            excused: false,
            lifted: false,
            stood_still: false,
            claim_removed: false,
            budget,
            broken: None,
        }
    }

    pub fn break_(&mut self, property: &'static str) {
        self.broken.get_or_insert(property);
    }

    /// The smallest number that no lock is called, anywhere it could be compared with.
    pub fn new_lock(&self) -> u8 {
        self.unused(|mark| mark.lock, |host| host.lock)
    }

    /// The same for boots.
    pub fn new_boot(&self) -> u8 {
        self.unused(|mark| mark.boot, |host| host.boot)
    }

    fn unused(&self, of_mark: fn(Mark) -> u8, of_host: fn(&Host) -> u8) -> u8 {
        let mut used = 1_u64;
        for host in &self.hosts {
            used |= 1 << of_host(host);
        }
        for coord in &self.coords {
            let found = coord.found.map(|found| found.backup);
            for mark in [found, coord.proven, coord.first, coord.fence, coord.backup_fence]
                .into_iter()
                .flatten()
            {
                used |= 1 << of_mark(mark);
            }
            // A boot is also remembered beside what was read back in it.
            if let Some((_, boot)) = coord.read_back {
                used |= 1 << boot;
            }
        }
        u8::try_from(used.trailing_ones()).unwrap_or(u8::MAX)
    }
}
