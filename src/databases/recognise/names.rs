//! Names and layouts by which clients keep their databases (`clients.md`, sections 4 to 9), and the names of what must not
//! be taken for one or must not be opened. Pure. Must never decide alone that something is no database.

use std::path::Path;

use crate::databases::Format;

/// For the error: what would have been recognised.
pub const LOOKED_FOR: &str = "looked for an EIP-3076 interchange (JSON), slashing_protection.sqlite (Lighthouse), \
                              slashing_protection.sqlite3 (Nimbus), validator.db (Prysm, Qrysm), validator-client-data \
                              (Prysm minimal), slashprotection (Teku), validator-db (Lodestar), or a tar.gz of one";

/// The directory with one file per key of Prysm's minimal database.
pub const MINIMAL_KEYS: &str = "slashing-protection";
const MINIMAL: &str = "validator-client-data";
const TEKU: &str = "slashprotection";

/// Files that are called so are databases, whatever is left of their content.
const USUAL: [(&str, Format); 4] = [
    ("slashing_protection.sqlite", Format::Lighthouse),
    ("slashing_protection.sqlite3", Format::Nimbus),
    ("validator.db", Format::Prysm),
    ("slashing_protection.json", Format::Interchange),
];

/// Databases of beacon and execution nodes, which are of the same make.
const NODE_DIRECTORIES: [&str; 10] = [
    "chain-db",
    "chain_db",
    "freezer_db",
    "blobs_db",
    "hot_db",
    "peerstore",
    "chaindata",
    "lightchaindata",
    "nodes",
    "beacon",
];
const NODE_FILES: [&str; 3] = ["beaconchain.db", "slasher.db", "metadata.db"];

/// Never opened: keys, passwords and tokens, or what may be one.
const SECRETS: [&str; 9] = [
    "keystore", "deposit", "secret", "password", "token", "wallet", "jwt", "mnemonic", "auth",
];

const ENDINGS: [&str; 9] = [
    ".db", ".sqlite", ".sqlite3", ".json", ".bak", ".old", ".orig", ".backup", ".copy",
];
/// Parts of an SQLite database beside its main file.
const PARTS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The last part of a path, empty when it is no text.
pub fn of(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

/// Whose database a file of this name is.
pub fn usual(name: &str) -> Option<Format> {
    USUAL
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, format)| *format)
}

/// Whether a file in a directory is to be looked into.
pub fn may_be_database(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let told = ["slashing", "interchange", "validator"]
        .iter()
        .any(|word| name.contains(word));
    let ending = ENDINGS.iter().any(|ending| name.ends_with(ending));
    let secret = SECRETS.iter().any(|word| name.contains(word));
    let part = PARTS.iter().any(|part| name.ends_with(part));
    (told || ending) && !secret && !part
}

/// A beacon node's own database.
pub fn file_of_a_node(name: &str) -> bool {
    NODE_FILES.contains(&name)
}

/// LevelDB, or what is left of one. RocksDB has the same files and some more.
pub fn is_leveldb(files: &[String]) -> bool {
    files
        .iter()
        .any(|name| name == "CURRENT" || name.starts_with("MANIFEST-"))
}

/// A LevelDB or RocksDB of a beacon or execution node.
pub fn of_a_node(directory: &str, files: &[String]) -> bool {
    NODE_DIRECTORIES.contains(&directory) || files.iter().any(|name| name.starts_with("OPTIONS-"))
}

/// Teku: a file per key, `<hex>.yml`.
pub fn is_teku(directory: &str, files: &[String]) -> bool {
    directory == TEKU || files.iter().any(|name| key_of(name, "", ".yml"))
}

/// Prysm minimal: `configuration.yaml` beside `slashing-protection`.
pub fn is_prysm_minimal(directory: &str, files: &[String], directories: &[String]) -> bool {
    let keys = directories.iter().any(|name| name == MINIMAL_KEYS);
    let configuration = files.iter().any(|name| name == "configuration.yaml");
    directory == MINIMAL || (keys && configuration)
}

/// Prysm minimal: a file per key, `0x<hex>.yaml`.
pub fn holds_prysm_minimal_keys(files: &[String]) -> bool {
    files.iter().any(|name| key_of(name, "0x", ".yaml"))
}

/// A file that is no database by itself.
pub fn part_of_directory(name: &str) -> bool {
    name == "CURRENT"
        || name.starts_with("MANIFEST-")
        || [".ldb", ".sst", ".log"]
            .iter()
            .any(|ending| name.ends_with(ending))
        || key_of(name, "", ".yml")
        || key_of(name, "0x", ".yaml")
        || name == "configuration.yaml"
}

/// A name made of a key's hex digits; 16 at least, so that `cafe.yml` is not one.
fn key_of(name: &str, before: &str, after: &str) -> bool {
    name.strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(after))
        .is_some_and(|hex| hex.len() >= 16 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
