//! Help texts: what an operator reads at three in the morning must not change unnoticed.

use crate::{Sandbox, assert_shown};

const COMMANDS: [&str; 9] = [
    "audit",
    "resume",
    "status",
    "runs",
    "report",
    "halt",
    "protection",
    "demo",
    "completions",
];

#[test]
fn the_program() {
    let sandbox = Sandbox::fresh();
    assert_shown("help", &sandbox.says(&["--help"]));
    assert_shown("help-short", &sandbox.says(&["-h"]));
}

#[test]
fn every_command() {
    let sandbox = Sandbox::fresh();
    for command in COMMANDS {
        assert_shown(&format!("help-{command}"), &sandbox.says(&[command, "--help"]));
    }
    for command in ["inspect", "validate", "merge", "diff", "convert"] {
        let shown = sandbox.says(&["protection", command, "--help"]);
        assert_shown(&format!("help-protection-{command}"), &shown);
    }
}

/// Proves that no command is without a snapshot: the help names those that are listed here, and no more.
#[test]
fn no_command_is_forgotten() {
    let (code, text) = Sandbox::fresh().run(&["-h"]);
    assert_eq!(code, 0);
    let listed: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert_eq!(listed, COMMANDS);
}

/// Proves that the exit codes in the help are those of `docs/operating.md`.
#[test]
fn every_exit_code_is_in_the_help_and_in_the_page() {
    let (_, help) = Sandbox::fresh().run(&["--help"]);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md")).unwrap();
    for (code, word) in [
        (0, "completed"),
        (1, "refused"),
        (2, "usage"),
        (3, "restored"),
        (4, "parked"),
        (5, "internal error"),
        (6, "unconfirmed"),
    ] {
        assert!(
            help.contains(&format!("{code} {word}")),
            "the help lacks {code} {word}"
        );
        assert!(
            page.contains(&format!("| {code} | {word}")),
            "the page lacks {code} {word}"
        );
    }
}

#[test]
fn completions_for_every_shell() {
    let sandbox = Sandbox::fresh();
    let (code, bash) = sandbox.run(&["completions", "bash"]);
    assert_eq!(code, 0);
    assert!(
        bash.starts_with("_failover() {"),
        "{}",
        &bash[..bash.len().min(80)]
    );
    for word in COMMANDS.iter().chain(&["--primary", "--backup", "--dry-run"]) {
        assert!(bash.contains(word), "bash does not complete {word}");
    }
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let (code, text) = sandbox.run(&["completions", shell]);
        assert!(code == 0 && text.contains("dry-run"), "{shell}");
    }
}

#[test]
fn faults_of_the_demo() {
    let sandbox = Sandbox::fresh();
    assert_shown("demo-fault-list", &sandbox.says(&["demo", "--fault", "list"]));
    assert_shown(
        "demo-fault-unknown",
        &sandbox.says(&["demo", "--fault", "gremlins"]),
    );
    assert_shown("demo-slot", &sandbox.says(&["demo", "--slot", "0.1"]));
}
