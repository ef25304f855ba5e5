//! What to do next, per outcome: commands that can be copied, and notes for what is not a command.
//! Must never propose a command that could make a second signer.

use super::Report;
use crate::protocol::{Outcome, Parking, State};

/// Commands and notes for a run in this state.
pub(super) fn next(report: &Report, state: State) -> (Vec<String>, Vec<String>) {
    let mut notes = Vec::new();
    for host in &report.claims_left_on {
        notes.push(format!(
            "{host} still carries this run's claim; the next run from here takes it away"
        ));
    }
    if let Some(collected) = &report.collected {
        let hosts = [
            (&report.primary, &collected.primary),
            (&report.backup, &collected.backup),
        ];
        for (host, way) in hosts {
            notes.extend(
                way.notes
                    .iter()
                    .map(|note| format!("the database of {host}: {note}")),
            );
        }
    }
    if let Some(check) = &report.cross_check
        && check.outcome == "differs"
    {
        notes.push(format!(
            "the database of {} and its client's export say different things; the backup was given the higher floors; \
             both are in runs/{}: look which of them is wrong",
            report.primary, report.run
        ));
    }
    let commands = if let State::Ended(outcome) = state {
        ended(report, outcome, &mut notes)
    } else if let State::Parked(at) = state {
        parked(report, at, &mut notes)
    } else {
        notes.push("the run is live: either a coordinator drives it now, or it was killed".to_owned());
        vec![format!("failover resume {}", report.run)]
    };
    (commands, notes)
}

fn ended(report: &Report, outcome: Outcome, notes: &mut Vec<String>) -> Vec<String> {
    let (a, b, run) = (&report.primary, &report.backup, &report.run);
    let again = format!("failover --primary {a} --backup {b}");
    match outcome {
        Outcome::Completed => {
            notes.push(format!(
                "{a} stays barred, also after a reboot; it is the standby now"
            ));
            vec![format!("failover audit --primary {b} --backup {a}")]
        }
        Outcome::Unconfirmed => {
            notes.push(format!(
                "{b} was started; look whether it attests, and whether {a} is still barred"
            ));
            vec![format!("failover status --primary {b} --backup {a}")]
        }
        Outcome::Restored => {
            notes.push(format!(
                "{a} signs as before; find out why the run was undone before trying again"
            ));
            vec![format!("failover report {run}"), format!("{again} --dry-run")]
        }
        Outcome::Refused if report.found_over => {
            notes.push(format!(
                "nothing was changed now: the journal knows less of this run than the hosts do. Look which host signs; \
                 {b} may, and so may {a}"
            ));
            vec![
                format!("failover status --primary {a} --backup {b}"),
                format!("{again} --dry-run"),
                format!("failover --primary {b} --backup {a} --dry-run"),
            ]
        }
        Outcome::Refused => {
            notes.extend(
                report
                    .guards
                    .iter()
                    .filter(|guard| guard.blocks())
                    .map(|guard| format!("{}: {}", guard.id, guard.remedy)),
            );
            vec![format!("{again} --dry-run")]
        }
        Outcome::Parked => ended_parked(report, notes),
    }
}

/// What is to be done after a run that is over with nobody signing by its doing.
fn ended_parked(report: &Report, notes: &mut Vec<String>) -> Vec<String> {
    let (a, b) = (&report.primary, &report.backup);
    let again = format!("failover --primary {a} --backup {b}");
    if report.claim_lost {
        notes.push(
            "another run, or a person, took this run's claim away: it touched nothing further, and is over. \
             Who signs is not known: look first"
                .to_owned(),
        );
        return vec![
            format!("failover status --primary {a} --backup {b}"),
            format!("{again}    # then, if {b} is still to sign: a new run"),
        ];
    }
    if report.primary_seen_alive {
        notes.push(format!(
            "{a} was NOT seen stopped and barred after {b} had been started; {b} is stopped and barred. Look at {a} now"
        ));
        return vec![
            format!("failover status --primary {a} --backup {b}"),
            format!("failover halt {a}    # stop it too"),
        ];
    }
    notes.push("nobody signs: both hosts are barred, and stay so until a run hands over again".to_owned());
    let back = format!("failover --primary {b} --backup {a}");
    // Once a start was asked for, both hosts hold it that the backup is the signer, and the roles guard goes by that.
    if report.states.iter().any(|stay| stay.name == "StartingBackup") {
        notes.push(format!(
            "to sign on {b} after all, hand over to it again from {a}"
        ));
        return vec![format!("{back}    # back to {a}")];
    }
    vec![
        format!("{again}    # go on to {b}"),
        format!("{back}    # back to {a}"),
    ]
}

fn parked(report: &Report, at: Parking, notes: &mut Vec<String>) -> Vec<String> {
    let (a, b, run) = (&report.primary, &report.backup, &report.run);
    match at {
        Parking::Fencing => {
            notes.push(format!("{b} was not started; {a} may or may not sign"));
            vec![
                format!("failover resume {run}    # go on: fence {a} again"),
                format!("failover resume {run} --undo    # go back: give {a} its right to sign back"),
            ]
        }
        Parking::Restoring => {
            notes.push(format!(
                "{b} was not started; {a} could not be seen signing again"
            ));
            vec![format!("failover resume {run}    # go on undoing")]
        }
        Parking::Starting => {
            notes.push(format!(
                "{a} is fenced; a start of {b} was tried and {b} cannot be seen"
            ));
            vec![format!("failover resume {run}    # look at {b} again")]
        }
        Parking::Halting => {
            notes.push(format!(
                "{b} HAS TO BE STOPPED and could not be seen stopped; {a} may live"
            ));
            vec![
                format!("failover resume {run}    # stop and bar {b} again"),
                format!("failover halt {a} {b}"),
            ]
        }
    }
}
