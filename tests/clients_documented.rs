//! How the rows of Lighthouse, Teku, Nimbus, Dirk and Web3Signer read what those clients print, over answers that are
//! documented and not recorded (`tests/transcripts/NAME/README.md`). Exit status 0 with a loss behind it is the case
//! that matters. Must never touch a host.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

#[path = "transcripts/mod.rs"]
mod transcripts;

use failover::clients::{CLIENTS, ExportFailure, named};
use failover::transport::Output;
use transcripts::{documented, said};

/// What an answer comes to: success, a lock, or a failure whose text holds this.
#[derive(Debug, Clone, Copy)]
enum Means {
    Success,
    Locked,
    Failure(&'static str),
}
use Means::{Failure, Locked, Success};

/// The answer, its exit status, what it means.
const EXPORTS: &[(&str, i32, Means)] = &[
    ("lighthouse/export-done", 0, Success),
    ("lighthouse/export-done", 1, Failure("exit status 1")),
    ("lighthouse/export-locked", 1, Locked),
    (
        "lighthouse/export-absent",
        1,
        Failure("No slashing protection database exists"),
    ),
    ("teku/export-done", 0, Success),
    ("teku/export-foreign-file", 1, Failure("notes.yml")),
    ("teku/export-foreign-file", 0, Failure("notes.yml")),
    ("nimbus/export-done", 0, Success),
    ("nimbus/export-done", 1, Failure("exit status 1")),
    ("dirk/export-done", 0, Success),
    ("dirk/export-done", 1, Failure("exit status 1")),
    ("dirk/export-locked", 1, Locked),
    ("web3signer/export-done", 0, Success),
    ("web3signer/export-done", 124, Success),
    ("web3signer/export-done", 1, Failure("exit status 1")),
    (
        "web3signer/export-no-watermark",
        0,
        Failure("producing empty export"),
    ),
];

const IMPORTS: &[(&str, i32, Means)] = &[
    ("lighthouse/import-done", 0, Success),
    ("lighthouse/import-aborted", 1, Failure("import aborted")),
    ("lighthouse/import-aborted", 0, Failure("import aborted")),
    (
        "lighthouse/import-other-chain",
        1,
        Failure("GenesisValidatorsMismatch"),
    ),
    ("teku/import-done", 0, Success),
    (
        "teku/import-lost-keys",
        0,
        Failure("different validators signing root"),
    ),
    ("teku/import-counted-only", 0, Failure("1 errors found")),
    ("teku/export-done", 0, Failure("how many records it updated")),
    ("nimbus/import-done", 0, Success),
    // The database covers that block already; what it must cover is read back.
    ("nimbus/import-block-covered", 0, Success),
    ("nimbus/import-bad-key", 0, Failure("Invalid public key")),
    (
        "nimbus/import-cut-short",
        0,
        Failure("No attestation found in slashing interchange file"),
    ),
    ("nimbus/import-other-chain", 1, Failure("check error")),
    ("nimbus/export-done", 0, Failure("did not say")),
    ("dirk/import-done", 0, Success),
    (
        "dirk/import-left-out",
        0,
        Failure("contains newer data; not importing"),
    ),
    ("dirk/import-other-chain", 1, Failure("exit status 1")),
    ("web3signer/import-done", 124, Success),
    ("web3signer/import-lost-key", 0, Failure("validator 3")),
];

fn row(name: &str) -> &'static failover::clients::Client {
    named(name.split('/').next().unwrap()).unwrap()
}

#[test]
fn an_export_is_believed_for_its_words() {
    for (name, status, means) in EXPORTS {
        let read = (row(name).read_export)(&documented(name, *status));
        match (means, &read) {
            (Success, Ok(())) | (Locked, Err(ExportFailure::Locked)) => {}
            (Failure(says), Err(ExportFailure::Other(why))) => assert!(why.contains(says), "{name}: {why}"),
            _ => panic!("{name} with {status} is {read:?}, not {means:?}"),
        }
    }
}

#[test]
fn a_loss_behind_exit_status_0_is_seen() {
    for (name, status, means) in IMPORTS {
        let read = (row(name).read_import)(&documented(name, *status));
        match (means, &read) {
            (Success, Ok(())) => {}
            (Failure(says), Err(why)) => assert!(why.contains(says), "{name}: {why}"),
            _ => panic!("{name} with {status} is {read:?}, not {means:?}"),
        }
    }
}

/// One that ran into its limit has not said that it is done, but for the one that is known not to end.
#[test]
fn a_client_that_does_not_end_is_not_believed() {
    for (name, _, means) in EXPORTS.iter().chain(IMPORTS) {
        if !matches!(means, Success) || name.starts_with("web3signer") {
            continue;
        }
        let late = documented(name, 124);
        let reads = ((row(name).read_export)(&late), (row(name).read_import)(&late));
        assert!(reads.0.is_err() && reads.1.is_err(), "{name}: {reads:?}");
    }
}

/// Silence is success for Dirk alone, which has no word for it; its file and the read-back decide.
#[test]
fn silence_is_a_failure_but_of_the_one_that_never_speaks() {
    for client in CLIENTS {
        let silent = (
            (client.read_export)(&said("")).is_ok(),
            (client.read_import)(&said("")).is_ok(),
        );
        let expected = client.name == "dirk";
        assert_eq!(silent, (expected, expected), "{}", client.name);
        let failed = Output {
            status: 1,
            ..said("")
        };
        assert!((client.read_export)(&failed).is_err() && (client.read_import)(&failed).is_err());
    }
}

/// Proves that no word of a documented answer is read by a row of another client as success.
#[test]
fn no_client_is_believed_for_the_words_of_another() {
    for (name, _, means) in EXPORTS.iter().chain(IMPORTS) {
        for client in CLIENTS.iter().filter(|client| !name.starts_with(client.name)) {
            let output = documented(name, 0);
            if matches!(means, Success) && !output.stdout.is_empty() {
                assert!(
                    (client.read_export)(&output).is_err(),
                    "{name} by {}",
                    client.name
                );
                assert!(
                    (client.read_import)(&output).is_err(),
                    "{name} by {}",
                    client.name
                );
            }
        }
    }
}
