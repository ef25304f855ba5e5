//! Streams: a reader that goes away must not make the program panic, colours come only when asked for, and stdout
//! carries one document under `--json`.

use std::process::{Command, Stdio};

use crate::Sandbox;

/// Proves that a pipe which is closed before anything is written ends the program quietly, whatever it prints.
#[test]
fn a_closed_pipe_is_no_panic() {
    let sandbox = Sandbox::fresh();
    for args in [
        &["--help"][..],
        &["completions", "bash"],
        &["runs"],
        &["status", "--json"],
        &["demo", "--fault", "list"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_failover"))
            .args(args)
            .env("HOME", sandbox.path())
            .env("FAILOVER_STATE_DIR", sandbox.path().join("state"))
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
        assert!(
            output.status.code().is_some(),
            "{args:?}: ended by a signal: {}",
            output.status
        );
    }
}

/// Proves that a refusal reaches a person although nobody reads stderr: by the exit code.
#[test]
fn a_closed_stderr_is_no_panic() {
    let sandbox = Sandbox::fresh();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_failover"))
        .args(["--primary", "val-a", "--backup", "val-a"])
        .env("HOME", sandbox.path())
        .env("FAILOVER_STATE_DIR", sandbox.path().join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(2));
}

/// Proves that a pipe gets no colours unless they were asked for by name.
#[test]
fn colours_only_on_request() {
    let sandbox = Sandbox::fresh();
    sandbox.write("failover.toml", "[ssh]\ntransport = \"russh\"\nport = 1\n");
    let args = [
        "--config",
        "failover.toml",
        "--primary",
        "127.0.0.1",
        "--backup",
        "localhost",
        "--dry-run",
    ];
    let (_, plain) = sandbox.run(&args);
    assert!(!plain.contains('\u{1b}'), "{plain}");
    let (_, coloured) = sandbox.run(&[&args[..], &["--color", "always"]].concat());
    assert!(coloured.contains("\u{1b}[1;33mUNKNOWN\u{1b}[0m"), "{coloured}");
    let bare = coloured
        .replace("\u{1b}[1;33m", "")
        .replace("\u{1b}[1;31m", "")
        .replace("\u{1b}[1;32m", "")
        .replace("\u{1b}[0m", "");
    assert!(
        !bare.contains('\u{1b}') && bare.contains("UNKNOWN reached"),
        "{bare}"
    );
}
