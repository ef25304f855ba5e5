//! The walls between modules: who may import what of ours, and who must touch nothing of the world.
//! Read from `crate::` paths of shipped code. The table is the architecture; change it only together with
//! `docs/ARCHITECTURE.md`.

use crate::source::Source;

/// What carries a question to a host and its answer back: data, no IO.
const CALLS: [&str; 5] = [
    "transport::Batch",
    "transport::Call",
    "transport::Op",
    "transport::Output",
    "transport::Reply",
];

/// May import everything but the entrances.
const ALL_BUT_ENTRANCES: &str = "*";

/// May import everything.
const EVERYTHING: &str = "**";

/// What each module may import of ours: modules, or single items. A module that is not here may import nothing.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("protection", &[]),
    ("databases", &["protection"]),
    ("transport", &[]),
    ("guards", &["protection", "services::systemd"]),
    (
        "services",
        &[
            "guards::evidence",
            CALLS[0],
            CALLS[1],
            CALLS[2],
            CALLS[3],
            CALLS[4],
        ],
    ),
    (
        "clients",
        &[
            "databases::Format",
            "guards::evidence",
            "services::processes",
            CALLS[0],
            CALLS[1],
            CALLS[2],
            CALLS[3],
            CALLS[4],
        ],
    ),
    (
        "beacon",
        &[
            "guards::evidence",
            "protection",
            CALLS[0],
            CALLS[1],
            CALLS[2],
            CALLS[3],
            CALLS[4],
        ],
    ),
    ("journal", &["protocol"]),
    ("config", &["clients", "guards", "protection", "transport"]),
    (
        "observe",
        &[
            "beacon",
            "clients",
            "config",
            "databases",
            "guards",
            "protection",
            "services",
            "transport",
        ],
    ),
    (
        "perform",
        &[
            "beacon",
            "clients",
            "config",
            "databases",
            "guards",
            "journal::RunDir",
            "observe",
            "protection",
            "protocol",
            "services",
            "transport",
        ],
    ),
    ("driver", &[ALL_BUT_ENTRANCES]),
    (
        "report",
        &[
            "protocol",
            "guards",
            "protection",
            "journal",
            "driver::outcome",
            "driver::gathered",
        ],
    ),
    ("cli", &[EVERYTHING]),
    ("demo", &[EVERYTHING]),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Nobody but `main` and each other imports them.
const ENTRANCES: [&str; 2] = ["cli", "demo"];

/// These decide and translate; they must not touch the world.
const PURE: [&str; 5] = ["protocol", "protection", "guards", "services", "clients"];

/// How the world is touched.
const WORLD: [&str; 11] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "tokio",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "rusqlite",
    "rustix",
    "ureq",
];

/// Every import of ours is in the table.
pub fn walls(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    let own = source.module();
    for (at, path) in imports(source) {
        let first = path.split("::").next().unwrap_or_default();
        if first != own && !allowed(own, &path) {
            let remedy =
                "go through an allowed module, or change MAY_IMPORT in tests/tidy/walls.rs and the page";
            findings.push(format!(
                "{}: {own} must not import {path}; {remedy}",
                source.at(at)
            ));
        }
    }
    for at in climbs(source) {
        findings.push(format!(
            "{}: `super::` leads out of {own}; write `crate::`",
            source.at(at)
        ));
    }
    findings
}

/// Pure modules have no way to the world.
pub fn purity(source: &Source) -> Vec<String> {
    if !PURE.contains(&source.module()) {
        return Vec::new();
    }
    let found = WORLD.iter().flat_map(|word| source.shipped.match_indices(word));
    let alone =
        found.filter(|(at, _)| !source.shipped[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
    let remedy = "take it as an argument, or do it in observe, perform or transport";
    alone
        .map(|(at, word)| {
            format!(
                "{}: {} is pure, but uses {word}; {remedy}",
                source.at(at),
                source.module()
            )
        })
        .collect()
}

fn allowed(own: &str, path: &str) -> bool {
    let entrance = ENTRANCES
        .iter()
        .any(|entrance| path == *entrance || path.starts_with(&format!("{entrance}::")));
    let of_own = MAY_IMPORT
        .iter()
        .find(|(module, _)| *module == own)
        .map_or(&[][..], |(_, allowed)| *allowed);
    of_own.iter().any(|allowed| match *allowed {
        EVERYTHING => true,
        ALL_BUT_ENTRANCES => !entrance,
        item => path == item || path.starts_with(&format!("{item}::")),
    })
}

/// Every path of ours that shipped code names, groups spelled out.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let root = if matches!(source.path.as_str(), "src/main.rs") {
        "failover::"
    } else {
        "crate::"
    };
    let code = &source.shipped;
    let mut found = Vec::new();
    for (at, _) in code.match_indices(root) {
        let outside = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
        if outside {
            let mut paths = Vec::new();
            tree(&code[at + root.len()..], "", &mut paths);
            found.extend(paths.into_iter().map(|path| (at, path)));
        }
    }
    found
}

/// Spells out `a::{b, c::d}` behind a prefix, and returns how many bytes it took.
fn tree(text: &str, prefix: &str, paths: &mut Vec<String>) -> usize {
    let blank = |text: &str| text.len() - text.trim_start().len();
    let mut at = blank(text);
    let word = text[at..]
        .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*')
        .unwrap_or(text.len() - at);
    if word > 0 {
        let path = format!("{prefix}{}", &text[at..at + word]);
        at += word;
        if text[at..].starts_with("::") && !text[at..].starts_with("::<") {
            return at + 2 + tree(&text[at + 2..], &format!("{path}::"), paths);
        }
        paths.push(path);
        return at;
    }
    if !text[at..].starts_with('{') {
        paths.push(prefix.trim_end_matches("::").to_owned());
        return at;
    }
    at += 1;
    loop {
        at += blank(&text[at..]);
        if at >= text.len() || text[at..].starts_with('}') {
            return (at + 1).min(text.len());
        }
        at += tree(&text[at..], prefix, paths);
        // Past `as name` and the comma.
        at += text[at..].find([',', '}']).unwrap_or(text.len() - at);
        at += usize::from(text[at..].starts_with(','));
    }
}

/// Where a chain of `super::` leaves the file's top-level module.
fn climbs(source: &Source) -> Vec<usize> {
    let starts = source.shipped.match_indices("super::").map(|(at, _)| at);
    let chains = starts.filter(|at| !source.shipped[..*at].ends_with("::"));
    chains
        .filter(|at| {
            let chain = source.shipped[*at..]
                .split("::")
                .take_while(|part| *part == "super")
                .count();
            chain >= source.depth()
        })
        .collect()
}

/// Proves that a forbidden import is found however it is written, and an allowed one is not.
#[test]
fn every_wall_can_be_hit() {
    let found = |path: &str, text: &str| walls(&Source::new(path, text));
    for (path, text) in [
        ("src/protocol/a.rs", "use crate::journal::Journal;"),
        ("src/protocol/a.rs", "use super::super::journal::Journal;"),
        ("src/protocol/mod.rs", "use super::journal::Journal;"),
        ("src/protection/a.rs", "fn f(x: crate::guards::Policy) {}"),
        ("src/guards/a.rs", "use crate::{protection::Root, transport::Op};"),
        ("src/clients/a.rs", "use crate::transport::{Call, Op, Transport};"),
        ("src/clients/a.rs", "use crate::transport;"),
        ("src/clients/a.rs", "use crate::transport::*;"),
        ("src/services/a.rs", "use crate::guards::{evidence::Unit, judge};"),
        ("src/journal/a.rs", "use crate::observe::gather;"),
        ("src/perform/a.rs", "use crate::journal::{RunDir, Journal};"),
        ("src/driver.rs", "use crate::cli::Args;"),
        (
            "src/observe/a.rs",
            "use crate::{\n    config::Config as C,\n    demo::{world, chain},\n};",
        ),
        ("src/new_module.rs", "use crate::protocol::State;"),
        ("src/main.rs", "use failover::driver::run;"),
    ] {
        let findings = found(path, text);
        assert!(!findings.is_empty(), "{path}: {text}");
        assert!(findings[0].starts_with(&format!("{path}:1: ")), "{findings:?}");
    }
    for (path, text) in [
        (
            "src/protocol/a.rs",
            "use super::State; use crate::protocol::Event; use super::super::protocol_x;",
        ),
        (
            "src/protocol/a.rs",
            "#[cfg(test)]\nmod tests { use crate::journal::Journal; }",
        ),
        (
            "src/protocol/a.rs",
            "// crate::journal\nlet a = \"crate::journal\";",
        ),
        (
            "src/clients/a.rs",
            "use crate::transport::{Call, Op as O};\nuse crate::guards::evidence::{Unit};",
        ),
        (
            "src/perform/a.rs",
            "use crate::journal::RunDir; use crate::protocol::{Event, State};",
        ),
        ("src/driver.rs", "use crate::{journal::Journal, perform};"),
        ("src/cli/a.rs", "use crate::demo::world;"),
        ("src/main.rs", "fn main() { failover::cli::main() }"),
    ] {
        let expected = usize::from(text.contains("protocol_x"));
        assert_eq!(found(path, text).len(), expected, "{path}: {text}");
    }
}

/// Proves that each way to the world is found in each pure module, and only there.
#[test]
fn impurity_is_found() {
    for module in PURE {
        for word in WORLD {
            let text = format!("\nfn f() {{ {word}::x() }}");
            let findings = purity(&Source::new(&format!("src/{module}/a.rs"), &text));
            assert_eq!(findings.len(), 1, "{module} {word}");
            assert!(findings[0].contains("a.rs:2: "), "{findings:?}");
        }
    }
    assert_eq!(purity(&Source::new("src/journal/a.rs", "use std::fs;")).len(), 0);
    assert_eq!(
        purity(&Source::new("src/guards/a.rs", "let my_tokio = 1;")).len(),
        0
    );
}

/// Proves that the table names every module once, so that a new one is decided upon.
#[test]
fn the_table_is_complete() {
    let lib = include_str!("../../src/lib.rs");
    for line in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = line.trim_end_matches(';');
        let rows = MAY_IMPORT.iter().filter(|(own, _)| *own == module).count();
        assert_eq!(
            rows, 1,
            "src/lib.rs: {module} needs one row in MAY_IMPORT, tests/tidy/walls.rs"
        );
    }
}
