//! The configuration: TOML, flags and the environment of the old script, parsed into a `Plan` of valid hosts.
//! Everything is checked here, once; nothing later meets a half-configured host. Must never guess a host's role.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod sections;

use serde::{Deserialize, Serialize};

pub use sections::{Answer, Chain, Checks, Clock, HostConfig, Ssh, Synchronised, Timeouts};

use crate::clients::Overrides;
use crate::guards::Policy;
use crate::protection::PublicKey;
use crate::transport::{Destination, TransportKind};

/// The file as it is written. Every section may be left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How hosts are reached.
    pub ssh: Ssh,
    /// The validator on both hosts; a host's own table comes first.
    pub validator: Overrides,
    /// The chain and the keys.
    pub chain: Chain,
    /// The hosts' clocks.
    pub clock: Clock,
    /// How often the primary is read before it counts as stopped.
    pub checks: Checks,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// Per host, by the name given to `--primary` and `--backup`.
    pub hosts: BTreeMap<String, HostConfig>,
}

/// Why a configuration is not a plan. Every message names the file, key or host and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {cause}")]
    Read { path: PathBuf, cause: std::io::Error },
    /// The file is not what is expected; the message names line and key.
    #[error("{path}: {message}")]
    Parse { path: PathBuf, message: String },
    /// A value does not hold.
    #[error("{place}: {message}")]
    Value { place: String, message: String },
}

fn value(place: impl Into<String>, message: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        place: place.into(),
        message: message.into(),
    }
}

/// A valid pair of hosts and the limits of a run. Cannot be half-configured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The host that signs now.
    pub primary: HostPlan,
    /// The host that is to sign.
    pub backup: HostPlan,
    /// What guards demand.
    pub policy: Policy,
    /// Readings.
    pub checks: Checks,
    /// Limits in seconds.
    pub timeouts: Timeouts,
    /// The execution client's URL on the hosts.
    pub execution_url: Option<String>,
    /// The configuration it was made from, for the journal.
    pub config: Config,
}

/// One host, ready to be reached.
#[derive(Debug, Clone)]
pub struct HostPlan {
    /// The name that the operator gave.
    pub name: String,
    /// How it is reached.
    pub transport: TransportKind,
    /// Where it is.
    pub destination: Destination,
    /// What the configuration says of its validator.
    pub overrides: Overrides,
}

impl Config {
    /// Reads a file. A relative `chain.keys_file` is taken from the file's own directory, and its keys are read here,
    /// so that what is journalled is complete.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Read {
            path: path.to_owned(),
            cause,
        })?;
        let mut config: Config = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        if let Some(file) = config.chain.keys_file.take() {
            let file = path.parent().unwrap_or(Path::new("")).join(file);
            let text = std::fs::read_to_string(&file).map_err(|cause| ConfigError::Read {
                path: file.clone(),
                cause,
            })?;
            let lines = text
                .lines()
                .map(|line| line.split('#').next().unwrap_or("").trim());
            config
                .chain
                .keys
                .extend(lines.filter(|line| !line.is_empty()).map(str::to_owned));
        }
        Ok(config)
    }

    /// The plan for this pair.
    pub fn plan(&self, primary: &str, backup: &str) -> Result<Plan, ConfigError> {
        if primary == backup {
            return Err(value(
                "--backup",
                format!("{backup} is also the primary; name two hosts"),
            ));
        }
        // Looser than this and a restart that is pending would pass between two readings: nobody may ask for it.
        let span = (f64::from(self.checks.count) - 1.0) * self.checks.interval_s;
        if self.checks.count < 2 || !(self.checks.interval_s.is_finite() && (1.0..=600.0).contains(&span)) {
            return Err(value(
                "checks (or --checks, --check-interval)",
                "at least 2 readings, spread over at least 1 s and at most 600 s",
            ));
        }
        let window = f64::from(self.checks.count) * self.checks.interval_s;
        if self.checks.valid_s < window + 5.0 {
            return Err(value(
                "checks.valid_s",
                format!("must be at least {:.0} s for these checks", window + 5.0),
            ));
        }
        Ok(Plan {
            primary: self.host(primary)?,
            backup: self.host(backup)?,
            policy: self.policy()?,
            checks: self.checks.clone(),
            timeouts: self.timeouts.clone(),
            execution_url: self.chain.execution_url.clone(),
            config: self.clone(),
        })
    }

    /// One host by the name that the operator gave.
    pub fn host(&self, name: &str) -> Result<HostPlan, ConfigError> {
        let own = self.hosts.get(name).cloned().unwrap_or_default();
        let (ssh, all) = (own.ssh, &self.ssh);
        let destination = Destination {
            host: name.to_owned(),
            user: ssh.user.or_else(|| all.user.clone()),
            port: ssh.port.or(all.port),
            address: own.address,
            key_file: ssh.key_file.or_else(|| all.key_file.clone()),
            known_hosts: ssh.known_hosts.or_else(|| all.known_hosts.clone()),
            config_file: ssh.config_file.or_else(|| all.config_file.clone()),
            jump_hosts: ssh
                .jump_hosts
                .or_else(|| all.jump_hosts.clone())
                .unwrap_or_default(),
            r#become: ssh.r#become.or(all.r#become).unwrap_or(false),
        };
        destination
            .check()
            .map_err(|error| value(format!("host {name}"), error.detail))?;
        Ok(HostPlan {
            name: name.to_owned(),
            transport: ssh.transport.or(all.transport).unwrap_or_default(),
            destination,
            overrides: own.validator.or(&self.validator),
        })
    }

    fn policy(&self) -> Result<Policy, ConfigError> {
        let chain = &self.chain;
        let keys = chain
            .keys
            .iter()
            .map(|key| PublicKey::parse(key).map_err(|error| value("chain.keys", format!("{key}: {error}"))))
            .collect::<Result<_, _>>()?;
        let root = chain
            .genesis_validators_root
            .as_deref()
            .map(crate::protection::GenesisRoot::parse)
            .transpose()
            .map_err(|error| value("chain.genesis_validators_root", error.to_string()))?;
        if !(self.clock.max_offset_s > 0.0 && self.clock.max_offset_s <= 60.0) {
            return Err(value("clock.max_offset_s", "must be above 0 and at most 60"));
        }
        Ok(Policy {
            keys,
            genesis_validators_root: root.map(|root| root.to_string()),
            min_peers: chain.min_peers,
            max_sync_distance: chain.max_sync_distance,
            max_clock_offset_s: self.clock.max_offset_s,
            require_clock_sync: self.clock.synchronised == Synchronised::Required,
            has_execution_layer: chain.execution_layer,
            el_offline_absent_ok: chain.el_offline == Answer::AbsentOk,
            optimistic_absent_ok: chain.is_optimistic == Answer::AbsentOk,
            ask_execution_client: chain.execution_url.is_some(),
            min_free_bytes: 64 << 20,
        })
    }

    /// What the configuration waives, in words for the plan. Empty means nothing.
    pub fn waived(&self) -> Vec<String> {
        let mut waived = Vec::new();
        if !self.chain.execution_layer {
            waived.push(
                "chain.execution_layer = false: nobody asks whether the execution layer is online".to_owned(),
            );
        }
        if self.chain.el_offline == Answer::AbsentOk {
            waived.push("chain.el_offline = \"absent-ok\": a node that does not say it passes".to_owned());
        }
        if self.chain.is_optimistic == Answer::AbsentOk {
            waived.push("chain.is_optimistic = \"absent-ok\": a node that does not say it passes".to_owned());
        }
        if self.clock.synchronised == Synchronised::NotAvailable {
            waived.push("clock.synchronised = \"not-available\": only the offset is checked".to_owned());
        }
        if self.chain.min_peers == 0 {
            waived.push("chain.min_peers = 0: an isolated beacon node passes".to_owned());
        }
        if self.chain.execution_url.is_none() && self.chain.execution_layer {
            waived.push("no chain.execution_url: the execution client itself is not asked".to_owned());
        }
        waived
    }
}
