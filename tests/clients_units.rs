//! Which client a unit's command line is, over the command lines that guides, packages and roles write: exactly one, or
//! none where it is a beacon node, a container or a wrapper. And what each row asks for when the unit does not say it.
//! Must never touch a host.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use failover::clients::{CLIENTS, Overrides, named, recognised};
use failover::guards::evidence::Unit;

fn unit(name: &str, line: &str) -> Unit {
    Unit {
        name: name.to_string(),
        user: "val".to_string(),
        exec_start: line.split_whitespace().map(str::to_string).collect(),
        ..Unit::default()
    }
}

/// Whose it is, the unit, its command line. CC: CoinCashew's guide, ED: eth-docker's entry points, PK: the vendor's
/// package, EP: ethpandaops' roles, OLD: older guides.
#[rustfmt::skip]
const UNITS: &[(&str, &str, &str)] = &[
    // Lighthouse: CC, CC with a builder, OLD, global flags first, releases side by side, a checked-out build
    ("lighthouse", "validator.service", "/usr/local/bin/lighthouse vc --network mainnet --beacon-nodes http://localhost:5052 --datadir /var/lib/lighthouse --graffiti x --metrics --metrics-port 8009"),
    ("lighthouse", "lighthousevalidator.service", "/usr/local/bin/lighthouse validator_client --network mainnet --datadir /var/lib/lighthouse"),
    ("lighthouse", "validator.service", "/usr/local/bin/lighthouse validator --network gnosis --datadir /var/lib/lighthouse"),
    ("lighthouse", "x.service", "/usr/bin/lighthouse --network hoodi --datadir /data/vc --debug-level info vc --beacon-nodes http://a:5052"),
    ("lighthouse", "x.service", "/opt/lighthouse-v5.3.0 --testnet-dir /n vc --validators-dir /v"),
    ("lighthouse", "x.service", "/usr/bin/env RUST_LOG=info /home/u/.cargo/bin/lighthouse v --datadir /d"),
    ("lighthouse", "validator.service", "/usr/bin/lighthouse validator --datadir /data/from-lodestar"),
    ("", "consensus.service", "/usr/local/bin/lighthouse bn --network mainnet --datadir /var/lib/lighthouse --http"),
    ("", "lighthousebeacon.service", "/usr/local/bin/lighthouse --datadir /var/lib/lighthouse beacon_node --http"),
    ("", "x.service", "/usr/local/bin/lighthouse account validator slashing-protection export /x"),
    ("", "x.service", "/usr/local/bin/lighthouse --version"),
    // Prysm: CC, the script, the released binary, a shell in front of the script
    ("prysm", "validator.service", "/usr/local/bin/validator --mainnet --datadir=/var/lib/prysm/validators --wallet-dir=/var/lib/prysm/validators --accept-terms-of-use"),
    ("prysm", "prysmvalidator.service", "/usr/local/bin/prysm.sh validator --datadir=/d"),
    ("prysm", "x.service", "/opt/validator-v5.0.3-linux-amd64 --datadir=/d"),
    ("prysm", "validator.service", "/bin/bash /opt/prysm.sh validator --datadir=/d"),
    ("prysm", "validator.service", "/opt/validator --datadir=/d --enable-minimal-slashing-protection=false"),
    ("prysm-minimal", "validator.service", "/opt/validator --datadir=/d --enable-minimal-slashing-protection"),
    ("prysm-minimal", "validator.service", "/opt/prysm.sh validator --enable-minimal-slashing-protection=true --datadir=/d"),
    ("", "consensus.service", "/usr/local/bin/beacon-chain --mainnet --datadir=/var/lib/prysm/beacon"),
    ("", "x.service", "/opt/prysm.sh beacon-chain --datadir=/d"),
    // Qrysm: by its unit, by a path
    ("qrysm", "qrysm-validator.service", "/opt/validator --datadir=/d"),
    ("qrysm", "validator.service", "/opt/validator --datadir=/var/lib/qrysm"),
    ("qrysm", "qrysm-validator.service", "/opt/validator --datadir=/d --enable-minimal-slashing-protection"),
    ("", "qrysm-beacon.service", "/opt/qrysm/beacon-chain --datadir=/var/lib/qrysm/beacon"),
    // Teku: CC apart and in one process, ED, the main class, its other name, a configuration file
    ("teku", "validator.service", "/usr/local/bin/teku/bin/teku validator-client --network=mainnet --data-path=/var/lib/teku_validator --validator-keys=/var/lib/teku_validator/validator_keys:/p --beacon-node-api-endpoint=http://localhost:5052"),
    ("teku", "consensus.service", "/usr/local/bin/teku/bin/teku --network=mainnet --data-base-path=/var/lib/teku --validator-keys=/k:/p --rest-api-enabled=true"),
    ("teku", "x.service", "/opt/teku/bin/teku vc --data-path=/var/lib/teku --validator-api-enabled=true"),
    ("teku", "x.service", "/usr/bin/java -Xmx5g -classpath /opt/teku/lib/* tech.pegasys.teku.Teku validator-client --data-path=/var/lib/teku"),
    ("teku", "teku.service", "/opt/teku/bin/teku -c /etc/teku/teku.yaml"),
    ("teku", "x.service", "/opt/teku/bin/teku --config-file /etc/teku.yaml validator-client"),
    ("", "consensus.service", "/usr/local/bin/teku/bin/teku --network=mainnet --data-path=/var/lib/teku --rest-api-enabled=true"),
    ("", "x.service", "/opt/teku/bin/teku slashing-protection export --to=/x --data-path=/d"),
    ("", "x.service", "/opt/teku/bin/teku voluntary-exit --validator-keys=/k:/p"),
    // Nimbus: PK, CC apart and in one process, a build below its checkout, colons for equal signs
    ("nimbus", "nimbus_validator_client.service", "/usr/bin/nimbus_validator_client --data-dir=/var/lib/nimbus/vc --beacon-node=http://127.0.0.1:5052 --non-interactive"),
    ("nimbus", "validator.service", "/usr/local/bin/nimbus_validator_client --data-dir=/var/lib/nimbus_validator --metrics --metrics-port=8009 --non-interactive --doppelganger-detection=off"),
    ("nimbus", "consensus.service", "/usr/local/bin/nimbus_beacon_node --network=mainnet --data-dir=/var/lib/nimbus --web3-url=http://127.0.0.1:8551 --suggested-fee-recipient=0x0"),
    ("nimbus", "nimbus.service", "/home/u/nimbus-eth2/build/nimbus_beacon_node --data-dir:/d --validators-dir:/v --secrets-dir:/s"),
    ("nimbus", "nimbus_beacon_node.service", "/usr/bin/nimbus_beacon_node --data-dir=/d --keymanager --keymanager-token-file=/t"),
    ("", "nimbus_beacon_node.service", "/usr/bin/nimbus_beacon_node --data-dir=/var/lib/nimbus/shared_mainnet_0 --rest --non-interactive"),
    ("", "x.service", "/usr/bin/nimbus_beacon_node slashingdb export /x --validators-dir=/v"),
    // Lodestar: CC, behind node, ED
    ("lodestar", "validator.service", "/usr/local/bin/lodestar/lodestar validator --network mainnet --dataDir /var/lib/lodestar/validators"),
    ("lodestar", "x.service", "/usr/bin/node /usr/app/node_modules/.bin/lodestar validator --dataDir /var/lib/lodestar/validators"),
    ("lodestar", "lodestar-validator.service", "/opt/lodestar validator --dataDir /var/lib/lighthouse-old"),
    ("", "lodestar.service", "/opt/lodestar beacon --dataDir /d"),
    ("", "x.service", "/opt/lodestar dev --dataDir /d"),
    // Remote signers
    ("dirk", "dirk.service", "/usr/local/bin/dirk --base-dir=/home/dirk"),
    ("dirk", "dirk.service", "/opt/dirk-v1.2.1"),
    ("web3signer", "web3signer.service", "/opt/web3signer/bin/web3signer --key-store-path=/k eth2 --slashing-protection-db-url=jdbc:postgresql://h/web3signer"),
    ("web3signer", "x.service", "/usr/bin/java -cp /opt/w/lib/* tech.pegasys.web3signer.Web3SignerApp --data-path=/d eth2"),
    ("", "web3signer.service", "/opt/web3signer/bin/web3signer --key-store-path=/k eth1 --chain-id=1"),
    // Others, containers, wrappers
    ("", "vouch.service", "/usr/local/bin/vouch --base-dir=/home/vouch"),
    ("", "geth.service", "/usr/bin/geth --authrpc.jwtsecret=/var/lib/lighthouse/jwt"),
    ("", "validator.service", "/usr/bin/docker run --rm -v /d:/d sigp/lighthouse lighthouse vc --datadir /d"),
    ("", "validator.service", "/usr/bin/docker run chainsafe/lodestar validator --dataDir /d"),
    ("", "validator.service", "/usr/bin/podman run consensys/teku validator-client --data-path=/d"),
    ("", "validator.service", "/usr/bin/docker-compose up validator"),
    ("", "validator.service", "/bin/sh -c lighthouse\u{a0}vc"),
    ("", "validator.service", "/opt/start.sh"),
    ("", "validator.service", ""),
];

#[test]
fn every_command_line_is_one_client_or_none() {
    for (whose, name, line) in UNITS {
        let found: Vec<&str> = recognised(&unit(name, line))
            .iter()
            .map(|client| client.name)
            .collect();
        assert_eq!(found.join(" "), *whose, "{name}: {line}");
    }
    for client in CLIENTS {
        assert!(
            UNITS.iter().any(|(whose, ..)| *whose == client.name),
            "{} has no command line here",
            client.name
        );
    }
}

/// Client, command line, what the error says.
#[rustfmt::skip]
const ASKED: &[(&str, &str, &str)] = &[
    ("lighthouse", "/opt/lighthouse vc --network hoodi", "set data_dir"),
    ("lighthouse", "/opt/lighthouse vc --datadir ~/.lighthouse", "absolute"),
    ("lighthouse", "/opt/lighthouse --datadir /a vc --datadir /b", "more than once"),
    ("lighthouse", "/opt/lighthouse bn --datadir /d", "does not run"),
    ("lighthouse", "/opt/lighthouse vc --datadir /d --init-slashing-protection", "empty database"),
    ("lighthouse", "/opt/lighthouse vc --datadir /d --disable-slashing-protection-web3signer", "past this database"),
    ("lighthouse", "/usr/bin/docker run sigp/lighthouse lighthouse vc --datadir /d", "container"),
    ("prysm", "/opt/validator --config-file=/c.yaml --datadir=/d", "set data_dir"),
    ("prysm-minimal", "/opt/validator --datadir=/d", "set client = \"prysm\""),
    ("prysm-minimal", "/opt/validator --datadir=/d --enable-minimal-slashing-protection --clear-db", "removes the slashing"),
    ("prysm-minimal", "/opt/validator --enable-minimal-slashing-protection", "set data_dir"),
    ("teku", "/opt/teku validator-client --network=hoodi", "set data_dir"),
    ("teku", "/opt/teku validator-client --config-file=/c.yaml --data-path=/d", "set data_dir and database"),
    ("teku", "/opt/teku -c /c.yaml", "set data_dir and database"),
    ("teku", "/opt/teku vc --data-path=/d --data-base-path=/e", "more than once"),
    ("teku", "/opt/teku vc --data-path=/d --validators-external-signer-slashing-protection-enabled=false", "at the signer"),
    ("nimbus", "/opt/nimbus_validator_client --beacon-node=http://a", "set data_dir"),
    ("nimbus", "/opt/nimbus_validator_client --data-dir:/d --config-file:/c.toml", "set data_dir and database"),
    ("nimbus", "/opt/nimbus_validator_client --data-dir:/d --data-dir=/e", "more than once"),
    ("dirk", "/opt/dirk", "set data_dir"),
    ("dirk", "/opt/dirk --base-dir=/etc/dirk", "set database"),
    ("web3signer", "/opt/web3signer eth2 --slashing-protection-db-url=jdbc:x", "verified copy"),
];

#[test]
fn what_a_unit_does_not_say_is_asked_for_and_what_is_dangerous_is_refused() {
    for (name, line, says) in ASKED {
        let client = named(name).unwrap();
        let found = (client.install)(&unit("validator.service", line), &[], &Overrides::default());
        let why = found.map(|install| install.database).unwrap_err();
        assert!(why.contains(says), "{line}: {why}");
    }
}

/// Client, variable, whether it is refused.
#[test]
fn a_variable_that_is_an_option_of_the_client_is_not_passed_over() {
    for (name, line, variable, refused) in [
        (
            "teku",
            "/opt/teku vc --data-path=/d",
            "TEKU_DATA_VALIDATOR_PATH=/e",
            true,
        ),
        ("teku", "/opt/teku vc --data-path=/d", "TEKU_OPTS=-Xmx5g", false),
        (
            "nimbus",
            "/opt/nimbus_validator_client --data-dir=/d",
            "NIMBUS_DATA_DIR=/e",
            true,
        ),
        (
            "nimbus",
            "/opt/nimbus_validator_client --data-dir=/d",
            "NETWORK=hoodi",
            false,
        ),
    ] {
        let environment = [variable.to_string()];
        let install = named(name).unwrap().install;
        let unit = unit("x.service", line);
        let found = install(&unit, &environment, &Overrides::default());
        assert_eq!(found.is_err(), refused, "{line} with {variable}: {found:?}");
        let by_hand: Overrides = toml::from_str("data_dir = '/d'\ndatabase = '/d/x'").unwrap();
        assert_eq!(install(&unit, &environment, &by_hand).unwrap().database, "/d/x");
    }
}

/// A directory said by hand must not be joined with a flag that moves the database: it would be another database, and
/// one that does not exist reads as "never signed".
#[test]
fn a_flag_that_moves_the_database_is_not_passed_over_for_a_directory_said_by_hand() {
    let by_hand: Overrides = toml::from_str("data_dir = '/d'").unwrap();
    for (name, line) in [
        (
            "lighthouse",
            "/opt/lighthouse vc --datadir /d --validators-dir /elsewhere",
        ),
        (
            "teku",
            "/opt/teku vc --data-path=/d --data-validator-path=/elsewhere",
        ),
        (
            "nimbus",
            "/opt/nimbus_validator_client --data-dir=/d --validators-dir=/elsewhere",
        ),
    ] {
        let install = named(name).unwrap().install;
        let why = install(&unit("x.service", line), &[], &by_hand).unwrap_err();
        assert!(why.contains("set database as well"), "{line}: {why}");
        let from_flags = install(&unit("x.service", line), &[], &Overrides::default()).unwrap();
        assert!(
            from_flags.database.starts_with("/elsewhere/"),
            "{line}: {from_flags:?}"
        );
    }
}
