//! `failover resume`: go on with a run that was parked or killed. Must never resume a run that another process drives.

use std::path::Path;

use super::args::{Global, ResumeArgs};
use super::printing::{err_line, out_json, out_line};
use super::{Failure, confirm, run, session};
use crate::config::Config;
use crate::journal::{Journal, Run};
use crate::protocol::{Event, step};
use crate::report::{Report, report_text};

/// Finds the run and goes on with it.
pub async fn resume(global: &Global, args: ResumeArgs) -> Result<u8, Failure> {
    let (state, journal) = session::journal()?;
    let row = match &args.run {
        Some(id) => journal.run(id)?,
        None => only_live(&journal)?,
    };
    if row.ended.is_some() {
        let report = Report::new(&row, &journal.entries(&row.id)?)?;
        if global.json {
            out_json(&report)?;
        } else {
            out_line(&report_text(&report));
        }
        return Err(Failure::refused(format!(
            "run {} is over; there is nothing to resume",
            row.id
        )));
    }
    go_on(global, &state, &journal, &row, args.undo, args.yes).await
}

fn only_live(journal: &Journal) -> Result<Run, Failure> {
    let mut live = journal.live_runs()?;
    match live.len() {
        0 => Err(Failure::refused("no run is live; there is nothing to resume")),
        1 => live.pop().ok_or_else(|| Failure::refused("no run is live")),
        _ => {
            let ids: Vec<&str> = live.iter().map(|run| run.id.as_str()).collect();
            Err(Failure::usage(format!(
                "several runs are live, name one: {}",
                ids.join(", ")
            )))
        }
    }
}

/// Goes on with a live run, forwards or back.
pub async fn go_on(
    global: &Global,
    state: &Path,
    journal: &Journal,
    row: &Run,
    undo: bool,
    yes: bool,
) -> Result<u8, Failure> {
    let at = journal.state(&row.id)?;
    let event = if undo { Event::UndoAsked } else { Event::Resumed };
    // A run that was killed in the middle is taken up first; only a parked one can be turned round.
    if step(at, event).is_err() {
        return Err(Failure::refused(format!(
            "run {} is in {at}: {}",
            row.id,
            if undo {
                format!(
                    "it cannot be undone from there. Once the backup may have been started the way back is a hand-over: \
                     failover resume {} first, then failover --primary {} --backup {}",
                    row.id, row.backup, row.primary
                )
            } else {
                "there is nothing to go on with".to_owned()
            }
        )));
    }
    err_line(&format!(
        "run {}: {} -> {}, in {at}",
        row.id, row.primary, row.backup
    ));
    confirm::typed(
        if undo { "UNDO" } else { "RESUME" },
        "The run goes on from there.",
        yes,
    )?;
    let mut config: Config = serde_json::from_value(row.plan.clone())
        .map_err(|error| anyhow::anyhow!("the plan of run {} cannot be read: {error}", row.id))?;
    // The way to the hosts may have changed since; what the run demands of them may not.
    session::with_flags(&mut config, global, None);
    let plan = config.plan(&row.primary, &row.backup)?;
    let mut world = session::world(state, journal, row, plan)?;
    run::drive(global, journal, &mut world, Some(event)).await
}
