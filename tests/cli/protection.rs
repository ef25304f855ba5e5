//! `failover protection`: files at rest. Slashable messages, another chain, a failed export and an existing output are
//! each told in words, and nothing is written.

use std::os::unix::fs::PermissionsExt;

use crate::{Sandbox, assert_shown};

pub const ROOT: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";
pub const OTHER: &str = "0x2222222222222222222222222222222222222222222222222222222222222222";

/// An interchange with one key: its blocks and attestations as they stand in the file.
pub fn interchange(root: &str, blocks: &str, attestations: &str) -> String {
    let key = format!("0x{}", "ab".repeat(48));
    format!(
        r#"{{"metadata":{{"interchange_format_version":"5","genesis_validators_root":"{root}"}},
"data":[{{"pubkey":"{key}","signed_blocks":[{blocks}],"signed_attestations":[{attestations}]}}]}}"#
    )
}

pub fn vote(source: u64, target: u64, root: &str) -> String {
    let root = root.repeat(32);
    format!(r#"{{"source_epoch":"{source}","target_epoch":"{target}","signing_root":"0x{root}"}}"#)
}

pub fn sandbox() -> Sandbox {
    let sandbox = Sandbox::fresh();
    sandbox.write(
        "a.json",
        &interchange(ROOT, r#"{"slot":"100"}"#, &vote(10, 11, "0a")),
    );
    sandbox.write(
        "b.json",
        &interchange(ROOT, r#"{"slot":"90"}"#, &vote(12, 13, "0b")),
    );
    sandbox.write("other-chain.json", &interchange(OTHER, "", &vote(10, 11, "0a")));
    let double = format!("{},{}", vote(10, 11, "0a"), vote(10, 11, "0b"));
    sandbox.write("double.json", &interchange(ROOT, "", &double));
    let surround = format!("{},{}", vote(10, 11, "0a"), vote(9, 12, "0c"));
    sandbox.write("surround.json", &interchange(ROOT, "", &surround));
    sandbox.write(
        "no-data.json",
        r#"{"metadata":{"interchange_format_version":"5"},"data":null}"#,
    );
    sandbox.write(
        "no-root.json",
        &interchange(ROOT, "", &vote(1, 2, "0a"))
            .replace(&format!(r#","genesis_validators_root":"{ROOT}""#), ""),
    );
    sandbox.write("torn.json", &interchange(ROOT, "", "")[..120]);
    sandbox.write("empty.json", "");
    sandbox
}

#[test]
fn inspect() {
    let sandbox = sandbox();
    let shown: Vec<String> = [
        &["protection", "inspect", "a.json", "b.json"][..],
        &[
            "protection",
            "inspect",
            "a.json",
            "--json",
            "--at",
            "2026-11-22T00:00:00Z",
        ],
        &["protection", "inspect", "double.json", "surround.json"],
        &["protection", "inspect", "a.json", "torn.json", "no-root.json"],
        &["protection", "inspect", "nowhere.json"],
    ]
    .iter()
    .map(|args| sandbox.says(args))
    .collect();
    assert_shown("protection-inspect", &shown.join("\n\n"));
}

#[test]
fn validate() {
    let sandbox = sandbox();
    let good = sandbox.run(&[
        "protection",
        "validate",
        "a.json",
        "--genesis-validators-root",
        ROOT,
    ]);
    assert_eq!(
        good,
        (
            0,
            "VALID a.json: 1 key, 1 block, 1 attestation, nothing slashable among them\n".to_owned()
        )
    );
    let mut shown = vec![sandbox.says(&[
        "protection",
        "validate",
        "a.json",
        "--genesis-validators-root",
        OTHER,
    ])];
    for file in [
        "double.json",
        "surround.json",
        "no-data.json",
        "no-root.json",
        "torn.json",
        "empty.json",
    ] {
        shown.push(sandbox.says(&["protection", "validate", file]));
    }
    for one in &shown {
        assert!(one.contains("\nexit 1\n"), "{one}");
    }
    shown.push(sandbox.says(&["protection", "validate", "nowhere.json"]));
    assert_shown("protection-validate", &shown.join("\n\n"));
}

/// Proves that standard input is read where the file is `-`.
#[test]
fn validate_standard_input() {
    let sandbox = sandbox();
    let mut command = sandbox.command(&["protection", "validate", "-"]);
    command.write_stdin(interchange(ROOT, r#"{"slot":"1"}"#, ""));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "VALID -: 1 key, 1 block, 0 attestations, nothing slashable among them\n"
    );
}

/// Proves the merge: each floor is the highest of any input, in a private file that reads back as it was written.
#[test]
fn merge() {
    let sandbox = sandbox();
    let shown = sandbox.says(&[
        "protection",
        "merge",
        "a.json",
        "b.json",
        "--output",
        "merged.json",
    ]);
    let path = sandbox.path().join("merged.json");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = std::fs::read_to_string(&path).unwrap();
    assert_shown("protection-merge", &format!("{shown}\n---- merged.json\n{text}"));
    let (code, _) = sandbox.run(&["protection", "validate", "merged.json"]);
    assert_eq!(code, 0);
    for input in ["a.json", "b.json"] {
        let again = format!("again-{input}");
        assert_eq!(
            sandbox
                .run(&["protection", "merge", "merged.json", input, "-o", &again])
                .0,
            0
        );
        let merged_again = std::fs::read_to_string(sandbox.path().join(again)).unwrap();
        assert_eq!(merged_again, text, "merging {input} once more changed the floors");
    }
}

/// Proves that nothing is written when the inputs contradict each other, nor over a file that is there.
#[test]
fn merge_refuses() {
    let sandbox = sandbox();
    sandbox.write("there.json", "mine");
    let shown: Vec<String> = [
        ["a.json", "double.json", "out.json"],
        ["a.json", "surround.json", "out.json"],
        ["a.json", "other-chain.json", "out.json"],
        ["a.json", "no-data.json", "out.json"],
        ["no-root.json", "no-root.json", "out.json"],
        ["a.json", "b.json", "there.json"],
    ]
    .iter()
    .map(|[one, two, output]| sandbox.says(&["protection", "merge", one, two, "--output", output]))
    .collect();
    for one in &shown {
        assert!(!one.contains("\nexit 0\n"), "{one}");
    }
    assert!(!sandbox.path().join("out.json").exists());
    assert_eq!(
        std::fs::read_to_string(sandbox.path().join("there.json")).unwrap(),
        "mine"
    );
    assert_shown("protection-merge-refuses", &shown.join("\n\n"));
    let left: Vec<_> = std::fs::read_dir(sandbox.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let parts: Vec<_> = left
        .iter()
        .filter(|name| name.to_string_lossy().starts_with(".tmp"))
        .collect();
    assert!(parts.is_empty(), "{parts:?}");
}
