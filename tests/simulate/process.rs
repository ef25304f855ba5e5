//! One coordinator process in the simulation: the shipping driver over its own simulated lines, and what kills it,
//! interrupts it or takes its journal away. Must never help the run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use failover::demo::transport::{Dice, Fate, FaultPlan, Phase, SimTransport};
use failover::driver::{DriveError, Driver, Progress};
use failover::journal::{Journal, Record, RunDir, RunLock};
use failover::observe::Hosts;
use failover::perform::{Memory, RunIdentity, World};
use failover::protocol::{Command, Event, State};
use failover::transport::{Batch, Fetched, Op, Reply, Transport, TransportError};
use tokio::io::AsyncWrite;
use tokio::sync::Notify;

use crate::desk::Desk;
use crate::log::Log;
use crate::truth;
use crate::weather::Weather;

/// What becomes of a process.
#[derive(Debug, Clone, Copy)]
pub enum Fatal {
    /// It comes to its own end.
    Nothing,
    /// Killed in the middle of this question, before or after it was carried out.
    InQuestion(u64, Phase),
    /// Killed at a moment.
    At(Duration),
    /// Killed once so many more events are on disk.
    AfterEvents(u32),
    /// Ctrl-C at a moment.
    Interrupted(Duration),
    /// The journal refuses to be written once so many more events are on disk.
    JournalRefuses(u32),
    /// The journal is moved away once so many more events are on disk.
    JournalGone(u32),
    /// The run's directory cannot be written to once so many more events are on disk.
    DirectoryGone(u32),
}

/// How a process fares.
#[derive(Debug, Clone, Copy)]
pub struct Fortune {
    /// Its lines.
    pub weather: Weather,
    /// Its end.
    pub fatal: Fatal,
    /// How far its clock is ahead, seconds.
    pub clock_ahead_s: f64,
    /// Since when.
    pub clock_jumps_after: Duration,
    /// Whether its remote shells end with their lines.
    pub ends_with_line: bool,
}

impl Fortune {
    /// Nothing goes wrong.
    pub fn fair() -> Fortune {
        Fortune {
            weather: Weather::fair(),
            fatal: Fatal::Nothing,
            clock_ahead_s: 0.0,
            clock_jumps_after: Duration::ZERO,
            ends_with_line: false,
        }
    }

    /// Draws one.
    pub fn draw(dice: &mut Dice) -> Fortune {
        let one_in = [None, None, Some(200), Some(60), Some(24), Some(10)][dice.below(6) as usize];
        let events = 1 + dice.below(14) as u32;
        let fatal = match dice.below(16) {
            0 => Fatal::InQuestion(dice.below(24), Phase::Before),
            1 => Fatal::InQuestion(dice.below(24), Phase::After),
            2 => Fatal::At(Duration::from_millis(dice.below(12_000))),
            3 => Fatal::AfterEvents(events),
            4 => Fatal::Interrupted(Duration::from_millis(dice.below(12_000))),
            5 if dice.below(2) == 0 => Fatal::JournalRefuses(events),
            6 if dice.below(2) == 0 => Fatal::JournalGone(events),
            7 if dice.below(2) == 0 => Fatal::DirectoryGone(events),
            _ => Fatal::Nothing,
        };
        Fortune {
            weather: Weather {
                one_in,
                fair_until_claim: dice.below(3) != 0,
                seed: dice.below(u64::MAX),
            },
            fatal,
            clock_ahead_s: if dice.below(24) == 0 {
                [0.3, -0.4, 5.0, -90.0][dice.below(4) as usize]
            } else {
                0.0
            },
            clock_jumps_after: Duration::from_millis(dice.below(2) * dice.below(10_000)),
            ends_with_line: dice.below(2) == 0,
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// At rest.
    Rests(State),
    /// Killed, or given up because of its journal.
    Died,
}

/// Drives the desk's run in one process.
pub async fn drive(desk: &Desk, event: Option<Event>, fortune: &Fortune) -> End {
    let log = &desk.log;
    log.process();
    let journal = desk.rig.journal();
    let died = Arc::new(Notify::new());
    let mut world = world(desk, &journal, fortune, &died);
    let _lock = RunLock::take(&world.dir).unwrap();
    let events = journal.entries(&desk.run()).unwrap().len() as u32;
    let watcher = Arc::new(Watcher {
        desk,
        fatal: fortune.fatal,
        events,
        done: Mutex::new(false),
    });
    let interrupted = AtomicBool::new(false);
    let driver = Driver {
        journal: &journal,
        progress: &*watcher,
        interrupted: &interrupted,
        kill_after: match fortune.fatal {
            Fatal::AfterEvents(more) => Some(events + more),
            _ => None,
        },
    };
    let driven = async {
        match event {
            Some(event) => driver.resume(&mut world, event).await,
            None => driver.drive(&mut world).await,
        }
    };
    let fate = async {
        match fortune.fatal {
            Fatal::At(at) => {
                tokio::time::sleep(at).await;
                "coordinator killed at any moment"
            }
            Fatal::Interrupted(at) => {
                tokio::time::sleep(at).await;
                log.tell("  Ctrl-C");
                log.struck("coordinator interrupted");
                interrupted.store(true, Ordering::SeqCst);
                std::future::pending().await
            }
            Fatal::InQuestion(_, phase) => {
                died.notified().await;
                match phase {
                    Phase::Before => "coordinator killed in a question, before it was carried out",
                    Phase::After => "coordinator killed in a question, after it was carried out",
                }
            }
            _ => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        biased;
        driven = driven => Ok(driven),
        killed = fate => Err(killed),
        () = tokio::time::sleep(Duration::from_secs(7_200)) => {
            log.wrong("the driver hangs");
            Err("hang")
        }
    };
    told(desk, ended)
}

fn told(desk: &Desk, ended: Result<Result<State, DriveError>, &'static str>) -> End {
    let log = &desk.log;
    match ended {
        Ok(Ok(state)) => End::Rests(state),
        Ok(Err(DriveError::Killed(_))) => {
            log.tell("  killed behind an event");
            log.struck("coordinator killed after journalling");
            End::Died
        }
        Ok(Err(DriveError::Journal(error))) => {
            log.tell(&format!("  journal: {error}"));
            log.struck("performed and not journalled: the journal cannot be written");
            End::Died
        }
        Ok(Err(DriveError::Unexpected(error))) => {
            log.wrong(&format!("unexpected: {error}"));
            End::Died
        }
        Err(killed) => {
            log.tell(&format!("  {killed}"));
            log.struck(killed);
            End::Died
        }
    }
}

fn world(desk: &Desk, journal: &Journal, fortune: &Fortune, died: &Arc<Notify>) -> World {
    let rig = &desk.rig;
    let row = journal.run(&desk.run()).unwrap();
    let weather = fortune.weather.plan(&desk.log);
    let plan = match fortune.fatal {
        Fatal::InQuestion(number, phase) => killing(weather, number, phase, died),
        _ => weather,
    };
    let link = |name: &str| {
        let host = rig.world.position(name).unwrap();
        let inner = SimTransport::new(Arc::clone(&rig.world), host, rig.latency[host], plan.clone());
        Arc::new(Watched {
            inner: if fortune.ends_with_line {
                inner.ending_with_its_line()
            } else {
                inner
            },
            host,
            desk: desk.eyes(),
        })
    };
    let (clock, ahead_s) = (Arc::clone(&rig.world), fortune.clock_ahead_s);
    let (jumps_at, log) = (rig.world.now() + fortune.clock_jumps_after, desk.log.clone());
    let jumped = AtomicBool::new(ahead_s == 0.0);
    let now_s = move || {
        let now = clock.now();
        if now < jumps_at {
            return now.as_secs_f64();
        }
        if !jumped.swap(true, Ordering::SeqCst) {
            log.struck("coordinator clock jumps");
        }
        now.as_secs_f64() + ahead_s
    };
    let run_plan = rig.config.plan(&row.primary, &row.backup).unwrap();
    let hosts = Hosts::new(&run_plan, link(&row.primary), link(&row.backup)).with_clock(Arc::new(now_s));
    let runs = journal.runs(100).unwrap().into_iter();
    World {
        hosts,
        run: RunIdentity {
            id: row.id.clone(),
            pair: format!("{}->{}", row.primary, row.backup),
            coordinator: row.coordinator.clone(),
        },
        dir: RunDir::open(rig.state_dir(), &row.id).unwrap(),
        memory: Memory::default(),
        ended_runs: runs.filter(|run| run.ended.is_some()).map(|run| run.id).collect(),
        plan: run_plan,
    }
}

/// The weather, and a kill in one question.
fn killing(weather: FaultPlan, number: u64, phase: Phase, died: &Arc<Notify>) -> FaultPlan {
    let died = Arc::clone(died);
    FaultPlan::new(move |ask| {
        if (ask.number, ask.phase) == (number, phase) {
            died.notify_one();
            Fate::Hang
        } else {
            weather.decide(ask)
        }
    })
}

/// Tells the story, spoils the journal, and asks for the truth at every event.
struct Watcher<'a> {
    desk: &'a Desk,
    fatal: Fatal,
    events: u32,
    done: Mutex<bool>,
}

impl Progress for Watcher<'_> {
    fn begins(&self, state: State, command: Command) {
        if matches!(command, Command::JudgeStart | Command::BarBackup) {
            self.desk
                .eyes()
                .lock()
                .unwrap()
                .judged
                .push(self.desk.rig.world.now());
        }
        let _ = state;
    }

    fn learnt(&self, record: &Record, state: State) {
        let (desk, log): (&Desk, &Log) = (self.desk, &self.desk.log);
        log.reached(&format!("event {}", record.event));
        log.reached(&format!("state {state}"));
        log.tell(&format!(
            "{} {} -> {state}: {}",
            desk.name, record.event, record.why
        ));
        truth::look(desk, record, state);
        let mut done = self.done.lock().unwrap();
        let due = |more: u32| record.seq >= self.events + more;
        match self.fatal {
            Fatal::JournalRefuses(more) if due(more) && !*done => desk.refuse_journal(),
            Fatal::JournalGone(more) if due(more) && !*done => desk.move_journal(),
            Fatal::DirectoryGone(more) if due(more) && !*done => desk.move_directory(),
            _ => return,
        }
        *done = true;
    }
}

/// Sees when a host was read, and when it was asked to start something.
struct Watched {
    inner: SimTransport,
    host: usize,
    desk: Arc<Mutex<crate::desk::Eyes>>,
}

#[async_trait::async_trait]
impl Transport for Watched {
    fn host(&self) -> &str {
        self.inner.host()
    }

    async fn connect(&self, deadline: Duration) -> Result<(), TransportError> {
        self.inner.connect(deadline).await
    }

    async fn ask(&self, batch: &Batch, deadline: Duration) -> Result<Reply, TransportError> {
        let sent = self.inner.now();
        if batch.iter().any(|call| call.op == Op::Start) {
            self.desk.lock().unwrap().starts.push((self.host, sent));
        }
        let reply = self.inner.ask(batch, deadline).await?;
        let read = |(call, output): (&failover::transport::Call, &failover::transport::Output)| {
            call.op == Op::Processes && output.status == 0
        };
        if batch.iter().zip(&reply.outputs).any(read) {
            self.desk.lock().unwrap().readings.push((self.host, sent));
        }
        Ok(reply)
    }

    async fn fetch(
        &self,
        path: &str,
        into: &mut (dyn AsyncWrite + Send + Unpin),
        deadline: Duration,
    ) -> Result<Fetched, TransportError> {
        self.inner.fetch(path, into, deadline).await
    }

    async fn close(&self) {}
}
