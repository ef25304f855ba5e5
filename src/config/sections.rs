//! The sections of the configuration file as they are written, with their defaults. Must never hold a default that
//! weakens a guard.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::clients::Overrides;
use crate::transport::TransportKind;

/// `[ssh]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ssh {
    /// `openssh` (default), `russh` or `local`.
    pub transport: Option<TransportKind>,
    /// Remote user.
    pub user: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Private key file.
    pub key_file: Option<PathBuf>,
    /// known_hosts file in place of the user's own.
    pub known_hosts: Option<PathBuf>,
    /// ssh configuration file in place of the user's own.
    pub config_file: Option<PathBuf>,
    /// Jump hosts, first hop first.
    pub jump_hosts: Option<Vec<String>>,
    /// Open the remote shell with `sudo -n`.
    pub r#become: Option<bool>,
}

/// `[hosts."NAME"]`: what differs on one host.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HostConfig {
    /// Address to connect to (russh; openssh takes it from its own configuration).
    pub address: Option<String>,
    /// How this host is reached.
    pub ssh: Ssh,
    /// The validator on this host.
    pub validator: Overrides,
}

/// `[chain]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chain {
    /// Public keys of the pair, hex.
    pub keys: Vec<String>,
    /// A file with one public key a line; `#` begins a comment.
    pub keys_file: Option<PathBuf>,
    /// Pins the chain, `0x` and 64 hex digits.
    pub genesis_validators_root: Option<String>,
    /// Fewest connected peers of the backup's beacon node.
    pub min_peers: u64,
    /// Largest distance of its head from the clock, slots.
    pub max_sync_distance: u64,
    /// False on a devnet without an execution layer.
    pub execution_layer: bool,
    /// The execution client's URL on the hosts; it is asked `eth_syncing` when given.
    pub execution_url: Option<String>,
    /// `required`, or `absent-ok` for a node too old to say `el_offline`.
    pub el_offline: Answer,
    /// `required`, or `absent-ok` for a node too old to say `is_optimistic`.
    pub is_optimistic: Answer,
}

/// Whether a node has to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// No answer is unknown, and blocks.
    #[default]
    Required,
    /// The operator says that the node is too old to have it.
    AbsentOk,
}

impl Default for Chain {
    fn default() -> Self {
        Chain {
            keys: Vec::new(),
            keys_file: None,
            genesis_validators_root: None,
            min_peers: 3,
            max_sync_distance: 2,
            execution_layer: true,
            execution_url: None,
            el_offline: Answer::Required,
            is_optimistic: Answer::Required,
        }
    }
}

/// `[clock]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// Largest offset from the coordinator, seconds.
    pub max_offset_s: f64,
    /// `required`, or `not-available` on hosts that say nothing true about it (containers).
    pub synchronised: Synchronised,
}

/// Whether the hosts' clocks have to say that they are synchronised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Synchronised {
    /// `timedatectl` has to say so.
    #[default]
    Required,
    /// The operator says that it is not available there.
    NotAvailable,
}

impl Default for Clock {
    fn default() -> Self {
        Clock {
            max_offset_s: 0.5,
            synchronised: Synchronised::Required,
        }
    }
}

/// `[checks]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Checks {
    /// Consecutive positive readings.
    pub count: u32,
    /// Seconds between two readings.
    pub interval_s: f64,
    /// Seconds for which a fence proof is good.
    pub valid_s: f64,
}

impl Default for Checks {
    fn default() -> Self {
        Checks {
            count: 3,
            interval_s: 1.0,
            valid_s: 60.0,
        }
    }
}

/// `[timeouts]`, seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Opening a connection and its shell.
    pub connect_s: u64,
    /// One question.
    pub ask_s: u64,
    /// Trying again after a lost line before the run parks.
    pub retry_s: u64,
    /// `systemctl stop`, before the rest of the cgroup is killed.
    pub stop_s: u64,
    /// `systemctl start`.
    pub start_s: u64,
    /// One export or import by the client.
    pub client_s: u64,
    /// Until the first attestation of the backup; none means three epochs of the chain, at least 30 s.
    pub watch_s: Option<u64>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect_s: 10,
            ask_s: 15,
            retry_s: 30,
            stop_s: 30,
            start_s: 60,
            client_s: 300,
            watch_s: None,
        }
    }
}
