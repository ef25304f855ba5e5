//! Guards about the chain as the beacon nodes tell it. Pure. An answer that is absent is unknown unless the
//! configuration says that the host does not have it.

use super::hosts::all;
use super::{Beacon, Evidence, Stage, Syncing, Verdict};

fn beacon(evidence: &Evidence) -> Result<&Beacon, Verdict> {
    let host = &evidence.backup;
    host.beacon
        .known()
        .map_err(|why| Verdict::Unknown(format!("{}: {why}", host.name)))
}

fn syncing(evidence: &Evidence) -> Result<&Syncing, Verdict> {
    let url = &beacon(evidence)?.url;
    beacon(evidence)?
        .syncing
        .known()
        .map_err(|why| Verdict::Unknown(format!("{}: beacon node {url}: {why}", evidence.backup.name)))
}

/// The backup's root against every other source there is; at least one other source is needed.
pub(super) fn same_chain(evidence: &Evidence, _: Stage) -> Verdict {
    let backup = match beacon(evidence).map(|beacon| beacon.genesis.known()) {
        Ok(Ok(genesis)) => &genesis.validators_root,
        Ok(Err(why)) => return Verdict::Unknown(format!("{}: {why}", evidence.backup.name)),
        Err(verdict) => return verdict,
    };
    let mut others: Vec<(String, &str)> = Vec::new();
    if let Some(established) = &evidence.run.genesis_validators_root {
        others.push(("the preflight of this run".to_owned(), established));
    }
    if let Some(pinned) = &evidence.policy.genesis_validators_root {
        others.push(("the configuration".to_owned(), pinned));
    }
    if let Ok(Ok(genesis)) = evidence
        .primary
        .beacon
        .known()
        .map(|beacon| beacon.genesis.known())
    {
        others.push((
            format!("the beacon node of {}", evidence.primary.name),
            &genesis.validators_root,
        ));
    }
    for host in [&evidence.primary, &evidence.backup] {
        if let Some(root) = host
            .protection
            .known()
            .ok()
            .and_then(|seen| seen.genesis_validators_root.as_deref())
        {
            others.push((format!("the protection of {}", host.name), root));
        }
    }
    if let Some((source, root)) = others.iter().find(|(_, root)| !root.eq_ignore_ascii_case(backup)) {
        return Verdict::Refuse(format!(
            "{}: the beacon node is on {backup}, {source} says {root}",
            evidence.backup.name
        ));
    }
    match others.first() {
        Some((source, _)) => Verdict::Pass(format!("{backup}, as {source} says")),
        None => Verdict::Unknown(format!(
            "{} is on {backup}, and nothing else tells the chain (primary's beacon node, protection, pinned root)",
            evidence.backup.name
        )),
    }
}

pub(super) fn beacon_synced(evidence: &Evidence, _: Stage) -> Verdict {
    let syncing = match syncing(evidence) {
        Ok(syncing) => syncing,
        Err(verdict) => return verdict,
    };
    let name = &evidence.backup.name;
    if syncing.is_syncing {
        Verdict::Refuse(format!("{name}: syncing, {} slots behind", syncing.sync_distance))
    } else if syncing.sync_distance > evidence.policy.max_sync_distance {
        Verdict::Refuse(format!(
            "{name}: {} slots behind, {} allowed",
            syncing.sync_distance, evidence.policy.max_sync_distance
        ))
    } else {
        Verdict::Pass(format!("{name}: head slot {}", syncing.head_slot))
    }
}

pub(super) fn beacon_not_optimistic(evidence: &Evidence, _: Stage) -> Verdict {
    let name = &evidence.backup.name;
    match syncing(evidence).map(|syncing| syncing.is_optimistic) {
        Err(verdict) => verdict,
        Ok(Some(false)) => Verdict::Pass(format!("{name}: head verified")),
        Ok(Some(true)) => Verdict::Refuse(format!("{name}: the head is optimistic")),
        Ok(None) if evidence.policy.optimistic_absent_ok => {
            Verdict::Pass(format!("{name}: the node does not say, as configured"))
        }
        Ok(None) => Verdict::Unknown(format!("{name}: the node does not say is_optimistic")),
    }
}

pub(super) fn execution_online(evidence: &Evidence, _: Stage) -> Verdict {
    let name = &evidence.backup.name;
    if !evidence.policy.has_execution_layer {
        return Verdict::Pass(format!("{name}: no execution layer, as configured"));
    }
    match syncing(evidence).map(|syncing| syncing.el_offline) {
        Err(verdict) => verdict,
        Ok(Some(false)) => Verdict::Pass(format!("{name}: online")),
        Ok(Some(true)) => Verdict::Refuse(format!("{name}: the execution layer is offline")),
        Ok(None) if evidence.policy.el_offline_absent_ok => {
            Verdict::Pass(format!("{name}: the node does not say, as configured"))
        }
        Ok(None) => Verdict::Unknown(format!("{name}: the node does not say el_offline")),
    }
}

pub(super) fn execution_synced(evidence: &Evidence, _: Stage) -> Verdict {
    let host = &evidence.backup;
    if !evidence.policy.ask_execution_client {
        return Verdict::Pass(format!("{}: not asked (no chain.execution_url)", host.name));
    }
    match host.execution.known() {
        Ok(execution) if execution.syncing => Verdict::Refuse(format!("{}: syncing", host.name)),
        Ok(_) => Verdict::Pass(format!("{}: synced", host.name)),
        Err(why) => Verdict::Unknown(format!("{}: {why}", host.name)),
    }
}

pub(super) fn beacon_peers(evidence: &Evidence, _: Stage) -> Verdict {
    let (name, least) = (&evidence.backup.name, evidence.policy.min_peers);
    let peers = match beacon(evidence) {
        Ok(beacon) => beacon.peers.known(),
        Err(verdict) => return verdict,
    };
    all([match peers {
        Ok(peers) if *peers >= least => Verdict::Pass(format!("{name}: {peers} peers, {least} needed")),
        Ok(peers) => Verdict::Refuse(format!("{name}: {peers} peers, {least} needed")),
        Err(why) => Verdict::Unknown(format!("{name}: {why}")),
    }])
}
