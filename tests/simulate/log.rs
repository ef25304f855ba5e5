//! What is noted while one seed runs: its story with times, which faults struck, which states and events were reached,
//! what was wrong, and what was wrong but excused. Must never decide what is wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use failover::demo::world::World;

/// Counts by name.
pub type Counts = BTreeMap<String, u64>;

/// Everything that is noted of one seed, or of many together.
#[derive(Debug, Default, Clone)]
pub struct Notes {
    /// What happened, a line each.
    pub story: String,
    /// Faults that struck, by kind.
    pub struck: Counts,
    /// States that were reached and events that were learnt.
    pub reached: Counts,
    /// What must not be, in words.
    pub wrong: Vec<String>,
    /// What must not be and no program can prevent, by the name of the excuse: in how many runs.
    pub excused: Counts,
    /// Runs with any excuse.
    pub excused_runs: u64,
    /// Coordinator processes.
    pub processes: u64,
    /// Messages signed.
    pub messages: u64,
}

impl Notes {
    /// Adds the counts of another seed; of its story and its faults only those that are wrong are kept by the caller.
    pub fn add(&mut self, other: &Notes) {
        for (into, from) in [
            (&mut self.struck, &other.struck),
            (&mut self.reached, &other.reached),
            (&mut self.excused, &other.excused),
        ] {
            for (name, count) in from {
                *into.entry(name.clone()).or_default() += count;
            }
        }
        self.excused_runs += u64::from(!other.excused.is_empty());
        self.processes += other.processes;
        self.messages += other.messages;
    }
}

/// Takes notes.
#[derive(Clone)]
pub struct Log {
    world: Arc<World>,
    notes: Arc<Mutex<Notes>>,
}

impl Log {
    /// Empty notes on a world.
    pub fn new(world: &Arc<World>) -> Log {
        Log {
            world: Arc::clone(world),
            notes: Arc::default(),
        }
    }

    /// A line of the story.
    pub fn tell(&self, line: &str) {
        let at = self.world.now().as_secs_f64() - 1_800_000_000.0;
        self.line(at, line);
    }

    /// A line of the story, from inside the world, whose time is known.
    pub fn tell_at(&self, now: std::time::Duration, line: &str) {
        self.line(now.as_secs_f64() - 1_800_000_000.0, line);
    }

    fn line(&self, at: f64, line: &str) {
        let mut notes = self.notes.lock().unwrap();
        notes.story.push_str(&format!("{at:>9.3} {}\n", plain(line)));
    }

    /// A fault has struck.
    pub fn struck(&self, kind: &str) {
        self.count(|notes| &mut notes.struck, kind, 1);
    }

    /// A fault has struck so many times.
    pub fn struck_times(&self, kind: &str, times: u64) {
        if times > 0 {
            self.count(|notes| &mut notes.struck, kind, times);
        }
    }

    /// A state was reached or an event learnt.
    pub fn reached(&self, what: &str) {
        self.count(|notes| &mut notes.reached, what, 1);
    }

    /// Something that must not be has an excuse.
    pub fn excused(&self, excuse: &str, what: &str) {
        // Once for each run, however many messages it is about.
        self.notes.lock().unwrap().excused.insert(excuse.to_owned(), 1);
        self.tell(&format!("EXCUSED ({excuse}): {what}"));
    }

    /// Something that must not be.
    pub fn wrong(&self, what: &str) {
        self.tell(&format!("WRONG: {what}"));
        self.notes.lock().unwrap().wrong.push(plain(what));
    }

    /// A coordinator process began.
    pub fn process(&self) {
        self.notes.lock().unwrap().processes += 1;
    }

    /// The notes up to now.
    pub fn notes(&self) -> Notes {
        self.notes.lock().unwrap().clone()
    }

    fn count(&self, which: impl FnOnce(&mut Notes) -> &mut Counts, name: &str, times: u64) {
        let mut notes = self.notes.lock().unwrap();
        *which(&mut notes).entry(name.to_owned()).or_default() += times;
    }
}

/// Without what differs between two runs of one seed although nothing happened otherwise: the day's own time in a claim,
/// names of temporary directories.
fn plain(line: &str) -> String {
    let line = line.lines().next().unwrap_or_default();
    let words = line.split(' ').map(|word| {
        let stamp = word.len() > 20 && word.as_bytes().get(10) == Some(&b'T') && word.starts_with("20");
        if stamp || word.contains("/.tmp") {
            "…"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
