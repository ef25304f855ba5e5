//! `failover status`: which runs are live and how to go on, and with two hosts who signs now. Read-only.

use serde_json::{Value, json};

use super::args::{Global, StatusArgs};
use super::printing::{out_json, out_line};
use super::{Failure, code, session};
use crate::guards::{HostEvidence, Life, Stage, Verdict, life, stands_barred};
use crate::report::Report;

/// Live runs, the newest ended one, and the hosts if they were named.
pub async fn status(global: &Global, args: StatusArgs) -> Result<u8, Failure> {
    let (_, journal) = session::journal()?;
    let live = journal.live_runs()?;
    let mut reports = Vec::new();
    for run in &live {
        reports.push(Report::new(run, &journal.entries(&run.id)?)?);
    }
    let last = journal.runs(50)?.into_iter().find(|run| run.ended.is_some());
    let hosts = match (&args.primary, &args.backup) {
        (Some(primary), Some(backup)) => Some(look(global, primary, backup).await?),
        (None, _) | (_, None) => None,
    };
    let signers = hosts
        .as_ref()
        .map(|hosts| hosts.iter().filter(|host| host["signs"] == json!(true)).count());
    if global.json {
        out_json(&json!({
            "schema": "failover.status/1",
            "live": reports,
            "last": last.as_ref().map(|run| json!({ "run": run.id, "outcome": run.ended.map(|outcome| outcome.word()),
                                           "primary": run.primary, "backup": run.backup })),
            "hosts": hosts,
        }))?;
    } else {
        for report in &reports {
            out_line(&format!(
                "LIVE {}: {} -> {}, {}",
                report.run, report.primary, report.backup, report.state
            ));
            report
                .next
                .iter()
                .for_each(|command| out_line(&format!("    {command}")));
        }
        if reports.is_empty() {
            out_line("no run is live");
        }
        if let Some(run) = last {
            let word = run.ended.map_or("", |outcome| outcome.word());
            out_line(&format!(
                "last: {} {} ({} -> {})",
                run.id, word, run.primary, run.backup
            ));
        }
        for host in hosts.iter().flatten() {
            let text = |name: &str| host[name].as_str().unwrap_or("").to_owned();
            out_line(&format!(
                "{}: {}; {}",
                text("host"),
                text("validator"),
                text("bar")
            ));
        }
    }
    if signers.is_some_and(|signers| signers > 1) {
        return Err(Failure {
            code: code::PARKED,
            message: "MORE THAN ONE HOST RUNS THE VALIDATOR: failover halt stops and bars them".to_owned(),
        });
    }
    if hosts.iter().flatten().any(|host| host["signs"].is_null()) {
        return Err(Failure::refused(
            "a host could not be read: whether it signs is not known",
        ));
    }
    Ok(if live.is_empty() { 0 } else { code::PARKED })
}

async fn look(global: &Global, primary: &str, backup: &str) -> Result<Vec<Value>, Failure> {
    let plan = session::config(global, None)?.plan(primary, backup)?;
    let mut hosts = session::hosts(&plan)?;
    let (seen, _) =
        crate::perform::audit(&mut hosts, &plan, Stage::Audit, session::ended_runs_if_any()).await;
    hosts.close().await;
    Ok([&seen.primary, &seen.backup].map(shown).to_vec())
}

fn shown(host: &HostEvidence) -> Value {
    let (signs, validator) = match life(host) {
        Life::Alive(why) => (json!(true), format!("RUNS ({why})")),
        Life::Stopped(why) => (json!(false), format!("stopped ({why})")),
        Life::Unknown(why) => (Value::Null, format!("UNKNOWN ({why})")),
    };
    let (barred, bar) = match stands_barred(host) {
        Verdict::Pass(_) => (json!(true), "barred".to_owned()),
        Verdict::Refuse(why) => (json!(false), format!("not barred ({why})")),
        Verdict::Unknown(why) => (Value::Null, format!("bar unknown ({why})")),
    };
    json!({ "host": host.name, "signs": signs, "validator": validator, "barred": barred, "bar": bar })
}
