//! Guards about the hosts themselves: who they are, what runs there, what bars them. Pure.

use super::judge::{Life, life, stands_barred};
use super::{Evidence, HostEvidence, Stage, Verdict};

fn both(evidence: &Evidence) -> [&HostEvidence; 2] {
    [&evidence.primary, &evidence.backup]
}

/// The first verdict that blocks, else a pass with all that was seen. Refusal beats unknown.
pub(super) fn all(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    let (mut seen, mut unknown) = (Vec::new(), None);
    for verdict in verdicts {
        match verdict {
            Verdict::Pass(why) => seen.push(why),
            Verdict::Refuse(why) => return Verdict::Refuse(why),
            Verdict::Unknown(why) => unknown = unknown.or(Some(why)),
        }
    }
    unknown.map_or_else(|| Verdict::Pass(seen.join("; ")), Verdict::Unknown)
}

pub(super) fn reached(evidence: &Evidence, _: Stage) -> Verdict {
    all(both(evidence).map(|host| match host.identity.known() {
        Ok(_) => Verdict::Pass(host.name.clone()),
        Err(why) => Verdict::Unknown(why.to_owned()),
    }))
}

pub(super) fn distinct_machines(evidence: &Evidence, _: Stage) -> Verdict {
    match (
        evidence.primary.identity.known(),
        evidence.backup.identity.known(),
    ) {
        (Ok(a), Ok(b)) if a.machine_id == b.machine_id => Verdict::Refuse(format!(
            "{} and {} are the same machine ({})",
            evidence.primary.name, evidence.backup.name, a.machine_id
        )),
        (Ok(a), Ok(b)) => Verdict::Pass(format!("{} and {}", a.machine_id, b.machine_id)),
        (Err(why), _) | (_, Err(why)) => Verdict::Unknown(why.to_owned()),
    }
}

pub(super) fn privileged(evidence: &Evidence, _: Stage) -> Verdict {
    all(both(evidence).map(|host| match host.identity.known() {
        Ok(identity) if identity.uid == 0 => Verdict::Pass(format!("{}: root", host.name)),
        Ok(identity) => Verdict::Refuse(format!("{}: the shell runs as uid {}", host.name, identity.uid)),
        Err(why) => Verdict::Unknown(why.to_owned()),
    }))
}

pub(super) fn claims_free(evidence: &Evidence, stage: Stage) -> Verdict {
    all(both(evidence).map(|host| match host.papers.known() {
        Err(why) => Verdict::Unknown(format!("{}: {why}", host.name)),
        Ok(papers) => match &papers.claim {
            None if stage == Stage::Start => Verdict::Refuse(format!(
                "{}: this run's claim is gone; someone took it away",
                host.name
            )),
            None => Verdict::Pass(format!("{}: no claim", host.name)),
            Some(claim) if Some(&claim.run) == evidence.run.id.as_ref() => {
                Verdict::Pass(format!("{}: this run's", host.name))
            }
            Some(claim) if stage != Stage::Start && evidence.run.ended_runs.contains(&claim.run) => {
                Verdict::Pass(format!(
                    "{}: run {} is over and left its claim behind",
                    host.name, claim.run
                ))
            }
            Some(claim) => Verdict::Refuse(format!(
                "{}: run {} of {} ({}) holds it since {}",
                host.name, claim.run, claim.coordinator, claim.pair, claim.since
            )),
        },
    }))
}

pub(super) fn unit_found(evidence: &Evidence, _: Stage) -> Verdict {
    all(both(evidence).map(|host| match host.unit.known() {
        Err(why) => Verdict::Unknown(format!("{}: {why}", host.name)),
        Ok(unit) if unit.load_state == "loaded" => Verdict::Pass(format!("{}: {}", host.name, unit.name)),
        Ok(unit) => Verdict::Refuse(format!("{}: {} is {}", host.name, unit.name, unit.load_state)),
    }))
}

pub(super) fn primary_process(evidence: &Evidence, _: Stage) -> Verdict {
    let host = &evidence.primary;
    let (unit, processes) = match (host.unit.known(), host.processes.known()) {
        (Ok(unit), Ok(processes)) => (unit, processes),
        (Err(why), _) | (_, Err(why)) => return Verdict::Unknown(format!("{}: {why}", host.name)),
    };
    if let Some(stray) = processes
        .validator
        .iter()
        .find(|process| !unit.cgroup_pids.contains(&process.pid))
    {
        return Verdict::Refuse(format!(
            "{}: process {} is a validator ({}) but not of {}: {}",
            host.name, stray.pid, stray.because, unit.name, stray.exe
        ));
    }
    match (unit.active_state == "active", processes.validator.first()) {
        (true, Some(_))
            if processes.must_hold && !processes.validator.iter().any(|process| process.holds_database) =>
        {
            Verdict::Refuse(format!(
                "{}: {} runs but does not hold the database open that was found for it; name the right one",
                host.name, unit.name
            ))
        }
        (true, Some(process)) => Verdict::Pass(format!(
            "{}: {} runs as process {}",
            host.name, unit.name, process.pid
        )),
        (true, None) => Verdict::Unknown(format!(
            "{}: {} is active but no process looks like its validator, so a stop could not be proven",
            host.name, unit.name
        )),
        (false, _) => Verdict::Pass(format!(
            "{}: {} is {} already",
            host.name, unit.name, unit.active_state
        )),
    }
}

/// Whether a run offers what these two clients are asked for.
pub(super) fn client_offered(evidence: &Evidence, _: Stage) -> Verdict {
    all(both(evidence).map(|host| match host.hand_over.known() {
        Ok(Ok(())) => Verdict::Pass(host.name.clone()),
        Ok(Err(why)) => Verdict::Refuse(format!("{}: {why}", host.name)),
        Err(why) => Verdict::Unknown(format!("{}: {why}", host.name)),
    }))
}

/// Whether `disable` and the gate can have their effect on the primary's unit.
pub(super) fn primary_barrable(evidence: &Evidence, _: Stage) -> Verdict {
    let host = &evidence.primary;
    let (unit, bar) = match (host.unit.known(), host.bar.known()) {
        (Ok(unit), Ok(bar)) => (unit, bar),
        (Err(why), _) | (_, Err(why)) => return Verdict::Unknown(format!("{}: {why}", host.name)),
    };
    match (unit.file_state.as_str(), unit.revived_by.as_slice()) {
        ("masked" | "masked-runtime", _) => Verdict::Refuse(format!(
            "{}: {} is masked, so systemd loads no gate for it",
            host.name, unit.name
        )),
        ("static", [_, ..]) => Verdict::Refuse(format!(
            "{}: {} is static and {} can start it",
            host.name,
            unit.name,
            unit.revived_by.join(", ")
        )),
        ("", _) => Verdict::Unknown(format!(
            "{}: systemd does not say whether {} is enabled",
            host.name, unit.name
        )),
        (state, _) => Verdict::Pass(format!(
            "{}: {} is {state}, its lock would be {}",
            host.name, unit.name, bar.lock_path
        )),
    }
}

/// The primary may run or have crashed; what it may not be is the fenced half of a finished hand-over.
pub(super) fn roles(evidence: &Evidence, _: Stage) -> Verdict {
    let (primary, backup) = (&evidence.primary, &evidence.backup);
    let (ours, theirs) = match (primary.papers.known(), backup.papers.known()) {
        (Ok(a), Ok(b)) => (a.generation.as_ref(), b.generation.as_ref()),
        (Err(why), _) | (_, Err(why)) => return Verdict::Unknown(why.to_owned()),
    };
    if let (Life::Stopped(_), Life::Alive(why)) = (life(primary), life(backup)) {
        return Verdict::Refuse(format!(
            "{} does not sign and {} does ({why})",
            primary.name, backup.name
        ));
    }
    match (ours, theirs) {
        (Some(a), Some(b)) if a.role == "fenced" && b.role == "signer" && b.generation >= a.generation => {
            Verdict::Refuse(format!(
                "generation {} made {} the signer and fenced {}",
                b.generation, backup.name, primary.name
            ))
        }
        (Some(a), Some(b)) => Verdict::Pass(format!(
            "{}: {} of generation {}; {}: {} of generation {}",
            primary.name, a.role, a.generation, backup.name, b.role, b.generation
        )),
        _ => Verdict::Pass("no earlier hand-over is recorded on both hosts".to_owned()),
    }
}

pub(super) fn primary_fenced(evidence: &Evidence, _: Stage) -> Verdict {
    let host = &evidence.primary;
    let fence = match (&evidence.run.fence, evidence.run.fence_left_s) {
        (Some(fence), Some(left)) if left > 0.0 => fence,
        (Some(_), Some(left)) => {
            return Verdict::Refuse(format!("the fence proof ran out {:.1} s ago", -left));
        }
        _ => return Verdict::Unknown("there is no fence proof".to_owned()),
    };
    let stopped = match life(host) {
        Life::Stopped(why) => Verdict::Pass(why),
        Life::Alive(why) => Verdict::Refuse(why),
        Life::Unknown(why) => Verdict::Unknown(why),
    };
    let unbroken = match (host.identity.known(), host.unit.known(), host.bar.known()) {
        (Ok(identity), _, _) if identity.machine_id != fence.machine_id => Verdict::Refuse(format!(
            "{}: another machine answers ({})",
            host.name, identity.machine_id
        )),
        (Ok(_), _, Ok(bar)) if bar.lock_id.as_ref() != Some(&fence.lock_id) => Verdict::Refuse(format!(
            "{}: its lock was taken away and put back since the proof",
            host.name
        )),
        (Ok(identity), Ok(unit), Ok(_)) => {
            let not_since = if identity.boot_id == fence.boot_id {
                fence.main_start_us
            } else {
                0
            };
            // systemd forgets the time of a unit that it unloads, so a smaller number says nothing.
            if unit.main_start_us <= not_since {
                Verdict::Pass("not started since the proof".to_owned())
            } else {
                Verdict::Refuse(format!(
                    "{}: {} was started after the proof",
                    host.name, unit.name
                ))
            }
        }
        (Err(why), _, _) | (_, Err(why), _) | (_, _, Err(why)) => Verdict::Unknown(why.to_owned()),
    };
    all([stopped, stands_barred(host), unbroken, untouched(evidence)])
}

/// The database as it was when it was collected: catches a validator that ran outside the unit and is gone again.
fn untouched(evidence: &Evidence) -> Verdict {
    let host = &evidence.primary;
    match (&evidence.run.fingerprint, host.fingerprint.known()) {
        (Some(then), Ok(now)) if then == now => {
            Verdict::Pass("its database was not touched since".to_owned())
        }
        (Some(_), Ok(_)) => Verdict::Refuse(format!(
            "{}: its database was touched after its history was collected",
            host.name
        )),
        (Some(_), Err(why)) => Verdict::Unknown(format!("{}: {why}", host.name)),
        (None, _) => Verdict::Unknown("its database's fingerprint was not taken".to_owned()),
    }
}

pub(super) fn backup_stopped(evidence: &Evidence, _: Stage) -> Verdict {
    match life(&evidence.backup) {
        Life::Stopped(why) => Verdict::Pass(why),
        Life::Alive(why) => Verdict::Refuse(why),
        Life::Unknown(why) => Verdict::Unknown(why),
    }
}

pub(super) fn backup_barred(evidence: &Evidence, _: Stage) -> Verdict {
    stands_barred(&evidence.backup)
}

pub(super) fn clocks(evidence: &Evidence, _: Stage) -> Verdict {
    let limit = evidence.policy.max_clock_offset_s;
    all(both(evidence).map(|host| {
        let identity = match host.identity.known() {
            Ok(identity) => identity,
            Err(why) => return Verdict::Unknown(why.to_owned()),
        };
        let (offset, doubt) = (identity.clock_offset_s, identity.clock_uncertainty_s);
        if offset.abs() - doubt > limit {
            return Verdict::Refuse(format!("{}: {offset:+.3} s off, {limit} s allowed", host.name));
        }
        // What is no number is not within the limit.
        let worst = offset.abs() + doubt;
        if worst.is_nan() || worst > limit {
            return Verdict::Unknown(format!(
                "{}: {offset:+.3} s ± {doubt:.3} s off, {limit} s allowed; the line is too slow to tell",
                host.name
            ));
        }
        match identity.clock_synchronised.known() {
            _ if !evidence.policy.require_clock_sync => Verdict::Pass(format!(
                "{}: {offset:+.3} s (synchronisation not asked)",
                host.name
            )),
            Ok(true) => Verdict::Pass(format!("{}: {offset:+.3} s", host.name)),
            Ok(false) => Verdict::Refuse(format!("{}: the clock is not synchronised", host.name)),
            Err(why) => Verdict::Unknown(format!("{}: {why}", host.name)),
        }
    }))
}

pub(super) fn disk(evidence: &Evidence, _: Stage) -> Verdict {
    let host = &evidence.backup;
    let disk = match host.disk.known() {
        Ok(disk) => disk,
        Err(why) => return Verdict::Unknown(format!("{}: {why}", host.name)),
    };
    let need = disk
        .database_bytes
        .unwrap_or(0)
        .saturating_mul(3)
        .saturating_add(evidence.policy.min_free_bytes);
    let least = disk.free_bytes.min(disk.state_free_bytes);
    if !disk.writable {
        Verdict::Refuse(format!("{}: /var/lib/failover cannot be written", host.name))
    } else if least < need {
        Verdict::Refuse(format!(
            "{}: {} MB free, {} MB needed",
            host.name,
            least >> 20,
            need >> 20
        ))
    } else {
        Verdict::Pass(format!(
            "{}: {} MB free, {} MB needed",
            host.name,
            least >> 20,
            need >> 20
        ))
    }
}
