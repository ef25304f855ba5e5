//! What each client's row finds in a unit and which command lines it makes of it.
//! Must never touch a host: it reads recordings only.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

#[path = "transcripts/mod.rs"]
mod transcripts;

use failover::clients::{CLIENTS, Client, Install, Overrides, candidate_units, named};
use failover::guards::evidence::Unit;
use failover::services::processes::read_processes;
use failover::services::systemd::{read_environment, read_unit};
use failover::transport::Op;
use transcripts::recorded;

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
        "/usr/bin/node /opt/lodestar/lodestar validator slashing-protection export --dataDir /data/ls --validatorsDbDir \
         /db --network hoodi --beaconNodes http://a:1 http://b:2,http://c:3 --file /w/export.json"
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

/// Client, command line of its unit, what the error says.
const NOT_SAID: [(&str, &str, &str); 18] = [
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
        "prysm-minimal",
    ),
    (
        "lodestar",
        "/usr/bin/docker run chainsafe/lodestar validator --dataDir /d",
        "container",
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
];

#[test]
fn what_is_not_said_is_asked_for() {
    for (name, line, says) in NOT_SAID {
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
fn a_copy_is_exported_and_never_the_original() {
    let prysm = find("prysm", "/opt/validator --datadir=/var/lib/prysm").unwrap();
    for (client, install) in [(client("lodestar"), taught()), (client("prysm"), prysm)] {
        let original = install.data_dir.clone();
        let copy = install.relocated("/work/copy");
        for line in [
            (client.export)(&copy, "/work/out").unwrap(),
            (client.import)(&copy, "/work/f").unwrap(),
        ] {
            assert!(line.iter().all(|word| !word.contains(&original)), "{line:?}");
            assert!(line.iter().any(|word| word.ends_with("/work/copy")), "{line:?}");
        }
    }
}
