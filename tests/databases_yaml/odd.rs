//! Records that the clients do not write. Must name for each what is wrong with it, so that none is refused for another
//! reason.

use failover::databases::DatabaseError;

use super::{SLOT, SOURCE, TARGET, minimal_record, teku_record};

/// Proves that what Prysm does not write is refused, with the reason.
#[test]
fn odd_records_of_prysm_are_damage() {
    let prysm: [(String, &str); 16] = [
        (String::new(), "zero bytes"),
        ("\n".into(), "no YAML of this format"),
        ("{}\n".into(), "no YAML of this format"),
        ("null\n".into(), "no YAML of this format"),
        ("\0\0\0\0".into(), "does not end with a line end"),
        (format!("{SOURCE}: 5"), "does not end with a line end"),
        (format!("{SOURCE}: 5\n"), "it was cut between its lines"),
        (
            format!("{SOURCE}: 0\n{TARGET}:\n"),
            "`lastSignedAttestationTargetEpoch` has no value",
        ),
        (
            format!("{SLOT}: null\n{SOURCE}: 0\n"),
            "`latestSignedBlockSlot` has no value",
        ),
        (format!("{SLOT}: 7\n"), "no YAML of this format"),
        (format!("{SOURCE}: 0\n{SOURCE}: 0\n"), "no YAML of this format"),
        (
            format!("{SOURCE}: 0\nsomethingNew: 4\n"),
            "no YAML of this format",
        ),
        (
            format!("{SOURCE}: 0\n---\n{SOURCE}: 0\n"),
            "no YAML of this format",
        ),
        (
            format!("{SOURCE}: &a 0\n{TARGET}: *a\n"),
            "no YAML of this format",
        ),
        (format!("{SOURCE}: [1]\n"), "no YAML of this format"),
        (
            format!("{SOURCE}: 9007199254740992\n"),
            "no slot or epoch up to 9007199254740991",
        ),
    ];
    for (text, expected) in &prysm {
        let error = minimal_record(text.as_bytes()).unwrap_err();
        assert!(
            matches!(error, DatabaseError::Damaged { .. }),
            "{text:?}: {error:?}"
        );
        assert!(error.to_string().contains(expected), "{text:?}: {error}");
        assert!(
            error.to_string().starts_with("memory/0xab.yaml: damaged: "),
            "{error}"
        );
    }
}

/// Proves that what is YAML, but no number as Go and Java write it, is refused.
#[test]
fn odd_numbers_are_damage() {
    for number in [
        "0x10", "1_000", "+5", "-5", "1e3", "12.0", "012", "0o12", "abc", "''", "~", ".inf", "1 2",
    ] {
        let error = minimal_record(format!("{SOURCE}: 1\n{TARGET}: {number}\n").as_bytes()).unwrap_err();
        assert!(
            matches!(error, DatabaseError::Damaged { .. }),
            "{number}: {error:?}"
        );
    }
}

/// Proves the same of Teku as of Prysm.
#[test]
fn odd_records_of_teku_are_damage() {
    let three = |slot: &str, source: &str, target: &str| {
        format!("---\nlastSignedBlockSlot: {slot}\n{SOURCE}: {source}\n{TARGET}: {target}\n")
    };
    for (text, expected) in [
        (String::new(), "zero bytes"),
        ("---\n".into(), "no YAML of this format"),
        (
            three("1", "2", ""),
            "`lastSignedAttestationTargetEpoch` has no value",
        ),
        (three("~", "2", "3"), "`lastSignedBlockSlot` has no value"),
        (three("1", "2", "null"), "only one of the two epochs"),
        (three("1", "null", "3"), "only one of the two epochs"),
        (three("1", "2", "18446744073709551614"), "no slot or epoch"),
        (
            three("1", "2", "3").replace("lastSignedBlockSlot: 1\n", ""),
            "no YAML of this format",
        ),
        (
            three("1", "2", "3").replace(&format!("{TARGET}: 3\n"), ""),
            "no YAML of this format",
        ),
        (three("1", "2", "3") + "more: 1\n", "no YAML of this format"),
        (
            three("1", "2", "3") + "genesisValidatorsRoot: \"0x12\"\n",
            "genesisValidatorsRoot: a root is 64 hex",
        ),
        (
            three("1", "2", "3") + &"# long\n".repeat(1000),
            "at most 4096 are expected",
        ),
    ] {
        let error = teku_record(text.as_bytes()).unwrap_err();
        assert!(
            matches!(error, DatabaseError::Damaged { .. }),
            "{text:?}: {error:?}"
        );
        assert!(error.to_string().contains(expected), "{text:?}: {error}");
    }
}
