//! `failover runs` and `failover report`: what the journal knows. Touches no host.

use serde_json::json;

use super::args::{Global, ReportArgs, RunsArgs};
use super::printing::{coloured, out_json, out_line, paint};
use super::{Failure, session};
use crate::report::{Report, report_text};

/// Lists runs, newest first.
pub fn runs(global: &Global, args: &RunsArgs) -> Result<u8, Failure> {
    let (_, journal) = session::journal()?;
    let mut rows = Vec::new();
    for run in journal.runs(args.limit)? {
        let state = match run.ended {
            Some(outcome) => outcome.word().to_owned(),
            None => journal
                .state(&run.id)
                .map_or_else(|error| error.to_string(), |state| state.to_string()),
        };
        rows.push((run, state));
    }
    if global.json {
        let list: Vec<_> = rows
            .iter()
            .map(|(run, state)| {
                json!({ "run": run.id, "primary": run.primary, "backup": run.backup, "state": state,
                        "live": run.ended.is_none(), "started": run.started_at.to_string(),
                        "coordinator": run.coordinator })
            })
            .collect();
        out_json(&json!({ "schema": "failover.runs/1", "runs": list }))?;
    } else if rows.is_empty() {
        out_line("no runs yet");
    } else {
        for (run, state) in rows {
            out_line(&format!(
                "{}  {:<12} {} -> {}",
                run.id, state, run.primary, run.backup
            ));
        }
    }
    Ok(0)
}

/// Shows one run's report.
pub fn report(global: &Global, args: &ReportArgs) -> Result<u8, Failure> {
    let (_, journal) = session::journal()?;
    let run = match &args.run {
        Some(id) => journal.run(id)?,
        None => journal
            .runs(1)?
            .pop()
            .ok_or_else(|| Failure::refused("no runs yet"))?,
    };
    let report = Report::new(&run, &journal.entries(&run.id)?)?;
    if global.json {
        out_json(&report)?;
        return Ok(0);
    }
    out_line(&paint(
        &report_text(&report),
        coloured(global, &std::io::stdout()),
    ));
    out_line("  states:");
    for stay in &report.states {
        out_line(&format!(
            "    {:8.3} s  {:<17} {}: {}",
            stay.seconds, stay.name, stay.event, stay.why
        ));
    }
    Ok(0)
}
