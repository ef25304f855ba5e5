//! The rules of import, client by client, against the facts that they were taken from; and whether `docs/clients.md` says
//! the same. Regenerate its tables with `FAILOVER_REGENERATE=1 cargo test --test clients_rules`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use failover::clients::{Atomic, CLIENTS, Client, Gap, Lower, Reimport, Rules, Wait};
use failover::protection::LARGEST_NUMBER;

const PAGE: &str = "docs/clients.md";
const REMEDY: &str = "regenerate it: FAILOVER_REGENERATE=1 cargo test --test clients_rules";
const SIGNED: u64 = (1 << 63) - 1;

#[rustfmt::skip]
const FACTS: &[(&str, Rules)] = &[
    ("lighthouse", rules(SIGNED, Reimport::Harmless, Lower::Ignored, Gap::None, true, Atomic::File, false, true, Wait::Kept)),
    ("lodestar", rules((1 << 53) - 1, Reimport::Harmless, Lower::LowersFloor, Gap::Blocks, true, Atomic::No, false, true, Wait::Skipped)),
    ("nimbus", rules(SIGNED, Reimport::Harmless, Lower::Ignored, Gap::None, false, Atomic::No, true, false, Wait::Kept)),
    ("prysm", Rules { makes_database: false, ..rules(u64::MAX, Reimport::BlacklistsKey, Lower::LowersFloor, Gap::BlocksAndAttestations, true, Atomic::No, true, true, Wait::Skipped) }),
    ("prysm-minimal", rules(u64::MAX, Reimport::Harmless, Lower::Ignored, Gap::None, false, Atomic::No, true, false, Wait::Skipped)),
    ("qrysm", Rules { key_bytes: 2592, ..rules(u64::MAX, Reimport::AbortsImport, Lower::LowersFloor, Gap::BlocksAndAttestations, true, Atomic::No, true, true, Wait::Skipped) }),
    ("teku", rules(u64::MAX - 1, Reimport::Harmless, Lower::Ignored, Gap::None, false, Atomic::No, true, false, Wait::Kept)),
    ("dirk", rules(SIGNED, Reimport::Harmless, Lower::RefusesKey, Gap::None, false, Atomic::No, true, true, Wait::None)),
    ("web3signer", Rules { makes_database: false, ..rules(u64::MAX, Reimport::DropsKey, Lower::Ignored, Gap::None, true, Atomic::Key, true, false, Wait::None) }),
];

#[allow(clippy::too_many_arguments, reason = "one row of the table")]
const fn rules(
    largest: u64,
    reimport: Reimport,
    lower: Lower,
    gap: Gap,
    resigns: bool,
    atomic: Atomic,
    loses_silently: bool,
    locks: bool,
    wait: Wait,
) -> Rules {
    Rules {
        largest,
        reimport,
        lower,
        gap,
        resigns,
        atomic,
        loses_silently,
        locks,
        wait,
        makes_database: true,
        key_bytes: 48,
    }
}

/// Proves that every row says what was read in its client's source; a second writing of the same facts.
#[test]
fn every_row_keeps_to_the_facts() {
    let names = |names: Vec<&'static str>| names.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(
        names(CLIENTS.iter().map(|client| client.name).collect()),
        names(FACTS.iter().map(|(name, _)| *name).collect())
    );
    for (name, facts) in FACTS {
        let client = CLIENTS.iter().find(|client| client.name == *name).unwrap();
        assert_eq!(client.rules, *facts, "{name}");
    }
}

/// Proves that what the reader lets in fits into every client, exactly (R9).
#[test]
fn every_client_holds_what_the_reader_lets_in() {
    for client in CLIENTS {
        assert!(client.rules.holds(LARGEST_NUMBER), "{}", client.name);
    }
    let least = CLIENTS.iter().map(|client| client.rules.largest).min();
    assert_eq!(
        least,
        Some(LARGEST_NUMBER),
        "a higher limit would let in what one cannot hold"
    );
    let teku = CLIENTS.iter().find(|client| client.name == "teku").unwrap();
    assert!(!teku.rules.holds(u64::MAX), "its word for never");
}

/// Proves that what follows from the rules follows: no client that punishes a repetition is given one (R4), none whose
/// floor falls goes without a merge (R1).
#[test]
fn what_follows_from_the_rules() {
    let named = |pick: fn(&Rules) -> bool| -> Vec<&str> {
        CLIENTS
            .iter()
            .filter(|client| pick(&client.rules))
            .map(|client| client.name)
            .collect()
    };
    assert_eq!(named(Rules::skip_when_covered), ["prysm", "qrysm", "web3signer"]);
    assert_eq!(
        named(Rules::needs_the_merge),
        ["lodestar", "prysm", "qrysm", "dirk"]
    );
    for client in CLIENTS {
        let begins = client.may_begin_without();
        assert_eq!(begins.is_ok(), client.rules.makes_database, "{}", client.name);
        assert!(begins.err().is_none_or(|why| why.contains("without keys")));
        let open = client.rules.gap != Gap::None;
        assert!(
            !open || client.rules.needs_the_merge(),
            "{}: what leaves a gap also falls",
            client.name
        );
        assert!(
            client.rules.locks || !client.keeps_open || client.name == "nimbus",
            "{}",
            client.name
        );
    }
}

/// Proves that the page's tables are the rows.
#[test]
fn the_page_of_clients_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let found = std::fs::read_to_string(&path).unwrap();
    let expected = between(
        &between(&found, "offers", &offers(CLIENTS)),
        "rules",
        &table(CLIENTS),
    );
    if std::env::var_os("FAILOVER_REGENERATE").is_some() {
        std::fs::write(&path, &expected).unwrap();
        return;
    }
    assert!(found == expected, "{PAGE} is not what src/clients says; {REMEDY}");
}

/// Proves that a changed row changes the page.
#[test]
fn a_changed_row_changes_the_page() {
    let mut changed: Vec<Client> = CLIENTS.to_vec();
    changed[0].rules.wait = Wait::Skipped;
    changed[0].direct = None;
    assert_ne!(table(&changed), table(CLIENTS));
    assert_ne!(offers(&changed), offers(CLIENTS));
}

/// Every client has its place on the page.
#[test]
fn the_page_speaks_of_every_client() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
    for client in CLIENTS {
        let mut words = client.name.split('-').next().unwrap().chars();
        let name: String = words.next().unwrap().to_uppercase().chain(words).collect();
        let name = name.replace("Web3signer", "Web3Signer");
        assert!(
            page.contains(&format!("### {name}")),
            "{PAGE} has no section {name}"
        );
    }
}

/// The page with what stands between two marks replaced.
fn between(page: &str, mark: &str, text: &str) -> String {
    let begin = format!("<!-- {mark} -->\n");
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}{begin}{text}<!-- end -->{after}")
}

fn offers(clients: &[Client]) -> String {
    let mut text = "| `client` | hand over from | into | history | its database says its chain | a second opener is turned away |\n\
                    |---|---|---|---|---|---|\n"
        .to_string();
    let yes = |yes: bool| if yes { "yes" } else { "no" };
    for client in clients {
        let history = match &client.direct {
            Some(direct) if client.hand_over.into.is_err() => {
                format!("direct ({}), no export", direct.format.name())
            }
            Some(direct) => format!("direct ({}), export", direct.format.name()),
            None => "export".to_string(),
        };
        let offered = |offered: Result<(), &str>| if offered.is_ok() { "yes" } else { "**no**" };
        let (from, into) = (offered(client.hand_over.from), offered(client.hand_over.into));
        let (chain, locks) = (yes(client.names_its_chain), yes(client.rules.locks));
        writeln!(
            text,
            "| `{}` | {from} | {into} | {history} | {chain} | {locks} |",
            client.name
        )
        .unwrap();
    }
    text
}

fn table(clients: &[Client]) -> String {
    let mut text = "| `client` | holds up to | lower data | again | gap | signs the same again | at once | can lose behind exit 0 | no wait | makes its database |\n\
                    |---|---|---|---|---|---|---|---|---|---|\n"
        .to_string();
    let yes = |yes: bool| if yes { "yes" } else { "no" };
    for client in clients {
        let rules = client.rules;
        let largest = match rules.largest {
            u64::MAX => "2^64-1".to_string(),
            SIGNED => "2^63-1".to_string(),
            LARGEST_NUMBER => "2^53-1".to_string(),
            other if other == u64::MAX - 1 => "2^64-2".to_string(),
            other => other.to_string(),
        };
        writeln!(
            text,
            "| `{}` | {largest} | {} | {} | {} | {} | {} | {} | {} | {} |",
            client.name,
            rules.lower.words(),
            rules.reimport.words(),
            rules.gap.words(),
            yes(rules.resigns),
            rules.atomic.words(),
            yes(rules.loses_silently),
            rules.wait.words(),
            yes(rules.makes_database)
        )
        .unwrap();
    }
    text
}
