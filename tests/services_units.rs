//! Units and bars as real hosts printed them, and every way in which such text can be short of an answer.
//! Must never touch a host: it reads recordings only.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

#[path = "transcripts/mod.rs"]
mod transcripts;

use base64::Engine as _;
use failover::guards::evidence::{Bar, Unit};
use failover::services::systemd::{Life, barred, gated, life, read_bar, read_environment, read_unit};
use failover::transport::Output;
use transcripts::{ended, recorded, said, varied};

const UNIT: &str = "lodestar-validator.service";
const LOCK: &str = "/etc/failover/VALIDATOR_LOCKED";

fn unit(name: &str) -> Unit {
    read_unit(UNIT, &recorded(&format!("unit/{name}"))).unwrap()
}

#[test]
fn a_running_unit_is_read_whole() {
    let unit = unit("lodestar-running");
    assert_eq!(
        (unit.user.as_str(), unit.main_pid, unit.cgroup_pids.as_slice()),
        ("lodestar", 631, [631].as_slice())
    );
    assert_eq!(
        unit.exec_start.first().map(String::as_str),
        Some("/usr/local/bin/lodestar")
    );
    assert_eq!(unit.exec_start.len(), 10);
    assert_eq!(
        (unit.main_start_us, unit.revived_by),
        (1_248_620_680, vec!["multi-user.target".to_string()])
    );
    let environment = read_environment(&recorded("unit/lodestar-running")).unwrap();
    assert_eq!(environment, ["LODESTAR_PRESET=minimal"]);
}

#[test]
fn life_needs_every_positive_reading() {
    for (name, stopped, says) in [
        ("lodestar-running", Some(false), "main process 631"),
        ("lodestar-stopped", Some(true), ""),
        ("barred", Some(true), ""),
        ("failed-by-kill", Some(true), ""),
        ("masked", Some(true), ""),
        ("auto-restart", Some(false), "about to start it again"),
        ("killmode-process-child", Some(false), "4711"),
        ("not-found", None, "no unit"),
    ] {
        let life = life(&unit(name));
        let (seen, why) = match &life {
            Life::Stopped => (Some(true), ""),
            Life::Alive(why) => (Some(false), why.as_str()),
            Life::Unknown(why) => (None, why.as_str()),
        };
        assert_eq!(seen, stopped, "{name}: {life:?}");
        assert!(why.contains(says), "{name}: {why}");
    }
}

#[test]
fn states_in_between_are_never_stopped() {
    for state in [
        "active",
        "activating",
        "deactivating",
        "reloading",
        "refreshing",
        "maintenance",
        "new-word",
    ] {
        let unit = Unit {
            active_state: state.to_string(),
            ..unit("lodestar-stopped")
        };
        assert!(!matches!(life(&unit), Life::Stopped), "{state}");
    }
    for (load, sub) in [
        ("error", "dead"),
        ("bad-setting", "dead"),
        ("loaded", "dead-before-auto-restart"),
    ] {
        let unit = Unit {
            load_state: load.to_string(),
            sub_state: sub.to_string(),
            ..unit("lodestar-stopped")
        };
        assert!(!matches!(life(&unit), Life::Stopped), "{load} {sub}");
    }
}

#[test]
fn a_missing_or_doubled_property_is_named() {
    let whole = recorded("unit/lodestar-stopped").stdout;
    for key in [
        "Id",
        "LoadState",
        "ActiveState",
        "SubState",
        "UnitFileState",
        "MainPID",
        "InvocationID",
        "Restart=",
        "KillMode",
        "User",
        "FragmentPath",
        "ExecStart=",
        "WorkingDirectory",
        "TriggeredBy",
        "WantedBy",
        "RequiredBy",
        "BoundBy",
        "ExecMainStartTimestampMonotonic",
        "Asserts",
        "CgroupPids",
        "CgroupRead",
    ] {
        let name = key.trim_end_matches('=');
        let line = format!("{name}=");
        let without: String = whole
            .lines()
            .filter(|l| !l.starts_with(&line))
            .map(|l| format!("{l}\n"))
            .collect();
        let why = read_unit(UNIT, &said(&without)).unwrap_err();
        assert!(why.contains(name), "{name}: {why}");
        if name != "ExecStart" {
            let twice = format!("{whole}{line}x\n");
            assert!(
                read_unit(UNIT, &said(&twice))
                    .unwrap_err()
                    .contains("more than once"),
                "{name}"
            );
        }
    }
    // Before systemd 249 there was no Upholds=, so nothing can uphold the unit.
    let old: String = whole
        .lines()
        .filter(|l| !l.starts_with("UpheldBy"))
        .map(|l| format!("{l}\n"))
        .collect();
    assert!(read_unit(UNIT, &said(&old)).is_ok());
}

#[test]
fn text_that_is_no_unit_is_refused() {
    let name = "unit/lodestar-stopped";
    for (output, says) in [
        (ended(name, 1), "exit status 1"),
        (ended(name, 127), "missing"),
        (said(""), "missing"),
        (said("<html>\n"), "no key=value"),
        (
            varied(name, "Id=lodestar-validator", "Id=validator"),
            "another name",
        ),
        (
            varied(name, "CgroupRead=yes", "CgroupRead=no"),
            "cgroup file system",
        ),
        (varied(name, "MainPID=0", "MainPID=soon"), "no whole number"),
        (varied(name, "MainPID=0", "MainPID=7"), "not among the members"),
        (varied(name, "CgroupPids=", "CgroupPids=x"), "no process id"),
        (
            varied(name, "ActiveState=inactive", "ActiveState="),
            "ActiveState is empty",
        ),
        (varied(name, "a(sbbsi) 0", "a(sbbsi) 1"), "asserts"),
        (varied(name, "a(sbbsi) 0", "[unprintable]"), "asserts"),
        (
            varied(
                name,
                "a(sbbsi) 0",
                "a(sbbsi) 1 \"AssertPathExists\" false true \"/x 0",
            ),
            "asserts",
        ),
        (
            varied(name, "a(sbbsi) 0", "a(sbbsi) 99999999999999999999"),
            "asserts",
        ),
    ] {
        let why = read_unit(UNIT, &output).unwrap_err();
        assert!(why.contains(says), "{says}: {why}");
    }
}

#[test]
fn quoted_command_lines_are_read_and_doubtful_ones_are_empty() {
    let from = "--rootDir /var/lib/lodestar ";
    let read = |to: &str| {
        read_unit(UNIT, &varied("unit/lodestar-stopped", from, to))
            .unwrap()
            .exec_start
    };
    assert!(read("--rootDir \"/var/lib/lode star\" ").contains(&"/var/lib/lode star".to_string()));
    assert!(read("--graffiti \"a ; ignore_errors=b\" ").contains(&"a ; ignore_errors=b".to_string()));
    assert!(read("--rootDir $'/var/\\x41' ").is_empty());
    assert!(read("--rootDir \"unclosed ").is_empty());
}

#[test]
fn only_a_real_gate_counts_as_loaded() {
    let loaded = |asserts: &str| {
        read_unit(UNIT, &varied("unit/lodestar-stopped", "a(sbbsi) 0", asserts))
            .unwrap()
            .asserts_absent
    };
    let gate = r#"a(sbbsi) 1 "AssertPathExists" false true "/l" 0"#;
    assert_eq!(loaded(gate), ["/l"]);
    assert_eq!(
        loaded(r#"a(sbbsi) 1 "AssertPathExists" false true "/a b\"c\\\303\244" -1"#),
        ["/a b\"c\\ä"]
    );
    assert!(
        loaded(r#"a(sbbsi) 1 "AssertPathExists" false false "/l" 0"#).is_empty(),
        "demands the file"
    );
    assert!(
        loaded(r#"a(sbbsi) 1 "AssertPathExists" true true "/l" 0"#).is_empty(),
        "any other trigger satisfies it"
    );
    assert!(loaded(r#"a(sbbsi) 1 "AssertPathIsDirectory" false true "/l" 0"#).is_empty());
    let two = r#"a(sbbsi) 2 "AssertPathExists" false true "/x" 0 "AssertPathExists" false true "/l" 1"#;
    assert_eq!(loaded(two), ["/x", "/l"]);
}

fn bar_text(lock: &str, gate: &str) -> Output {
    let shown = |name: &str, text: &str| match text {
        "" => format!("{name}=absent\n"),
        "?" => format!("{name}=unreadable\n"),
        text => {
            let content = base64::engine::general_purpose::STANDARD.encode(text);
            format!("{name}=present\n{name}.base64={content}\n")
        }
    };
    let id = if matches!(lock, "" | "?") {
        ""
    } else {
        "lock.id=64768:12:1700000000\n"
    };
    said(&format!("{}{id}{}", shown("lock", lock), shown("gate", gate)))
}

fn gate_for(lock: &str) -> String {
    format!("# Written by failover: refuses to start.\n[Unit]\nAssertPathExists=!{lock}\n")
}

#[test]
fn the_bar_on_disk_is_read_strictly() {
    assert_eq!(
        read_bar(LOCK, &recorded("bar/absent")).unwrap(),
        Bar {
            lock_path: LOCK.to_string(),
            lock: None,
            lock_id: None,
            gate: false
        }
    );
    let whole = read_bar(LOCK, &bar_text("barred by run 7\n", &gate_for(LOCK))).unwrap();
    assert_eq!(
        (whole.lock.as_deref(), whole.lock_id.as_deref(), whole.gate),
        (Some("barred by run 7\n"), Some("64768:12:1700000000"), true)
    );
    for gate in [
        gate_for("/etc/other"),
        gate_for(LOCK).replace("[Unit]", "[Service]"),
        format!("{}AssertPathExists=\n", gate_for(LOCK)),
        gate_for(LOCK).replace("=!", "=|!"),
        format!("#{}", gate_for(LOCK).replace('\n', " ")),
    ] {
        assert!(!read_bar(LOCK, &bar_text("x", &gate)).unwrap().gate, "{gate}");
    }
    for output in [
        bar_text("?", ""),
        bar_text("x", "?"),
        said("lock=absent\n"),
        said("lock=present\ngate=absent\n"),
        said("lock=present\nlock.base64=eA==\ngate=absent\n"),
    ] {
        assert!(read_bar(LOCK, &output).is_err(), "{output:?}");
    }
    let broken = said("lock=present\nlock.base64=@@@\ngate=absent\n");
    assert!(read_bar(LOCK, &broken).unwrap_err().contains("base64"));
}

#[test]
fn every_missing_part_of_the_bar_is_named() {
    let bar = read_bar(LOCK, &bar_text("x", &gate_for(LOCK))).unwrap();
    let without_lock = Bar {
        lock: None,
        ..bar.clone()
    };
    let without_gate = Bar {
        gate: false,
        ..bar.clone()
    };
    let enabled = Unit {
        file_state: "enabled".to_string(),
        ..unit("barred")
    };
    let runtime = Unit {
        file_state: "masked-runtime".to_string(),
        ..unit("barred")
    };
    let upheld = Unit {
        file_state: "static".to_string(),
        revived_by: vec!["x.timer".to_string()],
        ..unit("barred")
    };
    let lone = Unit {
        file_state: "static".to_string(),
        revived_by: Vec::new(),
        ..unit("barred")
    };
    assert_eq!(barred(&unit("barred"), &bar), Ok(()));
    assert_eq!(barred(&unit("failed-by-kill"), &bar), Ok(()));
    assert_eq!(barred(&lone, &bar), Ok(()));
    for (unit, bar, says) in [
        (unit("barred"), &without_lock, "the lock file"),
        (unit("barred"), &without_gate, "the gate drop-in"),
        (unit("lodestar-stopped"), &bar, "daemon-reload"),
        (
            unit("gate-for-another-lock"),
            &bar,
            "loaded for /etc/other/LOCKED",
        ),
        (unit("masked"), &bar, "unmask"),
        (unit("not-found"), &bar, "does not say"),
        (enabled, &bar, "is enabled"),
        (runtime, &bar, "is masked-runtime"),
        (upheld, &bar, "x.timer can start it"),
    ] {
        let why = barred(&unit, bar).unwrap_err();
        assert!(why.contains(says), "{says}: {why}");
    }
    assert!(gated(&unit("barred"), LOCK).is_ok());
}
