//! The simulated world: the chain, the hosts, the referee, and time. Time is tokio's (paused in tests) on top of a
//! fixed unix time, so that the same seed gives the same world. Everything that is due happens before anything is
//! looked at: `World::with` is the only way in.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::chain::{Chain, Duty, Moment};
use super::database::{Database, Records};
use super::gate::Gate;
use super::host::{Link, SimHost, Timing};
use super::referee::{Period, Referee, Verdict};
use crate::transport::{Call, Op};

mod beginning;
mod histories;
mod performing;

pub use histories::{Height, Heights, Lacking, height_of};
pub use performing::{Asked, Counts};

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
    /// What each host has signed since the beginning, and which starts lacked something of it.
    pub heights: Heights,
    /// What was not begun, and what nobody waited for.
    pub counts: Counts,
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
    /// Per host: what `remote.sh` holds while it changes something.
    turns: Vec<tokio::sync::Mutex<()>>,
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
            heights: Heights::default(),
            counts: Counts::default(),
            triggers: Vec::new(),
            advanced_to: config.starts_at,
        };
        Ok(World {
            poll: Duration::from_millis((chain.slot_ms / 4).clamp(10, 200)),
            chain,
            began: Instant::now(),
            starts_at: config.starts_at,
            inside: Mutex::new(inside),
            turns: config
                .hosts
                .iter()
                .map(|_| tokio::sync::Mutex::default())
                .collect(),
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

    /// Takes every trigger away that has not fired.
    pub fn disarm(&self) {
        self.lock().triggers.clear();
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

    /// Resolves when a trigger stops the coordinator, now or later. Each stop counts once per subscriber.
    pub async fn killed(&self) {
        let mut receiver = self.killed.subscribe();
        if receiver.wait_for(|stops| *stops > 0).await.is_err() {
            // The sender lives as long as the world, which is borrowed here.
            std::future::pending::<()>().await;
        }
        self.killed.send_replace(0);
    }

    /// Thaws a host. A validator that was about to sign when it froze does so before it notices anything: for the slot
    /// in which it froze, if it had that in hand, else for the one that it finds. What was signed so.
    pub fn thaw(&self, host: usize, in_hand: bool) -> usize {
        self.with(|inside, now| {
            let Inside {
                hosts,
                referee,
                heights,
                ..
            } = inside;
            let Some(host) = hosts.get_mut(host) else { return 0 };
            let Some(since) = host.thaw(now) else { return 0 };
            let slot = self.chain.slot_at(if in_hand { since } else { now });
            let mut signed = 0;
            for duty in [Duty::Propose, Duty::Attest] {
                for message in host.sign(&self.chain, Moment { at: now, slot, duty }) {
                    heights.raise(host, &message);
                    referee.record(message);
                    signed += 1;
                }
            }
            signed
        })
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
                self.heights.judge_start(host, moment.at);
                for message in host.sign(chain, moment) {
                    self.heights.raise(host, &message);
                    self.referee.record(message);
                }
            }
        }
        for host in &mut self.hosts {
            host.settle(now);
            self.heights.judge_start(host, now);
        }
        self.advanced_to = self.advanced_to.max(now);
    }
}
