//! How each client's row reads what the client printed. Recordings of Lodestar 0.34.2; Prysm's and Qrysm's words are
//! those of their sources. Must never touch a host.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

#[path = "transcripts/mod.rs"]
mod transcripts;

use failover::clients::flags::{Flags, expand};
use failover::clients::{CLIENTS, Client, ExportFailure, Install, Overrides, named};
use failover::guards::evidence::Unit;
use failover::services::systemd::{read_environment, read_unit};
use failover::transport::Output;
use proptest::prelude::*;
use transcripts::{ended, recorded, said, varied};

fn client(name: &str) -> &'static Client {
    named(name).unwrap()
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_string).collect()
}

fn lab() -> Install {
    let output = recorded("unit/lodestar-running");
    let unit = read_unit("lodestar-validator.service", &output).unwrap();
    let environment = read_environment(&output).unwrap();
    (client("lodestar").install)(&unit, &environment, &Overrides::default()).unwrap()
}

#[test]
fn what_an_export_says() {
    let read = client("lodestar").read_export;
    assert_eq!(read(&recorded("lodestar/export-done")), Ok(()));
    assert_eq!(
        read(&recorded("lodestar/export-locked")),
        Err(ExportFailure::Locked),
        "it ends with 0"
    );
    for (output, says) in [
        (ended("lodestar/export-no-beacon", 1), "ECONNREFUSED"),
        (ended("lodestar/export-no-beacon", 0), "ECONNREFUSED"),
        (ended("lodestar/export-done", 1), "exit status 1"),
        (ended("lodestar/export-done", 124), "in time"),
        (said(""), "did not say"),
        (varied("lodestar/export-done", "Export", "Import"), "did not say"),
    ] {
        match read(&output) {
            Err(ExportFailure::Other(why)) => assert!(why.contains(says), "{says}: {why}"),
            other => panic!("{says}: {other:?}"),
        }
    }
    assert_eq!(
        (client("lodestar").read_import)(&recorded("lodestar/import-done")),
        Ok(())
    );
    assert!((client("lodestar").read_import)(&recorded("lodestar/export-done")).is_err());
}

#[test]
fn what_prysm_and_qrysm_say() {
    let fatal = |text: &str| Output {
        status: 1,
        stdout: String::new(),
        stderr: format!("level=fatal msg=\"{text}\"\n"),
    };
    for name in ["prysm", "qrysm"] {
        let read = client(name).read_export;
        let locked = "cannot obtain database lock, database may be in use by another process";
        assert_eq!(read(&fatal(locked)), Err(ExportFailure::Locked));
        let none =
            "No slashing protection data was found in your database. This is likely because an older version";
        assert_eq!(read(&fatal(none)), Err(ExportFailure::NoHistory));
        let warned = "level=warning msg=\"No slashing protection data was found in the /d directory.\"\n";
        assert_eq!(
            read(&said(warned)),
            Err(ExportFailure::NoHistory),
            "some releases end with 0"
        );
        let absent = "validator.db (validator database) was not found at path /d, so nothing to export";
        assert!(matches!(read(&fatal(absent)), Err(ExportFailure::Other(why)) if why.contains("/d")));
        assert!(matches!(read(&said("")), Err(ExportFailure::Other(_))));
        let done = "level=info msg=\"Successfully wrote /w/slashing_protection.json. You can import\"\n";
        assert_eq!(read(&said(done)), Ok(()));
        let imported = "level=info msg=\"Slashing protection JSON successfully imported into /d\"\n";
        assert_eq!((client(name).read_import)(&said(imported)), Ok(()));
        assert!((client(name).read_import)(&fatal("x")).is_err());
    }
}

#[test]
fn the_release_says_which_words_it_knows() {
    let lodestar = client("lodestar");
    for (help, command) in [
        (
            " validator\n\nRun one or multiple validator clients\n",
            Some("account validator slashing-protection"),
        ),
        (
            "lodestar validator slashing-protection export\n\nExport",
            Some("validator slashing-protection"),
        ),
        ("", None),
        ("lodestar\n", None),
        ("bash: lodestar: not found\n", None),
        ("validator slashing-protection import\n", None),
    ] {
        let mut install = lab();
        let learned = (lodestar.learn)(&mut install, &said(help));
        assert_eq!(learned.is_ok(), command.is_some(), "{help}");
        assert_eq!(install.protection_command.join(" "), command.unwrap_or_default());
    }
    assert!((lodestar.learn)(&mut lab(), &ended("lodestar/help-old", 1)).is_err());
}

#[test]
fn flags_are_read_as_the_clients_read_them() {
    let flags = Flags::read(&words(
        "x --dataDir=/a -datadir /a --list a,b c --off=false --n -5 --last",
    ));
    assert_eq!(flags.value(&["data-dir"]), Ok(Some("/a".to_string())));
    assert_eq!(flags.list(&["list"]), ["a", "b", "c"]);
    assert_eq!(
        (flags.on(&["off"]), flags.on(&["last"]), flags.on(&["x"])),
        (false, true, false)
    );
    assert_eq!(flags.value(&["n"]), Ok(Some("-5".to_string())));
    let environment = ["A=1 2".to_string(), "B=3".to_string()];
    assert_eq!(
        expand(&words("$A ${A} x$$y a$ z${B}"), &environment).unwrap(),
        ["1", "2", "1 2", "x$y", "a$", "z3"]
    );
    assert!(expand(&words("${C}"), &environment).unwrap_err().contains("$C"));
}

proptest! {
    #[test]
    fn no_unit_makes_a_row_panic(words in prop::collection::vec("[-$={}:a-z/. ]{0,12}|validator|lodestar|lighthouse|vc|teku|dirk|web3signer|eth2|nimbus_beacon_node|--[dD]ata-?[dD]ir[=:]/d|--data-path=/d", 0..8)) {
        let unit = Unit { name: "x.service".to_string(), exec_start: words, ..Unit::default() };
        for client in CLIENTS {
            let _ = (client.is_it)(&unit);
            if let Ok(install) = (client.install)(&unit, &[], &Overrides::default()) {
                prop_assert!(install.data_dir.starts_with('/') && install.data_dir.len() > 1);
                prop_assert!(!install.program.is_empty());
                let _ = ((client.export)(&install, "/w"), (client.import)(&install, "/w/f"), (client.signature)(&install));
                if let Some(direct) = client.direct {
                    let packed = (direct.files)(&install);
                    prop_assert!(packed.directory.starts_with('/') && !packed.patterns.is_empty());
                }
            }
        }
    }

    #[test]
    fn no_words_of_a_client_make_a_row_panic(stdout in any::<String>(), stderr in any::<String>(), status in 0..3i32) {
        let output = Output { status, stdout, stderr };
        let silent = output.stdout.trim().is_empty() && output.stderr.trim().is_empty();
        for client in CLIENTS.iter().filter(|client| !(silent && client.name == "dirk")) {
            prop_assert!((client.read_export)(&output).is_err());
            prop_assert!((client.read_import)(&output).is_err());
        }
        let _ = (client("lodestar").learn)(&mut lab(), &output);
    }
}
