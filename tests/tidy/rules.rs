//! The rules about single files: sizes, headers, unwraps, words and names. Each takes a file and returns one line per
//! finding, `path:line: what; what to do`.

use crate::source::{Source, block_end};

/// What is wrong with a file.
pub type Rule = fn(&Source) -> Vec<String>;

/// The most lines of a file, inline tests not counted.
pub const MAX_FILE_LINES: usize = 400;

/// The most lines of a function.
pub const MAX_FUNCTION_LINES: usize = 70;

/// Files, and functions as `path fn name`, that are too long, and how long they may be until they are cut. Never add
/// one, and strike each as soon as it is short: `size_debts_are_owed` says so.
pub const SIZE_DEBTS: &[(&str, usize)] = &[
    ("src/config.rs", 404),
    ("tests/demo_world.rs", 530),
    ("src/report/next.rs fn next", 99),
];

/// Words that must not be written, in two parts so that this file does not hold them; and why.
const BANNED: &[(&str, &str, &str)] = &[
    (
        "pgrep",
        " -f",
        "it matches itself, its shell and sudo: read the cgroup and /proc",
    ),
    (
        "pkill",
        " -f",
        "it matches itself, its shell and sudo: kill the unit's cgroup",
    ),
    (
        "StrictHostKeyChecking",
        "=no",
        "no stranger is trusted (P9): ask for known_hosts",
    ),
    ("to", "do!(", "finish it or leave it out"),
    ("unimple", "mented!(", "finish it or leave it out"),
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "manager", "common", "misc"];

/// What [`SIZE_DEBTS`] still lets pass.
pub fn debt(name: &str) -> usize {
    SIZE_DEBTS
        .iter()
        .find(|(owing, _)| *owing == name)
        .map_or(0, |(_, lines)| *lines)
}

/// Files are at most [`MAX_FILE_LINES`] long.
pub fn file_length(source: &Source) -> Vec<String> {
    let lines = source.length();
    if lines <= MAX_FILE_LINES.max(debt(&source.path)) {
        return Vec::new();
    }
    vec![format!(
        "{}:{lines}: {lines} lines, {MAX_FILE_LINES} allowed; cut it where two things are done",
        source.path
    )]
}

/// Functions are at most [`MAX_FUNCTION_LINES`] long.
pub fn function_length(source: &Source) -> Vec<String> {
    let long = functions(source)
        .into_iter()
        .filter(|(_, name, lines)| *lines > MAX_FUNCTION_LINES.max(debt(name)));
    let told = |(at, name, lines): (usize, String, usize)| {
        format!(
            "{}: {name} has {lines} lines, {MAX_FUNCTION_LINES} allowed; give its parts names",
            source.at(at)
        )
    };
    long.map(told).collect()
}

/// Where each function begins, `path fn name`, and its lines from `fn` to the closing brace, comments and blanks not
/// counted.
pub fn functions(source: &Source) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    for at in words(&source.code, "fn ") {
        let block = &source.code[at..block_end(&source.code, at)];
        let name: String = block
            .chars()
            .take_while(|c| !matches!(c, '(' | '<' | '{'))
            .collect();
        let lines = block.lines().filter(|line| !line.trim().is_empty()).count();
        found.push((at, format!("{} {name}", source.path), lines));
    }
    found
}

/// Every file opens with `//!`, at most eight lines.
pub fn header(source: &Source) -> Vec<String> {
    let lines = source
        .text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .count();
    if (1..=8).contains(&lines) {
        return Vec::new();
    }
    let says = "say what it does and what it must never do";
    vec![format!(
        "{}:1: opens with {lines} lines of `//!`, not 1 to 8; {says}",
        source.path
    )]
}

/// What can panic is not shipped, unless a comment on its line says why it cannot.
pub fn unwraps(source: &Source) -> Vec<String> {
    let lines = source.shipped.lines().zip(source.text.lines()).zip(1..);
    let can_panic = [
        ".unwrap()",
        ".unwrap_err()",
        ".expect(",
        ".expect_err(",
        "panic!(",
        "unreachable!(",
    ];
    lines
        .filter(|((code, text), _)| can_panic.iter().any(|word| code.contains(word)) && !text.contains("// "))
        .map(|(_, line)| {
            format!(
                "{}:{line}: can panic; return an error, or say on the line why it cannot fail",
                source.path
            )
        })
        .collect()
}

/// In the protocol every arm is named, so that a new variant does not compile until someone decides.
pub fn catch_all(source: &Source) -> Vec<String> {
    let findings = |at: usize| format!("{}: a `_` arm in the protocol; name the variants", source.at(at));
    let arms = source
        .shipped
        .match_indices("_ =>")
        .chain(source.shipped.match_indices("_ if "));
    let bare = arms.filter(|(at, _)| source.shipped[..*at].ends_with([' ', '\n']));
    bare.filter(|_| source.module() == "protocol")
        .map(|(at, _)| findings(at))
        .collect()
}

/// Some words must not be written, not even in a script or a comment.
pub fn banned(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(source.text.lines()) {
        for (head, tail, remedy) in BANNED {
            if text.contains(&[*head, *tail].concat()) {
                findings.push(format!(
                    "{}:{line}: `{head}{tail}` is banned; {remedy}",
                    source.path
                ));
            }
        }
    }
    findings
}

/// A module is named after what it holds.
pub fn names(source: &Source) -> Vec<String> {
    let parts = source.path.trim_end_matches(".rs").split(['/', '_']);
    let mut findings: Vec<String> = parts
        .filter(|part| EMPTY_NAMES.contains(part))
        .map(|part| {
            format!(
                "{}:1: `{part}` says nothing; name it after what it holds",
                source.path
            )
        })
        .collect();
    for at in words(&source.code, "mod ") {
        let name: String = source.code[at + 4..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if EMPTY_NAMES.contains(&name.as_str()) {
            findings.push(format!(
                "{}: `{name}` says nothing; name it after what it holds",
                source.at(at)
            ));
        }
    }
    findings
}

/// A file that no `mod` names is not compiled, and so not tested either.
pub fn orphan(source: &Source, sources: &[Source]) -> Option<String> {
    let (directory, file) = source.path.rsplit_once('/')?;
    let stem = file.trim_end_matches(".rs");
    let (parents, name) = match stem {
        "main" | "lib" if directory == "src" => return None,
        "mod" => (
            parents_of(directory.rsplit_once('/')?.0),
            directory.rsplit_once('/')?.1,
        ),
        _ => (parents_of(directory), stem),
    };
    let siblings = |parent: &&Source| {
        parent
            .path
            .rsplit_once('/')
            .is_some_and(|(its, _)| its == directory)
    };
    let declared = sources
        .iter()
        .filter(|parent| parents.contains(&parent.path))
        .any(|parent| {
            words(&parent.code, "mod ")
                .iter()
                .any(|at| parent.code[at + 4..].starts_with(&format!("{name};")))
        });
    let by_path = sources
        .iter()
        .filter(siblings)
        .any(|parent| parent.text.contains(&format!("path = \"{file}\"")));
    let remedy = "declare it in its parent or remove it";
    (!declared && !by_path).then(|| format!("{}:1: no `mod {name};` compiles it; {remedy}", source.path))
}

/// The files that may declare the modules of a directory.
fn parents_of(directory: &str) -> Vec<String> {
    vec![
        format!("{directory}.rs"),
        format!("{directory}/mod.rs"),
        format!("{directory}/lib.rs"),
        format!("{directory}/main.rs"),
    ]
}

/// Where a keyword stands by itself.
fn words(code: &str, keyword: &str) -> Vec<usize> {
    let alone = |at: &usize| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    code.match_indices(keyword)
        .map(|(at, _)| at)
        .filter(alone)
        .collect()
}

/// Proves that every rule about sizes and headers finds what it is for, and nothing else.
#[test]
fn every_size_rule_can_fail() {
    let found = |rule: Rule, path: &str, text: &str| rule(&Source::new(path, text)).len();
    let long = |lines: usize| format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2));
    assert_eq!(found(file_length, "src/a.rs", &"//\n".repeat(401)), 1);
    assert_eq!(found(file_length, "src/a.rs", &"//\n".repeat(400)), 0);
    assert_eq!(found(function_length, "src/a.rs", &long(71)), 1);
    assert_eq!(found(function_length, "src/a.rs", &long(70).repeat(2)), 0);
    assert_eq!(
        found(
            function_length,
            "src/a.rs",
            &format!("fn x(a: [u8; 2]);\n{}", "\n".repeat(99))
        ),
        0
    );
    assert_eq!(found(header, "src/a.rs", "// One.\nfn f() {}"), 1);
    assert_eq!(found(header, "src/a.rs", &"//! One.\n".repeat(9)), 1);
    assert_eq!(found(header, "src/a.rs", "//! One.\n//! Two.\n"), 0);
}

/// Proves the same of the rules about words.
#[test]
fn every_word_rule_can_fail() {
    let found = |rule: Rule, path: &str, text: &str| rule(&Source::new(path, text)).len();
    for text in [
        "a.unwrap();",
        "a.expect(\"b\");",
        "panic!(\"x\")",
        "_ => unreachable!(),",
    ] {
        assert_eq!(found(unwraps, "src/a.rs", text), 1, "{text}");
        assert_eq!(
            found(
                unwraps,
                "src/a.rs",
                &format!("{text} // Cannot fail: checked above.")
            ),
            0
        );
        assert_eq!(
            found(
                unwraps,
                "src/a.rs",
                &format!("#[cfg(test)]\nmod tests {{ {text} }}")
            ),
            0
        );
    }
    assert_eq!(
        found(
            unwraps,
            "src/a.rs",
            "a.unwrap_or(b); c.unwrap_or_else(d); \".unwrap()\""
        ),
        0
    );
    assert_eq!(
        found(
            catch_all,
            "src/protocol/a.rs",
            "match a {\n    _ => b,\n    _ if c => d,\n}"
        ),
        2
    );
    assert_eq!(
        found(
            catch_all,
            "src/protocol/a.rs",
            "match a {\n    A(_) => b,\n    some_ => c }"
        ),
        0
    );
    assert_eq!(found(catch_all, "src/cli/a.rs", "match a { _ => b }"), 0);
    for (head, tail, _) in BANNED {
        assert_eq!(
            found(banned, "src/a.rs", &format!("x {head}{tail} y")),
            1,
            "{head}{tail}"
        );
    }
    assert_eq!(found(names, "src/utils.rs", ""), 1);
    assert_eq!(found(names, "src/lock_manager/mod.rs", "mod helper;"), 2);
    assert_eq!(found(names, "src/journal/lock.rs", "mod files;"), 0);
}

/// Proves that a file which nothing declares is found, and that every way of declaring one counts.
#[test]
fn an_orphan_is_found() {
    let lib = Source::new("src/lib.rs", "pub mod a;\nmod d;\n// mod e;");
    let a = Source::new("src/a/mod.rs", "mod b;\n#[path = \"c_tests.rs\"]\nmod tests;");
    let others = ["src/a/b.rs", "src/a/c_tests.rs", "src/d.rs"].map(|path| Source::new(path, ""));
    let lost = ["src/e.rs", "src/a/d.rs", "src/f/mod.rs"].map(|path| Source::new(path, ""));
    let all: Vec<Source> = [lib, a].into_iter().chain(others).collect();
    assert!(all.iter().all(|source| orphan(source, &all).is_none()));
    assert!(lost.iter().all(|source| orphan(source, &all).is_some()));
}
