//! Does `archive::unpack` take what GNU tar, bsdtar and Python write, and nothing else? Fixtures are made by
//! `tests/fixtures/databases/archive/make`; what is refused is made here, header by header.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use failover::databases::DatabaseError;
use failover::databases::archive::{Limits, Unpacked, unpack};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

mod making;
mod refused;

use making::{archive, entry, file, gzip};

const NAMES: [&str; 7] = [
    "bsdtar",
    "gnu",
    "gnu-without-filling",
    "posix",
    "python-gnu",
    "python-pax",
    "two-members",
];

type Files = BTreeMap<String, Vec<u8>>;

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("tests/fixtures/databases/archive/{name}.tar.gz");
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// What `make` packs.
fn tree() -> Files {
    let long = format!(
        "slashing-protection/{}/{}/{}.yml",
        "d".repeat(90),
        "e".repeat(90),
        "f".repeat(120)
    );
    let numbers: String = (1..=2000).map(|number| format!("{number}\n")).collect();
    [
        ("slashing-protection/validator.db", "one"),
        ("slashing-protection/LOCK", ""),
        ("slashing-protection/000005.ldb", &numbers),
        (&long, "two"),
        ("slashing-protection/schlüssel.yml", "three"),
    ]
    .map(|(name, content)| (name.to_owned(), content.as_bytes().to_vec()))
    .into()
}

fn files_below(directory: &Path) -> Files {
    let mut found = Files::new();
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        for entry in fs::read_dir(directory.join(&below)).unwrap() {
            let name = below.join(entry.unwrap().file_name());
            let kind = fs::symlink_metadata(directory.join(&name)).unwrap();
            let mode = kind.permissions().mode() & 0o7777;
            assert_eq!(mode, if kind.is_dir() { 0o700 } else { 0o600 }, "{name:?}");
            if kind.is_dir() {
                open.push(name);
            } else {
                assert!(kind.is_file(), "{name:?}");
                let content = fs::read(directory.join(&name)).unwrap();
                found.insert(name.to_str().unwrap().to_owned(), content);
            }
        }
    }
    found
}

/// Unpacks into a fresh directory inside another one: nothing may appear in either when it is refused.
fn try_with(reader: impl Read, limits: &Limits) -> Result<(Unpacked, Files), DatabaseError> {
    let outer = tempfile::tempdir().unwrap();
    let into = outer.path().join("into");
    fs::create_dir(&into).unwrap();
    let outcome = unpack(reader, &into, limits);
    assert_eq!(
        fs::read_dir(outer.path()).unwrap().count(),
        1,
        "outside was written"
    );
    let outcome = outcome.map(|unpacked| (unpacked, files_below(&into)));
    if outcome.is_err() {
        assert_eq!(
            fs::read_dir(&into).unwrap().count(),
            0,
            "something is left behind"
        );
    }
    outcome
}

fn attempt(bytes: &[u8]) -> Result<(Unpacked, Files), DatabaseError> {
    try_with(bytes, &Limits::default())
}

fn refusal(bytes: &[u8]) -> String {
    match attempt(bytes) {
        Err(error) => error.to_string(),
        Ok((_, files)) => panic!("unpacked {:?}", files.keys()),
    }
}

/// Gives one byte at a time, as a slow line may.
struct Drops<'a>(&'a [u8]);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = buffer.len().min(1);
        self.0.read(&mut buffer[..most])
    }
}

#[test]
fn what_real_tools_pack_is_unpacked_whole_with_our_modes_and_its_hash() {
    for name in NAMES {
        let packed = fixture(name);
        let (unpacked, files) = attempt(&packed).unwrap();
        assert_eq!(files, tree(), "{name}");
        assert_eq!(
            unpacked.sha256,
            const_hex::encode(Sha256::digest(&packed)),
            "{name}"
        );
        assert_eq!(unpacked.packed_bytes, packed.len() as u64);
        let sizes: BTreeMap<String, u64> = files
            .into_iter()
            .map(|(name, content)| (name, content.len() as u64))
            .collect();
        assert_eq!(unpacked.files, sizes, "{name}");
        let dropping = try_with(Drops(&packed), &Limits::default()).unwrap();
        assert_eq!(
            (dropping.0.sha256, dropping.1),
            (unpacked.sha256, tree()),
            "{name}"
        );

        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(&packed[..])
            .read_to_end(&mut plain)
            .unwrap();
        let (unpacked, files) = attempt(&plain).unwrap();
        assert_eq!(files, tree(), "{name}, plain");
        assert_eq!(unpacked.sha256, const_hex::encode(Sha256::digest(&plain)));
    }
}

#[test]
fn every_cut_is_refused() {
    let (gnu, two) = (fixture("gnu"), fixture("two-members"));
    for cut in (0..gnu.len()).step_by(3).chain(gnu.len() - 20..gnu.len()) {
        attempt(&gnu[..cut]).expect_err(&format!("gnu, {cut} bytes"));
    }
    for cut in (0..two.len()).step_by(7) {
        attempt(&two[..cut]).expect_err(&format!("two members, {cut} bytes"));
    }
    let plain = archive(&[file("a"), entry("b", b'0', &[0; 3000])]);
    for cut in 0..plain.len() {
        let error = attempt(&plain[..cut]).expect_err(&format!("plain, {cut} bytes"));
        assert!(matches!(error, DatabaseError::Damaged { .. }), "{error}");
    }
    attempt(&plain).unwrap();
}

#[test]
fn a_flipped_bit_is_refused_or_changes_nothing() {
    let packed = gzip(&archive(&[file("a"), file("b")]));
    let (_, right) = attempt(&packed).unwrap();
    let mut refused = 0;
    for at in 0..packed.len() {
        for bit in [0, 5] {
            let mut spoilt = packed.clone();
            spoilt[at] ^= 1 << bit;
            match attempt(&spoilt) {
                // The header of gzip holds a time and a system, which mean nothing.
                Ok((_, files)) => assert_eq!(files, right, "byte {at}, bit {bit}"),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > packed.len() * 2 - 20, "{refused}");
}

#[test]
fn what_follows_the_end_is_refused() {
    let plain = archive(&[file("a")]);
    for (case, tail) in [
        ("text", b"x".to_vec()),
        ("a second archive", plain.clone()),
        ("text behind filling", [vec![0; 9000], b"x".to_vec()].concat()),
    ] {
        let whole = [plain.clone(), tail.clone()].concat();
        assert!(refusal(&whole).contains("something follows"), "{case}");
        assert!(refusal(&gzip(&whole)).contains("something follows"), "{case}");
        assert!(
            refusal(&[gzip(&plain), gzip(&tail)].concat()).contains("something follows"),
            "{case}"
        );
        refusal(&[gzip(&plain), tail].concat());
    }
    refusal(&[gzip(&plain), vec![0; 512]].concat());
    attempt(&[plain.clone(), vec![0; 9001]].concat()).unwrap();
    attempt(&[gzip(&plain), gzip(&[0; 512])].concat()).unwrap();
}

#[test]
fn other_packers_and_other_files_are_named_or_damaged() {
    for (bytes, says) in [
        (&b""[..], "no bytes"),
        (b"\x28\xb5\x2f\xfdxx", "packed by zstd"),
        (b"\xfd7zXZ\0", "packed by xz"),
        (b"BZh91AY", "packed by bzip2"),
        (b"PK\x03\x04", "packed by zip"),
        (b"\x1f", "ends too early"),
        (b"\x1f\x8b\x07\0\0\0\0\0\0\0\0\0\0", "spoilt"),
        (&[b'{'; 600], "no tar header"),
        (&[0; 512], "ends too early"),
    ] {
        let refused = refusal(bytes);
        assert!(refused.contains(says), "{bytes:?}: {refused}");
    }
}

#[test]
fn limits_are_kept() {
    let small = Limits {
        entries: 2,
        depth: 2,
        total_bytes: 10_000,
        ratio: 100,
        ratio_free_bytes: 1 << 30,
    };
    let within = archive(&[file("a/b"), file("c")]);
    try_with(&within[..], &small).unwrap();
    let refused = |bytes: Vec<u8>, limits: &Limits| try_with(&bytes[..], limits).unwrap_err().to_string();
    for (entries, says) in [
        (vec![file("a"), file("b"), file("c")], "more than 2 files"),
        (vec![file("a/b/c")], "more than 2 directories"),
        (vec![entry("a", b'0', &[7; 10_000])], "more than 10000 bytes"),
        (
            vec![entry("a", b'0', &[7; 5000]), entry("b", b'0', &[7; 5000])],
            "more than 10000 bytes",
        ),
    ] {
        let refused = refused(archive(&entries), &small);
        assert!(refused.contains(says), "{refused}");
    }
    // Zeros pack to a thousandth: nothing to object to until it is much.
    let bomb = gzip(&archive(&[entry("a", b'0', &vec![0; 4 << 20])]));
    attempt(&bomb).unwrap();
    let careful = Limits {
        ratio_free_bytes: 1 << 20,
        ..Limits::default()
    };
    assert!(refused(bomb, &careful).contains("100 times as many"));
}

#[test]
fn a_directory_with_content_is_left_alone() {
    let into = tempfile::tempdir().unwrap();
    fs::write(into.path().join("mine"), "here before").unwrap();
    let error = unpack(&archive(&[file("a")])[..], into.path(), &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("not empty"), "{error}");
    assert_eq!(
        fs::read_to_string(into.path().join("mine")).unwrap(),
        "here before"
    );
}

#[test]
fn messages_do_not_repeat_what_was_read_raw() {
    let error = refusal(&archive(&[
        entry("L", b'L', &[b"\x1b[31m\n", &[b'a'; 500][..]].concat()),
        file("a"),
    ]));
    assert!(error.contains(r"\u{1b}[31m\n") && error.len() < 400, "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever files a tar holds, these files come out, through either packing.
    #[test]
    fn any_tree_comes_out_as_it_went_in(
        tree in prop::collection::btree_map("[a-zé]{1,90}(/[a-z .-]{1,120}[a-z]){0,3}", prop::collection::vec(any::<u8>(), 0..2000), 1..8),
        packed in any::<bool>(),
    ) {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in &tree {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, &content[..]).unwrap();
        }
        let bytes = builder.into_inner().unwrap();
        let bytes = if packed { gzip(&bytes) } else { bytes };
        let parent_of_another = tree.keys().any(|name| tree.keys().any(|other| other.starts_with(&format!("{name}/"))));
        match attempt(&bytes) {
            Ok((_, files)) => prop_assert_eq!(files, tree),
            Err(error) => prop_assert!(parent_of_another, "{}", error),
        }
    }

    /// Spoilt anywhere, a plain tar is refused or holds files of the names and lengths that its headers say: no panic,
    /// nothing outside, nothing left behind (`try_with` looks).
    #[test]
    fn no_bytes_do_harm(at in 0usize..3000, with in prop::collection::vec(any::<u8>(), 1..600)) {
        let mut bytes = archive(&[file("a"), entry("L", b'L', &[b'n'; 150]), file("b"), entry("x", b'x', b"10 path=c\n"), file("d")]);
        let end = (at + with.len()).min(bytes.len());
        let at = at.min(end);
        bytes[at..end].copy_from_slice(&with[..end - at]);
        let _ = attempt(&bytes);
    }
}
