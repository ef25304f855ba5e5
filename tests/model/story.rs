//! A way through the worlds, in words. Must never leave a move out.

use crate::adversary::Move;
use crate::coordinator::Fate;
use crate::world::{Host, Life, World};

fn name(host: u8) -> char {
    if host == 0 { 'A' } else { 'B' }
}

/// One move, told in the world in which it happens.
pub fn said(world: &World, by: &Move) -> String {
    let run = |at: &u8| format!("run {} ({})", at + 1, world.coords[usize::from(*at)].state);
    match by {
        Move::Work(at, fate) => {
            let what = match fate {
                Fate::Delivered => "asks and is answered",
                Fate::RequestLost => "asks; the request is lost",
                Fate::ReplyLost => "asks; it is carried out, the reply is lost",
                Fate::Late => "asks and gives up; the request is still on its way",
                Fate::Twice => "asks and is answered; a copy is still on its way",
            };
            format!("{} {what} [step {}]", run(at), world.coords[usize::from(*at)].at)
        }
        Move::Journal(at, event, to) => format!("{}: {event} is journalled, and leads to {to}", run(at)),
        Move::Resume(at, event) => format!("a person goes on with {}: {event}", run(at)),
        Move::TimeRunsOut(at) => format!("{} has watched long enough", run(at)),
        Move::SlotPasses => "a slot passes; whoever can, signs".to_owned(),
        Move::ProofsExpire => "time passes: proofs run out, and deadlines".to_owned(),
        Move::LateArrives => format!("the late request arrives and is carried out: {:?}", world.late),
        Move::ProcessAppears(at) => format!("{}: the validator's process is there", name(*at)),
        Move::ServiceRestarts(at) => format!("{}: the service manager restarts the validator", name(*at)),
        Move::Thaws(at) => format!("{} thaws", name(*at)),
        Move::Boots(at) => format!("{} gets its power back and boots", name(*at)),
        Move::StrayEnds(at) => format!("{}: the validator that was run by hand ends", name(*at)),
        Move::Killed(at) => format!("the coordinator of {} is killed", run(at)),
        Move::Signal(at) => format!("the coordinator of {} is asked to stop", run(at)),
        Move::SecondRun { reversed } => {
            format!(
                "somebody begins a second run, {}",
                if *reversed { "B to A" } else { "A to B" }
            )
        }
        Move::Reboot(at) => format!("{} reboots", name(*at)),
        Move::PowerCut(at) => format!("{} loses its power", name(*at)),
        Move::Freeze(at) => format!("{} freezes", name(*at)),
        Move::ValidatorDies(at) => format!("{}: the validator dies", name(*at)),
        Move::PersonStarts(at) => format!("{}: somebody says systemctl start", name(*at)),
        Move::PersonStops(at) => format!("{}: somebody says systemctl stop", name(*at)),
        Move::ClaimRemoved(at) => format!("{}: somebody removes the claim", name(*at)),
        Move::LockRemoved(at) => format!("{}: somebody removes the lock", name(*at)),
        Move::ByHand(at) => format!("{}: somebody runs the validator by hand", name(*at)),
        Move::Flawed(flaw) => format!("from now on: {flaw:?}"),
    }
}

/// The world at the end of a story.
pub fn picture(world: &World) -> String {
    let host = |at: u8, host: &Host| format!("      {}: {host:?}\n", name(at));
    let mut picture = host(0, &world.hosts[0]) + &host(1, &world.hosts[1]);
    for (at, coord) in world.coords.iter().enumerate() {
        if coord.life != Life::Absent {
            picture.push_str(&format!("      run {}: {coord:?}\n", at + 1));
        }
    }
    picture
}
