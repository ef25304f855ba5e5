//! The only loop: take the command of the state, perform it, step, append the event to the journal, go on. Must never
//! act on an event that is not on disk, and never decide anything itself: that is `protocol::step`.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::journal::{Entry, Journal, JournalError, Record};
use crate::perform::{Found, Happened, World, found_over, leaves_backup, perform};
use crate::protocol::{Command, Event, State, Unexpected, command, step};

/// What the driver tells whoever looks on. Called between commands; must not block.
pub trait Progress: Send + Sync {
    /// A command begins.
    fn begins(&self, state: State, command: Command);
    /// An event is on disk and led to a state.
    fn learnt(&self, record: &Record, state: State);
}

/// Nobody looks on.
pub struct Silent;

impl Progress for Silent {
    fn begins(&self, _: State, _: Command) {}
    fn learnt(&self, _: &Record, _: State) {}
}

/// Why a run could not be driven to a state that waits or ends. What is on disk is true; `failover resume` goes on.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The journal could not be written or read: a run must not go on without it.
    #[error(
        "{0}; the run stops here, nothing further was done: failover resume goes on when the journal can be written"
    )]
    Journal(#[from] JournalError),
    /// A pair without a row: a mistake of ours.
    #[error("{0}; this is a mistake in failover: the run stops here, and nothing further was done")]
    Unexpected(#[from] Unexpected),
    /// The test's or the demo's own limit.
    #[error("killed after event {0}")]
    Killed(u32),
}

/// Drives one run.
pub struct Driver<'a> {
    /// Where events are kept.
    pub journal: &'a Journal,
    /// Who looks on.
    pub progress: &'a dyn Progress,
    /// Set by a signal: the run parks before the next command that allows it.
    pub interrupted: &'a AtomicBool,
    /// Dies as if killed once this many events are on disk. For tests and the demo.
    pub kill_after: Option<u32>,
}

impl Driver<'_> {
    /// Drives the run from where its journal says it is, until it waits for a person or is over.
    pub async fn drive(&self, world: &mut World) -> Result<State, DriveError> {
        let mut state = self.journal.state(&world.run.id)?;
        while let Some(next) = command(state) {
            let happened =
                if self.interrupted.load(Ordering::SeqCst) && step(state, Event::Interrupted).is_ok() {
                    Happened::new(Event::Interrupted, "stopped on request")
                } else {
                    self.progress.begins(state, next);
                    self.performed(world, next).await
                };
            state = self.learn(world, state, happened)?;
        }
        Ok(state)
    }

    /// Watching may take epochs and changes nothing: a signal ends it at once. Everything else comes to its own end.
    async fn performed(&self, world: &mut World, next: Command) -> Happened {
        if next != Command::Watch {
            return perform(world, next).await;
        }
        let asked = async {
            while !self.interrupted.load(Ordering::SeqCst) {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        // What is learnt goes before the wish to stop: a primary that was seen alive is not dropped for it.
        tokio::select! {
            biased;
            happened = perform(world, next) => happened,
            () = asked => Happened::new(Event::Interrupted, "stopped on request"),
        }
    }

    /// Takes a run over from another process, or goes on where a person has looked: `Resumed` or `UndoAsked`.
    pub async fn resume(&self, world: &mut World, event: Event) -> Result<State, DriveError> {
        let state = self.journal.state(&world.run.id)?;
        recall(world, &self.journal.entries(&world.run.id)?).map_err(|(seq, detail)| {
            JournalError::Inconsistent {
                file: self.journal.path().to_path_buf(),
                run: world.run.id.clone(),
                seq,
                detail,
            }
        })?;
        let asked = Happened::new(event, format!("by {}", world.run.coordinator));
        let state = self.learn(world, state, asked)?;
        world.hosts.connect().await;
        crate::observe::discover(&mut world.hosts, crate::observe::Patience::Retry).await;
        // Before the first command: a journal that was put back from an old copy must not be acted on.
        if let Some(over) = found_over(world, state).await {
            self.learn(world, state, over)?;
        }
        self.drive(world).await
    }

    fn learn(&self, world: &World, state: State, happened: Happened) -> Result<State, DriveError> {
        let next = step(state, happened.event)?;
        let Happened { event, why, facts } = happened;
        let record = self.journal.append(
            &world.run.id,
            &Entry {
                event,
                state: next,
                why,
                facts,
            },
        )?;
        self.progress.learnt(&record, next);
        match self.kill_after {
            Some(limit) if record.seq >= limit && !matches!(next, State::Ended(_)) => {
                Err(DriveError::Killed(record.seq))
            }
            Some(_) | None => Ok(next),
        }
    }
}

/// What an earlier process of this run knew and a later one still has to: from the facts of its events.
///
/// # Errors
/// The entry without whose facts the run could neither go on nor be undone, and what is wrong with it. It must show here,
/// before the first command, and not when the primary has been stopped.
fn recall(world: &mut World, records: &[Record]) -> Result<(), (u32, String)> {
    for record in records {
        let fact = |name: &str| record.facts.get(name).cloned().unwrap_or(Value::Null);
        let needed = |name: &str| {
            let there = Some(fact(name)).filter(|fact| !fact.is_null());
            there.ok_or_else(|| (record.seq, format!("the fact {name} is missing")))
        };
        let unreadable = |name: &str, error: serde_json::Error| {
            (record.seq, format!("the fact {name} cannot be read: {error}"))
        };
        if record.event == Event::PreflightPassed {
            let found = serde_json::from_value::<Found>(needed("found")?);
            world.remember(found.map_err(|error| unreadable("found", error))?);
            world.memory.papers = serde_json::from_value(fact("papers")).ok();
        }
        let memory = &mut world.memory;
        if record.event == Event::Claimed {
            let generation = serde_json::from_value(needed("generation")?);
            memory.generation = Some(generation.map_err(|error| unreadable("generation", error))?);
        }
        if record.event == Event::ProvenStopped {
            let fence = serde_json::from_value(needed("fence")?);
            memory.collected = Some(fence.map_err(|error| unreadable("fence", error))?);
        }
        if record.event == Event::Collected {
            memory.fingerprint = fact("fingerprint").as_str().map(str::to_owned);
            let direct = |host: &str| fact("collected")[host]["way"] == "direct";
            (memory.primary_direct, memory.backup_direct) = (direct("primary"), direct("backup"));
            memory.primary_floors_sha256 = fact("primary_floors_sha256").as_str().map(str::to_owned);
        }
        if record.event == Event::FloorsMerged {
            memory.floors_sha256 = fact("floors_sha256").as_str().map(str::to_owned);
            memory.given_sha256 = fact("given_floors_sha256").as_str().map(str::to_owned);
            // An import may have begun behind this, and a put-back behind that, without a word in the journal.
            memory.backup_fingerprint = None;
        }
        if leaves_backup(record.event) {
            memory.backup_fingerprint = fact("backup_fingerprint").as_str().map(str::to_owned);
        }
        if record.event == Event::PrimaryBarred && memory.stop_asked_s.is_none() {
            // The stop is asked for right behind this; its own answer may be lost.
            memory.stop_asked_s = Some(record.at.as_duration().as_secs_f64());
        }
        if let (Event::StopAnswered, Some(asked)) = (record.event, fact("asked_s").as_f64()) {
            memory.stop_asked_s.get_or_insert(asked);
        }
        if let (Event::ProvenStopped, Some(proven)) = (record.event, fact("proven_s").as_f64()) {
            memory.proven_s = Some(proven);
        }
        if let (Event::BackupStarted, Some(started)) = (record.event, fact("started_s").as_f64()) {
            memory.started_s = Some(started);
        }
    }
    Ok(())
}

/// Facts of the run as a whole, gathered over its records; later ones win.
pub fn gathered(records: &[Record]) -> Value {
    let mut all = json!({});
    for record in records {
        if let (Value::Object(all), Value::Object(facts)) = (&mut all, &record.facts) {
            all.extend(facts.clone());
        }
    }
    all
}
