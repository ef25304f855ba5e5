//! What each client's row finds in a unit, which command lines it makes, and how it reads what the client printed.
//! Recordings of Lodestar 0.34.2; Prysm's and Qrysm's words are those of their sources.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

#[path = "transcripts/mod.rs"]
mod transcripts;

use failover::clients::flags::{Flags, expand};
use failover::clients::{
    CLIENTS, Client, ExportFailure, Install, Overrides, candidate_units, named, recognised,
};
use failover::guards::evidence::Unit;
use failover::services::processes::read_processes;
use failover::services::systemd::{read_environment, read_unit};
use failover::transport::{Op, Output};
use proptest::prelude::*;
use transcripts::{ended, recorded, said, varied};

fn client(name: &str) -> &'static Client {
    named(name).unwrap()
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_string).collect()
}

fn unit(name: &str, line: &str) -> Unit {
    Unit {
        name: name.to_string(),
        user: "val".to_string(),
        exec_start: words(line),
        ..Unit::default()
    }
}

fn find(client_name: &str, line: &str) -> Result<Install, String> {
    (client(client_name).install)(&unit("validator.service", line), &[], &Overrides::default())
}

fn lab() -> Install {
    let output = recorded("unit/lodestar-running");
    let unit = read_unit("lodestar-validator.service", &output).unwrap();
    let environment = read_environment(&output).unwrap();
    (client("lodestar").install)(&unit, &environment, &Overrides::default()).unwrap()
}

fn taught() -> Install {
    let mut install = lab();
    (client("lodestar").learn)(&mut install, &recorded("lodestar/help-old")).unwrap();
    install
}

#[test]
fn the_table_is_sound() {
    for client in CLIENTS {
        assert!(
            std::ptr::eq(named(client.name).unwrap(), client),
            "{}",
            client.name
        );
        assert!(
            client.lock_file.starts_with("/etc/"),
            "a lock on another file system may not be mounted at boot"
        );
        assert!(
            client.units.iter().all(|unit| unit.ends_with(".service")),
            "{}",
            client.name
        );
        assert!(
            client
                .api_prefixes
                .iter()
                .all(|prefix| prefix.starts_with('/') && !prefix.ends_with('/'))
        );
        assert!(
            !client.no_history_is_certain,
            "{}: the case that shows it belongs here",
            client.name
        );
    }
    let units = candidate_units();
    assert_eq!(
        units.iter().filter(|unit| **unit == "validator.service").count(),
        1
    );
    assert_eq!(client("qrysm").lock_file, "/etc/quantapool/VALIDATOR_LOCKED");
}

#[test]
fn the_lab_is_found_whole() {
    let install = lab();
    assert_eq!(
        install.program,
        ["env", "LODESTAR_PRESET=minimal", "/usr/local/bin/lodestar"]
    );
    assert_eq!(
        (install.user.as_str(), install.data_dir.as_str()),
        ("lodestar", "/var/lib/lodestar")
    );
    assert_eq!(install.database, "/var/lib/lodestar/validator-db");
    assert_eq!(install.beacon_urls, ["http://10.213.77.1:9701"]);
    assert_eq!(install.metrics_url, None);
    assert_eq!(install.lock_file, "/etc/failover/VALIDATOR_LOCKED");
    let seen = read_processes(
        &recorded("processes/val-a-running"),
        &(client("lodestar").signature)(&install),
    );
    assert_eq!(
        seen.unwrap()
            .validator
            .iter()
            .map(|process| process.pid)
            .collect::<Vec<_>>(),
        [631]
    );
}

#[test]
fn an_old_lodestar_is_never_given_words_that_start_a_validator() {
    let lodestar = client("lodestar");
    let fresh = lab();
    assert!((lodestar.export)(&fresh, "/w").unwrap_err().contains("not known"));
    assert!((lodestar.import)(&fresh, "/w/m.json").is_err());
    let questions = (lodestar.questions)(&fresh);
    assert_eq!(questions.len(), 1);
    assert_eq!(questions[0].last().map(String::as_str), Some("--help"));
    let install = taught();
    assert!((lodestar.questions)(&install).is_empty());
    let export = (lodestar.export)(&install, "/w").unwrap().join(" ");
    assert_eq!(
        export,
        "env LODESTAR_PRESET=minimal /usr/local/bin/lodestar account validator slashing-protection export --rootDir \
         /var/lib/lodestar --paramsFile /etc/lodestar/params.yaml --server http://10.213.77.1:9701 --file /w/export.json"
    );
    assert_eq!((lodestar.exported_file)("/w/"), "/w/export.json");
    let import = (lodestar.import)(&install, "/w/merged.json").unwrap().join(" ");
    assert!(
        import.contains("account validator slashing-protection import")
            && import.ends_with("--file /w/merged.json")
    );
    let call = install.run(60, words(&import));
    assert_eq!(
        (call.op, &call.args[..2]),
        (Op::Run, ["lodestar".to_string(), "60".to_string()].as_slice())
    );
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
fn lodestar_in_its_other_forms() {
    let line = "/usr/bin/node /opt/lodestar/lodestar validator --network=hoodi --dataDir=/data/ls/ --beaconNodes http://a:1 \
                http://b:2,http://c:3 --metrics --metrics.port=5164 --validatorsDbDir /db --force";
    let mut install = find("lodestar", line).unwrap();
    assert_eq!(install.program, ["/usr/bin/node", "/opt/lodestar/lodestar"]);
    assert_eq!(install.beacon_urls, ["http://a:1", "http://b:2", "http://c:3"]);
    assert_eq!(
        install.metrics_url.as_deref(),
        Some("http://127.0.0.1:5164/metrics")
    );
    assert_eq!(
        (install.data_dir.as_str(), install.database.as_str()),
        ("/data/ls", "/db")
    );
    install.protection_command = words("validator slashing-protection");
    let export = (client("lodestar").export)(&install, "/w").unwrap();
    assert_eq!(
        export.join(" "),
        "/usr/bin/node /opt/lodestar/lodestar validator slashing-protection export --validatorsDbDir /db --dataDir \
         /data/ls --network hoodi --beaconNodes http://a:1 http://b:2,http://c:3 --file /w/export.json"
    );
    assert!(
        !export.contains(&"--force".to_string()),
        "there it means a zero root"
    );
    install.protection_command = words("account validator slashing-protection");
    assert!(
        (client("lodestar").export)(&install, "/w")
            .unwrap_err()
            .contains("/db"),
        "it would read another database"
    );
}

#[test]
fn what_is_not_said_is_asked_for() {
    for (name, line, says) in [
        (
            "lodestar",
            "/usr/bin/lodestar validator --network hoodi",
            "set data_dir",
        ),
        (
            "lodestar",
            "/usr/bin/lodestar validator --rcConfig /etc/ls.yaml --dataDir /d",
            "--rcConfig",
        ),
        (
            "lodestar",
            "/usr/bin/lodestar validator --dataDir ~/ls",
            "absolute",
        ),
        ("lodestar", "/usr/bin/lodestar validator --dataDir /", "absolute"),
        (
            "lodestar",
            "/usr/bin/lodestar validator --dataDir /a/../b",
            "absolute",
        ),
        (
            "lodestar",
            "/usr/bin/lodestar validator --dataDir /a --rootDir /b",
            "more than once",
        ),
        ("lodestar", "/usr/bin/lodestar validator --dataDir", "no value"),
        ("lodestar", "/usr/bin/lodestar validator $ARGS", "$ARGS"),
        (
            "lodestar",
            "/usr/bin/lodestar beacon --dataDir /a",
            "does not run",
        ),
        ("lodestar", "validator --dataDir /a", "does not run"),
        ("lodestar", "", "cannot be read"),
        (
            "prysm",
            "/opt/validator --config-file=/etc/v.yaml --datadir=/d",
            "--config-file",
        ),
        ("prysm", "/opt/validator --wallet-dir=/w", "set data_dir"),
        (
            "prysm",
            "/opt/validator --datadir=/d --enable-minimal-slashing-protection",
            "17514",
        ),
        (
            "prysm",
            "/opt/validator --datadir=/d --clear-db",
            "removes the slashing protection",
        ),
        ("prysm", "/opt/beacon-chain --datadir=/d", "does not run"),
        (
            "qrysm",
            "/opt/qrysm/validator --datadir=/d --force-clear-db=true",
            "removes the slashing protection",
        ),
    ] {
        let why = find(name, line).unwrap_err();
        assert!(why.contains(says), "{line}: {why}");
    }
    assert!(find("prysm", "/opt/validator --datadir=/d --clear-db=false").is_ok());
}

#[test]
fn the_configuration_goes_before_the_unit() {
    let overrides: Overrides = toml::from_str(
        "data_dir = '/d'\nuser = 'u'\nprogram = ['/opt/ls']\nbeacon_url = 'http://b'\nlock_file = '/etc/l'\n\
         metrics_url = 'http://m'\nextra_args = ['--network', 'hoodi']\n\
         protection_command = ['validator', 'slashing-protection']",
    )
    .unwrap();
    let unit = unit("x.service", "/opt/start.sh $FROM_A_FILE");
    let install = (client("lodestar").install)(&unit, &[], &overrides).unwrap();
    assert_eq!(
        (install.user.as_str(), install.lock_file.as_str()),
        ("u", "/etc/l")
    );
    assert_eq!(install.metrics_url.as_deref(), Some("http://m"));
    assert_eq!(
        (client("lodestar").export)(&install, "/w").unwrap().join(" "),
        "/opt/ls validator slashing-protection export --dataDir /d --network hoodi --file /w/export.json"
    );
    assert!(
        toml::from_str::<Overrides>("datadir = '/d'").is_err(),
        "a misspelled word is no silent default"
    );
    assert_eq!(toml::from_str::<Overrides>("").unwrap(), Overrides::default());
}

#[test]
fn only_harmless_variables_travel() {
    let environment = [
        "LODESTAR_PRESET=gnosis".to_string(),
        "KEYMANAGER_TOKEN=secret".to_string(),
        "D=/d".to_string(),
    ];
    let unit = unit("x.service", "/opt/lodestar validator --dataDir ${D}/ls");
    let install = (client("lodestar").install)(&unit, &environment, &Overrides::default()).unwrap();
    assert_eq!(
        install.program,
        ["env", "LODESTAR_PRESET=gnosis", "/opt/lodestar"]
    );
    assert_eq!(install.data_dir, "/d/ls");
}

#[test]
fn prysm_answers_every_prompt_in_flags() {
    let prysm = client("prysm");
    let line = "/usr/local/bin/validator-v5.0.3-linux-amd64 --datadir=/var/lib/prysm --hoodi --wallet-dir=/w \
                --beacon-rpc-provider=10.0.0.1:4000 --monitoring-host 0.0.0.0 --accept-terms-of-use";
    let install = find("prysm", line).unwrap();
    assert_eq!(install.database, "/var/lib/prysm/validator.db");
    assert_eq!(install.beacon_urls, ["http://10.0.0.1:3500"]);
    assert_eq!(
        install.metrics_url.as_deref(),
        Some("http://127.0.0.1:8081/metrics")
    );
    assert_eq!(
        (prysm.export)(&install, "/w").unwrap().join(" "),
        "/usr/local/bin/validator-v5.0.3-linux-amd64 slashing-protection-history export --datadir=/var/lib/prysm \
         --slashing-protection-export-dir=/w --accept-terms-of-use --hoodi"
    );
    assert_eq!((prysm.exported_file)("/w"), "/w/slashing_protection.json");
    assert!(
        (prysm.import)(&install, "/w/m.json")
            .unwrap()
            .contains(&"--slashing-protection-json-file=/w/m.json".into())
    );
    let script = find("prysm", "/opt/prysm.sh validator --datadir=/d").unwrap();
    assert_eq!(script.program, ["/opt/prysm.sh", "validator"]);
    let elsewhere = Install {
        database: "/other/validator.db".to_string(),
        ..install
    };
    assert!(
        (prysm.export)(&elsewhere, "/w")
            .unwrap_err()
            .contains("/other/validator.db")
    );
}

#[test]
fn whose_unit_it_is() {
    for (name, line, whose) in [
        (
            "validator.service",
            "/opt/lodestar validator --dataDir /d",
            "lodestar",
        ),
        (
            "validator.service",
            "/opt/validator --datadir=/var/lib/prysm",
            "prysm",
        ),
        (
            "validator.service",
            "/opt/validator --datadir=/var/lib/qrysm",
            "qrysm",
        ),
        ("qrysm-validator.service", "/opt/validator --datadir=/d", "qrysm"),
        ("lodestar.service", "/opt/lodestar beacon --dataDir /d", ""),
        ("validator.service", "/usr/bin/lighthouse vc", ""),
        (
            "validator.service",
            "/opt/teku/bin/teku validator-client --data-path=/d",
            "",
        ),
        (
            "validator.service",
            "/bin/bash /opt/prysm.sh validator --datadir=/d",
            "prysm",
        ),
    ] {
        let found: Vec<&str> = recognised(&unit(name, line))
            .iter()
            .map(|client| client.name)
            .collect();
        assert_eq!(found.join(" "), whose, "{name} {line}");
    }
    let qrysm = find("qrysm", "/opt/validator --datadir=/d --mainnet").unwrap();
    assert_eq!(qrysm.client, "qrysm");
    assert_eq!(qrysm.chain_flags, ["--mainnet"]);
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
    fn no_unit_makes_a_row_panic(words in prop::collection::vec("[-$={}a-z/. ]{0,12}|validator|lodestar|--dataDir|--datadir=/d", 0..8)) {
        let unit = Unit { name: "x.service".to_string(), exec_start: words, ..Unit::default() };
        for client in CLIENTS {
            let _ = (client.is_it)(&unit);
            if let Ok(install) = (client.install)(&unit, &[], &Overrides::default()) {
                prop_assert!(install.data_dir.starts_with('/') && install.data_dir.len() > 1);
                prop_assert!(!install.program.is_empty());
                let _ = ((client.export)(&install, "/w"), (client.import)(&install, "/w/f"), (client.signature)(&install));
            }
        }
    }

    #[test]
    fn no_words_of_a_client_make_a_row_panic(stdout in any::<String>(), stderr in any::<String>(), status in 0..3i32) {
        let output = Output { status, stdout, stderr };
        for client in CLIENTS {
            prop_assert!((client.read_export)(&output).is_err());
            prop_assert!((client.read_import)(&output).is_err());
        }
        let _ = (client("lodestar").learn)(&mut lab(), &output);
    }
}
