//! Is `docs/protection.schema.json` what `failover protection --json` prints? Documents of every sub-command, with and
//! without something in every list, are held against it.

use serde_json::{Value, json};

use crate::Sandbox;
use crate::protection::{ROOT, sandbox};

const MAINNET: &str = "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95";

/// Arguments, exit status, and the name of the document.
const RUNS: [(&[&str], i32, &str); 13] = [
    (&["inspect", "a.json", "b.json"], 0, "failover.inspect/2"),
    (
        &["inspect", "a.json", "torn.json", "no-root.json"],
        1,
        "failover.inspect/2",
    ),
    (
        &["inspect", "double.json", "surround.json", "blocks.json"],
        0,
        "failover.inspect/2",
    ),
    (&["inspect", "mainnet.json"], 0, "failover.inspect/2"),
    (&["validate", "a.json"], 0, "failover.validate/2"),
    (&["validate", "double.json"], 1, "failover.validate/2"),
    (&["validate", "no-root.json"], 1, "failover.validate/2"),
    (
        &["merge", "a.json", "b.json", "-o", "1.json"],
        0,
        "failover.merge/2",
    ),
    (
        &["merge", "a.json", "rootless.json", "-o", "2.json", "--complete"],
        0,
        "failover.merge/2",
    ),
    (
        &["convert", "raised.json", "-o", "3.json"],
        0,
        "failover.convert/1",
    ),
    (&["diff", "a.json", "a.json"], 0, "failover.diff/1"),
    (&["diff", "a.json", "mainnet.json"], 1, "failover.diff/1"),
    (&["diff", "mainnet.json", "none.json"], 1, "failover.diff/1"),
];

fn filled() -> Sandbox {
    use crate::protection::interchange;
    let sandbox = sandbox();
    let blocks = r#"{"slot":"5"},{"slot":"5"}"#;
    sandbox.write("blocks.json", &interchange(ROOT, blocks, ""));
    let vote = r#"{"source_epoch":"9","target_epoch":"12"}"#;
    sandbox.write("rootless.json", &interchange(ROOT, "", vote));
    sandbox.write("mainnet.json", &interchange(MAINNET, r#"{"slot":"7"}"#, vote));
    let damaged = r#"{"source_epoch":"9","target_epoch":"9"}"#;
    sandbox.write("raised.json", &interchange(ROOT, "", damaged));
    let entry = interchange(ROOT, "", "");
    let none = format!("{}[]}}", entry.split_once("[{").unwrap().0);
    sandbox.write("none.json", &none);
    sandbox
}

/// Proves that what is printed is what the schema promises, field by field, and that the runs fill what can be filled.
#[test]
fn documents_are_valid() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/protection.schema.json")).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let sandbox = filled();
    let mut all = String::new();
    for (args, exit, name) in RUNS {
        let (code, text) = sandbox.run(&[&["protection"], args, &["--json"]].concat());
        assert_eq!(code, exit, "{args:?}: {text}");
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["schema"], json!(name), "{args:?}");
        assert!(validator.is_valid(&document), "{args:?}: {document:#}");
        all += &text;
    }
    for filled in [
        "\"proven\": 1",
        "\"possible\": 1",
        "\"surround\"",
        "\"double_vote\"",
        "\"double_proposal\"",
        "\"from\"",
        "\"error\"",
        "\"seconds_per_slot\"",
        "only in A",
    ] {
        assert!(all.contains(filled), "no document has {filled}");
    }
}

/// Proves that the schema refuses what is not promised: a field too many, a field too few, another version.
#[test]
fn other_documents_are_not() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/protection.schema.json")).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let (_, text) = sandbox().run(&["protection", "diff", "a.json", "a.json", "--json"]);
    let good: Value = serde_json::from_str(&text).unwrap();
    assert!(validator.is_valid(&good));
    let changed = |change: fn(&mut Value)| {
        let mut document = good.clone();
        change(&mut document);
        document
    };
    for bad in [
        changed(|document| document["more"] = json!(1)),
        changed(|document| document["schema"] = json!("failover.diff/2")),
        changed(|document| document["keys"][0]["covered"] = Value::Null),
        changed(|document| drop(document.as_object_mut().unwrap().remove("covers"))),
    ] {
        assert!(!validator.is_valid(&bad), "{bad:#}");
    }
}
