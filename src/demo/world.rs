//! The simulated world: the chain, the hosts, the referee, and time. Time is tokio's (paused in tests) on top of a
//! fixed unix time, so that the same seed gives the same world. Everything that is due happens before anything is
//! looked at: `World::with` is the only way in.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::chain::Chain;
use super::database::{Database, Records};
use super::gate::Gate;
use super::host::{Around, Link, SimHost, Timing};
use super::referee::{Period, Referee, Verdict};
use crate::transport::{Broken, Call, Op, Output};

mod beginning;

use beginning::{arrange, chain_of, write_history};

/// How a world is made.
#[derive(Debug, Clone)]
pub struct WorldConfig {
    /// Everything that is random is drawn from it.
    pub seed: u64,
    /// Host names. The first signs at the beginning; the second is barred.
    pub hosts: Vec<String>,
    /// How many validator keys.
    pub keys: usize,
    /// Length of a public key: 48 bytes, or 2592 on QRL.
    pub key_bytes: usize,
    /// Seconds per slot, at least 0.05.
    pub seconds_per_slot: f64,
    /// Slots per epoch.
    pub slots_per_epoch: u64,
    /// Unix time at which the world begins.
    pub starts_at: Duration,
    /// The epoch (about) at which it begins.
    pub start_epoch: u64,
    /// Validators of other people, for the control group.
    pub others: u64,
    /// How long things take on the hosts.
    pub timing: Timing,
    /// Where the hosts' protection databases are kept as SQLite files; none: in memory.
    pub databases: Option<PathBuf>,
}

impl Default for WorldConfig {
    /// Two hosts, four keys, slots of one second, in memory.
    fn default() -> WorldConfig {
        WorldConfig {
            seed: 1,
            hosts: vec!["val-a".to_owned(), "val-b".to_owned()],
            keys: 4,
            key_bytes: 48,
            seconds_per_slot: 1.0,
            slots_per_epoch: 8,
            starts_at: Duration::from_secs(1_800_000_000),
            start_epoch: 1_000,
            others: 32,
            timing: Timing {
                start_to_signing: Duration::from_millis(500),
                by_hand_to_signing: Duration::from_secs(24),
                stop: Duration::from_millis(50),
                start: Duration::from_millis(50),
                run: Duration::from_millis(100),
                boot: Duration::from_secs(3),
            },
            databases: None,
        }
    }
}

/// When a trigger fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the call is carried out.
    Before,
    /// After it was carried out, before its answer leaves the host.
    After,
}

/// What a trigger does: to all hosts, at a unix time.
pub type Action = Box<dyn FnOnce(&mut [SimHost], Duration) + Send>;

/// Something that happens once, when a host is asked a certain thing.
pub struct Trigger {
    /// Position of the host.
    pub host: usize,
    /// Whether a call is the one.
    pub on: fn(&Call) -> bool,
    /// Before or after it.
    pub when: When,
    /// What happens.
    pub action: Action,
    /// Whether the coordinator is to be stopped there, as if killed: no answer comes, and `World::killed` returns.
    pub kills_coordinator: bool,
}

/// What is inside a world, while it is looked at.
pub struct Inside {
    /// The hosts.
    pub hosts: Vec<SimHost>,
    /// The referee.
    pub referee: Referee,
    triggers: Vec<Trigger>,
    advanced_to: Duration,
}

/// The world. Share it in an `Arc`.
pub struct World {
    /// The chain.
    pub chain: Chain,
    began: Instant,
    starts_at: Duration,
    poll: Duration,
    inside: Mutex<Inside>,
    killed: watch::Sender<u64>,
    gate: OnceLock<Arc<dyn Gate>>,
}

impl World {
    /// A world at its beginning: the first host signs, the second is stopped and barred with older history.
    pub fn new(config: &WorldConfig) -> Result<World, String> {
        let chain = chain_of(config);
        let mut hosts = Vec::new();
        for name in &config.hosts {
            let database = match &config.databases {
                Some(directory) => Database::open(&directory.join(format!("{name}.sqlite")))
                    .map_err(|error| format!("{name}: protection database: {error}"))?,
                None => Database::Memory(Records::new()),
            };
            hosts.push(SimHost::new(
                name,
                config.seed,
                config.starts_at,
                database,
                config.timing,
            ));
        }
        let mut referee = Referee::default();
        write_history(&chain, config.starts_at, &mut hosts, &mut referee)?;
        arrange(&mut hosts, config.starts_at);
        let inside = Inside {
            hosts,
            referee,
            triggers: Vec::new(),
            advanced_to: config.starts_at,
        };
        Ok(World {
            poll: Duration::from_millis((chain.slot_ms / 4).clamp(10, 200)),
            chain,
            began: Instant::now(),
            starts_at: config.starts_at,
            inside: Mutex::new(inside),
            killed: watch::Sender::new(0),
            gate: OnceLock::new(),
        })
    }

    /// Unix time in the world.
    pub fn now(&self) -> Duration {
        self.starts_at + self.began.elapsed()
    }

    /// Position of a host by its name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.lock().hosts.iter().position(|host| host.name == name)
    }

    /// Lets everything happen that is due: restarts, boots, and what the validators sign.
    pub fn advance(&self) {
        self.with(|_, _| ());
    }

    /// Looks at, or changes, the world as it is now. The closure gets the unix time.
    pub fn with<R>(&self, look: impl FnOnce(&mut Inside, Duration) -> R) -> R {
        let mut inside = self.lock();
        let now = self.now();
        inside.advance(&self.chain, now);
        look(&mut inside, now)
    }

    /// Looks at, or changes, one host. None: there is no such host.
    pub fn with_host<R>(&self, host: usize, look: impl FnOnce(&mut SimHost, Duration) -> R) -> Option<R> {
        self.with(|inside, now| inside.hosts.get_mut(host).map(|host| look(host, now)))
    }

    /// Arms a trigger.
    pub fn arm(&self, trigger: Trigger) {
        self.lock().triggers.push(trigger);
    }

    /// From now on every question that comes over a real line passes here. Only the first gate is taken.
    pub fn guard(&self, gate: Arc<dyn Gate>) {
        // A second gate would leave it open which of the two has seen a question.
        let _ = self.gate.set(gate);
    }

    /// Whether a question may go on; always, where nobody stands.
    pub async fn passes(&self, host: usize, when: When, asked: &[Op]) -> bool {
        match self.gate.get() {
            Some(gate) => gate.passes(host, when, asked).await,
            None => true,
        }
    }

    /// One call inside a batch, in which an earlier call may have failed.
    pub async fn perform_unless(&self, broken: Broken, host: usize, call: &Call) -> Option<Output> {
        if call.op.blocked_by(broken) {
            let stderr = "not begun: an earlier step of the same batch failed\n".to_owned();
            return Some(Output {
                status: 125,
                stdout: String::new(),
                stderr,
            });
        }
        self.perform(host, call).await
    }

    /// One call, carried out on a host, in the time that it takes there. None: the host gives no answer, because it
    /// is off or cut off, or because the coordinator is to be stopped here.
    pub async fn perform(&self, host: usize, call: &Call) -> Option<Output> {
        if self.fire(host, call, When::Before) {
            return None;
        }
        if let Some(takes) = self.time_taken(host, call.op) {
            tokio::time::sleep(takes).await;
        }
        let waits = matches!(call.op, Op::AwaitMetric | Op::AwaitHead | Op::AwaitJournal);
        let output = if waits {
            self.wait_for(host, call).await?
        } else {
            self.answer(host, call)?
        };
        if self.fire(host, call, When::After) {
            None
        } else {
            Some(output)
        }
    }

    /// Resolves when a trigger stops the coordinator, now or later. Each stop counts once per subscriber.
    pub async fn killed(&self) {
        let mut receiver = self.killed.subscribe();
        if receiver.wait_for(|stops| *stops > 0).await.is_err() {
            // The sender lives as long as the world, which is borrowed here.
            std::future::pending::<()>().await;
        }
        self.killed.send_replace(0);
    }

    /// Repairs every way from the coordinator to the hosts.
    pub fn heal_links(&self) {
        self.with(|inside, _| {
            for host in &mut inside.hosts {
                host.link = Link::Up;
            }
        });
    }

    /// The referee's verdict on everything up to now.
    pub fn verdict(&self) -> Verdict {
        self.with(|inside, _| {
            let periods: Vec<Period> = inside
                .hosts
                .iter()
                .flat_map(|host| host.periods.clone())
                .collect();
            inside.referee.verdict(&periods)
        })
    }

    fn answer(&self, host: usize, call: &Call) -> Option<Output> {
        self.with(|inside, now| {
            let Inside { hosts, referee, .. } = inside;
            let host = hosts.get_mut(host).filter(|host| host.answers())?;
            Some(host.answer(
                Around {
                    now,
                    chain: &self.chain,
                    referee,
                },
                call.op,
                &call.args,
            ))
        })
    }

    /// A call that waits on the host: the reading is repeated until it is there or its limit is over.
    async fn wait_for(&self, host: usize, call: &Call) -> Option<Output> {
        let place = if call.op == Op::AwaitHead { 2 } else { 3 };
        let limit = call
            .args
            .get(place)
            .and_then(|limit| limit.parse::<f64>().ok())
            .unwrap_or(0.0);
        let until = Instant::now() + Duration::from_secs_f64(limit.clamp(0.0, 86_400.0));
        loop {
            let output = self.answer(host, call)?;
            if !matches!(output.stdout.as_str(), "seen=no\n" | "head=no\n") || Instant::now() >= until {
                return Some(output);
            }
            tokio::time::sleep(self.poll).await;
        }
    }

    fn time_taken(&self, host: usize, op: Op) -> Option<Duration> {
        let timing = self.with_host(host, |host, _| host.timing)?;
        let takes = [
            (Op::Stop, timing.stop),
            (Op::Start, timing.start),
            (Op::Run, timing.run),
        ];
        takes
            .into_iter()
            .find(|(long, _)| *long == op)
            .map(|(_, takes)| takes)
    }

    /// Fires the triggers of a call; true when one of them stops the coordinator.
    fn fire(&self, host: usize, call: &Call, when: When) -> bool {
        let mut kills = false;
        self.with(|inside, now| {
            while let Some(position) = inside
                .triggers
                .iter()
                .position(|trigger| trigger.host == host && trigger.when == when && (trigger.on)(call))
            {
                let trigger = inside.triggers.remove(position);
                (trigger.action)(&mut inside.hosts, now);
                kills |= trigger.kills_coordinator;
            }
        });
        if kills {
            self.killed.send_modify(|stops| *stops += 1);
        }
        kills
    }

    /// A panic elsewhere while the lock was held cannot leave the world half changed in a way that matters here.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    fn advance(&mut self, chain: &Chain, now: Duration) {
        for moment in chain.moments(self.advanced_to, now) {
            for host in &mut self.hosts {
                host.settle(moment.at);
                for message in host.sign(chain, moment) {
                    self.referee.record(message);
                }
            }
        }
        for host in &mut self.hosts {
            host.settle(now);
        }
        self.advanced_to = self.advanced_to.max(now);
    }
}
