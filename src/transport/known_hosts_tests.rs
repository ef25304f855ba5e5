//! Tables of known_hosts lines: what is a key, what is none of ours, what refuses. The hashed line was made by OpenSSH.

use super::*;

const A: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const B: &str = "AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";
const HASHED_EXAMPLE_COM: &str = "|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak=";

fn count(line: &str, host: &str, port: u16) -> Result<usize, &'static str> {
    keys("f", line, host, port)
        .map(|keys| keys.len())
        .map_err(|error| error.why)
}

#[test]
fn entries_for_the_host_are_found() {
    for (patterns, host, port) in [
        ("a.example", "a.example", 22),
        ("a.example", "A.Example", 22),
        ("A.EXAMPLE", "a.example", 22),
        ("b,a.example,10.0.0.1", "a.example", 22),
        ("b,a.example,10.0.0.1", "10.0.0.1", 22),
        ("[a.example]:2222", "a.example", 2222),
        (HASHED_EXAMPLE_COM, "example.com", 22),
        ("a.example,*.other", "a.example", 22),
        ("a.example,!b.example", "a.example", 22),
    ] {
        assert_eq!(
            count(&format!("{patterns} ssh-ed25519 {A} comment"), host, port),
            Ok(1),
            "{patterns}"
        );
        assert_eq!(
            count(&format!("  {patterns}\tssh-ed25519\t{A}\r"), host, port),
            Ok(1),
            "{patterns}"
        );
    }
}

#[test]
fn entries_for_others_are_skipped() {
    for line in [
        "",
        "   ",
        "# a.example ssh-ed25519 x",
        "b.example ssh-ed25519 damaged",
        "*.other.example ssh-ed25519 x",
        "[a.example]:2222 ssh-ed25519 x",
        "a.exampl ssh-ed25519 x",
        "a.example.org ssh-ed25519 x",
        "@revoked b.example ssh-ed25519 x",
        "@cert-authority *.other ssh-ed25519 x",
        "!b.example ssh-ed25519 x",
    ] {
        assert_eq!(count(line, "a.example", 22), Ok(0), "{line}");
    }
    assert_eq!(
        count(
            &format!("{HASHED_EXAMPLE_COM} ssh-ed25519 {A}"),
            "example.org",
            22
        ),
        Ok(0)
    );
    assert_eq!(
        count(
            &format!("{HASHED_EXAMPLE_COM} ssh-ed25519 {A}"),
            "example.com",
            2222
        ),
        Ok(0)
    );
    assert_eq!(
        count(&format!("a.example ssh-ed25519 {A}"), "a.example", 2222),
        Ok(0),
        "no falling back"
    );
}

#[test]
fn entries_that_may_concern_the_host_refuse() {
    for (line, port) in [
        (format!("*.example ssh-ed25519 {A}"), 22),
        (format!("a.exampl? ssh-ed25519 {A}"), 22),
        (format!("* ssh-ed25519 {A}"), 2222),
        (format!("[*]:2222 ssh-ed25519 {A}"), 2222),
        (format!("*,!a.example ssh-ed25519 {A}"), 22),
        (format!("a.example,!a.* ssh-ed25519 {A}"), 22),
        (format!("@revoked a.example ssh-ed25519 {A}"), 22),
        (format!("@revoked a.example ssh-ed25519 {A}"), 2222),
        (format!("@cert-authority * ssh-ed25519 {A}"), 22),
        (format!("@cert-authority *.example ssh-ed25519 {A}"), 22),
        ("@new-marker".to_owned(), 22),
        (format!("|2|abc|def ssh-ed25519 {A}"), 22),
        (format!("|1|abc ssh-ed25519 {A}"), 22),
        ("a.example".to_owned(), 22),
        ("a.example ssh-ed25519".to_owned(), 22),
        ("a.example ssh-ed25519 %%%".to_owned(), 22),
        (format!("a.example ssh-rsa {A}"), 22),
        ("a.example 1024 35 1234567".to_owned(), 22),
    ] {
        assert!(count(&line, "a.example", port).is_err(), "{line}");
    }
    let text = format!("a.example ssh-ed25519 {A}\n\n@revoked a.example ssh-ed25519 {B}\n");
    assert_eq!(
        keys("f", &text, "a.example", 22).unwrap_err().place,
        "f:3",
        "a good entry does not outweigh it"
    );
}

#[test]
fn a_shown_key_is_judged() {
    let recorded = keys("f", &format!("a ssh-ed25519 {A}\na ssh-ed25519 {B}\n"), "a", 22).unwrap();
    let blob = |text: &str| STANDARD.decode(text).unwrap();
    assert_eq!(judge(&recorded, "ssh-ed25519", &blob(B)), Verdict::Known);
    assert_eq!(
        judge(&recorded[..1], "ssh-ed25519", &blob(B)),
        Verdict::Changed("f:1".to_owned())
    );
    assert_eq!(
        judge(&recorded, "ecdsa-sha2-nistp256", b"other"),
        Verdict::Unknown
    );
    assert_eq!(judge(&[], "ssh-ed25519", &blob(A)), Verdict::Unknown);
}

proptest::proptest! {
    #[test]
    fn a_pattern_without_wildcards_matches_itself_alone(a in "[a-z.]{1,12}", b in "[a-z.]{1,12}") {
        proptest::prop_assert_eq!(glob(a.as_bytes(), b.as_bytes()), a == b);
        proptest::prop_assert!(glob(b"*", b.as_bytes()));
        let pattern = format!("{a}*");
        let name = format!("{a}{b}");
        proptest::prop_assert!(glob(pattern.as_bytes(), name.as_bytes()));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let _ = keys("f", &text, "a.example", 22);
    }
}
