//! Does `docs/faults.md` have a row for every fault that was asked for, and does none of its rows say that something went
//! wrong? The page is written by a whole run of the lab (`tests/lab/run`), the list is `tests/lab/faults.toml`.
//! Must never need the lab, and never repair the page.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::Path;

const PAGE: &str = "docs/faults.md";
const LIST: &str = "tests/lab/faults.toml";
/// The faults that were asked for; what has a higher number is our own.
const ASKED_FOR: usize = 27;
const CELLS: usize = 9;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default()
}

/// Id of every fault on the list, and each test that shows one elsewhere: file and name.
fn list() -> (Vec<String>, Vec<(String, String)>) {
    let table: toml::Table = read(LIST).parse().unwrap();
    let faults = table["fault"].as_array().unwrap();
    let text = |value: &toml::Value, name: &str| value[name].as_str().unwrap().to_owned();
    let ids = faults.iter().map(|fault| text(fault, "id")).collect();
    let elsewhere = faults
        .iter()
        .filter_map(|fault| fault.get("elsewhere")?.as_array())
        .flatten()
        .map(|other| (text(other, "file"), text(other, "test")))
        .collect();
    (ids, elsewhere)
}

/// What is wrong with a page, one sentence each.
fn findings(page: &str, ids: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut shown = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("| F")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, how, happened, .., slashable, overlap] = cells[..] else {
            wrong.push(format!("not a row: {line}"));
            continue;
        };
        let elsewhere = happened.starts_with("shown by `");
        let clean = (slashable, overlap) == if elsewhere { ("-", "-") } else { ("0", "none") };
        if cells.len() != CELLS || how.is_empty() || happened.is_empty() {
            wrong.push(format!("{id} is not a row of {CELLS} cells: {line}"));
        }
        if !clean {
            wrong.push(format!("{id}, {how}: slashable {slashable}, overlap {overlap}"));
        }
        if line.contains("not run") {
            wrong.push(format!("{id}, {how}: was not run"));
        }
        shown.insert(id.to_owned());
    }
    wrong.extend(
        ids.iter()
            .filter(|id| !shown.contains(*id))
            .map(|id| format!("{id} has no row")),
    );
    wrong.extend(
        shown
            .iter()
            .filter(|id| !ids.contains(id))
            .map(|id| format!("{id} is not on the list")),
    );
    wrong
}

/// Proves that the list has every fault that was asked for, in order, and that the page has a good row for each on it.
#[test]
fn every_fault_has_a_row() {
    let (ids, _) = list();
    let counted: Vec<String> = (1..=ids.len()).map(|number| format!("F{number}")).collect();
    assert!(ids.len() >= ASKED_FOR && ids == counted, "{LIST}: {ids:?}");
    let wrong = findings(&read(PAGE), &ids);
    assert!(
        wrong.is_empty(),
        "\n{PAGE}: run tests/lab/run whole\n{}\n",
        wrong.join("\n")
    );
}

/// Proves that what is said to be shown elsewhere is a test that exists.
#[test]
fn what_is_shown_elsewhere_exists() {
    let (_, elsewhere) = list();
    assert!(!elsewhere.is_empty());
    for (file, test) in elsewhere {
        assert!(
            read(&file).contains(&format!("fn {test}(")),
            "{LIST}: no test {test} in {file}"
        );
    }
}

/// Proves that a missing row, a slashable message, an overlap, a row that was not run and a broken row are all found.
#[test]
fn a_bad_page_is_noticed() {
    let ids = ["F1".to_owned(), "F2".to_owned()];
    let good = "| F1 | cut | hand-over: refused | 1 | val-a | none | 0 | 0 | none |\n\
                | F2 | cut | shown by `t` in [f](../f) | - | - | - | - | - | - |\n";
    assert_eq!(findings(good, &ids), Vec::<String>::new());
    for (was, is) in [
        ("| F1 |", "| F3 |"),
        ("| 0 | none |\n", "| 1 | none |\n"),
        ("| 0 | none |\n", "| 0 | 1 |\n"),
        ("hand-over: refused", "not run"),
        ("| none | 0 | 0 |", "| 0 | 0 |"),
        ("shown by `t`", "left out"),
    ] {
        let bad = good.replacen(was, is, 1);
        assert_ne!(bad, good);
        assert!(!findings(&bad, &ids).is_empty(), "{bad}");
    }
}
