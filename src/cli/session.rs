//! What every command that meets hosts needs: the configuration with the flags on top, links, the journal, and who the
//! coordinator is. Must never reach a host that was not named.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Failure;
use super::args::{Global, PairArgs, RunArgs};
use crate::config::{Config, HostPlan, Plan};
use crate::journal::{FILE_NAME, Journal, Run, RunDir, state_dir};
use crate::observe::Hosts;
use crate::perform::{Memory, RunIdentity, World};
use crate::transport::open;

/// Where the configuration is looked for when none is named.
const DEFAULT_CONFIG: &str = "/etc/failover/failover.toml";
/// How many ended runs are remembered for taking away their claims.
const REMEMBERED: usize = 200;

/// The configuration with the flags on top.
pub fn config(global: &Global, run: Option<&RunArgs>) -> Result<Config, Failure> {
    let mut config = match &global.config {
        Some(path) => Config::read(path)?,
        None if Path::new(DEFAULT_CONFIG).exists() => Config::read(Path::new(DEFAULT_CONFIG))?,
        None => Config::default(),
    };
    with_flags(&mut config, global, run);
    Ok(config)
}

/// Puts the flags on top of a configuration, also of one that a run was begun with.
pub fn with_flags(config: &mut Config, global: &Global, run: Option<&RunArgs>) {
    let ssh = &global.ssh;
    let over = &mut config.ssh;
    over.transport = ssh.transport.or(over.transport);
    over.user = ssh.ssh_user.clone().or_else(|| over.user.take());
    over.key_file = ssh.ssh_key.clone().map(home).or_else(|| over.key_file.take());
    over.config_file = ssh.ssh_config.clone().or_else(|| over.config_file.take());
    over.known_hosts = ssh.known_hosts.clone().or_else(|| over.known_hosts.take());
    if ssh.r#become {
        over.r#become = Some(true);
    }
    if let Some(run) = run {
        config.checks.count = run.checks.unwrap_or(config.checks.count);
        config.checks.interval_s = run.check_interval.unwrap_or(config.checks.interval_s);
    }
}

/// The old script's users write `SSH_KEY="~/.ssh/id_ed25519"`, which no shell expands inside quotes.
fn home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        (Ok(_), None) | (Err(_), _) => path,
    }
}

/// Both hosts' names; clap has made sure of them, unless a subcommand did not need them.
pub fn pair(pair: &PairArgs) -> Result<(&str, &str), Failure> {
    match (&pair.primary, &pair.backup) {
        (Some(primary), Some(backup)) => Ok((primary, backup)),
        (None, _) => Err(Failure::usage(
            "--primary is missing: the host that signs now (or PRIMARY_HOST)",
        )),
        (_, None) => Err(Failure::usage(
            "--backup is missing: the host that is to sign (or BACKUP_HOST)",
        )),
    }
}

/// The hosts of a plan, reached as it says.
pub fn hosts(plan: &Plan) -> Result<Hosts, Failure> {
    Ok(Hosts::new(plan, link(&plan.primary)?, link(&plan.backup)?))
}

fn link(host: &HostPlan) -> Result<std::sync::Arc<dyn crate::transport::Transport>, Failure> {
    open(host.transport, host.destination.clone()).map_err(|error| Failure::usage(error.to_string()))
}

/// This coordinator's state directory and journal.
pub fn journal() -> Result<(PathBuf, Journal), Failure> {
    let state = state_dir()?;
    let journal = Journal::open(&state.join(FILE_NAME))?;
    Ok((state, journal))
}

/// user@machine of this coordinator.
pub fn coordinator() -> String {
    let user = std::env::var("SUDO_USER")
        .or_else(|_| std::env::var("USER"))
        .unwrap_or_else(|_| format!("uid {}", rustix::process::getuid().as_raw()));
    let machine = rustix::system::uname();
    format!("{user}@{}", machine.nodename().to_string_lossy())
}

/// A fresh run id: the time for people, a random tail for uniqueness.
pub fn fresh_id() -> Result<String, Failure> {
    let mut tail = [0u8; 4];
    let mut at = 0;
    while at < tail.len() {
        at += rustix::rand::getrandom(&mut tail[at..], rustix::rand::GetRandomFlags::empty())
            .context("no random bytes for a run id")?;
    }
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    Ok(format!("{time}-{}", const_hex::encode(tail)))
}

/// Runs of this coordinator that are over.
pub fn ended_runs(journal: &Journal) -> Result<Vec<String>, Failure> {
    Ok(journal
        .runs(REMEMBERED)?
        .into_iter()
        .filter(|run| run.ended.is_some())
        .map(|run| run.id)
        .collect())
}

/// The same for commands that only look: nothing, where there is no journal yet. None is made.
pub fn ended_runs_if_any() -> Vec<String> {
    let file = state_dir().map(|state| state.join(FILE_NAME));
    match file {
        Ok(file) if file.exists() => Journal::open(&file)
            .ok()
            .and_then(|journal| ended_runs(&journal).ok())
            .unwrap_or_default(),
        Ok(_) | Err(_) => Vec::new(),
    }
}

/// The world of a run: its plan, hosts, directory, and an empty memory.
pub fn world(state: &Path, journal: &Journal, run: &Run, plan: Plan) -> Result<World, Failure> {
    let hosts = hosts(&plan)?;
    world_over(state, journal, run, plan, hosts)
}

/// The same over hosts that are reached already.
pub fn world_over(
    state: &Path,
    journal: &Journal,
    run: &Run,
    plan: Plan,
    hosts: Hosts,
) -> Result<World, Failure> {
    let ended = ended_runs(journal)?;
    Ok(World {
        hosts,
        run: RunIdentity {
            id: run.id.clone(),
            pair: format!("{}->{}", run.primary, run.backup),
            coordinator: coordinator(),
        },
        dir: RunDir::open(state, &run.id)?,
        memory: Memory::default(),
        ended_runs: ended,
        plan,
    })
}
