//! What the reader accepts and what it refuses, one line per kind.
//!
//! Must never only check that something was refused: the words matter to the person who reads them.

use crate::protection::interchange::{Interchange, read};

const ZERO: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";

fn document(data: &str) -> String {
    format!(
        r#"{{"metadata":{{"interchange_format_version":"5","genesis_validators_root":"{ZERO}"}},"data":{data}}}"#
    )
}

fn entry(lists: &str) -> String {
    document(&format!(
        r#"[{{"pubkey":"0x00112233445566"}},{{"pubkey":"0xaabbccddeeff",{lists}}}]"#
    ))
}

fn error(text: &str) -> String {
    read(text.as_bytes()).unwrap_err().to_string()
}

fn metadata(text: &str) -> String {
    format!(r#"{{"metadata":{{{text}}},"data":[]}}"#)
}

#[test]
fn failed_exports_are_not_empty_histories() {
    for (text, said) in [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        ("null", "the file says null"),
        ("\"null\"\n", "the file says null"),
        (&document("null"), "no data list"),
        (
            r#"{"metadata":{"interchange_format_version":"5"}}"#,
            "no data list",
        ),
        ("{}", "no metadata"),
        ("[]", "line 1, column 0: not an EIP-3076 interchange"),
        ("not json", "line 1, column 2: not JSON"),
        (&document("[]}"), "not JSON (trailing characters)"),
        (&document("{}"), "not an EIP-3076 interchange"),
        (&document("[null]"), "not an EIP-3076 interchange"),
        (&document(r#"[["0xaa",[],[]]]"#), "not an EIP-3076 interchange"),
        (
            &document(r#"[{"pubkey":"0xaa","signed_blocks":[["5",null]]}]"#),
            "expected an object",
        ),
        (
            &entry(r#""signed_blocks":[],"signed_blocks":[]"#),
            "duplicate field",
        ),
        (&document("[")[..100], "the file is cut off"),
    ] {
        assert!(error(text).contains(said), "{text}: {}", error(text));
    }
}

#[test]
fn versions() {
    for accepted in [
        r#""interchange_format_version":"5""#,
        r#""interchange_format_version":5,"genesis_validators_root":null"#,
        r#""interchange_format":"complete","interchange_format_version":"4","genesis_validators_root":"""#,
    ] {
        assert_eq!(
            read(metadata(accepted).as_bytes()),
            Ok(Interchange::default()),
            "{accepted}"
        );
    }
    for (refused, found) in [
        ("", "is missing"),
        (r#""interchange_format_version":null"#, "is missing"),
        (r#""interchange_format_version":"4""#, "is \"4\""),
        (
            r#""interchange_format":"minimal","interchange_format_version":"4""#,
            "is \"4\"",
        ),
        (r#""interchange_format_version":5.5"#, "is 5.5"),
        (r#""interchange_format_version":"\u001b[2J""#, "is \"\\u{1b}[2J\""),
    ] {
        assert!(
            error(&metadata(refused)).contains(found),
            "{refused}: {}",
            error(&metadata(refused))
        );
    }
    let bad_root = metadata(r#""interchange_format_version":"5","genesis_validators_root":"0x12""#);
    assert!(error(&bad_root).contains("genesis_validators_root is \"0x12\""));
}

#[test]
fn bad_values_are_named_with_key_list_index_and_field() {
    let vote = |fields: &str| entry(&format!(r#""signed_attestations":[{{{fields}}}]"#));
    let slot = |slot: &str| entry(&format!(r#""signed_blocks":[{{"slot":"1"}},{{"slot":{slot}}}]"#));
    let place = "data[1] (key 0xaabb…eeff), signed_blocks[1].slot is ";
    for (text, said) in [
        (
            slot("\"abc\""),
            format!("{place}\"abc\", expected a whole number"),
        ),
        (slot("\"\""), format!("{place}\"\",")),
        (slot("\"+5\""), format!("{place}\"+5\",")),
        (slot("\"0x5\""), format!("{place}\"0x5\",")),
        (slot("-1"), format!("{place}-1,")),
        (slot("1.5"), format!("{place}1.5,")),
        (slot("true"), format!("{place}true,")),
        (slot("null"), format!("{place}missing,")),
        (
            slot("\"18446744073709551616\""),
            format!("{place}\"18446744073709551616\","),
        ),
        (
            slot("9007199254740992"),
            format!("{place}9007199254740992, above 9007199254740991"),
        ),
        (
            slot("\"18446744073709551615\""),
            format!("{place}18446744073709551615, above"),
        ),
        (
            vote(r#""source_epoch":"1""#),
            "signed_attestations[0].target_epoch is missing".to_owned(),
        ),
        (
            vote(r#""target_epoch":"1""#),
            "signed_attestations[0].source_epoch is missing".to_owned(),
        ),
        (
            vote(r#""source_epoch":"1","target_epoch":"2","signing_root":"0x12""#),
            "signed_attestations[0].signing_root is \"0x12\"".to_owned(),
        ),
        (document(r#"[{}]"#), "data[0].pubkey is missing".to_owned()),
        (
            document(r#"[{"pubkey":"0x1"}]"#),
            "data[0].pubkey is \"0x1\"".to_owned(),
        ),
        (document(r#"[{"pubkey":7}]"#), "data[0].pubkey is 7".to_owned()),
    ] {
        assert!(error(&text).contains(&said), "{text}: {}", error(&text));
    }
    assert!(read(slot("9007199254740991").as_bytes()).is_ok());
}

#[test]
fn keys_without_history_stay_known() {
    let document = read(entry(r#""signed_blocks":null,"signed_attestations":[]"#).as_bytes()).unwrap();
    assert_eq!(document.records.len(), 2);
    assert_eq!(document.counts(), (0, 0));
}

#[test]
fn slot_zero_folds_to_never_proposed() {
    let teku = read(entry(r#""signed_blocks":[{"slot":"0"}]"#).as_bytes()).unwrap();
    let history = crate::protection::fold(&teku);
    assert!(history.floors.values().all(|floors| floors.block_slot.is_none()));
}
