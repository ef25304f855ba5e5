//! `failover protection` over sources of every kind: whose they are, how old, who is ahead, and what is written. Exit
//! statuses are what a script goes by, so each is told by a test.

use std::io::Write;

use serde_json::{Value, json};

use crate::protection::{OTHER, ROOT, interchange, sandbox, vote};
use crate::{Sandbox, assert_shown};

const MAINNET: &str = "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95";
/// Mainnet's epoch 400000 begins: 1606824023 + 400000 * 384 = 1760424023.
const AT: &str = "2025-10-14T06:40:23Z";

fn keys(root: &str, floors: &[(&str, u64, u64, u64)]) -> String {
    let entries: Vec<String> = floors
        .iter()
        .map(|(key, slot, source, target)| {
            format!(
                r#"{{"pubkey":"0x{}","signed_blocks":[{{"slot":"{slot}"}}],"signed_attestations":[{}]}}"#,
                key.repeat(48),
                vote(*source, *target, "0a")
            )
        })
        .collect();
    format!(
        r#"{{"metadata":{{"interchange_format_version":"5","genesis_validators_root":"{root}"}},"data":[{}]}}"#,
        entries.join(",")
    )
}

fn document(sandbox: &Sandbox, args: &[&str]) -> (i32, Value) {
    let (code, text) = sandbox.run(args);
    (code, serde_json::from_str(&text).unwrap())
}

/// Proves that an age is told exactly when there is a clock for it, and what lies ahead of the clock is a problem.
#[test]
fn ages() {
    let sandbox = sandbox();
    let floors = [
        ("ab", 12_799_000, 399_990, 399_991),
        ("cd", 12_700_000, 399_996, 399_997),
    ];
    sandbox.write("mainnet.json", &keys(MAINNET, &floors));
    sandbox.write("early.json", &keys(MAINNET, &[("ab", 1, 400_000, 400_001)]));
    let shown: Vec<String> = [
        &["inspect", "mainnet.json", "--at", AT][..],
        &["inspect", "mainnet.json", "--at", AT, "--network", "hoodi"],
        &["inspect", "early.json", "--at", AT],
        &[
            "inspect",
            "a.json",
            "--at",
            AT,
            "--genesis-time",
            "1760420000",
            "--seconds-per-slot",
            "60",
            "--slots-per-epoch",
            "128",
        ],
        &[
            "inspect",
            "a.json",
            "--at",
            "2020-01-01T00:00:00Z",
            "--network",
            "mainnet",
        ],
        &["inspect", "a.json", "--network", "goerli"],
        &["inspect", "a.json", "--genesis-time", "5"],
        &[
            "inspect",
            "a.json",
            "--genesis-time",
            "5",
            "--seconds-per-slot",
            "0",
            "--slots-per-epoch",
            "1",
        ],
    ]
    .iter()
    .map(|args| sandbox.says(&[&["protection"], *args].concat()))
    .collect();
    assert_shown("protection-inspect-ages", &shown.join("\n\n"));
    let (code, told) = document(
        &sandbox,
        &["protection", "inspect", "mainnet.json", "--at", AT, "--json"],
    );
    assert_eq!(code, 0);
    let source = &told["sources"][0];
    assert_eq!(source["age"], json!({ "slots": 1000, "epochs": 3 }));
    assert_eq!(source["chain"], json!("mainnet"));
    assert_eq!(source["newest"]["target_epoch"], json!(399_997));
}

/// Proves that the exit status says whether B may take over, and that every way in which it may not is told.
#[test]
fn diff() {
    let sandbox = sandbox();
    sandbox.write("two.json", &keys(ROOT, &[("ab", 100, 10, 11), ("cd", 5, 3, 4)]));
    sandbox.write(
        "ahead.json",
        &keys(ROOT, &[("ab", 101, 12, 13), ("cd", 5, 3, 4), ("ef", 1, 1, 2)]),
    );
    sandbox.write("none.json", &keys(ROOT, &[]));
    let told = |args: &[&str], exit: i32| {
        let shown = sandbox.says(&[&["protection", "diff"], args].concat());
        assert!(shown.contains(&format!("\nexit {exit}\n")), "{shown}");
        assert_eq!(shown.contains("\nCOVERED"), exit == 0, "{shown}");
        shown
    };
    let shown = [
        told(&["two.json", "ahead.json"], 0),
        told(&["two.json", "two.json"], 0),
        told(&["ahead.json", "two.json"], 1),
        told(&["a.json", "b.json"], 1),
        told(&["a.json", "other-chain.json"], 1),
        told(&["no-root.json", "no-root.json"], 1),
        told(
            &["no-root.json", "no-root.json", "--genesis-validators-root", ROOT],
            0,
        ),
        told(&["a.json", "a.json", "--genesis-validators-root", OTHER], 1),
        told(&["none.json", "two.json"], 1),
        told(&["two.json", "none.json"], 1),
        told(&["a.json", "torn.json"], 1),
        told(&["a.json", "nowhere.json"], 2),
        told(&["-", "-"], 2),
    ];
    assert_shown("protection-diff", &shown.join("\n\n"));
    let (code, told) = document(
        &sandbox,
        &["protection", "diff", "ahead.json", "two.json", "--json"],
    );
    assert_eq!((code, &told["covers"]), (1, &json!(false)));
    let covered: Vec<&Value> = told["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["covered"])
        .collect();
    assert_eq!(covered, [&json!(false), &json!(true), &json!(false)]);
    assert_eq!(
        told["keys"][0]["b_minus_a"],
        json!({ "block_slots": -1, "source_epochs": -2, "target_epochs": -2 })
    );
}

/// Proves that merging A into B makes B cover A, whichever is ahead: what the words of `diff` tell a person to do.
#[test]
fn a_merge_covers_its_sources() {
    let sandbox = sandbox();
    for (at, strategy) in [&[][..], &["--complete"]].into_iter().enumerate() {
        let output = format!("merged-{at}.json");
        let args = [
            &["protection", "merge", "a.json", "b.json", "-o", &output],
            strategy,
        ]
        .concat();
        assert_eq!(sandbox.run(&args).0, 0);
        for input in ["a.json", "b.json"] {
            assert_eq!(
                sandbox.run(&["protection", "diff", input, &output]).0,
                0,
                "{output}"
            );
            assert_eq!(
                sandbox.run(&["protection", "diff", &output, input]).0,
                1,
                "{output}"
            );
        }
    }
}

/// Proves that a complete merge keeps every message with its root, each once, and that the chain of a source that names
/// none must be vouched for.
#[test]
fn merges_and_conversions() {
    let sandbox = sandbox();
    let shown = [
        sandbox.says(&[
            "protection",
            "merge",
            "a.json",
            "b.json",
            "a.json",
            "--complete",
            "-o",
            "complete.json",
        ]),
        std::fs::read_to_string(sandbox.path().join("complete.json")).unwrap(),
        sandbox.says(&["protection", "merge", "a.json", "no-root.json", "-o", "out.json"]),
        sandbox.says(&[
            "protection",
            "merge",
            "a.json",
            "no-root.json",
            "--genesis-validators-root",
            ROOT,
            "-o",
            "out.json",
        ]),
        sandbox.says(&["protection", "convert", "no-root.json", "-o", "converted.json"]),
        sandbox.says(&[
            "protection",
            "convert",
            "no-root.json",
            "--genesis-validators-root",
            ROOT,
            "-o",
            "converted.json",
        ]),
        std::fs::read_to_string(sandbox.path().join("converted.json")).unwrap(),
        sandbox.says(&["protection", "convert", "double.json", "-o", "none.json"]),
        sandbox.says(&["protection", "convert", "a.json", "-o", "converted.json"]),
        sandbox.says(&[
            "protection",
            "convert",
            "a.json",
            "-o",
            "x.json",
            "--complete",
            "--minimal",
        ]),
        sandbox.says(&["protection", "convert", "a.json", "-o", "y.json", "--json"]),
    ];
    assert_shown("protection-convert", &shown.join("\n\n"));
    assert!(!sandbox.path().join("none.json").exists());
}

/// Proves that possible conflicts are shown, and stop neither a merge nor hide behind it.
#[test]
fn possible_conflicts_are_shown() {
    let sandbox = sandbox();
    let rootless = r#"{"source_epoch":"9","target_epoch":"12"}"#;
    sandbox.write("rootless.json", &interchange(ROOT, "", rootless));
    let shown = [
        sandbox.says(&[
            "protection",
            "merge",
            "a.json",
            "rootless.json",
            "-o",
            "minimal.json",
        ]),
        sandbox.says(&[
            "protection",
            "merge",
            "a.json",
            "rootless.json",
            "-o",
            "complete.json",
            "--complete",
        ]),
        sandbox.says(&["protection", "validate", "complete.json"]),
    ];
    assert_shown("protection-possible", &shown.join("\n\n"));
}

/// Proves that a source may come packed, piped or by its directory, and is the same thing then.
#[test]
fn packed_and_piped() {
    let sandbox = sandbox();
    let plain = interchange(ROOT, r#"{"slot":"100"}"#, &vote(10, 11, "0a"));
    let file = std::fs::File::create(sandbox.path().join("a.json.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    packed.write_all(plain.as_bytes()).unwrap();
    packed.finish().unwrap();
    std::fs::create_dir_all(sandbox.path().join("export")).unwrap();
    sandbox.write("export/slashing_protection.json", &plain);
    let tar = std::fs::File::create(sandbox.path().join("backup.tar.gz")).unwrap();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(tar, flate2::Compression::default()));
    tar.append_path_with_name(sandbox.path().join("a.json"), "export/slashing_protection.json")
        .unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    std::fs::create_dir(sandbox.path().join("tmp")).unwrap();
    let said = |args: &[&str], input: Vec<u8>| {
        let mut command = sandbox.command(args);
        command
            .env("TMPDIR", sandbox.path().join("tmp"))
            .write_stdin(input);
        let output = command.output().unwrap();
        (output.status.code().unwrap(), output.stdout)
    };
    let floors = |source: &str| {
        let (code, text) = said(&["protection", "inspect", source, "--json"], Vec::new());
        assert_eq!(code, 0, "{source}");
        serde_json::from_slice::<Value>(&text).unwrap()["sources"][0]["floors"].clone()
    };
    for source in ["a.json.gz", "export", "backup.tar.gz"] {
        assert_eq!(floors(source), floors("a.json"), "{source}");
        assert_eq!(
            said(&["protection", "diff", "a.json", source], Vec::new()).0,
            0,
            "{source}"
        );
    }
    for name in ["a.json", "backup.tar.gz"] {
        let bytes = std::fs::read(sandbox.path().join(name)).unwrap();
        assert_eq!(said(&["protection", "diff", "-", "a.json"], bytes).0, 0, "{name}");
    }
    let left = std::fs::read_dir(sandbox.path().join("tmp")).unwrap().count();
    assert_eq!(left, 0, "unpacked copies were left behind");
}

/// Proves that a cut archive and a cut gzip are refused, never read as less.
#[test]
fn cut_archives() {
    let sandbox = sandbox();
    let plain = keys(ROOT, &[("ab", 1, 1, 2)]);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(plain.as_bytes()).unwrap();
    let bytes = packed.finish().unwrap();
    for cut in [bytes.len() - 1, bytes.len() - 8, bytes.len() / 2, 12] {
        std::fs::write(sandbox.path().join("cut.json.gz"), &bytes[..cut]).unwrap();
        assert_eq!(
            sandbox.run(&["protection", "inspect", "cut.json.gz"]).0,
            1,
            "{cut} of {}",
            bytes.len()
        );
    }
}

/// Proves that no password of an address is printed, whatever comes of it.
#[test]
fn no_password_is_printed() {
    let sandbox = sandbox();
    for address in [
        "postgres://web3signer:hunter2secret@127.0.0.1:1/web3signer",
        "postgresql://web3signer@127.0.0.1:1/web3signer?password=hunter2secret",
    ] {
        for args in [
            &["protection", "inspect", address][..],
            &["protection", "inspect", address, "--json", "-vvv"],
            &["protection", "diff", "a.json", address],
        ] {
            let output = sandbox.command(args).output().unwrap();
            let told = [output.stdout, output.stderr].concat();
            let told = String::from_utf8(told).unwrap();
            assert_ne!(output.status.code(), Some(0), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
