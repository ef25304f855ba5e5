//! Counts the questions that reach the hosts, and shuts the door at the one that is waited for: from then on none goes
//! further, so that nothing happens between the moment that a test waits for and the kill.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use failover::demo::gate::Gate;
use failover::demo::world::When;
use failover::transport::Op;
use tokio::sync::watch;

use crate::records;

/// Where the door shuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// Never.
    Never,
    /// At the n-th question (from 0) to a host: it is not carried out.
    Asked(usize, usize),
    /// At the n-th question to a host: it was carried out, its answer is not sent.
    Carried(usize, usize),
    /// When the answer to the n-th question to a host has gone out: at whatever comes next.
    Answered(usize, usize),
    /// At the first question that finds so many entries in the journal.
    Entries(u32),
    /// When the first question that finds so many entries in the journal was carried out; its answer is not sent.
    CarriedAfter(u32),
}

/// A question that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The host.
    pub host: usize,
    /// Counts the questions to this host, from 0.
    pub number: usize,
    /// What was asked.
    pub asked: Vec<Op>,
}

/// The door of a stage.
pub struct Door {
    journal: PathBuf,
    inside: Mutex<Inside>,
    held: watch::Sender<Held>,
}

/// What became of the one question that is to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    NotYet,
    Waits,
    MayGo,
}

struct Inside {
    holds: Option<u32>,
    at: Shut,
    is_shut: bool,
    arrived: [usize; 2],
    questions: Vec<Question>,
}

impl Door {
    /// An open door.
    pub fn new(journal: PathBuf) -> Door {
        Door {
            journal,
            inside: Mutex::new(Inside {
                holds: None,
                at: Shut::Never,
                is_shut: false,
                arrived: [0; 2],
                questions: Vec::new(),
            }),
            held: watch::Sender::new(Held::NotYet),
        }
    }

    /// The first question that finds so many entries in the journal waits at its host, as a slow network would keep it.
    pub fn hold(&self, entries: u32) {
        self.held.send_replace(Held::NotYet);
        self.lock().holds = Some(entries);
    }

    /// Whether that question waits.
    pub fn holds(&self) -> bool {
        *self.held.borrow() == Held::Waits
    }

    /// Lets it go on.
    pub fn let_go(&self) {
        self.held.send_replace(Held::MayGo);
    }

    /// Opens it, counts from the beginning, and shuts at that point.
    pub fn set(&self, at: Shut) {
        let mut inside = self.lock();
        inside.at = at;
        inside.is_shut = false;
        inside.arrived = [0; 2];
        inside.questions.clear();
    }

    /// Shuts it now.
    pub fn slam(&self) {
        self.lock().is_shut = true;
    }

    /// Whether it is shut.
    pub fn is_shut(&self) -> bool {
        self.lock().is_shut
    }

    /// What was carried out since it was set.
    pub fn questions(&self) -> Vec<Question> {
        self.lock().questions.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, host: usize, when: When, asked: &[Op]) -> bool {
        let mut inside = self.lock();
        if inside.is_shut {
            return false;
        }
        if when == When::Before {
            inside.arrived[host] += 1;
        }
        // What a killed coordinator has left on its way is not counted among the questions of the next.
        let Some(number) = inside.arrived[host].checked_sub(1) else {
            return true;
        };
        if when == When::After {
            let asked = asked.to_vec();
            inside.questions.push(Question { host, number, asked });
        }
        let here = match inside.at {
            Shut::Never => false,
            Shut::Asked(at, wanted) => (when, host, number) == (When::Before, at, wanted),
            Shut::Carried(at, wanted) => (when, host, number) == (When::After, at, wanted),
            Shut::Answered(at, wanted) => {
                let mut done = inside.questions.iter();
                let answered = done.any(|it| (it.host, it.number) == (at, wanted));
                answered && (when, host, number) != (When::After, at, wanted)
            }
            Shut::CarriedAfter(wanted) => when == When::After && records::entries(&self.journal) >= wanted,
            Shut::Entries(wanted) => when == When::Before && records::entries(&self.journal) >= wanted,
        };
        inside.is_shut = here;
        !here
    }
}

#[async_trait::async_trait]
impl Gate for Door {
    async fn passes(&self, host: usize, when: When, asked: &[Op]) -> bool {
        let holds = {
            let mut inside = self.lock();
            let here = inside
                .holds
                .is_some_and(|wanted| records::entries(&self.journal) >= wanted);
            when == When::Before && here && inside.holds.take().is_some()
        };
        if holds {
            self.held.send_replace(Held::Waits);
            // The door lives as long as the stage.
            let _ = self.held.subscribe().wait_for(|held| *held == Held::MayGo).await;
        }
        self.judge(host, when, asked)
    }
}
