//! Packing a database on its host: exactly its files leave it, and only as they lie there at rest. Secrets lie beside
//! every database; none of these tests may find one in a pack.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use base64::Engine;
use failover::databases::archive::{Limits, unpack};
use sha2::{Digest, Sha256};

use super::rooted::{Rooted, value};
use super::*;

const LEVELDB: [&str; 5] = [
    "validator-db/CURRENT",
    "validator-db/MANIFEST-*",
    "validator-db/*.log",
    "validator-db/*.ldb",
    "validator-db/*.sst",
];

/// A data directory as Lodestar's: the database, and what must never leave the host.
fn data(host: &Rooted) {
    for (name, content) in [
        ("validator-db/CURRENT", "MANIFEST-000001\n"),
        ("validator-db/MANIFEST-000001", "manifest"),
        ("validator-db/000003.log", "log"),
        ("validator-db/a b.ldb", "table with a blank"),
        ("validator-db/LOCK", ""),
        ("validator-db/LOG", "chatter"),
        ("validator-db/api-token.txt", "SECRET token"),
        ("validator-db/deep/x.ldb", "SECRET deeper"),
        ("validator-db/.hidden.log", "SECRET hidden"),
        ("keystores/0xaa/voting-keystore.json", "SECRET keystore"),
        ("secrets/0xaa", "SECRET password"),
        ("000009.log", "SECRET beside"),
    ] {
        host.write(&format!("data/{name}"), content);
    }
}

async fn pack(host: &Rooted, limit: &str, patterns: &[&str]) -> transport::Output {
    let (db, top) = (host.text("data/validator-db"), host.text("data"));
    let mut args = vec!["run-1.7", &db, limit, &top];
    args.extend(patterns);
    let reply = host.transport.ask(&vec![Call::new(Op::Pack, args)], AMPLE).await;
    reply.unwrap().outputs.remove(0)
}

/// What a pack holds, by the reader that a run uses.
fn holds(packed: &[u8]) -> BTreeMap<String, String> {
    let into = tempfile::tempdir().unwrap();
    let found = unpack(packed, into.path(), &Limits::default()).unwrap();
    let content = |name: &String| std::fs::read_to_string(into.path().join(name)).unwrap();
    found
        .files
        .keys()
        .map(|name| (name.clone(), content(name)))
        .collect()
}

/// Proves that the pack holds the files of the patterns and nothing else, that it is private, and that what is printed
/// of it is so.
#[tokio::test]
async fn a_pack_holds_the_database_and_no_secret() {
    use std::os::unix::fs::PermissionsExt;
    let host = Rooted::new();
    data(&host);
    let output = pack(&host, "100000", &LEVELDB).await;
    assert_eq!(output.status, 0, "{output:?}");
    let text: String = output.stdout.lines().skip(3).collect();
    let packed = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    assert_eq!(value(&output, "bytes").unwrap(), packed.len().to_string());
    assert_eq!(
        value(&output, "sha256").unwrap(),
        const_hex::encode(Sha256::digest(&packed))
    );
    let names = [
        "validator-db/000003.log",
        "validator-db/CURRENT",
        "validator-db/MANIFEST-000001",
        "validator-db/a b.ldb",
    ];
    let held = holds(&packed);
    assert_eq!(held.keys().map(String::as_str).collect::<Vec<_>>(), names);
    assert!(
        held.values().all(|content| !content.contains("SECRET")),
        "{held:?}"
    );

    let file = host.state("work/run-1.7/pack.tar.gz");
    assert_eq!(value(&output, "pack").as_deref(), file.to_str());
    assert_eq!(std::fs::read(&file).unwrap(), packed);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file.parent().unwrap()), mode(&file)), (0o700, 0o600));
    let larger = pack(&host, "10", &LEVELDB).await;
    assert_eq!(larger.stdout.lines().count(), 3, "a large one is only announced");
    assert_eq!(host.call(Op::ClearWork, ["run-1"]).await.status, 0);
    assert!(!file.exists(), "it goes with the run's other work");
}

/// Proves that nothing is packed through a link, neither of a file, nor of a directory, nor of the database itself: such
/// a database is left to its client.
#[tokio::test]
async fn nothing_is_packed_through_a_link() {
    let secret = "keystores/0xaa/voting-keystore.json";
    let made: [fn(&Rooted); 3] = [
        |host| {
            symlink(
                host.at("data/keystores/0xaa/voting-keystore.json"),
                host.at("data/validator-db/000004.ldb"),
            )
            .unwrap();
        },
        |host| {
            std::fs::rename(host.at("data/validator-db"), host.at("elsewhere")).unwrap();
            symlink(host.at("elsewhere"), host.at("data/validator-db")).unwrap();
        },
        |host| symlink("/nowhere", host.at("data/validator-db/000004.ldb")).unwrap(),
    ];
    for make in made {
        let host = Rooted::new();
        data(&host);
        make(&host);
        let output = pack(&host, "100000", &LEVELDB).await;
        assert_eq!((output.status, output.stdout.as_str()), (6, ""), "{output:?}");
        assert!(!host.state("work/run-1.7/pack.tar.gz").exists());
        assert!(host.at("data").join(secret).exists());
    }
}

/// Proves that a pattern cannot lead out of its directory or be taken for an option.
#[tokio::test]
async fn a_pattern_stays_below_its_directory() {
    let host = Rooted::new();
    data(&host);
    host.write("outside", "SECRET");
    for pattern in [
        "",
        "/etc/passwd",
        "../outside",
        "validator-db/../../outside",
        "--to-command=touch x",
        "./x",
    ] {
        let output = pack(&host, "100000", &["validator-db/CURRENT", pattern]).await;
        assert_eq!(
            (output.status, output.stdout.as_str()),
            (2, ""),
            "{pattern}: {output:?}"
        );
    }
    let output = pack(&host, "100000", &[]).await;
    assert_eq!(output.status, 2);
}

/// Proves that absent, empty and not to be seen are three things.
#[tokio::test]
async fn absent_is_told_apart() {
    let host = Rooted::new();
    host.write("data/keystores/x", "SECRET");
    let absent = pack(&host, "100000", &LEVELDB).await;
    assert_eq!((absent.status, absent.stdout.as_str()), (0, "pack=absent\n"));
    symlink("/nowhere", host.at("data/validator-db")).unwrap();
    let dangling = pack(&host, "100000", &LEVELDB).await;
    assert_eq!((dangling.status, dangling.stdout.as_str()), (5, ""));
    std::fs::remove_file(host.at("data/validator-db")).unwrap();
    host.write("data/validator-db/LOG", "x");
    let empty = pack(&host, "100000", &LEVELDB).await;
    assert_eq!((empty.status, empty.stdout.as_str()), (6, ""));
    host.write("data/validator-db.failover-back/CURRENT", "");
    std::fs::remove_dir_all(host.at("data/validator-db")).unwrap();
    let half = pack(&host, "100000", &LEVELDB).await;
    assert_eq!(
        (half.status, half.stdout.as_str()),
        (5, ""),
        "a put-back was cut off"
    );
}

/// Proves that a database which is written to, loses a file or gains one while it is packed is no database at rest, and
/// that a tar that fails is not passed over for the gzip that does not.
#[tokio::test]
async fn what_changes_while_it_is_packed_is_refused() {
    for (what, shim) in [
        (
            "written",
            "/usr/bin/tar \"$@\"; echo more >>\"$FO_ROOT/data/validator-db/000003.log\"",
        ),
        (
            "gained",
            "/usr/bin/tar \"$@\"; : >\"$FO_ROOT/data/validator-db/000009.log\"",
        ),
        (
            "lost",
            "/usr/bin/tar \"$@\"; rm \"$FO_ROOT/data/validator-db/000003.log\"",
        ),
        ("failed", "/usr/bin/tar \"$@\"; exit 2"),
    ] {
        let host = Rooted::new();
        data(&host);
        host.shim("tar", shim);
        let output = pack(&host, "100000", &LEVELDB).await;
        assert_eq!(
            (output.status, output.stdout.as_str()),
            (4, ""),
            "{what}: {output:?}"
        );
    }
}

/// Proves that a tool which the host lacks is named, and that nothing is packed behind a step that failed.
#[tokio::test]
async fn a_missing_tool_and_a_failed_step() {
    let host = Rooted::new();
    data(&host);
    let (db, top) = (host.text("data/validator-db"), host.text("data"));
    let call = Call::new(Op::Pack, ["run-1.7", &db, "10", &top, "validator-db/CURRENT"]);
    let nobody = Call::new(Op::Mine, ["run-1"]);
    assert_eq!(host.batch(vec![nobody, call]).await, [9, 125]);
    let script = transport::REMOTE_SH;
    let (_, body) = script.split_once("fo_pack() {").unwrap();
    let named = body.lines().find(|line| line.contains("for fo_tool in")).unwrap();
    for tool in ["tar", "gzip", "sha256sum"] {
        assert!(named.contains(tool) && named.contains("return 127"));
    }
}

/// Proves that a pack which failed takes no room on the host: a full disk would stand in the way of the undo.
#[tokio::test]
async fn a_pack_that_failed_leaves_nothing_behind() {
    let host = Rooted::new();
    data(&host);
    assert_eq!(pack(&host, "100000", &LEVELDB).await.status, 0);
    assert!(host.state("work/run-1.7/pack.tar.gz").exists());
    symlink("/nowhere", host.at("data/validator-db/000010.log")).unwrap();
    assert_eq!(pack(&host, "100000", &LEVELDB).await.status, 6);
    assert!(!host.state("work/run-1.7").exists());
}
