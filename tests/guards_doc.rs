//! Is `docs/guards.md` what the table says? The page is generated here from `guards::GUARDS` and never written by hand.
//! Regenerate it with `FAILOVER_REGENERATE=1 cargo test --test guards_doc`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::path::Path;

use failover::guards::{GUARDS, Guard, Stage};

const PAGE: &str = "docs/guards.md";
const REMEDY: &str = "regenerate it: FAILOVER_REGENERATE=1 cargo test --test guards_doc";

/// Proves that the page is current.
#[test]
fn the_page_of_guards_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let expected = page(GUARDS);
    if std::env::var_os("FAILOVER_REGENERATE").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some(line) = first_difference(&expected, &found) {
        panic!("{PAGE}:{line} is not what src/guards/mod.rs says; {REMEDY}");
    }
}

/// Proves that a changed word, stage or order changes the page.
#[test]
fn a_changed_guard_changes_the_page() {
    let before = page(GUARDS);
    for changed in [
        Guard {
            title: "something else",
            ..copy(&GUARDS[0])
        },
        Guard {
            why: "something else",
            ..copy(&GUARDS[0])
        },
        Guard {
            remedy: "something else",
            ..copy(&GUARDS[0])
        },
        Guard {
            stages: &[Stage::Start],
            ..copy(&GUARDS[0])
        },
    ] {
        let mut guards: Vec<Guard> = GUARDS.iter().map(copy).collect();
        guards[0] = changed;
        assert!(first_difference(&before, &page(&guards)).is_some());
    }
    let reversed: Vec<Guard> = GUARDS.iter().rev().map(copy).collect();
    assert!(first_difference(&before, &page(&reversed)).is_some());
    assert_eq!(first_difference(&before, &before), None);
    assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
}

/// Proves that ids are unique and plain, and that every guard says something and is judged somewhere.
#[test]
fn every_guard_speaks() {
    let mut ids: Vec<&str> = GUARDS.iter().map(|guard| guard.id).collect();
    for guard in GUARDS {
        assert!(
            guard.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
            "{}",
            guard.id
        );
        for text in [guard.title, guard.why, guard.remedy] {
            assert!(
                !text.trim().is_empty() && !text.contains('|'),
                "{}: {text:?}",
                guard.id
            );
        }
        assert!(!guard.stages.is_empty(), "{} is never judged", guard.id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), GUARDS.len(), "two guards share an id");
}

/// Proves that the troubleshooting table of `docs/operating.md` has a row for every guard, and none for another.
#[test]
fn every_guard_is_in_the_troubleshooting_table() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md")).unwrap();
    let table = page
        .split("\n## Troubleshooting by guard\n")
        .nth(1)
        .expect("the section is there");
    let table = table.split("\n##").next().unwrap();
    let rows: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split('`').next())
        .collect();
    let ids: Vec<&str> = GUARDS.iter().map(|guard| guard.id).collect();
    assert_eq!(rows, ids, "docs/operating.md, \"Troubleshooting by guard\"");
}

fn copy(guard: &Guard) -> Guard {
    Guard { ..*guard }
}

/// The number of the first line that is not the same in both.
fn first_difference(expected: &str, found: &str) -> Option<usize> {
    let lines = expected.lines().count().max(found.lines().count());
    let same = |number: &usize| expected.lines().nth(*number) == found.lines().nth(*number);
    (0..lines).find(|number| !same(number)).map(|number| number + 1)
}

/// The whole page.
fn page(guards: &[Guard]) -> String {
    let mut page = format!(
        "# The guards\n\n\
         Generated from `src/guards/mod.rs` by `tests/guards_doc.rs`; do not edit ({REMEDY}).\n\n\
         A guard is one small check. It passes, refuses, or cannot tell; *unknown blocks like a refusal*. The same table\n\
         serves the preflight (before anything is touched), the start (immediately before the backup is started, with\n\
         fresh answers) and the audit. {} guards.\n\n\
         | guard | makes sure that | preflight | start | audit |\n|---|---|---|---|---|\n",
        guards.len()
    );
    for guard in guards {
        let at = |stage| if guard.stages.contains(&stage) { "yes" } else { "" };
        writeln!(
            page,
            "| [`{id}`](#{id}) | {} | {} | {} | {} |",
            guard.title,
            at(Stage::Preflight),
            at(Stage::Start),
            at(Stage::Audit),
            id = guard.id
        )
        .unwrap();
    }
    for guard in guards {
        write!(
            page,
            "\n## {}\n\n{}.\n\n* Without it: {}.\n* When it blocks: {}.\n",
            guard.id,
            capital(guard.title),
            guard.why,
            guard.remedy
        )
        .unwrap();
    }
    page
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
