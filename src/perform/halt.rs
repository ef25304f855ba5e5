//! The emergency: stop and bar one host, outside any run, and prove it. Takes no claim, because it must work while
//! another run holds one; it takes that one away, so that its run can start nothing afterwards, wherever it is driven from.
//! Must never unbar or start anything.

use super::fence::{Proof, install, prove};
use super::{Happened, World};
use crate::guards::{Claim, Role};
use crate::observe::{Patience, discover_one};
use crate::protocol::Event;
use crate::services::host::read_papers;
use crate::transport::{Batch, Call, Op};

/// How often a claim is taken away: as soon as one is gone, a waiting coordinator may have written the next.
const CLAIMS: usize = 3;

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
    let bar = Call::new(Op::Bar, [&install.unit, &install.lock_file, &text]);
    let at_once = vec![stop.clone(), bar.clone(), stop.clone()];
    let mut left = asked(world, at_once.clone(), limit_s).await?;
    let mut taken = String::new();
    for _ in 0..CLAIMS {
        let Ok(Some(held)) = left else { break };
        // Every change of a run travels behind its claim, so from here on the host refuses it. What that run had under way
        // is stopped behind it.
        let mut batch = vec![
            Call::new(Op::Release, [&held.run]),
            Call::new(Op::ClearWork, [&held.run]),
        ];
        batch.extend(at_once.clone());
        left = asked(world, batch, limit_s).await?;
        taken = format!(
            "; the claim of run {} of {} was taken away",
            held.run, held.coordinator
        );
    }
    let proof = match prove(world, Role::Backup, None).await {
        Proof::Positive(proof) => proof,
        Proof::Not(happened) => return Err(happened),
    };
    let proven = format!("stopped and barred, {} readings in a row", proof.readings);
    match left {
        Ok(None) => Ok(proven + &taken),
        Ok(Some(held)) => Err(Happened::new(
            Event::LineLost,
            format!(
                "{proven}; but run {} of {} still holds it and may start it",
                held.run, held.coordinator
            ),
        )),
        Err(why) => Err(Happened::new(
            Event::LineLost,
            format!("{proven}; but whose claim lies there cannot be read: {why}"),
        )),
    }
}

/// Asks, and says whose claim lies there afterwards, or why that cannot be told.
async fn asked(
    world: &World,
    mut batch: Batch,
    limit_s: u64,
) -> Result<Result<Option<Claim>, String>, Happened> {
    batch.push(Call::new(Op::Papers, [""; 0]));
    let reply = world
        .hosts
        .ask(Role::Backup, &batch, 2 * limit_s + 40, Patience::Retry)
        .await?;
    let papers = reply
        .outputs
        .last()
        .map_or(Err("an empty answer".to_owned()), read_papers);
    Ok(papers.map(|papers| papers.claim))
}
