//! Every flag and subcommand. The doc comments are the help text. Must never hold a flag that weakens a guard.

mod protection;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use protection::{Chain, Clock, Convert, Diff, Inspect, Merge, Protection, Strategy, Validate};

use crate::transport::TransportKind;

/// Hand the right to sign from one validator host to another, without ever letting two sign.
///
/// `failover --primary A --backup B` fences A, moves and merges its slashing protection to B and starts B, after every
/// guard has passed. With a terminal it asks for the typed word FAILOVER; without one it needs --yes.
///
/// Exit codes: 0 completed or audit clean, 1 refused (nothing changed) or audit found something, 2 usage or
/// configuration, 3 restored (the primary signs again), 4 parked (safe, needs a person), 5 internal error, 6 unconfirmed
/// (the backup runs; not everything was seen in time).
#[derive(Debug, Parser)]
#[command(
    name = "failover",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true
)]
#[command(subcommand_negates_reqs = true)]
pub struct Cli {
    /// What to do; without a subcommand: hand over.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The two hosts.
    #[command(flatten)]
    pub pair: PairArgs,
    /// How to hand over.
    #[command(flatten)]
    pub run: RunArgs,
    /// Understood by every command.
    #[command(flatten)]
    pub global: Global,
}

/// Understood by every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Configuration file (TOML). Default: /etc/failover/failover.toml if it exists.
    #[arg(long, global = true, env = "FAILOVER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON document on stdout, and nothing else there.
    #[arg(long, global = true)]
    pub json: bool,
    /// When to colour: a terminal, always, or never. NO_COLOR is obeyed.
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub color: Color,
    /// Say more on stderr; twice for every question asked of a host.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// How hosts are reached.
    #[command(flatten)]
    pub ssh: SshArgs,
}

/// How hosts are reached; each overrides the configuration.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Reaching hosts")]
pub struct SshArgs {
    /// openssh (your ssh and its configuration), russh (built in) or local (this machine is one of the hosts).
    #[arg(long, global = true, value_name = "KIND", value_parser = transport_kind)]
    pub transport: Option<TransportKind>,
    /// Remote user.
    #[arg(long, global = true, env = "SSH_USER", value_name = "USER")]
    pub ssh_user: Option<String>,
    /// Private key file.
    #[arg(long, global = true, env = "SSH_KEY", value_name = "FILE")]
    pub ssh_key: Option<PathBuf>,
    /// ssh configuration file in place of your own.
    #[arg(long, global = true, value_name = "FILE")]
    pub ssh_config: Option<PathBuf>,
    /// known_hosts file in place of your own.
    #[arg(long, global = true, value_name = "FILE")]
    pub known_hosts: Option<PathBuf>,
    /// Open the remote shell with `sudo -n`.
    #[arg(long, global = true)]
    pub r#become: bool,
}

fn transport_kind(text: &str) -> Result<TransportKind, String> {
    match text {
        "openssh" => Ok(TransportKind::OpenSsh),
        "russh" => Ok(TransportKind::Russh),
        "local" => Ok(TransportKind::Local),
        _ => Err("openssh, russh or local".to_owned()),
    }
}

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The two hosts.
#[derive(Debug, Clone, Default, Args)]
pub struct PairArgs {
    /// The host that signs now.
    #[arg(long, env = "PRIMARY_HOST", value_name = "HOST", required = true)]
    pub primary: Option<String>,
    /// The host that is to sign.
    #[arg(long, env = "BACKUP_HOST", value_name = "HOST", required = true)]
    pub backup: Option<String>,
}

/// How to hand over.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// Look at everything, print the plan and every guard's verdict, change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask; needed without a terminal.
    #[arg(long, short)]
    pub yes: bool,
    /// Consecutive positive readings before the primary counts as stopped.
    #[arg(long, value_name = "N")]
    pub checks: Option<u32>,
    /// Seconds between two readings.
    #[arg(long, value_name = "SECONDS")]
    pub check_interval: Option<f64>,
}

/// What else failover does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Is the standby ready? Judges every guard over both hosts, read-only. Exit 0 clean, 1 found something.
    Audit(AuditArgs),
    /// Go on with a run that was parked or killed.
    Resume(ResumeArgs),
    /// Which runs are live, what came of the last ones, and with two hosts: who signs now.
    Status(StatusArgs),
    /// List runs, newest first.
    Runs(RunsArgs),
    /// Show what a run came to.
    Report(ReportArgs),
    /// Emergency: stop and bar the validator on every host named, and prove it. For suspected slashing.
    Halt(HaltArgs),
    /// Look at, check, compare, merge and convert slashing-protection data: any client's own database or its export.
    #[command(subcommand)]
    Protection(Protection),
    /// Show a whole hand-over on this machine: two hosts over real SSH, a chain, and a referee.
    Demo(DemoArgs),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// `failover audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// The two hosts.
    #[command(flatten)]
    pub pair: PairArgs,
}

/// `failover resume`.
#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    /// The run, or the beginning of its id; may be left out when only one is live.
    pub run: Option<String>,
    /// Go back instead: make sure of the backup and give the primary its right to sign back.
    #[arg(long)]
    pub undo: bool,
    /// Do not ask; needed without a terminal.
    #[arg(long, short)]
    pub yes: bool,
}

/// `failover status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Look at this pair's hosts too: the one that should sign.
    #[arg(long, env = "PRIMARY_HOST", value_name = "HOST", requires = "backup")]
    pub primary: Option<String>,
    /// And the one that should not.
    #[arg(long, env = "BACKUP_HOST", value_name = "HOST", requires = "primary")]
    pub backup: Option<String>,
}

/// `failover runs`.
#[derive(Debug, Clone, Args)]
pub struct RunsArgs {
    /// How many.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub limit: usize,
}

/// `failover report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// The run, or the beginning of its id; the newest when left out.
    pub run: Option<String>,
}

/// `failover halt`.
#[derive(Debug, Clone, Args)]
pub struct HaltArgs {
    /// Hosts whose validator is to be stopped and barred.
    #[arg(required = true, value_name = "HOST")]
    pub hosts: Vec<String>,
    /// Do not ask; needed without a terminal.
    #[arg(long, short)]
    pub yes: bool,
}

/// `failover demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Inject this fault; `list` names them all.
    #[arg(long, value_name = "NAME")]
    pub fault: Option<String>,
    /// Seconds per slot of the demo's chain.
    #[arg(long, default_value_t = 0.5, value_name = "SECONDS")]
    pub slot: f64,
}
