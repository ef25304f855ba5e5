//! Counts the questions that reach the hosts, and shuts the door at the one that is waited for: from then on none goes
//! further, so that nothing happens between the moment that a test waits for and the kill.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use failover::demo::gate::Gate;
use failover::demo::world::When;
use failover::transport::Op;

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
}

struct Inside {
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
                at: Shut::Never,
                is_shut: false,
                arrived: [0; 2],
                questions: Vec::new(),
            }),
        }
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
        let number = match when {
            When::Before => {
                inside.arrived[host] += 1;
                inside.arrived[host] - 1
            }
            When::After => inside.arrived[host] - 1,
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
            Shut::Entries(wanted) => when == When::Before && records::entries(&self.journal) >= wanted,
        };
        inside.is_shut = here;
        !here
    }
}

#[async_trait::async_trait]
impl Gate for Door {
    async fn passes(&self, host: usize, when: When, asked: &[Op]) -> bool {
        self.judge(host, when, asked)
    }
}
