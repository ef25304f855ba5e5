//! What must hold when an outcome is told, and between two runs. The properties of the hosts themselves (two signers,
//! history, floors) are in `physics`. Must never excuse a coordinator: only a host that somebody else changed since it was
//! looked at.

use failover::protocol::{Outcome, Parking, State};

use crate::world::{Host, Unit, World};

pub const UNTRUE: &str = "P5 what was told is not so";
pub const TWO_RUNS: &str = "P8 two runs act on one pair";
pub const LEFT_CLAIM: &str = "a quiet world leaves a claim behind";
pub const TRAP: &str = "no way out: a quiet world does not lead to an outcome";

/// Every property, in words.
pub const PROPERTIES: [(&str, &str); 8] = [
    ("P1", "never two hosts able to sign; a frozen one counts"),
    (
        "P2",
        "whoever becomes able to sign holds floors at least as high as everything the other signed, for every key",
    ),
    ("P4", "no import and no put-back lowers a floor"),
    (
        "P5",
        "an outcome is true when it is told, but for what somebody changed since it was looked at",
    ),
    (
        "P7",
        "no judgement passes over a fault of the surroundings that a guard is for",
    ),
    (
        "P8",
        "two runs never act on one pair, a run that is over starts nothing, a generation never falls",
    ),
    ("table", "whatever is learnt has a row where it is learnt"),
    (
        "way out",
        "from every state a quiet world leads to an outcome that is true, and leaves no claim behind",
    ),
];

/// Whether what is told now is so. What somebody changed since it was looked at is not held against the run.
pub fn told(world: &mut World, at: usize) {
    let coord = world.coords[at];
    let (primary, backup) = (world.hosts[coord.primary()], world.hosts[coord.backup()]);
    let runs = |host: Host| host.unit == Unit::Running;
    let fenced = |host: Host| host.barred() && !host.able();
    let same = coord.quiet;
    // Behind the last look at the backup somebody may run it by hand, or take its lock away.
    let by_hand = world.excused && backup.stray && backup.barred();
    let stands = fenced(backup) || by_hand || (world.lifted && backup.lock == 0);
    let so = match coord.state {
        State::Ended(Outcome::Completed) => !same || (runs(backup) && fenced(primary)),
        State::Ended(Outcome::Unconfirmed) => !same || runs(backup),
        State::Ended(Outcome::Restored) => !coord.started && (!same || (runs(primary) && stands)),
        // A run that is found over says only that nothing was changed now.
        State::Ended(Outcome::Refused) => !coord.acted || coord.displaced,
        State::Ended(Outcome::Parked) => !same || stands || coord.displaced,
        // Nothing that these two park could have been started by the run.
        State::Parked(Parking::Fencing | Parking::Restoring) => !coord.started,
        _ => true,
    };
    if !so {
        world.break_(UNTRUE);
    }
}

/// Whether a run has claimed its hosts and is not over.
pub fn acts(state: State) -> bool {
    !matches!(
        state,
        State::Preflight | State::CheckingAgain | State::Claiming | State::Releasing(_) | State::Ended(_)
    )
}

/// Two runs that have both claimed and are not over, although nobody took a claim away.
pub fn two_runs(world: &mut World) {
    if world.coords.iter().all(|coord| acts(coord.state)) && !world.claim_removed {
        world.break_(TWO_RUNS);
    }
}
