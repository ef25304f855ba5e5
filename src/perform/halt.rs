//! The emergency: stop and bar one host, outside any run, and prove it. Takes no claim, because it must work while
//! another run holds one. Must never unbar or start anything.

use super::fence::{Proof, install, prove};
use super::{Happened, World};
use crate::guards::Role;
use crate::observe::{Patience, discover_one};
use crate::transport::{Call, Op};

/// What came of halting a host.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Halted {
    /// The host.
    pub host: String,
    /// Whether it was read stopped and barred, so many times in a row.
    pub proven: bool,
    /// In words.
    pub why: String,
}

/// Bars and stops the world's backup, and proves it. Which of the two hosts it is makes no difference here.
pub async fn halt(world: &mut World) -> Halted {
    let host = world.plan.backup.name.clone();
    world.hosts.connect().await;
    discover_one(&mut world.hosts, Role::Backup, Patience::Retry).await;
    match halted(world).await {
        Ok(why) => Halted {
            host,
            proven: true,
            why,
        },
        Err(happened) => Halted {
            host,
            proven: false,
            why: happened.why,
        },
    }
}

async fn halted(world: &World) -> Result<String, Happened> {
    let install = install(&world.hosts.backup)?;
    let limit_s = world.plan.timeouts.stop_s;
    let text = format!(
        "This host's validator was halted by hand: failover halt, by {}.\n\
         Do not remove this file by hand; a hand-over to this host does, after its checks.\n\
         run {}\ngeneration 0\n",
        world.run.coordinator, world.run.id
    );
    let stop = Call::new(Op::Stop, [install.unit.clone(), limit_s.to_string()]);
    let batch = vec![
        stop.clone(),
        Call::new(Op::Bar, [&install.unit, &install.lock_file, &text]),
        stop,
    ];
    world
        .hosts
        .ask(Role::Backup, &batch, 2 * limit_s + 40, Patience::Retry)
        .await?;
    match prove(world, Role::Backup, None).await {
        Proof::Positive(proof) => Ok(format!(
            "stopped and barred, {} readings in a row",
            proof.readings
        )),
        Proof::Not(happened) => Err(happened),
    }
}
