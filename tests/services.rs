//! Units, bars, processes, clocks and papers as real hosts printed them, and every way in which such text can be
//! short of an answer. Reads files only.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

#[path = "transcripts/mod.rs"]
mod transcripts;

use base64::Engine as _;
use failover::guards::evidence::{Bar, Processes, Seen, Unit};
use failover::services::host::{read_disk, read_identity, read_papers};
use failover::services::processes::{Program, Signature, Word, read_processes};
use failover::services::systemd::{Life, barred, gated, life, read_bar, read_environment, read_unit};
use failover::transport::Output;
use proptest::prelude::*;
use transcripts::{ended, recorded, said, varied};

const UNIT: &str = "lodestar-validator.service";
const LOCK: &str = "/etc/failover/VALIDATOR_LOCKED";

fn unit(name: &str) -> Unit {
    read_unit(UNIT, &recorded(&format!("unit/{name}"))).unwrap()
}

fn lodestar() -> Signature {
    let is = |word: &str| Word::Is(word.to_string());
    let holds = |part: &str| Word::Holds(part.to_string());
    Signature {
        programs: vec![Program::worded([holds("lodestar"), is("validator")])],
        bystanders: vec![Program::worded([holds("lodestar"), is("beacon")])],
        directories: vec!["/var/lib/lodestar".to_string()],
    }
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
    said(&format!("{}{}", shown("lock", lock), shown("gate", gate)))
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
            gate: false
        }
    );
    let whole = read_bar(LOCK, &bar_text("barred by run 7\n", &gate_for(LOCK))).unwrap();
    assert_eq!(
        (whole.lock.as_deref(), whole.gate),
        (Some("barred by run 7\n"), true)
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

#[test]
fn the_validator_is_found_and_the_asking_shell_is_not() {
    let running = read_processes(&recorded("processes/val-a-running"), &lodestar()).unwrap();
    let pids: Vec<u64> = running.validator.iter().map(|process| process.pid).collect();
    assert_eq!((pids, running.listed), (vec![631], 20));
    let stopped = read_processes(&recorded("processes/val-b-stopped"), &lodestar()).unwrap();
    assert_eq!(stopped.validator, []);
}

#[test]
fn an_incomplete_listing_is_unknown() {
    let name = "processes/val-b-stopped";
    for (output, says) in [
        (recorded("processes/no-root"), "hidepid"),
        (ended(name, 1), "exit status"),
        (said(""), "missing"),
        (varied(name, "listed=yes\n", ""), "listed"),
        (varied(name, "listed=yes", "listed=no"), "end mark"),
        (varied(name, "exe.1=/usr/lib/systemd/systemd\n", ""), "pid 1"),
        (varied(name, "cmd.1=", "cmd.2000="), "pid 1"),
        (varied(name, "cmd.777=", "cmd.2001="), "shell that asks"),
        (varied(name, "cmd.777=", "who.777="), "not understood"),
        (varied(name, "exe.18=", "exe.x="), "no process id"),
        (
            said("uid=0\nself=1\nexe.1=/init\ncmd.1=init\nlisted=yes\n"),
            "only 1",
        ),
    ] {
        let why = read_processes(&output, &lodestar()).unwrap_err();
        assert!(why.contains(says), "{says}: {why}");
    }
    let aimless = Signature {
        directories: vec!["/".to_string()],
        ..Signature::default()
    };
    assert!(read_processes(&recorded(name), &aimless).is_err());
    assert!(read_processes(&recorded(name), &Signature::default()).is_err());
}

fn beside(exe: &str, command: &str, open: bool) -> Processes {
    let open = if open { "open=900\n" } else { "" };
    let more = format!("exe.900={exe}\ncmd.900={command}\n{open}listed=yes");
    read_processes(
        &varied("processes/val-b-stopped", "listed=yes", &more),
        &lodestar(),
    )
    .unwrap()
}

#[test]
fn who_counts_as_the_validator() {
    for (exe, command, open, counts) in [
        (
            "/usr/bin/node",
            "node /opt/lodestar validator --dataDir /elsewhere",
            false,
            true,
        ),
        (
            "/usr/local/bin/node",
            "node ./packages/cli/bin/lodestar validator --dataDir /data",
            false,
            true,
        ),
        ("/usr/bin/bash", "bash -c exec lodestar validator", false, true),
        (
            "/usr/bin/anything",
            "anything --dir=/var/lib/lodestar",
            false,
            true,
        ),
        (
            "/usr/bin/anything",
            "anything /mnt/var/lib/lodestar/validator-db",
            false,
            true,
        ),
        ("/usr/bin/anything", "anything", true, true),
        (
            "/usr/bin/anything",
            "anything /var/lib/lodestar2 /var/lib/lodestar.old /var/lib/lodestar-b",
            false,
            false,
        ),
        (
            "/usr/bin/node",
            "node /opt/lodestar beacon --rootDir /var/lib/lodestar",
            true,
            false,
        ),
        (
            "/usr/bin/node",
            "node /opt/lodestar beacon validator --rootDir /var/lib/lodestar",
            true,
            true,
        ),
        (
            "/usr/bin/tail",
            "tail -F /var/lib/lodestar/validator.log",
            true,
            false,
        ),
        (
            "/usr/bin/tail (deleted)",
            "tail -F /var/lib/lodestar/validator.log",
            true,
            true,
        ),
        (
            "/opt/tail",
            "tail -F /var/lib/lodestar/validator.log",
            false,
            true,
        ),
        (
            "/usr/bin/sudo",
            "sudo -u lodestar sh /opt/run.sh /var/lib/lodestar",
            false,
            true,
        ),
    ] {
        let found = beside(exe, command, open);
        assert_eq!(
            found.validator.len() == 1,
            counts,
            "{exe} {command}: {:?}",
            found.validator
        );
    }
}

#[test]
fn a_program_is_known_by_its_executable() {
    let prysm = Signature {
        programs: vec![Program::named(["validator"])],
        ..Signature::default()
    };
    for (lines, counts) in [
        ("exe.900=/opt/validator\ncmd.900=whatever\n", true),
        ("exe.900=/opt/validator (deleted)\ncmd.900=whatever\n", true),
        ("exe.900=/opt/validator-v5.0.3-linux-amd64\ncmd.900=x\n", true),
        ("cmd.900=/opt/validator --datadir=x\n", true),
        ("exe.900=/opt/validator\n", true),
        ("exe.900=/opt/validators\ncmd.900=x validator\n", false),
        ("exe.900=/opt/beacon-chain\ncmd.900=beacon-chain\n", false),
    ] {
        let output = varied(
            "processes/val-b-stopped",
            "listed=yes",
            &format!("{lines}listed=yes"),
        );
        let found = read_processes(&output, &prysm).unwrap().validator;
        assert_eq!(found.len() == 1, counts, "{lines}: {found:?}");
    }
}

#[test]
fn who_answers_and_when() {
    let machine = "8666256fd33d4958812974794fd262fd";
    let boot = "6a861638-a292-44b5-b17f-4187201aec58";
    let output = recorded("host/identity");
    let read = |output: &Output, sent: f64, got: f64| read_identity(machine, boot, output, sent, got);
    let identity = read(&output, 1_795_307_677.0, 1_795_307_678.0).unwrap();
    assert_eq!(identity.uid, 0);
    assert!(
        (identity.clock_offset_s - 0.886).abs() < 0.001,
        "{}",
        identity.clock_offset_s
    );
    assert!((identity.clock_uncertainty_s - 0.5).abs() < 1e-6);
    assert_eq!(identity.clock_synchronised, Seen::Known(false));
    let silent = varied("host/identity", "ntp=no", "ntp=");
    assert!(
        read(&silent, 1.0, 2.0)
            .unwrap()
            .clock_synchronised
            .known()
            .is_err()
    );
    assert!(
        read(&output, 2.0, 1.0).is_err(),
        "the coordinator's clock went back"
    );
    for (from, to) in [
        ("uid=0", "uid="),
        ("time=17", "time=nan17"),
        ("time=", "when="),
        (".38", "N.38."),
    ] {
        assert!(
            read(&varied("host/identity", from, to), 1.0, 2.0).is_err(),
            "{to}"
        );
    }
    assert!(read_identity("", boot, &output, 1.0, 2.0).is_err());
    assert!(read_identity(machine, "uninitialised", &output, 1.0, 2.0).is_err());
}

#[test]
fn papers_and_room() {
    let papers = read_papers(&recorded("host/papers-absent")).unwrap();
    assert_eq!((papers.claim, papers.generation), (None, None));
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let claim =
        r#"{"run":"r1","pair":"a->b","generation":7,"coordinator":"me@here","since":"2026-11-22T00:00:00Z"}"#;
    let shown = |text: &str| {
        said(&format!(
            "claim=present\nclaim.base64={}\ngeneration=absent\n",
            encode(text)
        ))
    };
    assert_eq!(read_papers(&shown(claim)).unwrap().claim.unwrap().generation, 7);
    for bad in ["", "{", "null", r#"{"run":"r1"}"#] {
        assert!(read_papers(&shown(bad)).is_err(), "{bad}");
    }
    assert!(read_papers(&said("claim=unreadable\ngeneration=absent\n")).is_err());
    let whole = "free_bytes=78006800000\nstate_free_bytes=78006800001\nused_bytes=absent\nwritable=no\n";
    let disk = read_disk(&said(whole)).unwrap();
    assert_eq!(
        (disk.free_bytes, disk.database_bytes, disk.writable),
        (78_006_800_000, None, false)
    );
    assert!(
        read_disk(&recorded("host/disk-mawk-exponent"))
            .unwrap_err()
            .contains("no whole number")
    );
}

proptest! {
    #[test]
    fn readers_never_panic(text in any::<String>(), status in 0..2i32) {
        read_everything(&Output { status, stdout: text, stderr: String::new() });
    }

    #[test]
    fn readers_never_panic_on_damaged_answers(at in any::<prop::sample::Index>(), insert in ".{0,6}", which in 0..5usize) {
        let name = ["unit/barred", "processes/val-a-running", "host/identity", "bar/absent", "unit/lodestar-running"][which];
        let mut output = recorded(name);
        let mut place = at.index(output.stdout.len());
        while !output.stdout.is_char_boundary(place) { place -= 1; }
        output.stdout.insert_str(place, &insert);
        read_everything(&output);
        output.stdout.truncate(place);
        // A listing that was cut off is never believed.
        prop_assert!(read_processes(&output, &lodestar()).is_err());
        prop_assert!(read_unit(UNIT, &output).is_err() || output.stdout.contains("CgroupRead=yes"));
        read_everything(&output);
    }
}

fn read_everything(output: &Output) {
    let _ = (
        read_unit(UNIT, output),
        read_environment(output),
        read_bar(LOCK, output),
    );
    let _ = (
        read_processes(output, &lodestar()),
        read_papers(output),
        read_disk(output),
    );
    let _ = read_identity(&output.stdout, &output.stdout, output, 1.0, 2.0);
}
