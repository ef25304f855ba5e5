//! The simulated world of `failover demo` and of the tests: hosts, beacon nodes, validators that really sign, and a
//! referee who sees every message. It only answers what the production driver asks; it decides nothing for it.

pub mod beacon;
pub mod chain;
pub mod database;
pub mod faults;
pub mod gate;
pub mod host;
pub mod leveldb;
pub mod referee;
pub mod ssh;
pub mod transport;
pub mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinHandle;

use crate::transport::Destination;
use referee::Verdict;
use ssh::SshServers;
use world::{World, WorldConfig};

/// How often the demo's world moves by itself.
const TICK: Duration = Duration::from_millis(50);

/// A running demo: a world in real time, reached over real SSH on loopback. Dropping it ends everything.
pub struct Demo {
    /// The world, to arm faults in and to ask afterwards.
    pub world: Arc<World>,
    /// The SSH servers and the client's files.
    pub ssh: SshServers,
    ticking: JoinHandle<()>,
}

/// What the demo's configuration has to say of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoHost {
    /// Its name: `val-a` signs at the beginning, `val-b` is barred.
    pub name: String,
    /// How it is reached, for the russh transport and, by `config_file`, for openssh.
    pub destination: Destination,
    /// The validator's unit.
    pub unit: &'static str,
    /// The lock file.
    pub lock: &'static str,
    /// The validator's data directory.
    pub data_dir: &'static str,
    /// The protection database.
    pub database: &'static str,
    /// The user that the validator runs as.
    pub user: &'static str,
    /// The beacon node, as seen from the host.
    pub beacon_url: &'static str,
    /// The validator's metrics, as seen from the host.
    pub metrics_url: &'static str,
}

impl Demo {
    /// Starts a demo that keeps its files in a directory of the caller's, which must be private.
    pub async fn start(directory: &Path, seconds_per_slot: f64) -> Result<Demo, String> {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|error| error.to_string())?;
        let mut config = WorldConfig {
            // Each demo has machines and keys of its own.
            seed: u64::from(since_epoch.subsec_nanos()) ^ since_epoch.as_secs(),
            seconds_per_slot,
            starts_at: since_epoch,
            databases: Some(directory.to_owned()),
            ..WorldConfig::default()
        };
        let epochs = 3.0 * config.slots_per_epoch as f64 * seconds_per_slot.max(0.05);
        config.timing.by_hand_to_signing = Duration::from_secs_f64(epochs.min(86_400.0));
        Demo::with(directory, &config).await
    }

    /// Starts a demo of a given world.
    pub async fn with(directory: &Path, config: &WorldConfig) -> Result<Demo, String> {
        let world = Arc::new(World::new(config)?);
        let ssh = SshServers::start(&world, directory).await?;
        let moving = Arc::clone(&world);
        let ticking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                moving.advance();
            }
        });
        Ok(Demo { world, ssh, ticking })
    }

    /// The hosts, primary first.
    pub fn hosts(&self) -> Vec<DemoHost> {
        let names = self.world.with(|inside, _| {
            inside
                .hosts
                .iter()
                .map(|host| host.name.clone())
                .collect::<Vec<_>>()
        });
        let hosts = names
            .into_iter()
            .zip(&self.ssh.addresses)
            .map(|(name, address)| DemoHost {
                destination: Destination {
                    host: name.clone(),
                    user: Some(ssh::USER.to_owned()),
                    port: Some(address.port()),
                    address: Some(address.ip().to_string()),
                    key_file: Some(self.ssh.key_file.clone()),
                    known_hosts: Some(self.ssh.known_hosts.clone()),
                    config_file: None,
                    jump_hosts: Vec::new(),
                    r#become: false,
                },
                name,
                unit: host::UNIT,
                lock: host::LOCK,
                data_dir: host::DATA_DIR,
                database: host::DATABASE,
                user: host::USER,
                beacon_url: host::BEACON_URL,
                metrics_url: host::METRICS_URL,
            });
        hosts.collect()
    }

    /// The validators' public keys, 0x hex.
    pub fn keys(&self) -> &[String] {
        &self.world.chain.keys
    }

    /// What the referee says of everything up to now.
    pub fn verdict(&self) -> Verdict {
        self.world.verdict()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}
