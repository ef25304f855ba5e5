//! `failover demo`: a whole hand-over on this machine. The hosts are simulated; everything else is production: the
//! driver, the russh transport over real sockets, the journal on disk, the guards. Must never touch anything outside a
//! private temporary directory and loopback.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use super::args::{DemoArgs, Global};
use super::printing::{coloured, err_line, out_json, out_line, paint};
use super::progress::Shown;
use super::{Failure, exit_code, session};
use crate::config::{Config, HostConfig};
use crate::demo::Demo;
use crate::demo::faults::{self, Expected, FAULTS, Fault};
use crate::driver::{DriveError, Driver};
use crate::journal::{FILE_NAME, Journal, RunRow};
use crate::perform::World;
use crate::protocol::{Event, State};
use crate::report::{Report, report_text};
use crate::transport::TransportKind;

/// How long the demo waits for its world to do something, at most.
const PATIENCE: Duration = Duration::from_secs(15);

/// Runs the demo, with a fault if one is named.
pub async fn demo(global: &Global, args: DemoArgs) -> Result<u8, Failure> {
    let fault = match args.fault.as_deref() {
        None => None,
        Some("list") => return Ok(list()),
        Some(name) => Some(faults::named(name).ok_or_else(|| {
            Failure::usage(format!(
                "no fault is named {name}; failover demo --fault list names them"
            ))
        })?),
    };
    if !(0.2..=12.0).contains(&args.slot) {
        return Err(Failure::usage("--slot must be between 0.2 and 12 seconds"));
    }
    let directory = tempfile::Builder::new()
        .prefix("failover-demo-")
        .tempdir()
        .context("a directory for the demo")?;
    let demo = Demo::start(directory.path(), args.slot)
        .await
        .map_err(|why| anyhow::anyhow!("the demo: {why}"))?;
    let stage = Stage::new(&demo, directory.path())?;
    introduce(&demo, fault);
    signed_by(&demo, "val-a", 3).await;
    if let Some(fault) = fault {
        (fault.arm)(&demo.world);
    }
    let (state, report) = stage.play(fault).await?;
    conclude(global, &demo, fault, state, &report).await
}

fn list() -> u8 {
    for fault in FAULTS {
        out_line(&format!("{:<20} {}", fault.name, fault.what));
        out_line(&format!("{:<20}   {}", "", fault.outcome));
    }
    0
}

fn introduce(demo: &Demo, fault: Option<&Fault>) {
    let chain = &demo.world.chain;
    err_line(&format!(
        "demo: val-a signs with {} keys, val-b stands by barred; a slot lasts {} s, an epoch {} slots",
        demo.keys().len(),
        chain.slot_ms as f64 / 1000.0,
        chain.slots_per_epoch
    ));
    if let Some(fault) = fault {
        err_line(&format!(
            "fault {}: {}\nexpected: {}",
            fault.name, fault.what, fault.outcome
        ));
    }
    err_line("$ failover --primary val-a --backup val-b --yes --transport russh");
}

/// Waits until a host has signed so many messages, or patience ends.
async fn signed_by(demo: &Demo, host: &str, messages: usize) {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            let verdict = demo.verdict();
            if verdict
                .shares
                .iter()
                .any(|share| share.host == host && share.messages >= messages)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    if waited.await.is_err() {
        tracing::warn!(host, "did not sign in time");
    }
}

/// A coordinator's own files and configuration, as an operator would have them.
struct Stage<'a> {
    demo: &'a Demo,
    state: &'a Path,
    config: Config,
    journal: Journal,
    run: String,
}

impl Stage<'_> {
    fn new<'a>(demo: &'a Demo, directory: &'a Path) -> Result<Stage<'a>, Failure> {
        let mut config = Config::default();
        config.ssh.transport = Some(TransportKind::Russh);
        config.ssh.key_file = Some(demo.ssh.key_file.clone());
        config.ssh.known_hosts = Some(demo.ssh.known_hosts.clone());
        config.chain.keys = demo.keys().to_vec();
        config.timeouts.retry_s = 3;
        for host in demo.hosts() {
            let mut own = HostConfig {
                address: host.destination.address.clone(),
                ..HostConfig::default()
            };
            own.ssh.port = host.destination.port;
            own.ssh.user = host.destination.user.clone();
            own.validator.unit = Some(host.unit.to_owned());
            config.hosts.insert(host.name, own);
        }
        let journal = Journal::open(&directory.join("state").join(FILE_NAME))?;
        let run = session::fresh_id()?;
        journal.begin(&RunRow {
            id: run.clone(),
            primary: "val-a".to_owned(),
            backup: "val-b".to_owned(),
            coordinator: session::coordinator(),
            plan: serde_json::to_value(&config).map_err(anyhow::Error::from)?,
        })?;
        Ok(Stage {
            demo,
            state: directory,
            config,
            journal,
            run,
        })
    }

    fn world(&self) -> Result<World, Failure> {
        let row = self.journal.run(&self.run)?;
        let plan = self.config.plan("val-a", "val-b")?;
        session::world(&self.state.join("state"), &self.journal, &row, plan)
    }

    /// The run, and the resume that a fault calls for.
    async fn play(&self, fault: Option<&Fault>) -> Result<(State, Report), Failure> {
        let mut state = self.drive(None).await?;
        let expected = fault.map_or(Expected::Completed, |fault| fault.expected);
        if expected.exit_code_of_resume().is_some() {
            err_line(&format!(
                "the run rests in {state}; the network is back, and the operator goes on:"
            ));
            err_line(&format!("$ failover resume {}", self.run));
            self.demo.world.heal_links();
            state = self.drive(Some(Event::Resumed)).await?;
        }
        let row = self.journal.run(&self.run)?;
        let report = Report::new(&row, &self.journal.entries(&self.run)?)?;
        Ok((state, report))
    }

    async fn drive(&self, resumed: Option<Event>) -> Result<State, Failure> {
        let mut world = self.world()?;
        let (shown, never) = (Shown::new(), AtomicBool::new(false));
        let driver = Driver {
            journal: &self.journal,
            progress: &shown,
            interrupted: &never,
            kill_after: None,
        };
        let driving = async {
            match resumed {
                Some(event) => driver.resume(&mut world, event).await,
                None => driver.drive(&mut world).await,
            }
        };
        let driven: Result<State, DriveError> = tokio::select! {
            driven = driving => driven,
            () = self.demo.world.killed() => {
                err_line("the coordinator was killed (-9)");
                Ok(self.journal.state(&self.run)?)
            }
        };
        shown.finish();
        world.hosts.close().await;
        Ok(driven.map_err(|error| anyhow::anyhow!("run {}: {error}", self.run))?)
    }
}

/// Shows the report and the referee's verdict. Exit 0 when the run ended as it had to, and nothing slashable was signed.
async fn conclude(
    global: &Global,
    demo: &Demo,
    fault: Option<&Fault>,
    state: State,
    report: &Report,
) -> Result<u8, Failure> {
    if let Some(signer) = &report.signer {
        let so_far = demo
            .verdict()
            .shares
            .iter()
            .find(|share| &share.host == signer)
            .map_or(0, |it| it.messages);
        signed_by(demo, signer, so_far + 2).await;
    }
    let verdict = demo.verdict();
    let code = state.outcome().map_or(super::code::INTERNAL, exit_code);
    let expected = fault.map_or(Expected::Completed, |fault| fault.expected);
    let wanted = expected
        .exit_code_of_resume()
        .or(expected.exit_code())
        .unwrap_or(0);
    let as_expected = code == wanted && verdict.offences.is_empty();
    if global.json {
        let shares: Vec<_> = verdict
            .shares
            .iter()
            .map(|share| json!({ "host": share.host, "messages": share.messages }))
            .collect();
        let gap = verdict.handovers.first();
        out_json(&json!({
            "schema": "failover.demo/1", "report": report, "exit_code": code, "as_expected": as_expected,
            "signed": shares, "slashable": verdict.offences.len(),
            "gap_slots": gap.map(|gap| gap.gap_slots), "gap_s": gap.map(|gap| gap.gap.as_secs_f64()),
        }))?;
    } else {
        out_line(&paint(&report_text(report), coloured(global, &std::io::stdout())));
        out_line(&format!("\nthe run's exit code: {code}\nreferee:\n{verdict}"));
    }
    if !as_expected {
        return Err(Failure {
            code: super::code::INTERNAL,
            message: format!("the demo expected exit code {wanted} and nothing slashable"),
        });
    }
    Ok(0)
}
