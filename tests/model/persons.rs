//! What time and people do past every check, and what of it no software can prevent. Must never excuse more than it says.

use failover::protocol::{Event, State};

use crate::properties::acts;
use crate::world::{Batch, Power, Unit, World};

/// Time passes: every proof runs out, and with it what the network still holds; only a host that is frozen keeps it.
pub fn expire(world: &mut World, deadline: bool) {
    for coord in &mut world.coords {
        (coord.fence, coord.backup_fence) = (None, None);
    }
    let hosts = world.hosts;
    world.late = world
        .late
        .filter(|late| !deadline || hosts[usize::from(late.host)].power == Power::Frozen);
}

/// Somebody types the validator's command line. No gate stands before that. Where nothing can prevent what follows, it is
/// excused:
///
/// * the other host is able to sign, or about to be, at its next boot at the latest;
/// * the other host is being started behind a look at this one that has been made;
/// * the database behind it lacks what the other host signed;
/// * a run hands over to this host and does not know what its database has to look like, since the answer of an import was
///   lost, or since nothing was collected yet.
pub fn by_hand(world: &mut World, at: usize) {
    world.excused |= cannot_be_prevented(world, at);
    world.hosts[at].stray = true;
}

/// Somebody removes a lock file. The same excuses, and the unit may then start, too.
pub fn lift(world: &mut World, at: usize) {
    if cannot_be_prevented(world, at) {
        (world.excused, world.lifted) = (true, true);
    }
    (world.hosts[at].lock, world.hosts[at].opened) = (0, true);
}

/// Somebody starts the unit. The same excuses, where somebody took the lock away that would have prevented it.
pub fn start(world: &mut World, at: usize) {
    world.excused |= world.hosts[at].opened && cannot_be_prevented(world, at);
    world.begin_unit(at);
}

fn cannot_be_prevented(world: &World, at: usize) -> bool {
    let (host, other) = (world.hosts[at], world.hosts[1 - at]);
    let coming = matches!(other.unit, Unit::Starting | Unit::Restarting) || other.starts_at_boot();
    let old = host.db.iter().any(|floor| *floor < other.signed);
    let runs = world.coords.iter().any(|coord| {
        let starts = coord.state == State::StartingBackup || coord.learnt == Some(Event::StartAllowed);
        let restores = coord.state == State::RestoringPrimary || coord.learnt == Some(Event::BackupBarred);
        let unknown = acts(coord.state) && coord.backup_print.is_none();
        (starts && coord.primary() == at) || ((restores || unknown) && coord.backup() == at)
    });
    let on_its_way = world.late.is_some_and(|late| {
        let starts = matches!(late.batch, Batch::StartBackup | Batch::Restore { .. });
        starts && usize::from(late.host) != at
    });
    other.able() || coming || old || runs || on_its_way
}
