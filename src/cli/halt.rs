//! `failover halt HOST…`: the emergency stop. All hosts side by side; each is reported as it was proven.
//! Must never stop at the first host that fails.

use serde_json::json;

use super::args::{Global, HaltArgs};
use super::printing::{coloured, out_json, out_line, paint};
use super::{Failure, code, confirm, session};
use crate::config::{Config, HostPlan, Plan};
use crate::journal::RunDir;
use crate::observe::Hosts;
use crate::perform::{Halted, Memory, RunIdentity, World, halt as halt_host};
use crate::transport::open;

/// Stops and bars every host named. Exit 0 if all were proven, else 4.
pub async fn halt(global: &Global, args: HaltArgs) -> Result<u8, Failure> {
    let config = session::config(global, None)?;
    let mut plans = Vec::new();
    for host in &args.hosts {
        plans.push(config.host(host)?);
    }
    let question = format!("This stops and bars the validator on {}.", args.hosts.join(", "));
    confirm::typed("HALT", &question, args.yes)?;
    let id = format!("halt-{}", session::fresh_id()?);
    let tasks: Vec<_> = plans
        .into_iter()
        .map(|host| tokio::spawn(one(config.clone(), host, id.clone())))
        .collect();
    let mut halted: Vec<Halted> = Vec::new();
    for (task, host) in tasks.into_iter().zip(&args.hosts) {
        halted.push(match task.await {
            Ok(Ok(done)) => done,
            Ok(Err(failure)) => Halted {
                host: host.clone(),
                proven: false,
                why: failure.message,
            },
            Err(error) => Halted {
                host: host.clone(),
                proven: false,
                why: error.to_string(),
            },
        });
    }
    let proven = halted.iter().all(|host| host.proven);
    if global.json {
        out_json(&json!({ "schema": "failover.halt/1", "run": id, "proven": proven, "hosts": halted }))?;
    } else {
        for host in &halted {
            let word = if host.proven { "ok" } else { "UNKNOWN" };
            let line = format!("{word} {}: {}", host.host, host.why);
            out_line(&paint(&line, coloured(global, &std::io::stdout())));
        }
        if !proven {
            out_line(
                "A host that could not be proven stopped may still sign. Reach it another way: console, power off.",
            );
        }
    }
    Ok(if proven { 0 } else { code::PARKED })
}

/// One host. It stands in both places of a pair, and only one of them is asked.
async fn one(config: Config, host: HostPlan, id: String) -> Result<Halted, Failure> {
    let link = open(host.transport, host.destination.clone())
        .map_err(|error| Failure::refused(error.to_string()))?;
    let any = config.plan("primary", "backup")?;
    let plan = Plan {
        primary: host.clone(),
        backup: host,
        ..any
    };
    let (state, _) = session::journal()?;
    let hosts = Hosts::new(&plan, std::sync::Arc::clone(&link), link);
    let mut world = World {
        hosts,
        run: RunIdentity {
            id: id.clone(),
            pair: String::new(),
            coordinator: session::coordinator(),
        },
        dir: RunDir::open(&state, &id)?,
        memory: Memory::default(),
        ended_runs: Vec::new(),
        plan,
    };
    let halted = halt_host(&mut world).await;
    world.hosts.close().await;
    Ok(halted)
}
