//! The streaming reader against an independent one that builds the whole tree with serde_json, on documents of every
//! spelling, damaged at random places; and the reader's own limits: pieces, windows, depth, lengths, lines.
//!
//! Must never let the two share code: what both get wrong in the same way, nobody sees.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod dice;
mod tree;

use std::io::{Error, ErrorKind, Read};

use dice::Dice;
use failover::protection::{History, Interchange, ReadError, fold, read, read_from};
use proptest::collection::vec;
use proptest::prelude::*;
use tree::{Tree, by_tree};

/// Gives a few bytes at a time, and now and then asks to be asked again.
struct Pieces<'a> {
    rest: &'a [u8],
    dice: Dice,
    longest: u64,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.dice.of(5) == 0 {
            return Err(Error::from(ErrorKind::Interrupted));
        }
        let most = 1 + self.dice.of(self.longest) as usize;
        let count = self.rest.len().min(buffer.len()).min(most);
        let (now, later) = self.rest.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.rest = later;
        Ok(count)
    }
}

fn in_pieces(bytes: &[u8], seed: u64, longest: u64) -> Result<Interchange, ReadError> {
    let (rest, dice) = (bytes, Dice(seed));
    let mut interchange = Interchange::default();
    let summary = read_from(Pieces { rest, dice, longest }, &mut interchange)?;
    let (blocks, votes) = interchange.counts();
    assert_eq!(
        (summary.blocks, summary.attestations),
        (blocks as u64, votes as u64)
    );
    interchange.genesis_validators_root = summary.genesis_validators_root;
    Ok(interchange)
}

/// Both readers: the same contents, or both refuse. serde_json's tree alone refuses numbers beyond a double, deep
/// nesting, and says so.
fn same_by_both(document: &[u8]) -> Result<bool, TestCaseError> {
    let (ours, tree) = (read(document), by_tree(document));
    if matches!(&tree, Err(why) if why.contains("out of range")) {
        return Ok(false);
    }
    let said = format!("{ours:?}\n{tree:?}\n{}", String::from_utf8_lossy(document));
    prop_assert_eq!(ours.is_ok(), tree.is_ok(), "{}", said);
    if let (Ok(ours), Ok(tree)) = (&ours, &tree) {
        prop_assert_eq!(ours, tree, "{}", said);
    }
    Ok(ours.is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_readers_read_the_same(seed in any::<u64>()) {
        same_by_both(Dice(seed).document().as_bytes())?;
    }

    #[test]
    fn both_readers_refuse_the_same_damage(
        seed in any::<u64>(),
        damage in vec((any::<prop::sample::Index>(), 0_u8..5, any::<u8>(), 0_usize..24), 1..4)
    ) {
        let mut bytes = Dice(seed).document().into_bytes();
        for (at, how, byte, other) in damage {
            let at = at.index(bytes.len());
            let likely = b"{}[],:\"\\ 059-.eEnultrfas"[other];
            match how {
                0 => bytes[at] = byte,
                1 => bytes[at] = likely,
                2 => bytes.insert(at, likely),
                3 => bytes.truncate(at.max(1)),
                _ => { bytes.remove(at); }
            }
            if bytes.is_empty() {
                bytes.push(byte);
            }
        }
        same_by_both(&bytes)?;
    }

    #[test]
    fn pieces_make_no_difference(seed in any::<u64>(), longest in 1_u64..40, cut in any::<prop::sample::Index>()) {
        let document = Dice(seed).document();
        prop_assert_eq!(in_pieces(document.as_bytes(), seed, longest), read(document.as_bytes()));
        let cut = &document.as_bytes()[..cut.index(document.len())];
        prop_assert_eq!(in_pieces(cut, seed, longest), read(cut));
    }
}

/// The generator above would prove little if most of what it makes were refused.
#[test]
fn about_half_of_the_documents_are_good() {
    let good = (0..1_000_u64)
        .filter(|seed| same_by_both(Dice(seed << 20).document().as_bytes()).unwrap())
        .count();
    assert!((300..900).contains(&good), "{good} of 1000");
}

fn documented(data: &str) -> String {
    format!(r#"{{"data":{data},"metadata":{{"interchange_format_version":"5"}}}}"#)
}

/// Many windows long, so that every token lies across the end of one somewhere.
#[test]
fn the_window_slides_over_long_documents() {
    let mut dice = Dice(1);
    let vote = |epoch: u64| {
        let root = format!("{epoch:02x}").repeat(32);
        format!(
            r#"{{"source_epoch":"{epoch}","target_epoch":{epoch},"signing_root":"0x{}"}}"#,
            &root[..64]
        )
    };
    let entries: Vec<String> = (1..40_u64)
        .map(|key| {
            let votes: Vec<_> = (0..300).map(|epoch| vote(16 + epoch % 200)).collect();
            let odd = "x".repeat(dice.of(60_000) as usize);
            format!(
                r#"{{"signed_attestations":[{}],"odd{odd}":["\n{odd}"],{}"pubkey":"0x{key:02x}"}}"#,
                votes.join(",\n"),
                " ".repeat(dice.of(300_000) as usize)
            )
        })
        .collect();
    let document = documented(&format!("[{}]", entries.join(",")));
    assert!(document.len() > 5_000_000);
    let tree = by_tree(document.as_bytes()).unwrap();
    assert_eq!(tree.counts(), (0, 39 * 300));
    assert_eq!(read(document.as_bytes()).unwrap(), tree);
    assert_eq!(in_pieces(document.as_bytes(), 3, 100_000).unwrap(), tree);
    let mut history = History::default();
    read_from(document.as_bytes(), &mut history).unwrap();
    assert_eq!(history, fold(&tree));
}

/// Far into a file, the place of an error is the one serde_json gives.
#[test]
fn lines_and_columns_are_counted_across_windows() {
    let entry = r#"{"pubkey":"0xaa","signed_blocks":[{"slot":"1"}]},"#;
    let lines = format!("{entry}\n").repeat(20_000);
    let one_line = entry.repeat(20_000);
    let wrong = ["?", "  \"0xaa\" 1", "{\"a\" 1", "[1 2"];
    for (lines, wrong) in [&lines, &one_line]
        .into_iter()
        .flat_map(|lines| wrong.map(|wrong| (lines, wrong)))
    {
        let document = documented(&format!("[{lines}{{\"x\":{wrong}}}]"));
        let expected = serde_json::from_str::<Tree>(&document).err().unwrap();
        let ReadError::NotJson { line, column, .. } = read(document.as_bytes()).unwrap_err() else {
            panic!("{wrong}: read, or of another kind");
        };
        assert_eq!(line, expected.line(), "{wrong}");
        assert!(
            column.abs_diff(expected.column()) <= 1,
            "{wrong}: {column}, {expected}"
        );
    }
    let cut = documented(&format!("[{lines}{{\"x\":\"abc"));
    let cut = &cut[..cut.find("abc").unwrap() + 3];
    let at = "line 20001, column 9: the file is cut off";
    assert!(
        read(cut.as_bytes()).unwrap_err().to_string().contains(at),
        "{}",
        read(cut.as_bytes()).unwrap_err()
    );
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |depth: usize| {
        documented(&format!(
            r#"[{{"pubkey":"0xaa","x":{}{}}}]"#,
            "[".repeat(depth),
            "]".repeat(depth)
        ))
    };
    assert!(read(nested(128).as_bytes()).is_ok());
    let error = read(nested(129).as_bytes()).unwrap_err().to_string();
    assert!(error.contains("nested too deep"), "{error}");
    assert!(read("[".repeat(1 << 20).as_bytes()).is_err());
    for (open, close) in [("\"", "\""), ("\"\\n", "\""), ("1", "")] {
        let long = |length: usize| {
            let text = format!("{open}{}{close}", "1".repeat(length - open.len() - close.len()));
            read(documented(&format!(r#"[{{"pubkey":"0xaa","x":{text}}}]"#)).as_bytes())
        };
        assert!(long(60_000).is_ok(), "{open}");
        let error = long(66_000).unwrap_err().to_string();
        assert!(error.contains("more than 65536 bytes"), "{error}");
        assert!(long(1 << 20).is_err(), "{open}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for (bad, said) in [
        (&b"\xff"[..], "not UTF-8"),
        (b"\\n\xc3", "not UTF-8"),
        (b"\x1f", "control character"),
        (b"\\n\n", "control character"),
        (b"\\ud800", "lone surrogate"),
        (b"\\ud800\\u0041", "lone surrogate"),
        (b"\\udc00", "lone surrogate"),
        (b"\\ud800\\ue000", "lone surrogate"),
        (b"\\ud800x0041", "lone surrogate"),
        (b"\\x", "invalid escape"),
        (b"\\u12g4", "invalid escape"),
    ] {
        let document = [br#"{"x":""#, bad, br#"","metadata":null}"#].concat();
        let error = read(&document).unwrap_err().to_string();
        assert!(error.contains(said), "{bad:?}: {error}");
        assert!(by_tree(&document).is_err());
    }
}

const BAD: &[&str] = &[
    "01",
    "-01",
    "00",
    "-",
    "+1",
    "1.",
    ".5",
    "1.e5",
    "1e",
    "1e+",
    "--1",
    "1-",
    "0x1",
    "Infinity",
    "NaN",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "{\"a\":1,}",
    "{,}",
    "{\"a\"}",
    "{\"a\" 1}",
    "{a:1}",
    "{1:1}",
    "{\"a\":1]",
    "nul",
    "nulL",
    "truE",
    "fals",
    "TRUE",
    "'a'",
    "\"a",
    "",
    "]",
    "}",
    ":",
    "[}",
    "/**/1",
    "\u{feff}1",
];
const GOOD: &[&str] = &[
    "0",
    "-0",
    "10",
    "-1.0",
    "0.0e-0",
    "1E5",
    "1e+05",
    "[]",
    "[ ]",
    "{}",
    "{ }",
    "[[],{}]",
    "{\"a\":{\"a\":[1 , 2]}}",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud83d\\uDE00\"",
    " \t\r\n 1 ",
    "[true,false,null]",
    "18446744073709551616",
];

/// What RFC 8259 forbids, in a field that nobody looks at; and what it allows.
#[test]
fn only_json_is_json() {
    let odd =
        |value: &str| format!(r#"{{"x":{value},"data":[],"metadata":{{"interchange_format_version":"5"}}}}"#);
    for bad in BAD {
        let error = read(odd(bad).as_bytes()).unwrap_err();
        assert!(
            matches!(error, ReadError::NotJson { .. } | ReadError::Truncated { .. }),
            "{bad}: {error}"
        );
        assert!(by_tree(odd(bad).as_bytes()).is_err(), "{bad}");
    }
    for good in GOOD {
        assert!(read(odd(good).as_bytes()).is_ok(), "{good}");
        assert!(by_tree(odd(good).as_bytes()).is_ok(), "{good}");
    }
    let marked = format!("\u{feff}{}", documented("[]"));
    assert!(read(marked.as_bytes()).is_err() && by_tree(marked.as_bytes()).is_err());
}

#[test]
fn a_failing_disk_is_an_error_and_no_end() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(Error::other("bad sector"))
        }
    }
    let whole = documented("[]");
    let error = read_from(whole.as_bytes().chain(Failing), &mut History::default()).unwrap_err();
    assert_eq!(
        error,
        ReadError::Io {
            error: "bad sector".to_owned()
        }
    );
    assert!(error.to_string().contains("bad sector"));
}

/// The version is judged when all is read, wherever it stands, and before any record.
#[test]
fn a_bad_version_counts_before_a_bad_record() {
    for document in [
        r#"{"data":[{"pubkey":1}],"metadata":{"interchange_format_version":"3"}}"#,
        r#"{"metadata":{"interchange_format_version":"3"},"data":[{"pubkey":1}]}"#,
    ] {
        let error = read(document.as_bytes()).unwrap_err();
        assert_eq!(
            error,
            ReadError::Version {
                found: "\"3\"".to_owned()
            }
        );
    }
    let first = r#"[{"signed_blocks":[{"slot":"x"},{"slot":"y"}],"pubkey":"0xaa"},{"pubkey":1}]"#;
    let error = read(documented(first).as_bytes()).unwrap_err().to_string();
    assert!(
        error.starts_with("data[0] (key 0xaa), signed_blocks[0].slot is \"x\""),
        "{error}"
    );
}
