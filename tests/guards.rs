//! The table of guards: silent over healthy evidence, and each one speaks up for its own fault and for a missing fact.
//! Must never let a guard go without a case: the table itself is walked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests end on the first surprise"
)]

#[path = "support/evidence.rs"]
mod healthy;

use std::collections::BTreeSet;

use failover::guards::{Evidence, GUARDS, Generation, Process, Seen, Stage, Syncing, blocking, judge};

use healthy::{OTHER_ROOT, claim, floors, healthy, key, process, unknown};

fn known<T>(seen: &mut Seen<T>) -> &mut T {
    match seen {
        Seen::Known(value) => value,
        Seen::Unknown(why) => panic!("{why}"),
    }
}

fn syncing(evidence: &mut Evidence) -> &mut Syncing {
    known(&mut known(&mut evidence.backup.beacon).syncing)
}

/// One fault: the guards that must speak, the stage, the verdict, and what is broken.
type Case = (&'static [&'static str], Stage, &'static str, fn(&mut Evidence));

use Stage::{Preflight as P, Start as S};
const R: &str = "refuse";
const U: &str = "unknown";
#[rustfmt::skip]
const CASES: &[Case] = &[
    (&["reached", "distinct-machines", "privileged", "clocks"], P, U, |e| e.primary.identity = unknown()),
    (&["reached", "distinct-machines", "privileged", "clocks"], P, U, |e| e.backup.identity = unknown()),
    (&["distinct-machines"], P, R, |e| known(&mut e.backup.identity).machine_id = "machine of a".to_owned()),
    (&["privileged"], P, R, |e| known(&mut e.backup.identity).uid = 1000),
    (&["claims-free"], P, R, |e| known(&mut e.primary.papers).claim = Some(claim("r0"))),
    (&["claims-free"], S, R, |e| known(&mut e.backup.papers).claim = Some(claim("r0"))),
    (&["claims-free"], S, R, |e| known(&mut e.backup.papers).claim = None),
    (&["claims-free"], S, U, |e| e.backup.papers = unknown()),
    (&["unit-found"], P, R, |e| known(&mut e.primary.unit).load_state = "bad-setting".to_owned()),
    (&["unit-found", "primary-process", "primary-barrable"], P, U, |e| e.primary.unit = unknown()),
    (&["primary-process"], P, R, |e| known(&mut e.primary.processes).validator.push(Process { pid: 99, ..process() })),
    (&["primary-process"], P, U, |e| known(&mut e.primary.processes).validator.clear()),
    (&["primary-process"], P, U, |e| e.primary.processes = unknown()),
    (&["primary-barrable"], P, R, |e| known(&mut e.primary.unit).file_state = "masked".to_owned()),
    (&["primary-barrable"], P, R, |e| {
        known(&mut e.primary.unit).file_state = "static".to_owned();
        known(&mut e.primary.unit).revived_by = vec!["stack.target".to_owned()];
    }),
    (&["primary-barrable"], P, U, |e| e.primary.bar = unknown()),
    (&["roles"], P, R, |e| {
        let paper = |role: &str| Some(Generation {
            pair: "a->b".to_owned(), generation: 2, role: role.to_owned(), run: "r0".to_owned() });
        known(&mut e.primary.papers).generation = paper("fenced");
        known(&mut e.backup.papers).generation = paper("signer");
    }),
    (&["claims-free", "roles"], P, U, |e| e.primary.papers = unknown()),
    (&["primary-fenced"], S, R, |e| known(&mut e.primary.processes).validator.push(process())),
    (&["primary-fenced"], S, R, |e| known(&mut e.primary.bar).lock = None),
    (&["primary-fenced"], S, R, |e| known(&mut e.primary.unit).asserts_absent.clear()),
    (&["primary-fenced"], S, R, |e| known(&mut e.primary.unit).main_start_us += 1),
    (&["primary-fenced"], S, R, |e| known(&mut e.primary.bar).lock_id = Some("1:9:9".to_owned())),
    (&["primary-fenced"], S, R, |e| known(&mut e.primary.identity).machine_id = "another".to_owned()),
    (&["primary-fenced"], S, R, |e| known(&mut e.primary.identity).boot_id = "another boot".to_owned()),
    (&["primary-fenced"], S, R, |e| e.run.fence_left_s = Some(-0.1)),
    (&["primary-fenced"], S, U, |e| e.run.fence = None),
    (&["primary-fenced"], S, U, |e| e.primary.processes = unknown()),
    (&["primary-fenced"], S, U, |e| e.primary.bar = unknown()),
    (&["primary-fenced"], S, R, |e| e.primary.fingerprint = Seen::Known("written to".to_owned())),
    (&["primary-fenced"], S, U, |e| e.primary.fingerprint = unknown()),
    (&["history-covers"], S, R, |e| e.run.read_back_boot = Some("an earlier boot".to_owned())),
    (&["primary-process"], P, R, |e| known(&mut e.primary.processes).validator[0].holds_database = false),
    (&["backup-stopped"], P, R, |e| known(&mut e.backup.processes).validator.push(process())),
    (&["backup-stopped"], S, R, |e| known(&mut e.backup.unit).cgroup_pids.push(71)),
    (&["backup-stopped"], S, R, |e| known(&mut e.backup.unit).sub_state = "auto-restart".to_owned()),
    (&["backup-stopped"], S, U, |e| e.backup.processes = unknown()),
    (&["client-offered"], P, R, |e| e.backup.hand_over = Seen::Known(Err("not offered".to_owned()))),
    (&["client-offered"], P, U, |e| e.primary.hand_over = unknown()),
    (&["backup-barred"], P, R, |e| known(&mut e.backup.bar).lock = None),
    (&["backup-barred"], P, R, |e| known(&mut e.backup.bar).gate = false),
    (&["backup-barred"], P, R, |e| known(&mut e.backup.unit).file_state = "enabled".to_owned()),
    (&["backup-barred"], S, U, |e| e.backup.bar = unknown()),
    (&["same-chain"], P, R, |e| known(&mut known(&mut e.backup.beacon).genesis).validators_root = OTHER_ROOT.to_owned()),
    (&["same-chain"], P, R, |e| e.policy.genesis_validators_root = Some(OTHER_ROOT.to_owned())),
    (&["same-chain"], P, R, |e| known(&mut e.backup.protection).genesis_validators_root = Some(OTHER_ROOT.to_owned())),
    (&["same-chain"], S, R, |e| e.run.genesis_validators_root = Some(OTHER_ROOT.to_owned())),
    (&["same-chain"], P, U, |e| known(&mut e.backup.beacon).genesis = unknown()),
    (&["same-chain"], P, U, |e| {
        e.primary.beacon = unknown();
        for host in [&mut e.primary, &mut e.backup] { known(&mut host.protection).genesis_validators_root = None; }
    }),
    (&["beacon-synced"], P, R, |e| syncing(e).is_syncing = true),
    (&["beacon-synced"], P, R, |e| syncing(e).sync_distance = 3),
    (&["beacon-synced", "beacon-not-optimistic", "execution-online"], P, U, |e| known(&mut e.backup.beacon).syncing = unknown()),
    (&["beacon-not-optimistic"], P, R, |e| syncing(e).is_optimistic = Some(true)),
    (&["beacon-not-optimistic"], S, U, |e| syncing(e).is_optimistic = None),
    (&["execution-online"], P, R, |e| syncing(e).el_offline = Some(true)),
    (&["execution-online"], S, U, |e| syncing(e).el_offline = None),
    (&["execution-synced"], P, R, |e| known(&mut e.backup.execution).syncing = true),
    (&["execution-synced"], S, U, |e| e.backup.execution = unknown()),
    (&["beacon-peers"], P, R, |e| known(&mut e.backup.beacon).peers = Seen::Known(2)),
    (&["beacon-peers"], S, U, |e| known(&mut e.backup.beacon).peers = unknown()),
    (&["clocks"], P, R, |e| known(&mut e.backup.identity).clock_offset_s = -0.6),
    (&["clocks"], P, R, |e| known(&mut e.primary.identity).clock_synchronised = Seen::Known(false)),
    (&["clocks"], P, U, |e| known(&mut e.primary.identity).clock_uncertainty_s = 0.6),
    (&["clocks"], S, U, |e| known(&mut e.backup.identity).clock_synchronised = unknown()),
    (&["clocks"], P, U, |e| known(&mut e.backup.identity).clock_offset_s = f64::NAN),
    (&["disk"], P, R, |e| known(&mut e.backup.disk).state_free_bytes = 1 << 20),
    (&["disk"], P, R, |e| known(&mut e.backup.disk).writable = false),
    (&["disk"], P, U, |e| e.backup.disk = unknown()),
    (&["client-usable"], P, U, |e| e.backup.protection = unknown()),
    (&["keys-known", "keys-alive"], P, U, |e| {
        e.policy.keys.clear();
        for host in [&mut e.primary, &mut e.backup] { known(&mut host.protection).floors.clear(); }
    }),
    (&["keys-alive"], P, R, |e| known(&mut known(&mut e.backup.beacon).validators).get_mut(&key(2)).unwrap().slashed = true),
    (&["keys-alive"], S, R, |e| known(&mut known(&mut e.backup.beacon).validators).get_mut(&key(1)).unwrap().status = "exited_unslashed".to_owned()),
    (&["keys-alive"], P, R, |e| drop(known(&mut known(&mut e.backup.beacon).validators).remove(&key(1)))),
    (&["keys-alive"], S, U, |e| known(&mut e.backup.beacon).validators = unknown()),
    (&["keys-covered"], S, R, |e| e.run.merged.as_mut().unwrap().retain(|key, _| *key != self::key(2))),
    (&["keys-covered"], S, R, |e| e.policy.keys.retain(|key| *key != self::key(2))),
    (&["keys-covered", "history-covers", "history-not-ahead"], S, U, |e| e.run.merged = None),
    (&["history-covers"], S, R, |e| e.run.read_back.as_mut().unwrap().retain(|key, _| *key != self::key(2))),
    (&["history-covers"], S, R, |e| e.run.read_back = Some(floors(6_309))),
    (&["history-covers"], S, U, |e| e.run.read_back = None),
    (&["history-not-ahead"], S, R, |e| {
        (e.run.merged, e.run.read_back) = (Some(floors(6_500)), Some(floors(6_500)));
    }),
    (&["history-not-ahead"], S, U, |e| known(&mut e.backup.beacon).spec = unknown()),
];

/// Guards that only ever say unknown.
const ONLY_UNKNOWN: [&str; 3] = ["reached", "client-usable", "keys-known"];

/// Proves that no guard speaks up over healthy evidence, at any stage.
#[test]
fn healthy_evidence_is_silent() {
    for stage in [Stage::Preflight, Stage::Start] {
        let findings = judge(&healthy(stage), stage);
        assert!(
            blocking(&findings).is_empty(),
            "{stage:?}: {:?}",
            blocking(&findings)
        );
        assert!(
            findings
                .iter()
                .all(|finding| finding.remedy.is_empty() && !finding.why.is_empty())
        );
    }
}

/// Proves that every fault is found by exactly the guards that are for it, with a reason and a remedy.
#[test]
fn every_fault_is_found_by_its_guard_alone() {
    for (place, (ids, stage, verdict, break_it)) in CASES.iter().enumerate() {
        let mut evidence = healthy(*stage);
        break_it(&mut evidence);
        let findings = judge(&evidence, *stage);
        let found: Vec<&str> = blocking(&findings)
            .iter()
            .map(|finding| finding.id.as_str())
            .collect();
        assert_eq!(found, *ids, "case {place}: {:?}", blocking(&findings));
        for finding in blocking(&findings) {
            assert_eq!(finding.verdict, *verdict, "case {place}: {finding:?}");
            assert!(
                !finding.why.is_empty() && !finding.remedy.is_empty(),
                "{finding:?}"
            );
        }
    }
}

/// Proves that no guard goes without a case: one that it refuses alone, and one that it cannot tell.
#[test]
fn every_guard_has_its_cases() {
    for guard in GUARDS {
        let refuses = CASES
            .iter()
            .any(|(ids, _, verdict, _)| *ids == [guard.id] && *verdict == R);
        let unsure = CASES
            .iter()
            .any(|(ids, _, verdict, _)| ids.contains(&guard.id) && *verdict == U);
        assert!(
            refuses || ONLY_UNKNOWN.contains(&guard.id),
            "{}: no case that it alone refuses",
            guard.id
        );
        assert!(unsure, "{}: no case that it cannot tell", guard.id);
    }
    let ids: BTreeSet<&str> = GUARDS.iter().map(|guard| guard.id).collect();
    assert_eq!(ids.len(), GUARDS.len(), "an id twice");
    let mut named = CASES.iter().flat_map(|(named, ..)| named.iter());
    assert!(named.all(|id| ids.contains(id)), "a case of no guard");
}

/// Proves that both waivers let a silent node pass, and only a silent one.
#[test]
fn waivers_cover_silence_only() {
    let mut evidence = healthy(Stage::Preflight);
    (
        evidence.policy.el_offline_absent_ok,
        evidence.policy.optimistic_absent_ok,
    ) = (true, true);
    (
        syncing(&mut evidence).el_offline,
        syncing(&mut evidence).is_optimistic,
    ) = (None, None);
    assert!(blocking(&judge(&evidence, Stage::Preflight)).is_empty());
    (
        syncing(&mut evidence).el_offline,
        syncing(&mut evidence).is_optimistic,
    ) = (Some(true), Some(true));
    assert_eq!(blocking(&judge(&evidence, Stage::Preflight)).len(), 2);
}
