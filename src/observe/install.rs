//! Finds each host's validator: its unit, its client, where its data lies and how it is called. Two round trips at
//! most, both hosts side by side. Must never pick one of several candidates.

use super::hosts::{Host, Hosts, Patience};
use crate::clients::{self, Client, Install};
use crate::guards::{Role, Unit};
use crate::services::systemd::{read_environment, read_unit};
use crate::transport::{Batch, Call, Op, Output, Reply, TransportError};

/// Looks at both hosts and remembers what was found, or why nothing was.
pub async fn discover(hosts: &mut Hosts, patience: Patience) {
    let (names_a, names_b) = (candidates(&hosts.primary), candidates(&hosts.backup));
    let (a, b) = hosts
        .ask_both(&unit_calls(&names_a), &unit_calls(&names_b), 5, patience)
        .await;
    hosts.primary.install = found(&hosts.primary, &names_a, a);
    hosts.backup.install = found(&hosts.backup, &names_b, b);

    let (ask_a, ask_b) = (questions(&hosts.primary), questions(&hosts.backup));
    if ask_a.is_empty() && ask_b.is_empty() {
        return;
    }
    let (a, b) = hosts.ask_both(&ask_a, &ask_b, 20, patience).await;
    learn(&mut hosts.primary, a);
    learn(&mut hosts.backup, b);
}

/// Looks at one host only.
pub async fn discover_one(hosts: &mut Hosts, role: Role, patience: Patience) {
    let names = candidates(hosts.host(role));
    let reply = hosts.ask(role, &unit_calls(&names), 5, patience).await;
    let install = found(hosts.host(role), &names, reply);
    match role {
        Role::Primary => hosts.primary.install = install,
        Role::Backup => hosts.backup.install = install,
    }
}

fn candidates(host: &Host) -> Vec<String> {
    match &host.plan.overrides.unit {
        Some(unit) => vec![unit.clone()],
        None => clients::candidate_units()
            .into_iter()
            .map(str::to_owned)
            .collect(),
    }
}

fn unit_calls(names: &[String]) -> Batch {
    names.iter().map(|name| Call::new(Op::Unit, [name])).collect()
}

fn found(host: &Host, names: &[String], reply: Result<Reply, TransportError>) -> Result<Install, String> {
    let reply = reply.map_err(|error| error.to_string())?;
    let mut installs: Vec<Install> = Vec::new();
    let mut reasons: Vec<String> = Vec::new();
    let mut unread: Option<String> = None;
    for (name, output) in names.iter().zip(&reply.outputs) {
        match installed(host, name, output) {
            Ok(Some(install)) if !installs.iter().any(|known| known.unit == install.unit) => {
                installs.push(install)
            }
            Ok(_) => {}
            Err(Unfound::Unread(why)) => {
                let why = format!("{name}: {why}");
                reasons.push(why.clone());
                unread = unread.or(Some(why));
            }
            Err(Unfound::NoneOfOurs(why)) => reasons.push(format!("{name}: {why}")),
        }
    }
    match (installs.len(), unread) {
        // It may hold the same keys: which of them is meant is not ours to choose.
        (1, Some(other)) => Err(format!(
            "{} runs a validator, but so does another unit, which could not be read ({other}); name one: validator.unit",
            installs.pop().map(|install| install.unit).unwrap_or_default()
        )),
        (1, None) => installs.pop().ok_or_else(String::new),
        (0, _) if reasons.is_empty() => Err(format!(
            "no validator unit is loaded (looked for {}); name it: hosts.\"{}\".validator.unit",
            names.join(", "),
            host.name()
        )),
        (0, _) => Err(reasons.join("; ")),
        _ => {
            let units: Vec<&str> = installs.iter().map(|install| install.unit.as_str()).collect();
            Err(format!(
                "several validators are installed ({}); name one: validator.unit",
                units.join(", ")
            ))
        }
    }
}

/// Why a unit that is there gives no installation.
enum Unfound {
    /// Its command line is no known client's: a beacon node, a wrapper, something else.
    NoneOfOurs(String),
    /// It runs a validator, or could not be read; over which database is not known.
    Unread(String),
}

/// The installation behind one unit; none when the unit does not exist there.
fn installed(host: &Host, name: &str, output: &Output) -> Result<Option<Install>, Unfound> {
    let unit = read_unit(name, output).map_err(Unfound::Unread)?;
    if unit.load_state == "not-found" && host.plan.overrides.unit.is_none() {
        return Ok(None);
    }
    install_of(host, &unit, output).map(Some).map_err(|why| {
        if clients::recognised(&unit).is_empty() {
            Unfound::NoneOfOurs(why)
        } else {
            Unfound::Unread(why)
        }
    })
}

fn install_of(host: &Host, unit: &Unit, output: &Output) -> Result<Install, String> {
    let client = client_of(host, unit)?;
    let environment = read_environment(output)?;
    let overrides = &host.plan.overrides;
    let from_files = output.stdout.lines().any(|line| {
        line.strip_prefix("EnvironmentFiles=")
            .is_some_and(|files| !files.trim().is_empty())
    });
    if from_files && (overrides.data_dir.is_none() || overrides.database.is_none()) {
        return Err("the unit takes its environment from files, which are not looked into and may move the database: \
                    set data_dir and database for this host in the configuration"
            .to_owned());
    }
    let install = (client.install)(unit, &environment, overrides)?;
    // A lock on a file system that is mounted late, or is empty after a reboot, would bar nothing.
    let plain = !install
        .lock_file
        .contains(|c: char| c.is_whitespace() || c == '%' || c == '\\');
    if !install.lock_file.starts_with("/etc/") || install.lock_file.contains("/..") || !plain {
        return Err(format!(
            "the lock file {} must lie below /etc, without blanks, % or ..",
            install.lock_file
        ));
    }
    Ok(install)
}

fn client_of(host: &Host, unit: &Unit) -> Result<&'static Client, String> {
    if let Some(name) = &host.plan.overrides.client {
        let known: Vec<&str> = clients::CLIENTS.iter().map(|client| client.name).collect();
        return clients::named(name)
            .ok_or_else(|| format!("no client is named {name}; there are {}", known.join(", ")));
    }
    let mut recognised = clients::recognised(unit);
    match recognised.len() {
        1 => recognised.pop().ok_or_else(String::new),
        0 => Err(format!(
            "its command line is no known client's ({}); say validator.client",
            unit.exec_start.first().map_or("none", String::as_str)
        )),
        _ => {
            let names: Vec<&str> = recognised.iter().map(|client| client.name).collect();
            Err(format!(
                "its command line could be {}; say validator.client",
                names.join(" or ")
            ))
        }
    }
}

/// The client's row behind an installation.
pub fn client(install: &Install) -> Result<&'static Client, String> {
    clients::named(install.client).ok_or_else(|| format!("no client is named {}", install.client))
}

fn questions(host: &Host) -> Batch {
    let Ok(install) = &host.install else {
        return Vec::new();
    };
    let Ok(client) = client(install) else {
        return Vec::new();
    };
    (client.questions)(install)
        .into_iter()
        .map(|argv| install.run(20, argv))
        .collect()
}

fn learn(host: &mut Host, reply: Result<Reply, TransportError>) {
    let Ok(install) = &mut host.install else { return };
    let learnt = match (client(install), reply) {
        (Ok(client), Ok(reply)) => reply
            .outputs
            .iter()
            .try_for_each(|output| (client.learn)(install, output)),
        (Err(why), _) => Err(why),
        (_, Err(error)) => Err(error.to_string()),
    };
    if let Err(why) = learnt {
        host.install = Err(why);
    }
}
