//! A desk: a person with a coordinator and a journal of its own, who begins a run, starts it again when it dies, looks
//! after it when it parks, and tries once more when it was refused. Must never edit a file of the program's: a journal
//! that a fault took away is put back, nothing else.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use failover::demo::transport::Dice;
use failover::journal::FILE_NAME;
use failover::protocol::{Event, Outcome, Parking, State};
use tokio::time::sleep;

use crate::log::Log;
use crate::process::{End, Fortune, drive};
use crate::support::{A, B, Rig};
use crate::truth::Marks;

/// What the desk's processes have seen and asked, for the judge: Unix times of the world.
#[derive(Debug, Default)]
pub struct Eyes {
    /// A host was read and the answer arrived: the host, when it was asked.
    pub readings: Vec<(usize, Duration)>,
    /// A start was asked for: the host, when.
    pub starts: Vec<(usize, Duration)>,
    /// A judgement that a start rests on began.
    pub judged: Vec<Duration>,
}

/// A person, a coordinator, a journal.
pub struct Desk {
    /// Its name in the story.
    pub name: &'static str,
    /// The pair, and this desk's directory.
    pub rig: Rig,
    /// Notes.
    pub log: Log,
    /// Whether its run is from A to B.
    forward: AtomicBool,
    /// Whether another desk acts on the same pair.
    pub alone: bool,
    runs: Mutex<u32>,
    last: Mutex<Option<State>>,
    marks: Mutex<Option<Marks>>,
    eyes: Arc<Mutex<Eyes>>,
    refuses: AtomicBool,
    released: Mutex<Vec<String>>,
}

impl Desk {
    /// A desk for the pair.
    pub fn new(name: &'static str, rig: Rig, log: &Log, forward: bool, alone: bool) -> Desk {
        Desk {
            name,
            rig,
            log: log.clone(),
            forward: AtomicBool::new(forward),
            alone,
            runs: Mutex::new(0),
            last: Mutex::new(None),
            marks: Mutex::new(None),
            eyes: Arc::default(),
            refuses: AtomicBool::new(false),
            released: Mutex::default(),
        }
    }

    /// The host that signs when its run begins, as the person believes.
    pub fn primary(&self) -> usize {
        if self.forward.load(Ordering::SeqCst) { A } else { B }
    }

    /// The host that is to sign.
    pub fn backup(&self) -> usize {
        if self.forward.load(Ordering::SeqCst) { B } else { A }
    }

    /// The run that it is about.
    pub fn run(&self) -> String {
        format!("{}{}", self.name, self.runs.lock().unwrap())
    }

    /// What was seen and asked.
    pub fn eyes(&self) -> Arc<Mutex<Eyes>> {
        Arc::clone(&self.eyes)
    }

    /// How the hosts stood when the run was begun.
    pub fn marks(&self) -> Option<Marks> {
        self.marks.lock().unwrap().clone()
    }

    /// Where its run rests; none when it has never come to rest.
    pub fn state(&self) -> Option<State> {
        *self.last.lock().unwrap()
    }

    /// The run has said that no claim of its is left.
    pub fn told_released(&self) {
        self.released.lock().unwrap().push(self.run());
    }

    /// Whether a claim names a run of this desk, and whether that has said that no claim of its is left.
    pub fn claimed_by(&self, claim: &str) -> Option<bool> {
        let names = |run: &String| claim.contains(&format!("\"run\":\"{run}\""));
        let ours = (1..=*self.runs.lock().unwrap())
            .map(|number| format!("{}{number}", self.name))
            .any(|run| names(&run));
        ours.then(|| self.released.lock().unwrap().iter().any(names))
    }

    /// A new run on a fair day, once the one before is over, from the host that signs. Whether it got past its preflight.
    pub async fn once_more(&self) -> bool {
        self.forward.store(!self.rig.lives(B), Ordering::SeqCst);
        self.begin();
        self.process(None, &Fortune::fair()).await;
        self.state() != Some(State::Ended(Outcome::Refused))
    }

    fn begin(&self) {
        *self.runs.lock().unwrap() += 1;
        *self.last.lock().unwrap() = None;
        *self.marks.lock().unwrap() = Some(Marks::of(&self.rig));
        self.rig.begin(&self.run(), self.primary(), self.backup());
        let names = &self.rig.names;
        self.log.tell(&format!(
            "{}: run {} {} -> {}",
            self.name,
            self.run(),
            names[self.primary()],
            names[self.backup()]
        ));
    }

    /// One process for the run; puts back what was taken from the journal.
    async fn process(&self, event: Option<Event>, fortune: &Fortune) {
        let end = drive(self, event, fortune).await;
        self.restore_files();
        if let End::Rests(state) = end {
            *self.last.lock().unwrap() = Some(state);
            self.log.reached(&format!("rests in {state}"));
        } else {
            *self.last.lock().unwrap() = None;
        }
    }

    /// The first days: everything goes wrong.
    pub async fn live(&self, mut dice: Dice, begins: Duration) {
        sleep(begins).await;
        self.begin();
        let mut event = None;
        let mut refused = 0;
        for _ in 0..7 {
            let fortune = Fortune::draw(&mut dice);
            self.log.tell(&format!(
                "{}: {} {fortune:?}",
                self.name,
                event.map_or("first process".to_owned(), |event: Event| event.name())
            ));
            self.process(event, &fortune).await;
            match self.state() {
                Some(State::Ended(Outcome::Refused)) if refused < 2 => {
                    refused += 1;
                    sleep(Duration::from_millis(dice.below(20_000))).await;
                    self.begin();
                    event = None;
                    continue;
                }
                Some(State::Ended(_)) => break,
                Some(State::Parked(Parking::Fencing)) if dice.below(3) == 0 => {
                    self.log.struck("undo asked");
                    event = Some(Event::UndoAsked);
                }
                Some(_) | None => event = Some(Event::Resumed),
            }
            sleep(Duration::from_millis(dice.below(60_000))).await;
        }
    }

    /// A fair day: the run is resumed once, unless it is over. Whether it is over now.
    pub async fn resume(&self) -> bool {
        if *self.runs.lock().unwrap() == 0 || matches!(self.state(), Some(State::Ended(_))) {
            return true;
        }
        self.log.tell(&format!("{}: resumed on a fair day", self.name));
        self.process(Some(Event::Resumed), &Fortune::fair()).await;
        matches!(self.state(), Some(State::Ended(_)))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.rig.state_dir().join(name)
    }

    /// The journal is there and cannot be written: SQLite fails the statement.
    pub fn refuse_journal(&self) {
        self.log.tell("  the journal refuses to be written");
        self.log.struck("SQLite write failure");
        let sql =
            "CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END";
        let other = rusqlite::Connection::open(self.file(FILE_NAME)).unwrap();
        other.execute_batch(sql).unwrap();
        self.refuses.store(true, Ordering::SeqCst);
    }

    /// The journal's file is moved away while it is in use.
    pub fn move_journal(&self) {
        self.log.tell("  the journal is moved away");
        self.log.struck("journal moved away");
        for part in ["", "-wal", "-shm"] {
            let name = format!("{FILE_NAME}{part}");
            // Which of the three lie there is SQLite's affair.
            let _ = std::fs::rename(self.file(&name), self.file(&format!("away-{name}")));
        }
    }

    /// The run's own directory is moved away, and a file lies in its place.
    pub fn move_directory(&self) {
        self.log.tell("  the run's directory is moved away");
        self.log.struck("run's directory cannot be written");
        let runs = self.file("runs");
        std::fs::rename(runs.join(self.run()), self.file("away-run")).unwrap();
        std::fs::write(runs.join(self.run()), "").unwrap();
    }

    fn restore_files(&self) {
        if self.file("away-run").exists() {
            let runs = self.file("runs");
            std::fs::remove_file(runs.join(self.run())).unwrap();
            std::fs::rename(self.file("away-run"), runs.join(self.run())).unwrap();
        }
        if self.file(&format!("away-{FILE_NAME}")).exists() {
            for part in ["", "-wal", "-shm"] {
                let name = format!("{FILE_NAME}{part}");
                let _ = std::fs::remove_file(self.file(&name));
                let _ = std::fs::rename(self.file(&format!("away-{name}")), self.file(&name));
            }
        }
        if self.refuses.swap(false, Ordering::SeqCst) {
            let other = rusqlite::Connection::open(self.file(FILE_NAME)).unwrap();
            other.execute_batch("DROP TRIGGER full").unwrap();
        }
    }
}
