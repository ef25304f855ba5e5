//! Whether an attestation of ours is on chain: by the blocks where they can be read, by liveness where they cannot.
//! Must never take what the primary signed before its fence for a word of the backup's.

use std::collections::BTreeSet;

use tokio::time::{Duration, Instant, sleep};

use super::fence::install;
use super::watch::{First, at};
use super::{Found, Happened, World};
use crate::beacon::{
    Included, block_questions, duties_question, liveness_question, read_inclusion, read_liveness,
};
use crate::clients::Install;
use crate::guards::{Life, Role, life};
use crate::observe::{Patience, client, read_reading, reading_calls};
use crate::protocol::Event;
use crate::transport::{Batch, Call, Op, Output};

/// Seconds for one request to the beacon node.
const HTTP_S: u64 = 5;

/// The slot of an attestation of ours that a block holds, or that the node saw live. Outer error: the backup's
/// validator does not run any more, or is not known.
pub(super) async fn on_chain(
    world: &World,
    found: &Found,
    first: &First,
    give_up: Instant,
) -> Result<Result<u64, String>, Happened> {
    let install = install(&world.hosts.backup)?;
    // What the primary signed before its proven end may lie in the same blocks, and is no word of the backup's.
    let after_proof = match (found.primary_ran, world.memory.proven_s) {
        (true, Some(proven_s)) => at(proven_s, found).slot + 1,
        (true, None) => return Ok(Err("when the primary was proven stopped is not known".to_owned())),
        (false, _) => 0,
    };
    let now = at(world.hosts.now_s(), found).slot;
    let from = search_from(first.slot, now, found.slots_per_epoch);
    let since = from.saturating_sub(1).max(after_proof);
    let mut upto = from + 2;
    loop {
        let wait_s = ((found.seconds_per_slot * 4.0).ceil() as u64).max(4);
        let Some(look) = Look::new(&install, found, since, from, upto, wait_s) else {
            return Ok(Err("no beacon node is known".to_owned()));
        };
        let reply = world
            .hosts
            .ask(Role::Backup, &look.batch, wait_s + 20, Patience::Once)
            .await;
        let why = match reply {
            Err(error) => {
                // A refused line answers at once: without a pause this would be a busy loop.
                sleep(Duration::from_millis(250)).await;
                error.to_string()
            }
            Ok(reply) if reply.outputs.len() < look.end => "the answer ends too early".to_owned(),
            Ok(reply) => {
                // What was not answered is asked again as it is: only a look that was had goes a slot further.
                upto += 1;
                if let Life::Stopped(why) = life(&read_reading(&world.hosts.backup, &reply, look.end)) {
                    return Err(Happened::new(Event::BackupDied, why));
                }
                match look.seen(&reply.outputs) {
                    Ok(Some(slot)) => return Ok(Ok(slot.unwrap_or(first.slot))),
                    Ok(None) => format!("no block up to slot {} holds one", upto - 1),
                    Err(why) => why,
                }
            }
        };
        if Instant::now() >= give_up {
            return Ok(Err(why));
        }
    }
}

/// Where to begin: at the first attestation, or an epoch ago when that lies further back, as it does after a resume. A beacon
/// node says only of recent epochs who had to attest, and any later attestation of the backup's is as good.
fn search_from(first: u64, now: u64, slots_per_epoch: u64) -> u64 {
    first.max(now.saturating_sub(slots_per_epoch))
}

/// One look at the chain: the batch, and where in it the answers lie.
struct Look {
    batch: Batch,
    indices: BTreeSet<u64>,
    since: u64,
    newer_epoch: bool,
    duties: usize,
    blocks: usize,
    end: usize,
}

impl Look {
    fn new(install: &Install, found: &Found, since: u64, first: u64, upto: u64, wait_s: u64) -> Option<Look> {
        let prefixes = client(install).ok().map(|client| client.api_prefixes)?;
        let (url, prefix) = (install.beacon_urls.first()?, *prefixes.first()?);
        let base = format!("{}{prefix}", url.trim_end_matches('/'));
        let indices: BTreeSet<u64> = found.indices.iter().copied().collect();
        let epochs: BTreeSet<u64> = [since, upto]
            .map(|slot| slot / found.slots_per_epoch.max(1))
            .into_iter()
            .collect();
        let mut batch: Batch = vec![Call::new(
            Op::AwaitHead,
            [&base, &upto.to_string(), &wait_s.to_string()],
        )];
        batch.extend(
            epochs
                .iter()
                .map(|epoch| liveness_question(url, prefix, *epoch, &indices, HTTP_S)),
        );
        let duties = batch.len();
        batch.extend(
            epochs
                .iter()
                .map(|epoch| duties_question(url, prefix, *epoch, &indices, HTTP_S)),
        );
        let blocks = batch.len();
        batch.extend(block_questions(url, prefix, first, upto, HTTP_S));
        let end = batch.len();
        batch.extend(reading_calls(install));
        Some(Look {
            batch,
            indices,
            since,
            newer_epoch: epochs.len() > 1,
            duties,
            blocks,
            end,
        })
    }

    /// Some when an attestation of ours was seen: by the blocks with its slot, by liveness without.
    fn seen(&self, outputs: &[Output]) -> Result<Option<Option<u64>>, String> {
        let (duties, blocks) = (
            &outputs[self.duties..self.blocks],
            &outputs[self.blocks..self.end],
        );
        let included: Result<BTreeSet<Included>, String> = read_inclusion(duties, blocks, self.since);
        if let Ok(seen) = &included
            && let Some(first) = seen.first()
        {
            return Ok(Some(Some(first.slot)));
        }
        // Liveness would also count what the primary signed earlier in the same epoch, so only the word on an epoch that
        // began after the first attestation counts, and only where blocks cannot be read.
        match (included, read_liveness(&self.indices, &outputs[self.duties - 1])) {
            (Ok(_), _) => Ok(None),
            (Err(_), Ok(live)) if self.newer_epoch && !live.is_empty() => Ok(Some(None)),
            (Err(why), _) => Err(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::search_from;

    /// Proves that a watch that is resumed long after the start does not ask for epochs that a node has forgotten, and that
    /// an ordinary one begins with the first attestation. (Found by the lab, F32.)
    #[test]
    fn the_search_begins_where_a_node_still_answers() {
        assert_eq!(search_from(100, 101, 8), 100);
        assert_eq!(search_from(100, 108, 8), 100);
        assert_eq!(search_from(100, 400, 8), 392);
        assert_eq!(search_from(3, 1, 8), 3);
    }
}
