//! Tables and properties of the frame: what is quoted comes back whole, what is not a frame never becomes a reply.

use super::super::Op;
use super::*;
use proptest::prelude::*;

const N: &str = "00112233445566778899aabbccddeeff";
const M: &str = "3d1219c7c4c5404aaa1f6d2a48adfda4";
const B: &str = "f8b107eb-1b1d-4c91-b662-3a91bf3a1191";

/// Feeds a text; `@` stands for `@fo NONCE`, `M` and `B` at the end of a marker for the ids.
fn parse(text: &str, calls: usize) -> Result<Option<Reply>, String> {
    let mut parser = FrameParser::new(N, calls);
    let mut result = None;
    for line in text.split('\n') {
        let line = match line.strip_prefix("@ ") {
            Some(marker) => format!(
                "@fo {N} {}",
                marker
                    .replace(" M", &format!(" {M}"))
                    .replace(" B", &format!(" {B}"))
            ),
            None => line.to_owned(),
        };
        if result.is_some() && line.is_empty() {
            continue;
        }
        result = parser.line(line.as_bytes())?.or(result);
    }
    Ok(result)
}

const WHOLE: &str = "\n@ begin M B\n\n@ op 0\no a\no \no b\ne err\n\nx 0\n\n@ op 1\n\nx 127\n\n@ end M B";

#[test]
fn a_whole_frame_is_a_reply() {
    let noisy = format!("motd\no no\nx 0\n{WHOLE}");
    for text in [WHOLE, &noisy] {
        let reply = parse(text, 2).unwrap().unwrap();
        assert_eq!((&*reply.machine_id, &*reply.boot_id), (M, B));
        assert_eq!(
            reply.outputs[0],
            Output {
                status: 0,
                stdout: "a\n\nb\n".into(),
                stderr: "err\n".into()
            }
        );
        assert_eq!(
            reply.outputs[1],
            Output {
                status: 127,
                ..Output::default()
            }
        );
    }
    assert_eq!(parse("@ begin M B\n@ end M B", 0).unwrap().unwrap().outputs, []);
}

#[test]
fn a_frame_with_any_line_missing_doubled_or_swapped_is_none() {
    let lines: Vec<&str> = WHOLE.split('\n').filter(|line| !line.is_empty()).collect();
    let marker = |line: &str| line.starts_with("@ ") || line.starts_with("x ");
    for at in (0..lines.len()).filter(|at| marker(lines[*at])) {
        let mut missing = lines.clone();
        missing.remove(at);
        assert!(
            !matches!(parse(&missing.join("\n"), 2), Ok(Some(_))),
            "without {}",
            lines[at]
        );
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at]);
        assert!(parse(&doubled.join("\n"), 2).is_err(), "twice {}", lines[at]);
        if at + 1 < lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, at + 1);
            assert!(
                !matches!(parse(&swapped.join("\n"), 2), Ok(Some(_))),
                "swapped {}",
                lines[at]
            );
        }
    }
    assert!(parse(WHOLE, 1).is_err() && parse(WHOLE, 3).is_err());
}

#[test]
fn one_foreign_nonce_spoils_the_frame() {
    for at in 0..WHOLE.matches("@ ").count() {
        let (n, _) = WHOLE.match_indices("@ ").nth(at).unwrap();
        let foreign = format!("@fo ffffffffffffffffffffffffffffffff {}", &WHOLE[n + 2..]);
        let foreign = foreign.replacen(" M B", &format!(" {M} {B}"), 1);
        assert!(
            parse(&format!("{}{foreign}", &WHOLE[..n]), 2).is_err(),
            "marker {at}"
        );
    }
}

#[test]
fn what_does_not_belong_is_garbled() {
    for text in [
        "@fo ffffffffffffffffffffffffffffffff begin M B",
        "@ begin M B\nhello",
        "@ begin M B\no early",
        "@ begin M B\nx 0",
        "@ begin M B\n@ op 1",
        "@ begin M B\n@ op 00",
        "@ begin M B\n@ op 0 0",
        "@ begin M B\n@ op 0\nhello",
        "@ begin M B\n@ op 0\no",
        "@ begin M B\n@ op 0\nx",
        "@ begin M B\n@ op 0\nx ",
        "@ begin M B\n@ op 0\nx 256",
        "@ begin M B\n@ op 0\nx -1",
        "@ begin M B\n@ op 0\nx 0 ",
        "@ begin M B\n@ op 0\nx +1",
        "@ begin M B\n@ op 0\n@fo ffffffffffffffffffffffffffffffff x",
        "@ begin M B\r",
        "@ begin M",
        "@ begin  B",
        "@ begin M ",
        "@ begin B M",
        "@ begin 3D1219C7C4C5404AAA1F6D2A48ADFDA4 B",
        "@ begin M f8b107eb-1b1d-4c91-b662-3a91bf3a119",
        "@ begin M f8b107eb1b1d4c91b6623a91bf3a1191",
        "@ begin M B\n@ op 0\nx 0\n@ end M f8b107eb-1b1d-4c91-b662-3a91bf3a1192",
        "@ begin M B\n@ op 0\nx 0\n@ end 3d1219c7c4c5404aaa1f6d2a48adfda5 B",
        "@ begin M B\n@ op 0\nx 0\n@ end M B\nmore",
    ] {
        assert!(parse(text, 1).is_err(), "{text}");
    }
}

#[test]
fn a_nul_byte_is_refused_and_named() {
    let batch = vec![
        Call::new(Op::Identity, [""; 0]),
        Call::new(Op::Get, ["a", "b\0c"]),
    ];
    assert_eq!(encode(N, None, &batch), Err(NulByte { call: 1, argument: 1 }));
}

#[test]
fn a_batch_reads_as_one_line_per_call() {
    let batch = vec![Call::new(Op::Get, ["it's"])];
    assert_eq!(
        encode("n", Some(7), &batch).unwrap(),
        "fo_begin n 7\nfo_op 'get' 'it'\\''s'\nfo_end\n"
    );
}

/// What a POSIX shell makes of one quoted word.
fn said_by_sh(word: &str) -> String {
    let script = format!("printf '%s|' {}", quote(word));
    let output = std::process::Command::new("sh")
        .arg("-c")
        .arg(script)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_shell_reads_back_every_word(word in "[^\0]{0,40}", quotes in "['\"\\\\$`!\n]{0,10}") {
        for word in [format!("{word}{quotes}"), format!("{quotes}{word}")] {
            prop_assert_eq!(said_by_sh(&word), format!("{word}|"));
        }
    }
}

proptest! {
    #[test]
    fn no_lines_make_it_panic(lines in prop::collection::vec("(@ (begin|op|end)( M| B| 0| 1){0,3}|[oex] .{0,5}|.{0,9})", 0..20)) {
        let _ = parse(&lines.join("\n"), 2);
    }

    #[test]
    fn a_cut_frame_is_never_a_reply(at in 0..WHOLE.len()) {
        prop_assert!(!matches!(parse(&WHOLE[..at], 2), Ok(Some(_))));
    }

    #[test]
    fn output_cannot_forge_a_marker(out in "(@fo|x 0|@ end|\n| |.){0,20}") {
        let body: String = out.split('\n').map(|line| format!("o {line}\n")).collect();
        let text = format!("@ begin M B\n@ op 0\n{body}x 0\n@ end M B");
        let reply = parse(&text, 1).unwrap().unwrap();
        prop_assert_eq!(&reply.outputs[0].stdout, &format!("{out}\n"));
    }
}
