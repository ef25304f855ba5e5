//! The Beacon API as Lodestar 0.34.2 answered it, as the specification writes it, and everything that is no answer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

#[path = "transcripts/mod.rs"]
mod transcripts;

use std::collections::BTreeSet;

use failover::beacon::{
    Included, block_questions, current_slot, duties_question, liveness_question, questions, read,
    read_execution, read_inclusion, read_liveness, read_validators, validators_questions,
};
use failover::guards::evidence::{Genesis, Seen, Spec};
use failover::protection::PublicKey;
use failover::transport::{Op, Output};
use proptest::prelude::*;
use transcripts::{recorded, said, varied};

const URL: &str = "http://10.213.77.1:9701";
const KEY_28: &str =
    "0xb245d63d3f9d8ea1807a629fcb1b328cb4d542f35a3d5bc478be0df389dddd712fc4c816ba3fede9a96320ae6b24a7d8";
const KEY_31: &str =
    "0xa4855c83d868f772a579133d9f23818008417b743e8447e235d8eb78b1d8f8a9f63f98c551beb7de254400f89592314d";

fn five() -> Vec<Output> {
    ["version", "genesis", "spec", "syncing", "peers"]
        .iter()
        .map(|name| recorded(&format!("beacon/{name}")))
        .collect()
}

fn answered(body: &str, code: u16) -> Output {
    said(&format!("{body}\n{code}"))
}

fn keys(texts: &[&str]) -> BTreeSet<PublicKey> {
    texts.iter().map(|text| PublicKey::parse(text).unwrap()).collect()
}

#[test]
fn the_questions_are_requests_on_the_host() {
    let calls = questions("http://b:1/", "/qrl/v1", Some("http://e:2"), 3);
    assert_eq!(calls.len(), 6);
    assert!(
        calls
            .iter()
            .all(|call| call.op == Op::Http && call.args.len() == 4)
    );
    assert_eq!(calls[3].args, ["GET", "http://b:1/qrl/v1/node/syncing", "", "3"]);
    assert_eq!(
        (calls[5].args[0].as_str(), calls[5].args[1].as_str()),
        ("POST", "http://e:2")
    );
    assert_eq!(questions(URL, "/eth/v1", None, 3).len(), 5);
}

#[test]
fn an_old_node_is_read_with_what_it_does_not_say() {
    let beacon = read(URL, &five());
    assert_eq!(beacon.version, Seen::Known("Lodestar/dev".to_string()));
    let root = "0x3e8bd71d9925794b4f5e8623e15094ea6edc0fd206e3551e13dd2d10e08fbaba";
    assert_eq!(beacon.genesis.known().unwrap().validators_root, root);
    assert_eq!(
        beacon.spec,
        Seen::Known(Spec {
            seconds_per_slot: 2.0,
            slots_per_epoch: 8
        })
    );
    let syncing = beacon.syncing.known().unwrap();
    assert_eq!((syncing.sync_distance, syncing.is_syncing), (0, false));
    assert_eq!((syncing.is_optimistic, syncing.el_offline), (None, None));
    assert_eq!(beacon.peers, Seen::Known(0));
    assert!(beacon.validators.known().is_err());
}

#[test]
fn a_node_of_today_is_read() {
    let mut outputs = five();
    outputs[3] = answered(
        r#"{"data":{"head_slot":"7","sync_distance":"1","is_syncing":true,"is_optimistic":true,"el_offline":false}}"#,
        200,
    );
    outputs[4] = answered(
        r#"{"data":{"disconnected":"1","connecting":"0","connected":"56","disconnecting":"0"}}"#,
        200,
    );
    let beacon = read(URL, &outputs);
    let syncing = beacon.syncing.known().unwrap();
    assert_eq!(
        (syncing.head_slot, syncing.is_optimistic, syncing.el_offline),
        (7, Some(true), Some(false))
    );
    assert_eq!(beacon.peers, Seen::Known(56));
}

#[test]
fn what_is_no_answer_is_unknown_by_itself() {
    let refused = Output {
        status: 7,
        stdout: "\n000".to_string(),
        stderr: "curl: (7) refused".to_string(),
    };
    let good = recorded("beacon/syncing").stdout;
    for (output, says) in [
        (refused, "refused"),
        (
            Output {
                status: 127,
                ..Output::default()
            },
            "missing",
        ),
        (said(""), "no HTTP status"),
        (said("\n000"), "no HTTP status"),
        (said(good.trim_end_matches("\n200")), "no HTTP status"),
        (answered("", 200), "no JSON"),
        (answered("<html>Bad gateway</html>", 200), "no JSON"),
        (answered("<html>Bad gateway</html>", 502), "status 502"),
        (answered(r#"{"data":{}}"#, 503), "status 503"),
        (answered("", 206), "status 206"),
        (recorded("beacon/not-found"), "status 404"),
        (answered("{}", 200), "data is missing"),
        (
            answered(r#"{"data":{"head_slot":"7","is_syncing":false}}"#, 200),
            "sync_distance is missing",
        ),
        (
            answered(r#"{"data":{"head_slot":"7","sync_distance":"0"}}"#, 200),
            "is_syncing is missing",
        ),
        (
            varied("beacon/syncing", ":false", ":\"false\""),
            "neither true nor false",
        ),
        (
            varied("beacon/syncing", "\"sync_distance\":0", "\"sync_distance\":-1"),
            "no whole number",
        ),
        (
            varied(
                "beacon/syncing",
                "\"sync_distance\":0",
                "\"sync_distance\":\"+1\"",
            ),
            "no whole number",
        ),
        (
            varied("beacon/syncing", "\"sync_distance\":0", "\"sync_distance\":\"\""),
            "no whole number",
        ),
    ] {
        let mut outputs = five();
        outputs[3] = output;
        let beacon = read(URL, &outputs);
        let why = beacon.syncing.known().unwrap_err();
        assert!(why.contains(says), "{says}: {why}");
        assert!(
            beacon.genesis.known().is_ok(),
            "the other answers stand for themselves"
        );
    }
}

#[test]
fn parameters_of_the_chain_are_never_assumed() {
    assert!(read(URL, &[]).peers.known().is_err());
    for (from, to) in [
        ("\"SECONDS_PER_SLOT\":\"2\"", "\"SECONDS_PER_SLOT\":\"0\""),
        ("SLOTS_PER_EPOCH", "SLOTS"),
    ] {
        let mut outputs = five();
        outputs[2] = varied("beacon/spec", from, to);
        assert!(read(URL, &outputs).spec.known().is_err(), "{to}");
    }
    let mut outputs = five();
    outputs[1] = varied("beacon/genesis", "0x3e8b", "0x3e8");
    assert!(read(URL, &outputs).genesis.known().is_err());
}

#[test]
fn the_execution_client() {
    let said = |result: &str| answered(&format!(r#"{{"jsonrpc":"2.0","id":1,{result}}}"#), 200);
    assert!(!read_execution(&said(r#""result":false"#)).unwrap().syncing);
    assert!(
        read_execution(&said(r#""result":{"currentBlock":"0x1"}"#))
            .unwrap()
            .syncing
    );
    for bad in [
        r#""error":{"code":-32601}"#,
        r#""result":null"#,
        r#""result":"no""#,
        r#""x":1"#,
    ] {
        assert!(read_execution(&said(bad)).is_err(), "{bad}");
    }
}

#[test]
fn keys_are_asked_in_chunks_and_filtered_by_us() {
    let ours = keys(&[KEY_28, KEY_31]);
    assert_eq!(validators_questions(URL, "/eth/v1", &ours, 3).len(), 1);
    let found = read_validators(&ours, &[recorded("beacon/validators")]).unwrap();
    assert_eq!(found.len(), 2, "the node answers with all 32");
    let first = &found[&PublicKey::parse(KEY_28).unwrap()];
    assert_eq!(
        (first.index, first.status.as_str(), first.slashed),
        (28, "active_ongoing", false)
    );
    let stranger = keys(&["0x00"]);
    assert!(
        read_validators(&stranger, &[recorded("beacon/validators")])
            .unwrap()
            .is_empty()
    );
    assert!(read_validators(&ours, &[]).is_err());
    assert!(read_validators(&ours, &[recorded("beacon/not-found")]).is_err());
    assert!(read_validators(&ours, &[varied("beacon/validators", "\"slashed\":false,", "")]).is_err());

    let many: BTreeSet<PublicKey> = (0..130u8)
        .map(|n| PublicKey::from_bytes(&[n; 48]).unwrap())
        .collect();
    assert_eq!(validators_questions(URL, "/eth/v1", &many, 3).len(), 3);
    let long: BTreeSet<PublicKey> = (0..3u8)
        .map(|n| PublicKey::from_bytes(&[n; 2592]).unwrap())
        .collect();
    let calls = validators_questions(URL, "/qrl/v1", &long, 3);
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.args[1].len() < 8000));
}

#[test]
fn the_clock_of_the_chain() {
    let genesis = Genesis {
        time: 1000,
        validators_root: String::new(),
    };
    let spec = Spec {
        seconds_per_slot: 2.0,
        slots_per_epoch: 8,
    };
    for (unix_s, slot) in [
        (999.9, None),
        (1000.0, Some(0)),
        (1001.9, Some(0)),
        (1002.0, Some(1)),
        (f64::NAN, None),
    ] {
        assert_eq!(current_slot(&genesis, &spec, unix_s), slot, "{unix_s}");
    }
    let broken = Spec {
        seconds_per_slot: 0.0,
        ..spec
    };
    assert_eq!(current_slot(&genesis, &broken, 2000.0), None);
}

fn blocks(slots: &[u64]) -> Vec<Output> {
    slots
        .iter()
        .map(|slot| recorded(&format!("beacon/block-{slot}")))
        .collect()
}

fn indices(included: &BTreeSet<Included>) -> Vec<u64> {
    included.iter().map(|vote| vote.index).collect()
}

#[test]
fn attestations_are_found_in_blocks() {
    let ours = BTreeSet::from([28, 29, 30, 31]);
    let ask = duties_question(URL, "/eth/v1", 14, &ours, 3);
    assert_eq!(ask.args[1], format!("{URL}/eth/v1/validator/duties/attester/14"));
    assert_eq!(ask.args[2], r#"["28","29","30","31"]"#);
    assert_eq!(block_questions(URL, "/eth/v1", 113, 119, 3).len(), 7);

    // Slots of the duties: 29 at 114, 28 at 115, 31 at 116, 30 at 118; each is in the block after.
    let duties = [recorded("beacon/duties-current")];
    let all = [113, 114, 115, 116, 117, 118, 119];
    assert_eq!(
        indices(&read_inclusion(&duties, &blocks(&all), 0).unwrap()),
        [29, 28, 31, 30]
    );
    assert_eq!(
        indices(&read_inclusion(&duties, &blocks(&all), 116).unwrap()),
        [31, 30]
    );
    assert_eq!(
        indices(&read_inclusion(&duties, &blocks(&all[..3]), 0).unwrap()),
        [29]
    );
    let skipped = [recorded("beacon/block-missing"), recorded("beacon/block-115")];
    assert_eq!(indices(&read_inclusion(&duties, &skipped, 0).unwrap()), [29]);
}

#[test]
fn a_bit_that_is_not_set_is_nobody() {
    let duties = [recorded("beacon/duties-current")];
    // Validator 29 has place 0 of 4: 0x1e is everybody but the first, 0x11 only the first.
    for (bits, found) in [("0x1e", 0), ("0x11", 1), ("0x09", 0), ("0x3f", 0)] {
        let block = varied("beacon/block-115", "0x1f", bits);
        assert_eq!(
            read_inclusion(&duties, &[block], 0).unwrap().len(),
            found,
            "{bits}"
        );
    }
    for bits in ["0x", "0x00", "0x1f00", "1", "zz"] {
        let block = varied("beacon/block-115", "0x1f", bits);
        assert!(read_inclusion(&duties, &[block], 0).is_err(), "{bits:?}");
    }
    let electra = varied(
        "beacon/block-115",
        "\"signature\"",
        "\"committee_bits\":\"0x01\",\"signature\"",
    );
    assert!(
        read_inclusion(&duties, &[electra], 0)
            .unwrap_err()
            .contains("liveness")
    );
    assert!(read_inclusion(&duties, &[answered("", 500)], 0).is_err());
    assert!(
        read_inclusion(&[recorded("beacon/duties-too-old")], &[], 0)
            .unwrap_err()
            .contains("out of range")
    );
}

#[test]
fn liveness_counts_only_when_everybody_is_named() {
    let ours = BTreeSet::from([28, 29]);
    assert_eq!(
        liveness_question(URL, "/eth/v1", 3, &ours, 3).args[2],
        r#"["28","29"]"#
    );
    let both = r#"{"data":[{"index":"28","is_live":true},{"index":"29","is_live":false},{"index":"1","is_live":true}]}"#;
    assert_eq!(
        read_liveness(&ours, &answered(both, 200)).unwrap(),
        BTreeSet::from([28])
    );
    let one = r#"{"data":[{"index":"28","is_live":false}]}"#;
    assert!(
        read_liveness(&ours, &answered(one, 200))
            .unwrap_err()
            .contains("29")
    );
    assert!(
        read_liveness(&ours, &recorded("beacon/liveness-unknown"))
            .unwrap_err()
            .contains("404")
    );
}

proptest! {
    #[test]
    fn readers_never_panic(text in any::<String>(), hex in "(0x)?[0-9a-f]{0,8}") {
        for output in [said(&text), answered(&text, 200), answered(&format!("{{\"data\":{text}}}"), 200)] {
            let ours = BTreeSet::from([1]);
            let beacon = read(URL, std::slice::from_ref(&output));
            prop_assert!(beacon.spec.known().is_err());
            let _ = (read_execution(&output), read_liveness(&ours, &output));
            let _ = read_validators(&keys(&["0x01"]), std::slice::from_ref(&output));
            let _ = read_inclusion(std::slice::from_ref(&output), std::slice::from_ref(&output), 0);
        }
        let block = varied("beacon/block-115", "0x1f", &hex);
        let _ = read_inclusion(&[recorded("beacon/duties-current")], &[block], 0);
    }
}
