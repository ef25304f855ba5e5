//! What is refused before any host is touched, with which exit code, and in which words.

use std::net::TcpListener;

use crate::{Sandbox, assert_shown};

/// Reaches loopback by the built-in ssh, on a port where nothing listens.
const NOBODY: &str =
    "[ssh]\ntransport = \"russh\"\nport = 1\nuser = \"root\"\nknown_hosts = \"known_hosts\"\n";

const PAIR: [&str; 4] = ["--primary", "127.0.0.1", "--backup", "localhost"];

fn with(args: &[&'static str]) -> Vec<&'static str> {
    [&["--config", "failover.toml"], &PAIR[..], args].concat()
}

fn sandbox(config: &str) -> Sandbox {
    let sandbox = Sandbox::fresh();
    sandbox.write("failover.toml", config);
    sandbox.write("known_hosts", "");
    sandbox
}

#[test]
fn usage() {
    let sandbox = sandbox("");
    let shown: Vec<String> = [
        &[][..],
        &["--primary", "val-a"],
        &["--primary", "val-a", "--backup", "val-a"],
        &["--primary=-oProxyCommand=x", "--backup", "val-b", "--dry-run"],
        &["--primary", "val-a;reboot", "--backup", "val-b", "--dry-run"],
        &["--primary", "root@val-a", "--backup", "val-b", "--dry-run"],
        &["--primary", "val-a", "--backup", "val-b", "--force"],
        &["--primary", "val-a", "--backup", "val-b", "--transport", "telnet"],
        &["halt"],
        &["halt", "--yes", "--", "-x"],
        &["audit", "--primary", "val-a"],
        &["status", "--primary", "val-a"],
        &["completions", "sh"],
    ]
    .iter()
    .map(|args| sandbox.says(args))
    .collect();
    for one in &shown {
        assert!(one.contains("\nexit 2\n"), "{one}");
    }
    assert_shown("usage", &shown.join("\n\n"));
}

#[test]
fn configuration() {
    let cases = [
        ("an unknown key", "[chain]\nmin_peer = 3\n"),
        ("an unknown section", "[chains]\n"),
        ("not TOML", "[chain\n"),
        ("a wrong word", "[ssh]\ntransport = \"telnet\"\n"),
        ("a key that is none", "[chain]\nkeys = [\"0xnothex\"]\n"),
        (
            "a root that is none",
            "[chain]\ngenesis_validators_root = \"0x12\"\n",
        ),
        (
            "a file of keys that is not there",
            "[chain]\nkeys_file = \"keys.txt\"\n",
        ),
        ("no readings", "[checks]\ncount = 0\n"),
        ("a proof that cannot last", "[checks]\ncount = 60\n"),
        ("a clock that may be anywhere", "[clock]\nmax_offset_s = 3600.0\n"),
        (
            "an address that is an option",
            "[hosts.\"127.0.0.1\"]\naddress = \"-x\"\n",
        ),
        (
            "a host's unit in the wrong table",
            "[hosts.\"127.0.0.1\"]\nunit = \"x.service\"\n",
        ),
    ];
    let mut shown = Vec::new();
    for (what, text) in cases {
        let said = sandbox(text).says(&with(&["--dry-run"]));
        assert!(said.contains("\nexit 2\n"), "{what}: {said}");
        shown.push(format!("# {what}\n{said}"));
    }
    let missing = sandbox("").says(&["--config", "nowhere.toml", "--primary", "a", "--backup", "b"]);
    assert!(missing.contains("\nexit 2\n"), "{missing}");
    shown.push(format!("# no such file\n{missing}"));
    assert_shown("configuration", &shown.join("\n\n"));
}

/// Proves that a misspelt key is named with file and line.
#[test]
fn an_unknown_key_is_named_with_its_line() {
    let said = sandbox("# a comment\n\n[chain]\nmin_peer = 3\n").says(&with(&["--dry-run"]));
    for part in ["exit 2", "failover.toml", "line 4", "min_peer"] {
        assert!(said.contains(part), "no {part} in: {said}");
    }
}

/// Proves that without a terminal nothing begins unless --yes was said: no run is in the journal afterwards.
#[test]
fn without_a_terminal_and_without_yes() {
    let sandbox = sandbox(NOBODY);
    for (args, word) in [(with(&[]), "--yes"), (vec!["halt", "127.0.0.1"], "--yes")] {
        let output = sandbox.command(&args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(
            stderr.contains(word) && stderr.contains("othing was changed"),
            "{stderr}"
        );
    }
    assert_eq!(sandbox.run(&["runs"]), (0, "no runs yet\n".to_owned()));
}

/// Proves that a host that does not answer is unknown, and that unknown is refused.
#[test]
fn hosts_that_do_not_answer() {
    let sandbox = sandbox(NOBODY);
    for args in [
        with(&["--dry-run", "--json"]),
        [&["audit"], &with(&["--json"])[..]].concat(),
    ] {
        let (code, stdout) = sandbox.run(&args);
        assert_eq!(code, 1, "{stdout}");
        let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(document["changed"], false);
        let reached = guard(&document, "reached");
        assert_eq!(reached["verdict"], "unknown");
        let why = reached["why"].as_str().unwrap();
        assert!(
            why.contains("127.0.0.1") && why.contains("connection refused"),
            "{why}"
        );
        assert!(!reached["remedy"].as_str().unwrap().is_empty());
        assert_eq!(guard(&document, "backup-stopped")["verdict"], "unknown");
    }
    let (code, text) = sandbox.run(&with(&["--dry-run"]));
    assert_eq!(code, 1);
    assert!(
        text.contains("UNKNOWN reached") && text.ends_with("REFUSED: nothing was changed.\n"),
        "{text}"
    );
}

/// Proves that a run over hosts that do not answer ends refused, and says so in its report and in the journal.
#[test]
fn a_run_over_hosts_that_do_not_answer() {
    let sandbox = sandbox(NOBODY);
    let (code, stdout) = sandbox.run(&with(&["--yes", "--json"]));
    assert_eq!(code, 1, "{stdout}");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&report["outcome"], &report["changed"]),
        (&"refused".into(), &false.into())
    );
    assert_eq!(report["signer"], serde_json::Value::Null);
    let run = report["run"].as_str().unwrap();
    let (code, runs) = sandbox.run(&["runs"]);
    assert_eq!(code, 0);
    assert!(runs.starts_with(run) && runs.contains("refused"), "{runs}");
    let (code, again) = sandbox.run(&["report", "--json", &run[..17]]);
    assert_eq!(
        (code, serde_json::from_str::<serde_json::Value>(&again).unwrap()),
        (0, report.clone())
    );
    let (code, _) = sandbox.run(&["resume", run, "--yes"]);
    assert_eq!(code, 1, "a run that is over cannot be resumed");
}

/// Proves that a host whose key is not in known_hosts is a stranger (P9), although something listens there.
#[test]
fn a_host_key_that_is_not_known() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sandbox = sandbox(&NOBODY.replace("port = 1\n", &format!("port = {port}\n")));
    let (code, stdout) = sandbox.run(&with(&["--dry-run", "--json"]));
    assert_eq!(code, 1, "{stdout}");
    let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let reached = guard(&document, "reached");
    assert_eq!(reached["verdict"], "unknown");
    let why = reached["why"].as_str().unwrap();
    assert!(why.contains("the host key is not known"), "{why}");
}

/// Proves that the old script's variables name the hosts, and that flags come first.
#[test]
fn the_environment_of_the_old_script() {
    let sandbox = sandbox(NOBODY);
    let args = [
        "--config",
        "failover.toml",
        "--dry-run",
        "--json",
        "--backup",
        "localhost",
    ];
    let mut command = sandbox.command(&args);
    command
        .env("PRIMARY_HOST", "127.0.0.1")
        .env("BACKUP_HOST", "val-x")
        .env("SSH_USER", "root")
        .env("SSH_KEY", "~/.ssh/id_ed25519");
    let output = command.output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&document["primary"], &document["backup"]),
        (&"127.0.0.1".into(), &"localhost".into())
    );
    let mut runs = sandbox.command(&["runs"]);
    runs.env("PRIMARY_HOST", "127.0.0.1").env("BACKUP_HOST", "val-x");
    assert_eq!(runs.output().unwrap().status.code(), Some(0));
}

fn guard<'d>(document: &'d serde_json::Value, id: &str) -> &'d serde_json::Value {
    let guards = document["guards"].as_array().unwrap();
    guards.iter().find(|guard| guard["id"] == id).unwrap()
}
