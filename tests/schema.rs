//! Is `docs/report.schema.json` what the program prints? Whole runs of the demo, healthy and with faults, are held
//! against it; and the schema against the code, so that neither can change alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use failover::guards::GUARDS;
use failover::protocol::{Event, Outcome, State};
use serde_json::{Value, json};

/// How a run of the demo has to end: exit code and outcome.
const RUNS: [(Option<&str>, u8, Outcome); 4] = [
    (None, 0, Outcome::Completed),
    (Some("backup-unsynced"), 1, Outcome::Refused),
    (Some("database-damaged"), 3, Outcome::Restored),
    (Some("history-hidden"), 4, Outcome::Parked),
];

/// Proves that what a run prints is what the schema promises, field by field.
#[test]
fn reports_of_the_demo_are_valid() {
    let schema = schema();
    let runs = RUNS.map(|(fault, code, outcome)| {
        let run = std::thread::spawn(move || demo(fault));
        (fault.unwrap_or("healthy"), code, outcome, run)
    });
    for (name, code, outcome, run) in runs {
        let document = run.join().unwrap();
        assert_eq!(document["as_expected"], json!(true), "{name}: {document:#}");
        assert_eq!(document["exit_code"], json!(code), "{name}");
        assert_eq!(document["slashable"], json!(0), "{name}");
        let report = &document["report"];
        let errors = errors(&schema, report);
        assert!(errors.is_empty(), "{name}: {errors:#?}\n{report:#}");
        assert_eq!(report["outcome"], json!(outcome.word()), "{name}");
        says_what_was_asked_for(name, report, outcome);
    }
}

/// The fields by which a person or a program judges a run.
fn says_what_was_asked_for(name: &str, report: &Value, outcome: Outcome) {
    assert_eq!(
        (&report["primary"], &report["backup"]),
        (&json!("val-a"), &json!("val-b"))
    );
    assert_eq!(report["keys"], json!(4), "{name}");
    assert!(report["run"].as_str().unwrap().len() == 25, "{name}");
    assert!(report["round_trips"].as_u64().unwrap() > 0, "{name}");
    assert!(
        !report["next"].as_array().unwrap().is_empty(),
        "{name}: says nothing to do"
    );
    let states = report["states"].as_array().unwrap();
    assert_eq!(states[0]["name"], json!("Preflight"), "{name}");
    assert_eq!(states[0]["start"], report["started"], "{name}");
    assert!(
        states.iter().all(|stay| stay["seconds"].as_f64().unwrap() >= 0.0),
        "{name}"
    );
    let guards = report["guards"].as_array().unwrap();
    let blocks = guards.iter().filter(|guard| guard["verdict"] != "pass").count();
    assert_eq!(blocks > 0, outcome == Outcome::Refused, "{name}: {guards:#?}");
    match outcome {
        Outcome::Completed => {
            assert_eq!(report["signer"], json!("val-b"));
            assert!(report["gap_s"].as_f64().unwrap() > 0.0);
            assert_eq!(report["floors"], json!({ "raised": 4, "equal": 0 }));
            assert_eq!(report["generation"], json!(1));
            assert_eq!(report["collected"]["primary"]["way"], json!("direct"));
            assert_eq!(report["cross_check"]["outcome"], json!("agrees"));
            assert_eq!(guards.len(), GUARDS.len(), "a guard was never judged");
        }
        Outcome::Restored => {
            assert_eq!(report["signer"], json!("val-a"));
            assert_eq!(
                (&report["gap_s"], &report["changed"]),
                (&Value::Null, &json!(true))
            );
        }
        Outcome::Refused => {
            assert_eq!(
                (&report["signer"], &report["generation"]),
                (&Value::Null, &Value::Null)
            );
            assert_eq!(
                (&report["floors"], &report["changed"]),
                (&Value::Null, &json!(false))
            );
        }
        Outcome::Parked => {
            assert_eq!(report["signer"], Value::Null);
            assert_eq!(report["cross_check"]["outcome"], json!("higher"));
        }
        Outcome::Unconfirmed => panic!("{name} is not expected to end {}", outcome.word()),
    }
}

/// Proves that every name in the code fits the schema, and that the words are those of the code.
#[test]
fn the_schema_knows_every_name() {
    let schema = schema();
    let words: Vec<&str> = Outcome::ALL
        .iter()
        .map(|outcome| outcome.word())
        .chain(["running"])
        .collect();
    assert_eq!(schema["properties"]["outcome"]["enum"], json!(words));
    assert_eq!(
        schema["properties"]["schema"]["const"],
        json!(failover::report::SCHEMA)
    );
    for state in State::all() {
        let mut report = example();
        report["state"] = json!(state.to_string());
        assert_eq!(errors(&schema, &report), [] as [String; 0], "{state}");
    }
    for event in Event::ALL {
        let mut report = example();
        report["states"][0]["event"] = json!(event.name());
        assert_eq!(errors(&schema, &report), [] as [String; 0], "{event}");
    }
    for guard in GUARDS {
        let mut report = example();
        report["guards"][0]["id"] = json!(guard.id);
        report["guards"][0]["remedy"] = json!(guard.remedy);
        assert_eq!(errors(&schema, &report), [] as [String; 0], "{}", guard.id);
    }
}

/// Proves that the schema is one, that it describes every field, and that it lets nothing unknown through.
#[test]
fn the_schema_is_strict() {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    described("report", &schema);
    for (name, part) in schema["$defs"].as_object().unwrap() {
        described(name, part);
    }
    let whole = example();
    for field in whole.as_object().unwrap().keys() {
        let mut report = whole.clone();
        report.as_object_mut().unwrap().remove(field);
        assert!(!errors(&schema, &report).is_empty(), "{field} may be missing");
    }
    for (pointer, wrong) in [
        ("/outcome", json!("done")),
        ("/signer", json!(["val-a", "val-b"])),
        ("/generation", json!(0)),
        ("/next/0", json!("rm -rf /")),
        ("/guards/0/verdict", json!("maybe")),
        ("/guards/0/remedy", json!("")),
        ("/states/0/seconds", json!("1")),
        ("/collected/primary/way", json!("rsync")),
        ("/cross_check/outcome", json!("fine")),
        ("/floors", json!({ "raised": 1 })),
        ("/started", json!("yesterday")),
    ] {
        let mut report = whole.clone();
        *report.pointer_mut(pointer).unwrap() = wrong;
        assert!(!errors(&schema, &report).is_empty(), "{pointer} may be anything");
    }
    let mut more = whole;
    more["password"] = json!("x");
    assert!(!errors(&schema, &more).is_empty(), "an unknown field passes");
}

/// Every object names its fields, requires them, and describes each.
fn described(name: &str, part: &Value) {
    assert!(part["description"].is_string(), "{name} is not described");
    let Some(fields) = part["properties"].as_object() else {
        return;
    };
    assert_eq!(part["additionalProperties"], json!(false), "{name}");
    let required: Vec<&str> = part["required"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    for (field, is) in fields {
        assert!(is["description"].is_string(), "{name}.{field} is not described");
        assert!(
            required.contains(&field.as_str()),
            "{name}.{field} is not required"
        );
    }
}

fn example() -> Value {
    json!({
        "schema": failover::report::SCHEMA, "run": "20260101T000000Z-0123abcd", "outcome": "parked", "state": "Parked(Fencing)",
        "why": "w", "changed": true, "generation": 7, "primary": "val-a", "backup": "val-b", "coordinator": "ops@desk",
        "started": "2026-01-01T00:00:00Z", "last": "2026-01-01T00:00:01.5Z", "signer": null, "keys": 4, "gap_s": null,
        "round_trips": 9, "floors": { "raised": 1, "equal": 3 }, "archive": null,
        "collected": { "primary": { "way": "direct", "why": "", "notes": [] }, "backup": { "way": "export", "why": "w", "notes": ["n"] } },
        "cross_check": { "outcome": "agrees", "why": "w" }, "primary_seen_alive": false, "claim_lost": false,
        "states": [{ "name": "Preflight", "start": "2026-01-01T00:00:00Z", "seconds": 0.5, "event": "PreflightPassed", "why": "w" }],
        "guards": [{ "id": "reached", "title": "t", "verdict": "unknown", "why": "w", "remedy": "r" }],
        "claims_left_on": [], "next": ["failover resume 20260101T000000Z-0123abcd"], "notes": []
    })
}

fn schema() -> Value {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/report.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn errors(schema: &Value, instance: &Value) -> Vec<String> {
    let validator = jsonschema::draft202012::new(schema).unwrap();
    validator
        .iter_errors(instance)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// One run of the demo, in a home of its own.
fn demo(fault: Option<&str>) -> Value {
    let home = tempfile::tempdir().unwrap();
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_failover"));
    command
        .args(["demo", "--json", "--slot", "0.2"])
        .args(fault.map(|name| format!("--fault={name}")))
        .env("HOME", home.path())
        .env("FAILOVER_STATE_DIR", home.path().join("state"))
        .timeout(Duration::from_secs(120));
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{fault:?}: {}\n{stderr}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}
