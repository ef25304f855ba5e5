//! Processes, clocks and papers as real hosts printed them, and damage to every kind of answer: a reader may refuse
//! but never panic. Must never touch a host: it reads recordings only.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

#[path = "transcripts/mod.rs"]
mod transcripts;

use base64::Engine as _;
use failover::guards::evidence::{Processes, Seen};
use failover::services::host::{read_disk, read_identity, read_papers};
use failover::services::processes::{Program, Signature, Word, read_processes};
use failover::services::systemd::{read_bar, read_environment, read_unit};
use failover::transport::Output;
use proptest::prelude::*;
use transcripts::{ended, recorded, said, varied};

const UNIT: &str = "lodestar-validator.service";
const LOCK: &str = "/etc/failover/VALIDATOR_LOCKED";

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

/// Executable, command line, whether it holds files open below the directory, whether it is the validator.
const WHO: [(&str, &str, bool, bool); 13] = [
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
];

#[test]
fn who_counts_as_the_validator() {
    for (exe, command, open, counts) in WHO {
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
        // A listing that was cut off is never believed; one that lacks but its last line end is whole.
        prop_assert!(read_processes(&output, &lodestar()).is_err() || output.stdout.ends_with("\nlisted=yes"));
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
