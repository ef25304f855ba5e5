//! From what was learnt to where it leads: the shipping `step`, and what is told there. Must never keep what a killed
//! process knew.

use failover::protocol::{Event, State};

use crate::evidence::over;
use crate::mutants::{Knobs, Weak};
use crate::properties::{told, two_runs};
use crate::world::{Life, Power, World};

/// The event goes into the journal, and the shipping `step` says where it leads.
pub fn append(knobs: &Knobs, world: &mut World, at: usize, event: Event) -> State {
    let from = world.coords[at].state;
    let Ok(to) = knobs.step(from, event) else {
        world.break_("the table has no row for what was learnt");
        return from;
    };
    let coord = &mut world.coords[at];
    (coord.state, coord.learnt) = (to, None);
    coord.displaced = matches!(event, Event::ClaimLost | Event::FoundOver)
        || (coord.displaced && matches!(to, State::Releasing(_) | State::Ended(_)));
    told(world, at);
    two_runs(world);
    if matches!(to, State::Parked(_) | State::Ended(_)) {
        world.coords[at].gone();
    }
    to
}

/// A new process takes the run over, and asks the hosts first whether it is over there. None: there is no row for it.
pub fn resumed(knobs: &Knobs, world: &World, at: usize, event: Event) -> Option<World> {
    let coord = world.coords[at];
    knobs.step(coord.state, event).ok()?;
    let mut next = *world;
    next.coords[at].life = Life::Working;
    next.coords[at].known = world.hosts.map(|host| host.power == Power::On);
    append(knobs, &mut next, at, event);
    let (is_over, gone) = over(&next, at);
    next.coords[at].claims_gone = gone;
    if let Some(event) = is_over.filter(|_| !knobs.weak(Weak::NoLookOnResume)) {
        append(knobs, &mut next, at, event);
    }
    Some(next)
}
