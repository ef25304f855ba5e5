//! Many seeds on all cores: counts, prints, and says what has to be seen for the whole to prove anything.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::log::{Counts, Notes};
use crate::scene::play;

/// Stories of so many failing seeds are printed.
const STORIES: usize = 3;

/// How many seeds, and from which.
#[derive(Debug, Clone, Copy)]
pub struct Amount {
    first: u64,
    runs: u64,
    told: bool,
}

impl Amount {
    /// As many as fit into CI's share of time; fewer without optimisation.
    pub fn usual() -> Amount {
        Amount::of(if cfg!(debug_assertions) { 600 } else { 20_000 })
    }

    /// On demand.
    pub fn large() -> Amount {
        Amount::of(1_000_000)
    }

    fn of(runs: u64) -> Amount {
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
        match number("FAILOVER_SEED") {
            Some(first) => Amount {
                first,
                runs: 1,
                told: true,
            },
            None => Amount {
                first: number("FAILOVER_FIRST").unwrap_or(0),
                runs: number("FAILOVER_RUNS").unwrap_or(runs),
                told: false,
            },
        }
    }
}

/// What came of them.
pub struct Outcome {
    amount: Amount,
    notes: Notes,
    wrong: BTreeMap<u64, Notes>,
}

/// Runs them all and prints what came of it.
pub fn simulate(amount: Amount) -> Outcome {
    let began = Instant::now();
    let (next, stop) = (
        AtomicU64::new(amount.first),
        AtomicU64::new(amount.first + amount.runs),
    );
    let all = Mutex::new((Notes::default(), BTreeMap::new(), 0_u64));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let notes = catch_unwind(AssertUnwindSafe(|| play(seed)))
                        .unwrap_or_else(|panic| panicked(&*panic));
                    if amount.told {
                        println!("seed {seed}\n{}", notes.story);
                    }
                    let mut all = all.lock().unwrap();
                    all.0.add(&notes);
                    all.2 += 1;
                    if !notes.wrong.is_empty() {
                        // Enough to work with: a thousand more say nothing new.
                        if all.1.is_empty() {
                            println!(
                                "first failing seed {seed} after {} runs, {:.1} s",
                                all.2,
                                began.elapsed().as_secs_f64()
                            );
                        }
                        all.1.insert(seed, notes);
                        if all.1.len() >= 40 {
                            stop.store(0, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let (notes, wrong, runs) = all.into_inner().unwrap();
    let outcome = Outcome { amount, notes, wrong };
    outcome.print(runs, began.elapsed().as_secs_f64());
    outcome
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Notes {
    let text = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
    Notes {
        wrong: vec![format!("PANIC {}", text.unwrap_or_default())],
        ..Notes::default()
    }
}

impl Outcome {
    fn print(&self, runs: u64, seconds: f64) {
        println!(
            "simulation: {runs} runs, {} coordinator processes, {} messages signed, {seconds:.1} s",
            self.notes.processes, self.notes.messages
        );
        table("faults that struck", &self.notes.struck, |_| true);
        table("came to rest", &self.notes.reached, |name| {
            name.starts_with("rests in")
        });
        table("states", &self.notes.reached, |name| name.starts_with("state"));
        table("events", &self.notes.reached, |name| name.starts_with("event"));
        table("noticed", &self.notes.reached, |name| name.starts_with("a claim"));
        table("excused (runs)", &self.notes.excused, |_| true);
        let count = |word: &str| {
            self.wrong
                .values()
                .flat_map(|notes| &notes.wrong)
                .filter(|wrong| wrong.starts_with(word))
                .count()
        };
        let all: usize = self.wrong.values().map(|notes| notes.wrong.len()).sum();
        println!("unsafe: {all}");
        println!("slashable messages: {}", count("SLASHABLE"));
        println!("overlaps: {}", count("OVERLAP"));
        println!("runs with an excuse: {}", self.notes.excused_runs);
        for (seed, notes) in &self.wrong {
            println!("seed {seed}: {}", notes.wrong.join(" | "));
        }
        for (seed, notes) in self.wrong.iter().take(STORIES).filter(|_| !self.amount.told) {
            println!("\nFAILOVER_SEED={seed}\n{}", notes.story);
        }
    }

    /// Nothing was wrong; and each kind of fault struck and each outcome was reached, often enough to prove something.
    /// With few runs the rare kinds are not asked for.
    pub fn demand(&self, few: bool) {
        let seeds: Vec<&u64> = self.wrong.keys().collect();
        assert!(
            self.wrong.is_empty(),
            "failing seeds, replay with FAILOVER_SEED=N: {seeds:?}"
        );
        if self.amount.told || self.amount.runs < 200 {
            return;
        }
        let share = if few { 0 } else { self.amount.runs / 2_000 };
        let missing = |counts: &Counts, name: &str, least: u64| {
            let count = counts.get(name).copied().unwrap_or(0);
            (count < least).then(|| format!("{name}: {count} of {least}"))
        };
        let faults = FAULTS
            .iter()
            .filter_map(|name| missing(&self.notes.struck, name, share / 2));
        let common = COMMON
            .iter()
            .filter_map(|name| missing(&self.notes.struck, name, 1 + share * 4));
        let rests = RESTS.iter().filter_map(|(name, times)| {
            missing(
                &self.notes.reached,
                &format!("rests in {name}"),
                if few { 1 } else { share * times },
            )
        });
        let missing: Vec<String> = faults.chain(common).chain(rests).collect();
        assert!(
            missing.is_empty(),
            "seen too seldom to prove anything: {missing:#?}"
        );
    }
}

/// Where a run rests, and how often of 2,000 runs at least.
const RESTS: [(&str, u64); 9] = [
    ("Completed", 800),
    ("Unconfirmed", 20),
    ("Restored", 80),
    ("Parked", 20),
    ("Refused", 400),
    ("Parked(Fencing)", 100),
    ("Parked(Restoring)", 4),
    ("Parked(Starting)", 2),
    ("Parked(Halting)", 1),
];

/// Faults of lines and coordinators: also with few runs each has to strike.
const COMMON: [&str; 24] = [
    "SQLite write failure",
    "connection refused",
    "coordinator interrupted",
    "coordinator killed after journalling",
    "coordinator killed at any moment",
    "coordinator killed in a question, after it was carried out",
    "coordinator killed in a question, before it was carried out",
    "garbage in the output",
    "journal moved away",
    "late call not begun: past its deadline",
    "partial output: reply cut",
    "performed and not journalled: the journal cannot be written",
    "question begun behind its asker's back",
    "reply lost",
    "reply lost in silence",
    "request delayed",
    "request late, behind its asker's back",
    "request lost",
    "request lost in silence",
    "run's directory cannot be written",
    "second desk, opposite direction",
    "second desk, same direction",
    "stale reading: answer of an earlier question",
    "stale reading: reply held up",
];

/// Faults of hosts, persons, clients and beacon nodes.
const FAULTS: [&str; 37] = [
    "a thawed validator signs before it notices anything",
    "beacon node gone",
    "beacon node on another chain",
    "beacon node optimistic",
    "beacon node says nobody is live",
    "beacon node sees late",
    "beacon node syncing",
    "clock not synchronised",
    "command missing (127)",
    "connections refused for a while",
    "coordinator clock jumps",
    "database damaged",
    "export fails",
    "freeze",
    "full disk",
    "hidepid",
    "host clock jumps",
    "host reboot",
    "import drops a key",
    "lock taken away by a person",
    "partition",
    "power back",
    "power cut",
    "read-only file system",
    "slow command",
    "start fails",
    "started by hand past the gate",
    "stop fails",
    "systemctl restart by a person",
    "systemctl start by a person: it ran",
    "systemctl start by a person: the gate held",
    "systemctl stop by a person",
    "thaw",
    "the database's files lack the newest",
    "undo asked",
    "validator crash, Restart=always",
    "validator crash, Restart=no",
];

fn table(title: &str, counts: &Counts, which: impl Fn(&str) -> bool) {
    println!("{title}");
    for (name, count) in counts.iter().filter(|(name, _)| which(name)) {
        println!("  {count:>9} {name}");
    }
}
