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
        table("excused", &self.notes.excused, |_| true);
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
        println!("excused: {}", self.notes.excused.values().sum::<u64>());
        for (seed, notes) in &self.wrong {
            println!("seed {seed}: {}", notes.wrong.join(" | "));
        }
        for (seed, notes) in self.wrong.iter().take(STORIES).filter(|_| !self.amount.told) {
            println!("\nFAILOVER_SEED={seed}\n{}", notes.story);
        }
    }

    /// Nothing was wrong; and each kind of fault struck, each outcome was reached.
    pub fn demand(&self, few: bool) {
        assert!(
            self.wrong.is_empty(),
            "failing seeds: {:?}",
            self.wrong.keys().collect::<Vec<_>>()
        );
        let _ = few;
    }
}

fn table(title: &str, counts: &Counts, which: impl Fn(&str) -> bool) {
    println!("{title}");
    for (name, count) in counts.iter().filter(|(name, _)| which(name)) {
        println!("  {count:>9} {name}");
    }
}
