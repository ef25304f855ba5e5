//! Guards about keys and protection. Pure. A key without history, or history that was not read back, blocks.

use std::collections::BTreeSet;

use super::{Evidence, Stage, Verdict};
use crate::protection::PublicKey;

fn named(keys: &[&PublicKey]) -> String {
    let shown: Vec<String> = keys.iter().take(5).map(|key| key.short()).collect();
    let more = keys.len().saturating_sub(shown.len());
    if more > 0 {
        format!("{} and {more} more", shown.join(", "))
    } else {
        shown.join(", ")
    }
}

/// The keys that this judgement is about: those declared, else those that a history holds.
pub fn keys_of(evidence: &Evidence) -> BTreeSet<PublicKey> {
    if !evidence.policy.keys.is_empty() {
        return evidence.policy.keys.clone();
    }
    if let Some(merged) = &evidence.run.merged {
        return merged.keys().cloned().collect();
    }
    [&evidence.primary, &evidence.backup]
        .into_iter()
        .filter_map(|host| host.protection.known().ok())
        .flat_map(|seen| seen.floors.keys().cloned())
        .collect()
}

pub(super) fn client_usable(evidence: &Evidence, _: Stage) -> Verdict {
    let host = &evidence.backup;
    match host.protection.known() {
        Ok(seen) => Verdict::Pass(format!("{}: exported {} keys", host.name, seen.floors.len())),
        Err(why) => Verdict::Unknown(format!("{}: {why}", host.name)),
    }
}

pub(super) fn keys_known(evidence: &Evidence, _: Stage) -> Verdict {
    let keys = keys_of(evidence);
    if let (false, Ok(seen)) = (
        evidence.policy.keys.is_empty(),
        evidence.backup.protection.known(),
    ) {
        let undeclared: Vec<&PublicKey> = seen.floors.keys().filter(|key| !keys.contains(*key)).collect();
        if !undeclared.is_empty() {
            return Verdict::Refuse(format!(
                "the database of {} holds keys that are not configured: {}",
                evidence.backup.name,
                named(&undeclared)
            ));
        }
    }
    match (keys.is_empty(), evidence.policy.keys.is_empty()) {
        (true, _) => Verdict::Unknown("none are configured and the backup's database holds none".to_owned()),
        (false, true) => Verdict::Pass(format!("{} keys, from the backup's database", keys.len())),
        (false, false) => Verdict::Pass(format!("{} keys, as configured", keys.len())),
    }
}

pub(super) fn keys_alive(evidence: &Evidence, _: Stage) -> Verdict {
    let name = &evidence.backup.name;
    let statuses = match evidence
        .backup
        .beacon
        .known()
        .map(|beacon| beacon.validators.known())
    {
        Ok(Ok(statuses)) => statuses,
        Ok(Err(why)) | Err(why) => return Verdict::Unknown(format!("{name}: {why}")),
    };
    let keys = keys_of(evidence);
    for key in &keys {
        let Some(status) = statuses.get(key) else {
            return Verdict::Refuse(format!("{}: the chain does not know this key", key.short()));
        };
        if status.slashed || status.status.ends_with("_slashed") {
            return Verdict::Refuse(format!("{} (index {}) is SLASHED", key.short(), status.index));
        }
        if status.status.starts_with("exited") || status.status.starts_with("withdrawal") {
            return Verdict::Refuse(format!(
                "{} (index {}) is {}",
                key.short(),
                status.index,
                status.status
            ));
        }
    }
    if keys.is_empty() {
        return Verdict::Unknown("the keys are not known".to_owned());
    }
    Verdict::Pass(format!("{} keys, none slashed or exited", keys.len()))
}

pub(super) fn keys_covered(evidence: &Evidence, _: Stage) -> Verdict {
    let Some(merged) = &evidence.run.merged else {
        return Verdict::Unknown("nothing has been merged".to_owned());
    };
    let keys = keys_of(evidence);
    let missing: Vec<&PublicKey> = keys.iter().filter(|key| !merged.contains_key(*key)).collect();
    if !missing.is_empty() {
        return Verdict::Refuse(format!("no history for {}", named(&missing)));
    }
    let undeclared: Vec<&PublicKey> = merged.keys().filter(|key| !keys.contains(*key)).collect();
    if !undeclared.is_empty() {
        return Verdict::Refuse(format!(
            "the databases hold keys that are not configured: {}",
            named(&undeclared)
        ));
    }
    Verdict::Pass(format!("{} keys", keys.len()))
}

pub(super) fn history_covers(evidence: &Evidence, _: Stage) -> Verdict {
    let (Some(merged), Some(found)) = (&evidence.run.merged, &evidence.run.read_back) else {
        return Verdict::Unknown("the backup's database was not read back".to_owned());
    };
    let boot = evidence.backup.identity.known().map(|identity| &identity.boot_id);
    match (boot, &evidence.run.read_back_boot) {
        (Ok(now), Some(then)) if now == then => {}
        (Ok(_), _) => {
            return Verdict::Refuse(format!(
                "{} rebooted since it was read back",
                evidence.backup.name
            ));
        }
        (Err(why), _) => return Verdict::Unknown(why.to_owned()),
    }
    let lower: Vec<&PublicKey> = merged
        .iter()
        .filter(|(key, floors)| !found.get(*key).is_some_and(|there| there.covers(floors)))
        .map(|(key, _)| key)
        .collect();
    if lower.is_empty() {
        Verdict::Pass(format!("{} keys read back", merged.len()))
    } else {
        Verdict::Refuse(format!(
            "missing or lower on {}: {}",
            evidence.backup.name,
            named(&lower)
        ))
    }
}

pub(super) fn history_not_ahead(evidence: &Evidence, _: Stage) -> Verdict {
    let Some(merged) = &evidence.run.merged else {
        return Verdict::Unknown("nothing has been merged".to_owned());
    };
    let beacon = match evidence.backup.beacon.known() {
        Ok(beacon) => beacon,
        Err(why) => return Verdict::Unknown(why.to_owned()),
    };
    let (head, epoch) = match (beacon.syncing.known(), beacon.spec.known()) {
        (Ok(syncing), Ok(spec)) if spec.slots_per_epoch > 0 => {
            let clock_slot = syncing.head_slot + syncing.sync_distance;
            (clock_slot, clock_slot / spec.slots_per_epoch)
        }
        (Ok(_), Ok(_)) => return Verdict::Unknown("the chain says zero slots per epoch".to_owned()),
        (Err(why), _) | (_, Err(why)) => return Verdict::Unknown(why.to_owned()),
    };
    let ahead = merged.iter().find(|(_, floors)| {
        floors.target_epoch.is_some_and(|target| target > epoch + 1)
            || floors.block_slot.is_some_and(|slot| slot > head + 2)
    });
    match ahead {
        Some((key, floors)) => Verdict::Refuse(format!(
            "{}: block slot {:?}, target epoch {:?}, while the chain is at slot {head}, epoch {epoch}",
            key.short(),
            floors.block_slot,
            floors.target_epoch
        )),
        None => Verdict::Pass(format!("all at or below epoch {}", epoch + 1)),
    }
}
