//! The simulated world: the chain, the hosts, the referee, and time. Time is tokio's (paused in tests) on top of a
//! fixed unix time, so that the same seed gives the same world. Everything that is due happens before anything is
//! looked at: `World::with` is the only way in.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::chain::{Chain, Duty, Moment, hex_from};
use super::database::{Database, Records};
use super::host::{self, Around, LOCK, SimHost, Timing, UNIT, unit::Unit};
use super::referee::{Message, Period, Referee, Signed, Verdict};
use crate::transport::{Call, Op, Output};

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
            hosts.push(SimHost::new(name, config.seed, config.starts_at, database, config.timing));
        }
        let mut referee = Referee::default();
        write_history(&chain, config.starts_at, &mut hosts, &mut referee)?;
        arrange(&mut hosts, config.starts_at);
        let inside = Inside { hosts, referee, triggers: Vec::new(), advanced_to: config.starts_at };
        Ok(World {
            poll: Duration::from_millis((chain.slot_ms / 4).clamp(10, 200)),
            chain,
            began: Instant::now(),
            starts_at: config.starts_at,
            inside: Mutex::new(inside),
            killed: watch::Sender::new(0),
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

    /// One call, carried out on a host, in the time that it takes there. None: the host gives no answer, because it
    /// is off or cut off, or because the coordinator is to be stopped here.
    pub async fn perform(&self, host: usize, call: &Call) -> Option<Output> {
        if self.fire(host, call, When::Before) {
            return None;
        }
        if let Some(takes) = self.time_taken(host, call.op) {
            tokio::time::sleep(takes).await;
        }
        let output = match call.op {
            Op::AwaitMetric | Op::AwaitJournal => self.wait_for(host, call).await?,
            _ => self.answer(host, call)?,
        };
        if self.fire(host, call, When::After) { None } else { Some(output) }
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
                host.link = host::Link::Up;
            }
        });
    }

    /// The referee's verdict on everything up to now.
    pub fn verdict(&self) -> Verdict {
        self.with(|inside, _| {
            let periods: Vec<Period> = inside.hosts.iter().flat_map(|host| host.periods.clone()).collect();
            inside.referee.verdict(&periods)
        })
    }

    fn answer(&self, host: usize, call: &Call) -> Option<Output> {
        self.with(|inside, now| {
            let Inside { hosts, referee, .. } = inside;
            let host = hosts.get_mut(host).filter(|host| host.answers())?;
            Some(host.answer(Around { now, chain: &self.chain, referee }, call.op, &call.args))
        })
    }

    /// A call that waits on the host: the reading is repeated until it is there or its limit (last argument) is over.
    async fn wait_for(&self, host: usize, call: &Call) -> Option<Output> {
        let limit = call.args.last().and_then(|limit| limit.parse::<f64>().ok()).unwrap_or(0.0);
        let until = Instant::now() + Duration::from_secs_f64(limit.clamp(0.0, 86_400.0));
        loop {
            let output = self.answer(host, call)?;
            if output.stdout != "seen=no\n" || Instant::now() >= until {
                return Some(output);
            }
            tokio::time::sleep(self.poll).await;
        }
    }

    fn time_taken(&self, host: usize, op: Op) -> Option<Duration> {
        let timing = self.with_host(host, |host, _| host.timing)?;
        match op {
            Op::Stop => Some(timing.stop),
            Op::Start => Some(timing.start),
            Op::Run => Some(timing.run),
            _ => None,
        }
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

fn chain_of(config: &WorldConfig) -> Chain {
    let slot_ms = (config.seconds_per_slot.max(0.05) * 1000.0).round() as u64;
    let slots_per_epoch = config.slots_per_epoch.max(1);
    let age_s = config.start_epoch * slots_per_epoch * slot_ms / 1000;
    Chain {
        genesis_time_s: config.starts_at.as_secs().saturating_sub(age_s),
        slot_ms,
        slots_per_epoch,
        genesis_validators_root: hex_from(config.seed, "genesis validators root", 32),
        keys: (0..config.keys).map(|key| hex_from(config.seed, &format!("key/{key}"), config.key_bytes)).collect(),
        others: config.others,
    }
}

/// What was signed before the beginning. The second host signed from eight to four epochs ago, the first ever since:
/// so the first has the higher floors, but for the last key's blocks, which only the second has ever proposed.
fn write_history(
    chain: &Chain,
    now: Duration,
    hosts: &mut [SimHost],
    referee: &mut Referee,
) -> Result<(), String> {
    let slot = chain.slot_at(now);
    let back = |epochs: u64| chain.slot_start(slot.saturating_sub(epochs * chain.slots_per_epoch));
    let before = now.saturating_sub(Duration::from_nanos(1));
    for (position, host) in hosts.iter_mut().enumerate() {
        let (from, to) = match position {
            0 => (back(4), before),
            1 => (back(8), back(4)),
            _ => continue,
        };
        let mut records = Records::new();
        let mut messages = history(&host.name, chain, &chain.moments(from, to));
        if let (1, Some(last)) = (position, chain.keys.last()) {
            let moment = Moment { at: from, slot: chain.slot_at(from), duty: Duty::Propose };
            messages.push(host::message(&host.name, chain, last, moment));
        }
        for message in messages {
            let record = records.entry(message.key.clone()).or_default();
            match &message.signed {
                Signed::Block { slot, root } => {
                    record.blocks.insert(*slot, Some(root.clone()));
                }
                Signed::Attestation { source, target, root, .. } => {
                    record.attestations.insert(*target, (*source, Some(root.clone())));
                }
            }
            referee.remember(message);
        }
        host.database.replace(records)?;
    }
    Ok(())
}

fn history(host: &str, chain: &Chain, moments: &[Moment]) -> Vec<Message> {
    let mut messages = Vec::new();
    for moment in moments {
        let keys = match moment.duty {
            Duty::Propose => chain.proposer(moment.slot).into_iter().collect(),
            Duty::Attest => chain.attesters(moment.slot),
        };
        for key in keys.into_iter().filter_map(|key| chain.keys.get(key)) {
            messages.push(host::message(host, chain, key, *moment));
        }
    }
    messages
}

/// The first host runs and has been signing for long; every other one is stopped, disabled and barred.
fn arrange(hosts: &mut [SimHost], now: Duration) {
    for (position, host) in hosts.iter_mut().enumerate() {
        if position == 0 {
            host.unit.enabled = true;
            host.run_since_long(now);
        } else {
            host.bar_from_the_start();
        }
    }
}

impl SimHost {
    fn run_since_long(&mut self, now: Duration) {
        self.start_at_beginning(now);
        if let Some(process) = &mut self.process {
            process.signs_from = now;
        }
    }

    fn bar_from_the_start(&mut self) {
        let gate = Unit::gate_path(UNIT);
        self.files.make_directory(host::files::parent(&gate));
        self.files.make_directory(host::files::parent(LOCK));
        let lines = format!(
            "# Written by failover: refuses to start the validator while the host is barred.\n\
             [Unit]\nAssertPathExists=!{LOCK}\n"
        );
        // Both directories were made two lines above, so neither write can fail.
        let _ = self.files.write(&gate, lines);
        let _ = self.files.write(LOCK, "barred: the validator runs on another host\n");
        self.reload();
    }
}
