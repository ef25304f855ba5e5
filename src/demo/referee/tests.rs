//! Each rule of the referee is seen to fire, and each is seen to hold its peace.

use super::*;

fn attestation(host: &str, at: u64, source: u64, target: u64) -> Message {
    let root = format!("{host}/{source}/{target}");
    let signed = Signed::Attestation {
        slot: target * 8,
        source,
        target,
        root,
    };
    Message {
        host: host.into(),
        at: Duration::from_secs(at),
        key: "0xaa".into(),
        signed,
    }
}

fn block(host: &str, at: u64, slot: u64) -> Message {
    let signed = Signed::Block {
        slot,
        root: format!("{host}/{slot}"),
    };
    Message {
        host: host.into(),
        at: Duration::from_secs(at),
        key: "0xaa".into(),
        signed,
    }
}

fn rules(messages: &[Message]) -> Vec<Rule> {
    let mut referee = Referee::default();
    for message in messages {
        referee.record(message.clone());
    }
    referee
        .slashable()
        .into_iter()
        .map(|offence| offence.rule)
        .collect()
}

fn period(host: &str, from: u64, until: Option<u64>) -> Period {
    Period {
        host: host.into(),
        from: Duration::from_secs(from),
        until: until.map(Duration::from_secs),
        cause: Cause::Service,
    }
}

#[test]
fn a_double_vote_is_caught_across_hosts_and_within_one() {
    assert_eq!(
        rules(&[attestation("a", 1, 4, 5), attestation("b", 2, 4, 5)]),
        [Rule::DoubleVote]
    );
    assert_eq!(
        rules(&[attestation("a", 1, 4, 5), attestation("a", 2, 3, 5)]),
        [Rule::DoubleVote]
    );
}

#[test]
fn a_surround_is_caught_both_ways() {
    assert_eq!(
        rules(&[attestation("a", 1, 3, 6), attestation("b", 2, 4, 5)]),
        [Rule::Surround]
    );
    assert_eq!(
        rules(&[attestation("a", 1, 4, 5), attestation("b", 2, 3, 6)]),
        [Rule::Surround]
    );
}

#[test]
fn a_double_proposal_is_caught() {
    assert_eq!(
        rules(&[block("a", 1, 9), block("b", 2, 9)]),
        [Rule::DoubleProposal]
    );
}

#[test]
fn history_counts_for_slashing() {
    let mut referee = Referee::default();
    referee.remember(attestation("b", 1, 4, 5));
    referee.record(attestation("a", 9, 4, 5));
    assert_eq!(referee.slashable().len(), 1);
    assert_eq!(referee.messages().len(), 1);
}

#[test]
fn honest_work_is_not_an_offence() {
    let same = attestation("a", 1, 4, 5);
    let mut other_key = attestation("b", 2, 4, 5);
    other_key.key = "0xbb".into();
    assert!(
        rules(&[
            same.clone(),
            same,
            other_key,
            block("a", 3, 40),
            block("b", 4, 41)
        ])
        .is_empty()
    );
    assert!(
        rules(&[
            attestation("a", 1, 4, 5),
            attestation("b", 2, 4, 6),
            attestation("b", 3, 5, 7)
        ])
        .is_empty()
    );
}

#[test]
fn two_living_validators_overlap_and_successive_ones_do_not() {
    let referee = Referee::default();
    let both = [period("a", 1, Some(5)), period("b", 4, None)];
    let overlap = &referee.verdict(&both).overlaps[0];
    assert_eq!(overlap.lasted, Some(Duration::from_secs(1)));
    assert_eq!(
        referee
            .verdict(&[period("a", 1, None), period("b", 4, None)])
            .overlaps[0]
            .lasted,
        None
    );
    assert!(
        referee
            .verdict(&[period("a", 1, Some(4)), period("b", 4, None)])
            .clean()
    );
    assert!(!referee.verdict(&both).clean());
}

#[test]
fn the_gap_is_measured_in_slots_and_seconds() {
    let mut referee = Referee::default();
    for message in [
        block("a", 10, 80),
        block("a", 11, 81),
        block("b", 15, 85),
        block("b", 16, 86),
    ] {
        referee.record(message);
    }
    let verdict = referee.verdict(&[]);
    let handover = &verdict.handovers[0];
    assert_eq!((handover.gap_slots, handover.gap), (3, Duration::from_secs(4)));
    assert_eq!(verdict.handovers.len(), 1);
    assert_eq!(verdict.shares[1].messages, 2);
    assert!(verdict.to_string().contains("slashable: 0"));
}
