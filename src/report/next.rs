//! What to do next, per outcome: commands that can be copied, and notes for what is not a command.
//! Must never propose a command that could make a second signer.

use super::Report;
use crate::protocol::{Outcome, Parking, State};

/// Commands and notes for a run in this state.
pub(super) fn next(report: &Report, state: State) -> (Vec<String>, Vec<String>) {
    let (a, b, run) = (&report.primary, &report.backup, &report.run);
    let again = format!("failover --primary {a} --backup {b}");
    let mut notes = Vec::new();
    for host in &report.claims_left_on {
        notes.push(format!(
            "{host} still carries this run's claim; the next run from here takes it away"
        ));
    }
    let commands = match state {
        State::Ended(Outcome::Completed) => {
            notes.push(format!(
                "{a} stays barred, also after a reboot; it is the standby now"
            ));
            vec![format!("failover audit --primary {b} --backup {a}")]
        }
        State::Ended(Outcome::Unconfirmed) => {
            notes.push(format!(
                "{b} was started; look whether it attests, and whether {a} is still barred"
            ));
            vec![format!("failover status --primary {b} --backup {a}")]
        }
        State::Ended(Outcome::Restored) => {
            notes.push(format!(
                "{a} signs as before; find out why the run was undone before trying again"
            ));
            vec![format!("failover report {run}"), format!("{again} --dry-run")]
        }
        State::Ended(Outcome::Refused) => {
            notes.extend(
                report
                    .guards
                    .iter()
                    .filter(|guard| guard.blocks())
                    .map(|guard| format!("{}: {}", guard.id, guard.remedy)),
            );
            vec![format!("{again} --dry-run")]
        }
        State::Ended(Outcome::Parked) if report.primary_seen_alive => {
            notes.push(format!(
                "{a} was NOT seen stopped and barred after {b} had been started; {b} is stopped and barred. Look at {a} now"
            ));
            vec![
                format!("failover status --primary {a} --backup {b}"),
                format!("failover halt {a}    # stop it too"),
            ]
        }
        State::Ended(Outcome::Parked) => {
            notes.push(
                "nobody signs: both hosts are barred, and stay so until a run hands over again".to_owned(),
            );
            vec![
                format!("{again}    # go on to {b}"),
                format!("failover --primary {b} --backup {a}    # back to {a}"),
            ]
        }
        State::Parked(Parking::Fencing) => {
            notes.push(format!("{b} was not started; {a} may or may not sign"));
            vec![
                format!("failover resume {run}    # go on: fence {a} again"),
                format!("failover resume {run} --undo    # go back: give {a} its right to sign back"),
            ]
        }
        State::Parked(Parking::Restoring) => {
            notes.push(format!(
                "{b} was not started; {a} could not be seen signing again"
            ));
            vec![format!("failover resume {run}    # go on undoing")]
        }
        State::Parked(Parking::Starting) => {
            notes.push(format!(
                "{a} is fenced; a start of {b} was tried and {b} cannot be seen"
            ));
            vec![format!("failover resume {run}    # look at {b} again")]
        }
        State::Parked(Parking::Halting) => {
            notes.push(format!(
                "{b} HAS TO BE STOPPED and could not be seen stopped; {a} may live"
            ));
            vec![
                format!("failover resume {run}    # stop and bar {b} again"),
                format!("failover halt {a} {b}"),
            ]
        }
        State::Preflight
        | State::CheckingAgain
        | State::Claiming
        | State::BarringPrimary
        | State::StoppingPrimary
        | State::ProvingStopped
        | State::StoppingAgain
        | State::ProvingAgain
        | State::Collecting
        | State::Merging
        | State::Importing
        | State::ReadingBack
        | State::JudgingStart
        | State::StartingBackup
        | State::LookingAtBackup
        | State::JudgingRestart
        | State::Watching
        | State::HaltingBackup
        | State::RebarringBackup
        | State::RestoringPrimary
        | State::Releasing(_) => {
            notes.push("the run is live: either a coordinator drives it now, or it was killed".to_owned());
            vec![format!("failover resume {run}")]
        }
    };
    (commands, notes)
}
