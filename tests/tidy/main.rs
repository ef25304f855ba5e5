//! Does the house keep its own rules: walls between modules, purity, sizes, words? Each rule is one test whose message
//! names file and line and says what to do. Must never judge comments or texts as code: `source` hides both first.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod rules;
mod source;
mod walls;

use std::fs;
use std::path::{Path, PathBuf};

use rules::{Rule, SIZE_DEBTS};
use source::Source;

/// Runs a rule over files and fails with every finding.
fn check(rule: Rule, sources: &[Source]) {
    let findings: Vec<String> = sources.iter().flat_map(rule).collect();
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn walls_stand() {
    check(walls::walls, &crate_sources());
}

#[test]
fn pure_modules_touch_nothing() {
    check(walls::purity, &crate_sources());
}

#[test]
fn files_are_short() {
    check(rules::file_length, &all_sources());
}

#[test]
fn size_debts_are_owed() {
    let sources = all_sources();
    let files = sources
        .iter()
        .map(|source| (source.path.clone(), source.length(), rules::MAX_FILE_LINES));
    let functions = sources.iter().flat_map(rules::functions);
    let functions = functions.map(|(_, name, lines)| (name, lines, rules::MAX_FUNCTION_LINES));
    let long: Vec<String> = files
        .chain(functions)
        .filter(|(_, lines, most)| lines > most)
        .map(|(name, _, _)| name)
        .collect();
    for (name, _) in SIZE_DEBTS {
        assert!(
            long.contains(&(*name).to_owned()),
            "{name} is short now; strike it from SIZE_DEBTS in tests/tidy/rules.rs"
        );
    }
}

#[test]
fn functions_are_short() {
    check(rules::function_length, &all_sources());
}

#[test]
fn every_file_says_what_it_is_for() {
    check(rules::header, &crate_sources());
}

#[test]
fn nothing_unwraps_without_a_reason() {
    check(rules::unwraps, &crate_sources());
}

#[test]
fn the_protocol_has_no_catch_all() {
    check(rules::catch_all, &crate_sources());
}

#[test]
fn no_banned_words() {
    let mut sources = files(
        &["src", "tests", "migrations", ".ci", "ansible"],
        &["rs", "sh", "py", "sql", "yml", ""],
    );
    sources.retain(|source| !source.path.starts_with("tests/tidy/"));
    check(rules::banned, &sources);
}

#[test]
fn modules_have_names_that_say_something() {
    check(rules::names, &all_sources());
}

#[test]
fn every_file_is_compiled() {
    let sources = crate_sources();
    let orphans: Vec<String> = sources
        .iter()
        .filter_map(|source| rules::orphan(source, &sources))
        .collect();
    assert!(orphans.is_empty(), "\n{}\n", orphans.join("\n"));
}

fn crate_sources() -> Vec<Source> {
    files(&["src"], &["rs"])
}

fn all_sources() -> Vec<Source> {
    files(&["src", "tests"], &["rs"])
}

/// Every file below these directories with one of these extensions.
fn files(directories: &[&str], extensions: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for directory in directories {
        collect(&root.join(directory), &mut paths);
    }
    paths.sort();
    let extension = |path: &PathBuf| {
        path.extension()
            .map_or("", |extension| extension.to_str().unwrap())
            .to_owned()
    };
    let wanted = |path: &PathBuf| extensions.contains(&extension(path).as_str());
    let name = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    let read = |path: PathBuf| Some(Source::new(&name(&path), &fs::read_to_string(&path).ok()?));
    let sources: Vec<Source> = paths.into_iter().filter(wanted).filter_map(read).collect();
    assert!(!sources.is_empty());
    sources
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, paths);
        } else {
            paths.push(path);
        }
    }
}
