//! The rig of the driver's tests: a simulated pair, a journal on disk, and fresh coordinator processes over it, all
//! in tokio's paused time. Must never help a run: it drives through the public `Driver` and judges from outside.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "test code; each test binary uses a part of it"
)]

pub mod hosts;
pub mod process;
pub mod truth;

use std::sync::Arc;
use std::time::Duration;

use failover::config::Config;
use failover::demo::referee::Verdict;
use failover::demo::transport::FaultPlan;
use failover::demo::world::{World, WorldConfig};
use failover::driver::DriveError;
use failover::journal::{FILE_NAME, Journal, Record, RunRow};
use failover::protocol::{Event, State};

pub use process::{How, Process};

/// The host that signs at the beginning.
pub const A: usize = 0;
/// The host that is barred at the beginning.
pub const B: usize = 1;

/// A simulated pair and a coordinator's directory.
pub struct Rig {
    /// The simulated world.
    pub world: Arc<World>,
    /// The coordinator's configuration.
    pub config: Config,
    /// Host names, by position.
    pub names: [String; 2],
    /// A whole round trip to each host, by position.
    pub latency: [Duration; 2],
    /// Who runs the coordinator.
    pub coordinator: String,
    directory: tempfile::TempDir,
}

/// A pair of the default world.
pub fn rig() -> Rig {
    rig_of(&WorldConfig::default())
}

/// A pair of another world.
pub fn rig_of(config: &WorldConfig) -> Rig {
    rig_in(config, &std::env::temp_dir())
}

/// A pair of another world, whose coordinator keeps its directory below another one.
pub fn rig_in(config: &WorldConfig, below: &std::path::Path) -> Rig {
    let world = Arc::new(World::new(config).unwrap());
    let mut plan = Config::default();
    plan.chain.keys.clone_from(&world.chain.keys);
    // Half a minute is long in a world with slots of a second; the ratio to the other limits stays.
    plan.timeouts.retry_s = 10;
    Rig {
        world,
        config: plan,
        names: [config.hosts[0].clone(), config.hosts[1].clone()],
        latency: [Duration::from_millis(40); 2],
        coordinator: "root@desk".to_owned(),
        directory: tempfile::tempdir_in(below).unwrap(),
    }
}

impl Rig {
    /// Another coordinator for the same pair, with a journal of its own.
    pub fn other_desk(&self, latency_ms: [u64; 2]) -> Rig {
        Rig {
            world: Arc::clone(&self.world),
            config: self.config.clone(),
            names: self.names.clone(),
            latency: latency_ms.map(Duration::from_millis),
            coordinator: "root@other-desk".to_owned(),
            directory: tempfile::tempdir_in(self.directory.path().parent().unwrap()).unwrap(),
        }
    }

    /// The coordinator's journal, opened anew as another process would.
    pub fn journal(&self) -> Journal {
        Journal::open(&self.directory.path().join(FILE_NAME)).unwrap()
    }

    /// Where runs keep their files.
    pub fn state_dir(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Writes a new run into the journal.
    pub fn begin(&self, run: &str, primary: usize, backup: usize) {
        let row = RunRow {
            id: run.to_owned(),
            primary: self.names[primary].clone(),
            backup: self.names[backup].clone(),
            coordinator: self.coordinator.clone(),
            plan: serde_json::to_value(&self.config).unwrap(),
        };
        self.journal().begin(&row).unwrap();
    }

    /// A whole run from A to B with nothing going wrong on the way.
    pub async fn run(&self, run: &str) -> State {
        self.run_with(run, How::default()).await.unwrap()
    }

    /// A whole run from A to B.
    pub async fn run_with(&self, run: &str, how: How) -> Result<State, DriveError> {
        self.begin(run, A, B);
        Process::new(self, run, &how).drive(&how).await
    }

    /// The same run, from a new process.
    pub async fn resume(&self, run: &str) -> State {
        self.resume_with(run, Event::Resumed, How::default())
            .await
            .unwrap()
    }

    /// The same run, from a new process, with something going wrong or another wish.
    pub async fn resume_with(&self, run: &str, event: Event, how: How) -> Result<State, DriveError> {
        Process::new(self, run, &how).resume(event, &how).await
    }

    /// What the run has learnt.
    pub fn records(&self, run: &str) -> Vec<Record> {
        self.journal().entries(run).unwrap()
    }

    /// The events of a run, in order.
    pub fn events(&self, run: &str) -> Vec<Event> {
        self.records(run).iter().map(|record| record.event).collect()
    }

    /// Why the last event of a run happened.
    pub fn why(&self, run: &str) -> String {
        let records = self.records(run);
        records
            .last()
            .map(|record| record.why.clone())
            .unwrap_or_default()
    }

    /// The whole story of a run, for a failing test.
    pub fn story(&self, run: &str) -> String {
        let mut story = String::new();
        for record in self.records(run) {
            let trips = record.facts.get("round_trips").cloned().unwrap_or_default();
            story.push_str(&format!(
                "{:>3} {} -> {}: {} [{trips} round trips]\n",
                record.seq, record.event, record.state, record.why
            ));
        }
        format!("{story}{}\n", self.verdict())
    }

    /// The referee's verdict up to now.
    pub fn verdict(&self) -> Verdict {
        self.world.verdict()
    }

    /// Nothing slashable was signed and no two validators were alive at once.
    pub fn assert_clean(&self, run: &str) {
        assert!(self.verdict().clean(), "{}", self.story(run));
    }

    /// Lets virtual time pass.
    pub async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.world.advance();
    }
}

/// Nothing goes wrong.
pub fn no_faults() -> FaultPlan {
    FaultPlan::none()
}
