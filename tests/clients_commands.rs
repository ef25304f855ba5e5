//! What each further client's row makes of a unit: where the database lies, which command exports and imports it, which
//! files are read, and how its processes are known. Command lines are those of the clients' sources. Never touches a host.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use failover::clients::{CLIENTS, Client, Install, Overrides, named};
use failover::guards::evidence::Unit;
use failover::guards::{Processes, Role};
use failover::services::processes::read_processes;
use failover::transport::Output;

const ROOT: &str = "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95";

fn client(name: &str) -> &'static Client {
    named(name).unwrap()
}

fn find_with(name: &str, line: &str, environment: &[String], by_hand: &str) -> Install {
    let unit = Unit {
        name: "validator.service".to_string(),
        user: "val".to_string(),
        exec_start: line.split_whitespace().map(str::to_string).collect(),
        ..Unit::default()
    };
    (client(name).install)(&unit, environment, &toml::from_str::<Overrides>(by_hand).unwrap()).unwrap()
}

fn find(name: &str, line: &str) -> Install {
    find_with(name, line, &[], "")
}

fn dirk() -> Install {
    let by_hand = format!(
        "database = '/var/lib/dirk/storage'\nbeacon_url = 'http://b'\nmetrics_url = 'http://m/metrics'\nextra_args = \
         ['--genesis-validators-root={}']",
        ROOT.to_uppercase().replace("0X", "0x")
    );
    find_with("dirk", "/opt/dirk --base-dir=/etc/dirk", &[], &by_hand)
}

/// Client, command line, data directory, database, beacon node, metrics.
type Found = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);
#[rustfmt::skip]
const FOUND: &[Found] = &[
    ("lighthouse", "/opt/lighthouse vc --datadir /var/lib/lighthouse", "/var/lib/lighthouse",
     "/var/lib/lighthouse/validators/slashing_protection.sqlite", "http://127.0.0.1:5052", None),
    ("lighthouse", "/opt/lighthouse -d /d vc --beacon-nodes http://a:5052/,http://b:5052 --metrics --metrics-port 8009", "/d",
     "/d/validators/slashing_protection.sqlite", "http://a:5052 http://b:5052", Some("http://127.0.0.1:8009/metrics")),
    ("lighthouse", "/opt/lighthouse vc --validators-dir /v", "/v", "/v/slashing_protection.sqlite", "http://127.0.0.1:5052", None),
    ("prysm-minimal", "/opt/validator --datadir=/d --enable-minimal-slashing-protection", "/d", "/d/validator-client-data",
     "http://127.0.0.1:3500", Some("http://127.0.0.1:8081/metrics")),
    ("teku", "/opt/teku/bin/teku vc --data-path=/var/lib/teku_validator --beacon-node-api-endpoint=http://a:5052", "/var/lib/teku_validator",
     "/var/lib/teku_validator/validator/slashprotection", "http://a:5052", None),
    ("teku", "/opt/teku/bin/teku --data-base-path=/b --validator-keys=/k:/p --metrics-enabled=true --metrics-interface=0.0.0.0", "/b",
     "/b/validator/slashprotection", "http://127.0.0.1:5051", Some("http://127.0.0.1:8008/metrics")),
    ("teku", "/opt/teku/bin/teku vc --data-path=/b --data-validator-path=/v", "/b", "/v/slashprotection", "http://127.0.0.1:5051", None),
    ("nimbus", "/usr/bin/nimbus_validator_client --data-dir=/var/lib/nimbus/vc --beacon-node=http://a:5052#attestation-data --metrics",
     "/var/lib/nimbus/vc", "/var/lib/nimbus/vc/validators/slashing_protection.sqlite3", "http://a:5052", Some("http://127.0.0.1:8108/metrics")),
    ("nimbus", "/b/nimbus_beacon_node --data-dir:/d --secrets-dir:/s --rest-port:5099", "/d",
     "/d/validators/slashing_protection.sqlite3", "http://127.0.0.1:5099", None),
    ("nimbus", "/b/nimbus_validator_client --data-dir=/d --validators-dir:/v", "/d", "/v/slashing_protection.sqlite3", "http://127.0.0.1:5052", None),
];

#[test]
fn the_unit_says_where_the_database_lies() {
    for (name, line, data_dir, database, beacons, metrics) in FOUND {
        let found = find(name, line);
        assert_eq!(
            (
                found.data_dir.as_str(),
                found.database.as_str(),
                found.beacon_urls.join(" ").as_str(),
                found.metrics_url.as_deref()
            ),
            (*data_dir, *database, *beacons, *metrics),
            "{line}"
        );
    }
}

/// Client, command line, the export of a copy and the import into the original, as clients.md has them.
#[rustfmt::skip]
const COMMANDS: &[(&str, &str, &str, &str)] = &[
    ("lighthouse", "/opt/lighthouse vc --network hoodi --testnet-dir /n --datadir /d --debug-level info",
     "/opt/lighthouse --network hoodi --testnet-dir /n account validator --validators-dir /w/1 slashing-protection export /w/1/export.json",
     "/opt/lighthouse --network hoodi --testnet-dir /n account validator --validators-dir /d/validators slashing-protection import /w/f.json"),
    ("lighthouse", "/opt/lighthouse --network hoodi vc --datadir /d",
     "/opt/lighthouse --network hoodi account validator --validators-dir /w/1 slashing-protection export /w/1/export.json",
     "/opt/lighthouse --network hoodi account validator --validators-dir /d/validators slashing-protection import /w/f.json"),
    ("teku", "/opt/teku/bin/teku validator-client --data-path=/d --network=hoodi",
     "/opt/teku/bin/teku slashing-protection export --to=/w/1/export.json --data-path=/w/1 --data-validator-path=/w/1",
     "/opt/teku/bin/teku slashing-protection import --from=/w/f.json --data-path=/d --data-validator-path=/d/validator"),
    ("teku", "/usr/bin/java -Xmx1g -cp /o/* tech.pegasys.teku.Teku vc --data-path=/d --data-validator-path=/v",
     "/usr/bin/java -Xmx1g -cp /o/* tech.pegasys.teku.Teku slashing-protection export --to=/w/1/export.json --data-path=/w/1 --data-validator-path=/w/1",
     "/usr/bin/java -Xmx1g -cp /o/* tech.pegasys.teku.Teku slashing-protection import --from=/w/f.json --data-path=/d --data-validator-path=/v"),
    ("nimbus", "/usr/bin/nimbus_validator_client --data-dir=/d",
     "/usr/bin/nimbus_beacon_node slashingdb export /w/1/export.json --data-dir=/w/1 --validators-dir=/w/1",
     "/usr/bin/nimbus_beacon_node slashingdb import /w/f.json --data-dir=/d --validators-dir=/d/validators"),
    ("nimbus", "/b/nimbus_beacon_node --data-dir:/d --validators-dir:/v --graffiti:x",
     "/b/nimbus_beacon_node slashingdb export /w/1/export.json --data-dir=/w/1 --validators-dir=/w/1",
     "/b/nimbus_beacon_node slashingdb import /w/f.json --data-dir=/d --validators-dir=/v"),
];

#[test]
fn export_and_import_are_the_clients_own_commands() {
    for (name, line, export, import) in COMMANDS {
        let (client, install) = (client(name), find(name, line));
        let copy = install.relocated("/w/1");
        assert_eq!((client.export)(&copy, "/w/1/").unwrap().join(" "), *export);
        assert_eq!((client.exported_file)("/w/1/"), "/w/1/export.json");
        assert_eq!((client.import)(&install, "/w/f.json").unwrap().join(" "), *import);
        let elsewhere = Install {
            database: "/d/other.db".to_string(),
            ..install
        };
        let why = (client.export)(&elsewhere, "/w").unwrap_err();
        assert!(
            why.contains("/d/other.db"),
            "{name} would open another database: {why}"
        );
    }
}

#[test]
fn dirk_is_told_its_chain_and_a_copy_of_its_storage() {
    let (client, install) = (client("dirk"), dirk());
    assert_eq!(
        (client.export)(&install.relocated("/w/1"), "/w/1")
            .unwrap()
            .join(" "),
        format!(
            "env DIRK_STORAGE_PATH=/w/1/storage /opt/dirk --base-dir=/etc/dirk --genesis-validators-root={ROOT} \
             --export-slashing-protection --slashing-protection-file=/w/1/export.json"
        )
    );
    let import = (client.import)(&install, "/w/f.json").unwrap().join(" ");
    assert!(
        import.contains("DIRK_STORAGE_PATH=/var/lib/dirk/storage ")
            && import.contains(" --import-slashing-protection ")
    );
    let moved = ["DIRK_STORAGE_PATH=/srv/dirk".to_string()];
    let by_hand = format!(
        "beacon_url = 'http://b'\nmetrics_url = 'http://m'\nextra_args = ['--genesis-validators-root={ROOT}']"
    );
    assert_eq!(
        find_with("dirk", "/opt/dirk --base-dir=/b", &moved, &by_hand).database,
        "/srv/dirk"
    );
    for (extra, says) in [
        ("", "extra_args"),
        ("extra_args = ['--genesis-validators-root=0x12']", "extra_args"),
    ] {
        let by_hand: Overrides = toml::from_str(&format!(
            "data_dir = '/e'\ndatabase = '/s'\nbeacon_url = 'u'\nmetrics_url = 'm'\n{extra}"
        ))
        .unwrap();
        let unit = Unit {
            exec_start: vec!["/opt/dirk".to_string()],
            ..Unit::default()
        };
        assert!((client.install)(&unit, &[], &by_hand).unwrap_err().contains(says));
    }
}

/// A command line is public on its host.
#[test]
fn no_password_of_web3signer_travels() {
    let line = "/opt/web3signer/bin/web3signer --config-file=/etc/w.yaml --key-store-path=/k eth2 \
                --slashing-protection-db-url=jdbc:postgresql://h/db --slashing-protection-db-username=u \
                --slashing-protection-db-password=secret";
    let install = find("web3signer", line);
    assert_eq!(
        (client("web3signer").export)(&install, "/w").unwrap().join(" "),
        "/opt/web3signer/bin/web3signer --config-file=/etc/w.yaml eth2 --slashing-protection-db-url=jdbc:postgresql://h/db \
         --slashing-protection-db-username=u export --to=/w/export.json"
    );
    assert!(!format!("{install:?}").contains("secret"));
}

#[test]
fn java_is_found_where_the_unit_says_and_no_other_variable_travels() {
    let environment = ["JAVA_HOME=/opt/jdk".to_string(), "JAVA_OPTS=-Xmx9g".to_string()];
    let install = find_with("teku", "/opt/teku/bin/teku vc --data-path=/d", &environment, "");
    assert_eq!(
        install.program,
        ["env", "JAVA_HOME=/opt/jdk", "/opt/teku/bin/teku"]
    );
    let nimbus = find_with(
        "nimbus",
        "/b/nimbus_validator_client $FLAGS",
        &["FLAGS=--data-dir:/d$1".to_string()],
        "",
    );
    assert_eq!(nimbus.data_dir, "/d$1", "filled in once, then spelled out");
}

/// What is packed: the database and what a kill leaves beside it, never a keystore, a password or a token.
#[rustfmt::skip]
const PACKED: &[(&str, &str, &str, &[&str])] = &[
    ("lighthouse", "/opt/lighthouse vc --datadir /d", "/d/validators",
     &["slashing_protection.sqlite", "slashing_protection.sqlite-journal", "slashing_protection.sqlite-wal", "slashing_protection.sqlite-shm"]),
    ("nimbus", "/b/nimbus_validator_client --data-dir=/d", "/d/validators",
     &["slashing_protection.sqlite3", "slashing_protection.sqlite3-wal", "slashing_protection.sqlite3-shm", "slashing_protection.sqlite3-journal"]),
    ("teku", "/opt/teku vc --data-path=/d", "/d/validator", &["slashprotection/*.yml"]),
    ("prysm", "/opt/validator --datadir=/d", "/d", &["validator.db"]),
    ("prysm-minimal", "/opt/validator --datadir=/d --enable-minimal-slashing-protection", "/d",
     &["validator-client-data/configuration.yaml", "validator-client-data/slashing-protection/*.yaml"]),
    ("qrysm", "/opt/qrysm/validator --datadir=/d", "/d", &["validator.db"]),
];

#[test]
fn only_the_database_is_packed() {
    for (name, line, directory, patterns) in PACKED {
        let files = client(name).direct.unwrap().files;
        let packed = files(&find(name, line));
        assert_eq!(packed.directory, *directory, "{name}");
        assert_eq!(packed.patterns, *patterns, "{name}");
    }
    for client in CLIENTS {
        assert_eq!(
            client.direct.is_none(),
            ["dirk", "web3signer"].contains(&client.name),
            "{} is read by its command alone",
            client.name
        );
    }
}

/// A listing as `remote.sh` prints it, with one process of interest.
fn listed(exe: &str, command: &str) -> Output {
    let stdout = format!(
        "uid=0\nself=40\nexe.1=/usr/lib/systemd/systemd\ncmd.1=/sbin/init \nexe.40=/usr/bin/dash\ncmd.40=sh \n\
         exe.41=/usr/bin/dash\ncmd.41=sh \nexe.77={exe}\ncmd.77={command} \nlisted=yes\n"
    );
    Output {
        status: 0,
        stdout,
        stderr: String::new(),
    }
}

fn seen(name: &str, install: &Install, exe: &str, command: &str) -> Processes {
    read_processes(&listed(exe, command), &(client(name).signature)(install)).unwrap()
}

const JAVA: &str = "/usr/lib/jvm/java-21/bin/java";

/// Client, its unit, another process, whether that is a signer.
#[rustfmt::skip]
const PROCESSES: &[(&str, &str, &str, &str, bool)] = &[
    ("lighthouse", "/opt/lighthouse vc --datadir /d", "/home/u/lighthouse", "lighthouse --network hoodi vc --datadir /other", true),
    ("lighthouse", "/opt/lighthouse vc --datadir /d", "/opt/lighthouse", "lighthouse bn --datadir /d --http", false),
    ("lighthouse", "/opt/lighthouse vc --datadir /d", "/opt/x", "x --datadir /d", true),
    ("prysm-minimal", "/opt/validator --datadir=/d --enable-minimal-slashing-protection", "/opt/validator", "validator --datadir=/other", true),
    ("teku", "/opt/teku vc --data-path=/d", JAVA, "java -cp /o/* tech.pegasys.teku.Teku validator-client --data-path=/other", true),
    ("teku", "/opt/teku vc --data-path=/d", JAVA, "java -cp /o/* tech.pegasys.teku.Teku --validator-keys=/k:/p", true),
    ("teku", "/opt/teku vc --data-path=/d", JAVA, "java -cp /o/* tech.pegasys.teku.Teku --data-path=/beacon", false),
    ("teku", "/opt/teku vc --data-path=/d", JAVA, "java -jar besu.jar --data-path=/besu", false),
    ("nimbus", "/b/nimbus_validator_client --data-dir=/d", "/usr/bin/nimbus_validator_client", "nimbus_validator_client --data-dir=/other", true),
    ("nimbus", "/b/nimbus_validator_client --data-dir=/d/vc", "/b/nimbus_beacon_node", "nimbus_beacon_node --data-dir=/d/shared_hoodi_0", false),
    ("nimbus", "/b/nimbus_validator_client --data-dir=/d/vc", "/b/nimbus_beacon_node", "nimbus_beacon_node --validators-dir=/d/vc/validators", true),
    ("nimbus", "/b/nimbus_beacon_node --data-dir=/d --graffiti=x", "/b/nimbus_beacon_node", "nimbus_beacon_node --data-dir=/other", true),
];

#[test]
fn its_processes_are_known_and_its_beacon_node_is_let_be() {
    for (name, line, exe, command, signer) in PROCESSES {
        let found = seen(name, &find(name, line), exe, command);
        assert_eq!(
            !found.validator.is_empty(),
            *signer,
            "{name}: {command}: {found:?}"
        );
    }
    let found = seen("dirk", &dirk(), "/opt/dirk", "/opt/dirk --base-dir=/etc/dirk");
    assert_eq!(found.validator.len(), 1);
    let install = find("web3signer", "/opt/web3signer --data-path=/d eth2");
    let command = "java -cp /o/* tech.pegasys.web3signer.Web3SignerApp --key-store-path=/k eth2";
    assert_eq!(seen("web3signer", &install, JAVA, command).validator.len(), 1);
}

/// Both halves of one hand-over, and what is said where one is not offered.
#[test]
fn what_no_run_can_do_is_said_before_anything_is_touched() {
    for client in CLIENTS {
        let (from, into) = (client.offered(Role::Primary), client.offered(Role::Backup));
        match client.name {
            "web3signer" => {
                let why = from.unwrap_err();
                assert!(why.contains("PostgreSQL") && why.contains("Instead") && into == Err(why));
            }
            "prysm-minimal" => {
                assert_eq!(from, Ok(()));
                assert!(into.unwrap_err().contains("17514"));
                let install = find(
                    "prysm-minimal",
                    "/opt/validator --datadir=/d --enable-minimal-slashing-protection",
                );
                assert!((client.export)(&install, "/w").is_err() && (client.import)(&install, "/f").is_err());
            }
            _ => assert_eq!((from, into), (Ok(()), Ok(())), "{}", client.name),
        }
        assert!(client.offered(Role::Primary).is_err() || client.direct.is_some() || client.name == "dirk");
    }
}

/// Only what counts published attestations and nothing else may end the watch.
#[test]
fn signatures_and_refusals_are_no_proof_of_publication() {
    let proof = |name: &str, install: &Install| (client(name).proof)(install);
    let vc = find("nimbus", "/b/nimbus_validator_client --data-dir=/d");
    let node = find("nimbus", "/b/nimbus_beacon_node --data-dir=/d --graffiti=x");
    assert_eq!(proof("nimbus", &vc).log, Some("Attestation published"));
    assert_eq!(proof("nimbus", &node).log, Some("Attestation sent"));
    let lighthouse = proof(
        "lighthouse",
        &find("lighthouse", "/opt/lighthouse vc --datadir /d --metrics"),
    );
    assert_eq!(
        (lighthouse.metric, lighthouse.log),
        (None, Some("Successfully published attestation"))
    );
    assert_eq!(
        proof("teku", &find("teku", "/opt/teku vc --data-path=/d")).log,
        Some("Published attestation")
    );
    let dirk = proof("dirk", &dirk()).metric.unwrap();
    assert!(dirk.contains(r#"result="succeeded""#) && dirk.contains(r#"request="attestation""#));
}
