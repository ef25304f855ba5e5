//! `failover --primary A --backup B`: plan, ask, drive, report. The same command again goes on with a run that was
//! killed. Must never begin a second run on a pair that has a live one.

use serde_json::json;

use super::args::{Global, PairArgs, RunArgs};
use super::printing::{coloured, err_line, out_json, out_line, paint};
use super::progress::Shown;
use super::{Failure, confirm, exit_code, resume, session, signals};
use crate::beacon::shown;
use crate::config::{Config, Plan};
use crate::driver::{DriveError, Driver};
use crate::guards::{Evidence, Finding, Role, Stage, blocking};
use crate::journal::{Journal, RunDir, RunLock, RunRow};
use crate::observe::Hosts;
use crate::perform::{World, already_done, audit};
use crate::protocol::{Event, Outcome, State};
use crate::report::{Report, findings_text, report_text};

/// The run, or with `--dry-run` only the plan.
pub async fn run(global: &Global, pair: PairArgs, args: RunArgs) -> Result<u8, Failure> {
    let (primary, backup) = session::pair(&pair)?;
    let config = session::config(global, Some(&args))?;
    let plan = config.plan(primary, backup)?;
    if args.dry_run {
        return dry_run(global, &plan).await;
    }
    let (state, journal) = session::journal()?;
    if let Some(live) = journal.live_run(primary, backup)? {
        if live.primary != primary {
            return Err(Failure::refused(format!(
                "run {} ({} -> {}) is not over; nothing was changed. First: failover resume {}",
                live.id, live.primary, live.backup, live.id
            )));
        }
        err_line(&format!(
            "run {} of this pair is not over: going on with it",
            live.id
        ));
        return resume::go_on(global, &state, &journal, &live, false, args.yes).await;
    }
    if !args.yes {
        confirm::possible()?;
        let mut hosts = session::hosts(&plan)?;
        let (seen, findings) = audit(&mut hosts, &plan, Stage::Preflight, session::ended_runs_if_any()).await;
        err_line(&paint(
            &plan_text(&plan, &hosts, &seen, &findings),
            coloured(global, &std::io::stderr()),
        ));
        hosts.close().await;
        let done = already_done(&seen, &format!("{primary}->{backup}")).is_some();
        if !done && !blocking(&findings).is_empty() {
            err_line("REFUSED: nothing was changed.");
            return Ok(exit_code(Outcome::Refused));
        }
        let question = format!("This stops {primary} and makes {backup} sign.");
        confirm::typed("FAILOVER", &question, false)?;
    }
    let id = session::fresh_id()?;
    begin(&journal, &id, &plan.config, primary, backup)?;
    let row = journal.run(&id)?;
    let mut world = session::world(&state, &journal, &row, plan)?;
    drive(global, &journal, &mut world, None).await
}

fn begin(journal: &Journal, id: &str, config: &Config, primary: &str, backup: &str) -> Result<(), Failure> {
    let plan = serde_json::to_value(config).map_err(anyhow::Error::from)?;
    Ok(journal.begin(&RunRow {
        id: id.to_owned(),
        primary: primary.to_owned(),
        backup: backup.to_owned(),
        coordinator: session::coordinator(),
        plan,
    })?)
}

/// Drives a run to its next rest, shows it, and reports. `resumed` is the event that takes it up again.
pub async fn drive(
    global: &Global,
    journal: &Journal,
    world: &mut World,
    resumed: Option<Event>,
) -> Result<u8, Failure> {
    let _lock = RunLock::take(&world.dir)?;
    let interrupted = signals::listen(&world.run.id)?;
    let shown = Shown::new();
    let driver = Driver {
        journal,
        progress: &shown,
        interrupted: &interrupted,
        kill_after: None,
    };
    let driven = match resumed {
        Some(event) => driver.resume(world, event).await,
        None => driver.drive(world).await,
    };
    shown.finish();
    world.hosts.close().await;
    let state = driven.map_err(|error| drive_failure(&error, &world.run.id))?;
    finish(global, journal, &world.dir, state)
}

fn drive_failure(error: &DriveError, run: &str) -> Failure {
    let code = match error {
        // Safe where it stands, and a person has to look: the journal holds everything up to here.
        DriveError::Unexpected(_) => super::code::PARKED,
        DriveError::Journal(_) | DriveError::Killed(_) => super::code::INTERNAL,
    };
    Failure {
        code,
        message: format!("run {run}: {error}; next: failover resume {run}"),
    }
}

/// Shows the report, keeps it in the run's directory, and says the exit code.
pub fn finish(global: &Global, journal: &Journal, dir: &RunDir, state: State) -> Result<u8, Failure> {
    let run = dir.run();
    let row = journal.run(run)?;
    let report = Report::new(&row, &journal.entries(run)?)?;
    let text = serde_json::to_vec_pretty(&report).map_err(anyhow::Error::from)?;
    if let Err(error) = dir.write("report.json", &text) {
        err_line(&format!("the report could not be kept: {error}"));
    }
    if global.json {
        out_json(&report)?;
    } else {
        out_line(&paint(
            &report_text(&report),
            coloured(global, &std::io::stdout()),
        ));
    }
    Ok(state.outcome().map_or(super::code::INTERNAL, exit_code))
}

/// Looks at everything and changes nothing.
async fn dry_run(global: &Global, plan: &Plan) -> Result<u8, Failure> {
    let mut hosts = session::hosts(plan)?;
    let (seen, findings) = audit(&mut hosts, plan, Stage::Preflight, session::ended_runs_if_any()).await;
    let done = already_done(&seen, &format!("{}->{}", plan.primary.name, plan.backup.name));
    let refused = done.is_none() && !blocking(&findings).is_empty();
    let outcome = match (done, refused) {
        (Some(_), _) => "completed",
        (None, true) => "refused",
        (None, false) => "ready",
    };
    if global.json {
        out_json(&json!({
            "schema": "failover.plan/1",
            "dry_run": true,
            "changed": false,
            "ready": outcome == "ready",
            "outcome": outcome,
            "primary": plan.primary.name,
            "backup": plan.backup.name,
            "guards": findings,
            "waived": plan.config.waived(),
            "round_trips": hosts.round_trips(),
        }))?;
    } else {
        let text = plan_text(plan, &hosts, &seen, &findings);
        out_line(&paint(&text, coloured(global, &std::io::stdout())));
        out_line(match outcome {
            "completed" => "COMPLETED before: there is nothing to do; nothing was changed.",
            "refused" => "REFUSED: nothing was changed.",
            _ => "ready: every guard passed; nothing was changed.",
        });
    }
    hosts.close().await;
    Ok(if refused { exit_code(Outcome::Refused) } else { 0 })
}

/// The plan in words: who, what was found on each host, what is waived, every verdict.
pub fn plan_text(plan: &Plan, hosts: &Hosts, seen: &Evidence, findings: &[Finding]) -> String {
    let mut lines = vec![format!(
        "plan: {} stops signing, {} signs",
        plan.primary.name, plan.backup.name
    )];
    for (host, evidence) in [(Role::Primary, &seen.primary), (Role::Backup, &seen.backup)] {
        let host = hosts.host(host);
        match host.installed() {
            Ok(install) => lines.push(format!(
                "  {}: {} by {} (user {}), database {}, beacon node {}, lock file {}, machine {}",
                host.name(),
                install.client,
                install.unit,
                if install.user.is_empty() {
                    "root"
                } else {
                    &install.user
                },
                install.database,
                install
                    .beacon_urls
                    .first()
                    .map_or("none".to_owned(), |url| shown(url)),
                install.lock_file,
                evidence
                    .identity
                    .known()
                    .map_or("unknown", |identity| &identity.machine_id),
            )),
            Err(why) => lines.push(format!("  {why}")),
        }
    }
    lines.push(format!(
        "  checks: {} readings, {} s apart; a proof is good for {} s",
        plan.checks.count, plan.checks.interval_s, plan.checks.valid_s
    ));
    lines.extend(
        plan.config
            .waived()
            .into_iter()
            .map(|waived| format!("  waived: {waived}")),
    );
    lines.push(findings_text(findings));
    lines.join("\n")
}
