//! One coordinator process: its own transports, its own memory, the journal's file. It can be killed after an event,
//! killed in the middle of a question, interrupted in a state, and given faulty lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use failover::demo::transport::{Fate, FaultPlan, Phase, SimTransport};
use failover::driver::{DriveError, Driver, Progress};
use failover::journal::{Journal, Record, RunDir, RunLock};
use failover::observe::Hosts;
use failover::perform::{Memory, RunIdentity, World};
use failover::protocol::{Command, Event, State};
use failover::transport::{Batch, Call, Fetched, Output, Reply, Transport, TransportError};
use tokio::io::AsyncWrite;
use tokio::sync::Notify;

use super::Rig;

/// What goes wrong with a process.
#[derive(Default)]
pub struct How {
    /// Dies once so many events are on disk.
    pub kill_after: Option<u32>,
    /// Ctrl-C arrives when it comes to this state.
    pub interrupt_in: Option<State>,
    /// Faults of its lines.
    pub faults: Option<FaultPlan>,
    /// Dies in the middle of this question, before or after it was carried out.
    pub kill_in_ask: Option<(u64, Phase)>,
    /// Its clock runs ahead of the world by so many seconds.
    pub clock_ahead_s: f64,
    /// Changes what calls print, as another release of a program would.
    pub edit: Option<Edit>,
}

/// Changes what a call printed on a host.
pub type Edit = fn(&str, &Call, &mut Output);

impl How {
    /// Hosts that print something else.
    pub fn edited(edit: Edit) -> How {
        How {
            edit: Some(edit),
            ..How::default()
        }
    }

    /// Faulty lines.
    pub fn faults(plan: FaultPlan) -> How {
        How {
            faults: Some(plan),
            ..How::default()
        }
    }

    /// Dies once so many events are on disk.
    pub fn killed_after(events: u32) -> How {
        How {
            kill_after: Some(events),
            ..How::default()
        }
    }

    /// Ctrl-C arrives when it comes to this state.
    pub fn interrupted_in(state: State) -> How {
        How {
            interrupt_in: Some(state),
            ..How::default()
        }
    }

    /// One question (counted from 0 over both hosts) meets a fate.
    pub fn one_ask(number: u64, phase: Phase, fate: Fate) -> How {
        How::faults(FaultPlan::new(move |ask| {
            if ask.number == number && ask.phase == phase {
                fate.clone()
            } else {
                Fate::Deliver
            }
        }))
    }
}

/// A coordinator process.
pub struct Process {
    /// What it performs on.
    pub world: World,
    journal: Journal,
    died: Arc<Notify>,
    /// Counts its questions.
    pub plan: FaultPlan,
}

impl Process {
    /// A fresh process for a run that the journal holds.
    pub fn new(rig: &Rig, run: &str, how: &How) -> Process {
        let journal = rig.journal();
        let row = journal.run(run).unwrap();
        let died = Arc::new(Notify::new());
        let faults = match (&how.faults, how.kill_in_ask) {
            (Some(faults), _) => faults.clone(),
            (None, None) => FaultPlan::none(),
            (None, Some((number, phase))) => {
                let died = Arc::clone(&died);
                FaultPlan::new(move |ask| {
                    if (ask.number, ask.phase) == (number, phase) {
                        died.notify_one();
                        Fate::Hang
                    } else {
                        Fate::Deliver
                    }
                })
            }
        };
        let link = |name: &str| {
            let position = rig.world.position(name).unwrap();
            let world = Arc::clone(&rig.world);
            Arc::new(Edited {
                inner: SimTransport::new(world, position, rig.latency[position], faults.clone()),
                edit: how.edit,
            })
        };
        let plan = rig.config.plan(&row.primary, &row.backup).unwrap();
        let (clock, ahead_s) = (Arc::clone(&rig.world), how.clock_ahead_s);
        let hosts = Hosts::new(&plan, link(&row.primary), link(&row.backup))
            .with_clock(Arc::new(move || clock.now().as_secs_f64() + ahead_s));
        let ended = journal
            .runs(100)
            .unwrap()
            .into_iter()
            .filter(|run| run.ended.is_some());
        let world = World {
            hosts,
            run: RunIdentity {
                id: run.to_owned(),
                pair: format!("{}->{}", row.primary, row.backup),
                coordinator: row.coordinator.clone(),
            },
            dir: RunDir::open(rig.state_dir(), run).unwrap(),
            memory: Memory::default(),
            ended_runs: ended.map(|run| run.id).collect(),
            plan,
        };
        Process {
            world,
            journal,
            died,
            plan: faults,
        }
    }

    /// Drives from where the journal says the run is.
    pub async fn drive(&mut self, how: &How) -> Result<State, DriveError> {
        self.go(None, how).await
    }

    /// Takes the run over.
    pub async fn resume(&mut self, event: Event, how: &How) -> Result<State, DriveError> {
        self.go(Some(event), how).await
    }

    async fn go(&mut self, event: Option<Event>, how: &How) -> Result<State, DriveError> {
        let _lock = RunLock::take(&self.world.dir).unwrap();
        let watcher = Watcher {
            flag: AtomicBool::new(how.interrupt_in == Some(State::Preflight)),
            on: how.interrupt_in,
        };
        let driver = Driver {
            journal: &self.journal,
            progress: &watcher,
            interrupted: &watcher.flag,
            kill_after: how.kill_after,
        };
        let driven = async {
            match event {
                Some(event) => driver.resume(&mut self.world, event).await,
                None => driver.drive(&mut self.world).await,
            }
        };
        // An hour of virtual time: whoever is still driving then hangs.
        tokio::select! {
            driven = driven => driven,
            () = self.died.notified() => Err(DriveError::Killed(0)),
            () = tokio::time::sleep(Duration::from_secs(3_600)) => panic!("the driver hangs"),
        }
    }
}

struct Watcher {
    flag: AtomicBool,
    on: Option<State>,
}

impl Progress for Watcher {
    fn begins(&self, _: State, _: Command) {}

    fn learnt(&self, _: &Record, state: State) {
        if self.on == Some(state) {
            self.flag.store(true, Ordering::SeqCst);
        }
    }
}

struct Edited {
    inner: SimTransport,
    edit: Option<Edit>,
}

#[async_trait::async_trait]
impl Transport for Edited {
    fn host(&self) -> &str {
        self.inner.host()
    }

    async fn connect(&self, deadline: Duration) -> Result<(), TransportError> {
        self.inner.connect(deadline).await
    }

    async fn ask(&self, batch: &Batch, deadline: Duration) -> Result<Reply, TransportError> {
        let mut reply = self.inner.ask(batch, deadline).await?;
        for (call, output) in batch.iter().zip(&mut reply.outputs) {
            if let Some(edit) = self.edit {
                edit(self.inner.host(), call, output);
            }
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
