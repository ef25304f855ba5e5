//! Claim, generation and bar, as the remote script keeps them: exclusive, never lower, in the right order.

use super::rooted::{Rooted, decoded, read, value};
use super::*;

const ONE: &str = r#"{"run":"one","generation":3}"#;
const TWO: &str = r#"{"run":"two","generation":3}"#;

#[tokio::test]
async fn a_claim_is_exclusive_idempotent_and_shows_its_holder() {
    let host = Rooted::new();
    assert_eq!(
        value(&host.call(Op::Papers, []).await, "claim").as_deref(),
        Some("absent")
    );
    for _ in 0..2 {
        let output = host.call(Op::Claim, ["one", ONE]).await;
        assert_eq!(
            (output.status, decoded(&output, "claim")),
            (0, Some(format!("{ONE}\n")))
        );
    }
    let output = host.call(Op::Claim, ["two", TWO]).await;
    assert_eq!(
        decoded(&output, "claim"),
        Some(format!("{ONE}\n")),
        "the second sees whose it is"
    );
    let left: Vec<_> = std::fs::read_dir(host.state(""))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["claim.json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_claims_at_once_one_wins_and_all_see_it() {
    let host = Rooted::new();
    let claims = (0..6).map(|n| {
        let (root, shims) = (host.at(""), host.at("shims"));
        tokio::spawn(async move {
            let transport = transport::local::rooted("rooted", &root, &shims);
            let (run, json) = (format!("run{n}"), format!(r#"{{"run":"run{n}"}}"#));
            let reply = transport
                .ask(&vec![Call::new(Op::Claim, [run, json])], AMPLE)
                .await
                .unwrap();
            decoded(&reply.outputs[0], "claim").unwrap()
        })
    });
    let mut seen = std::collections::BTreeSet::new();
    for claim in claims.collect::<Vec<_>>() {
        seen.insert(claim.await.unwrap());
    }
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[tokio::test]
async fn a_release_removes_only_its_own_claim() {
    let host = Rooted::new();
    host.call(Op::Claim, ["one", ONE]).await;
    for other in ["two", "on", "ne", "", ".*"] {
        assert_eq!(
            decoded(&host.call(Op::Release, [other]).await, "claim"),
            Some(format!("{ONE}\n")),
            "{other}"
        );
    }
    for _ in 0..2 {
        let output = host.call(Op::Release, ["one"]).await;
        assert_eq!(
            (output.status, value(&output, "claim").as_deref()),
            (0, Some("absent"))
        );
    }
}

/// Proves that a claim which a lost line left behind, and which comes to be begun after its run has released the host,
/// does not hold the host for a run that is over.
#[tokio::test]
async fn a_claim_behind_its_release_is_not_begun() {
    let host = Rooted::new();
    host.call(Op::Claim, ["one", ONE]).await;
    host.call(Op::Release, ["one"]).await;
    let late = host.call(Op::Claim, ["one", ONE]).await;
    assert_eq!(
        (late.status, late.last_words()),
        (9, "run one has released this host")
    );
    let papers = host.call(Op::Papers, [""; 0]).await;
    assert_eq!(value(&papers, "claim").as_deref(), Some("absent"));
    assert_eq!(host.call(Op::Claim, ["two", TWO]).await.status, 0);
}

#[tokio::test]
async fn the_generation_never_falls() {
    let host = Rooted::new();
    let json = |n: &str| format!(r#"{{"pair":"p","generation":{n},"role":"primary"}}"#);
    for n in ["7", "7", "8", "10"] {
        let output = host.call(Op::Generation, [n, &json(n)]).await;
        assert_eq!(
            (output.status, decoded(&output, "generation")),
            (0, Some(json(n) + "\n"))
        );
    }
    for n in ["9", "2", "0", "", "x", "1x"] {
        assert_ne!(
            host.call(Op::Generation, [n, &json("9")]).await.status,
            0,
            "{n:?}"
        );
        assert_eq!(read(&host.state("generation.json")), json("10") + "\n");
    }
    for unreadable in ["", "{}", "{\"generation\":\"11\"}", "garbage"] {
        std::fs::write(host.state("generation.json"), unreadable).unwrap();
        assert_ne!(
            host.call(Op::Generation, ["11", &json("11")]).await.status,
            0,
            "over {unreadable:?}"
        );
        assert_eq!(read(&host.state("generation.json")), unreadable);
    }
}

/// Notes every call of `systemctl`, and what lies on the host at that moment.
fn note_systemctl(host: &Rooted) {
    let there = |path: &str| {
        format!(
            "$([ -e {0} ] && echo {1})",
            host.text(path),
            path.rsplit('/').next().unwrap()
        )
    };
    let (lock, gate) = (
        there("etc/failover/LOCKED"),
        there("etc/systemd/system/v.service.d/90-failover.conf"),
    );
    host.shim(
        "systemctl",
        &format!("echo \"$* {lock} {gate}\" >>{}", host.text("calls")),
    );
}

#[tokio::test]
async fn a_bar_is_complete_before_the_unit_is_disabled_and_can_be_repeated() {
    let host = Rooted::new();
    note_systemctl(&host);
    let lock = host.text("etc/failover/LOCKED");
    for text in ["first", "second"] {
        assert_eq!(host.call(Op::Bar, ["v.service", &lock, text]).await.status, 0);
    }
    assert_eq!(
        read(&host.at("etc/failover/LOCKED")),
        "first\n",
        "a lock is never written over"
    );
    let reload = "daemon-reload LOCKED 90-failover.conf\n";
    let once = format!("{reload}disable v.service LOCKED 90-failover.conf\n{reload}");
    assert_eq!(read(&host.at("calls")), once.repeat(2));
    let state = host.call(Op::BarState, ["v.service", &lock]).await;
    assert_eq!(decoded(&state, "lock").as_deref(), Some("first\n"));
    assert!(
        decoded(&state, "gate")
            .unwrap()
            .contains(&format!("[Unit]\nAssertPathExists=!{lock}\n"))
    );
}

#[tokio::test]
async fn a_bar_that_fails_says_so_and_keeps_the_lock() {
    let host = Rooted::new();
    host.shim("systemctl", "echo 'Failed to connect to bus' >&2; exit 1");
    let lock = host.text("etc/failover/LOCKED");
    let output = host.call(Op::Bar, ["v.service", &lock, "text"]).await;
    assert_eq!(output.status, 1);
    assert!(
        output.stderr.contains("Failed to connect to bus"),
        "{}",
        output.stderr
    );
    assert!(
        host.at("etc/systemd/system/v.service.d/90-failover.conf")
            .exists(),
        "every part is tried"
    );
    assert!(host.at("etc/failover/LOCKED").exists());
}

#[tokio::test]
async fn an_unbar_takes_the_lock_away_last() {
    let host = Rooted::new();
    let lock = host.text("etc/failover/LOCKED");
    host.write("etc/failover/LOCKED", "text");
    host.shim("systemctl", "exit 1");
    assert_ne!(
        host.call(Op::Unbar, ["v.service", &lock, "enable"]).await.status,
        0
    );
    assert!(
        host.at("etc/failover/LOCKED").exists(),
        "still barred when enabling failed"
    );
    note_systemctl(&host);
    for _ in 0..2 {
        assert_eq!(
            host.call(Op::Unbar, ["v.service", &lock, "enable"]).await.status,
            0
        );
        assert!(!host.at("etc/failover/LOCKED").exists());
    }
    assert_eq!(
        read(&host.at("calls")).lines().next(),
        Some("enable v.service LOCKED ")
    );
    host.write("etc/failover/LOCKED", "text");
    host.shim("systemctl", "exit 1");
    assert_eq!(
        host.call(Op::Unbar, ["v.service", &lock, "keep"]).await.status,
        0,
        "nothing to enable"
    );
    assert!(!host.at("etc/failover/LOCKED").exists());
}

#[tokio::test]
async fn what_cannot_be_read_is_not_absent() {
    let host = Rooted::new();
    let state = host
        .call(Op::BarState, ["v.service", &host.text("etc/failover/LOCKED")])
        .await;
    assert_eq!(
        (value(&state, "lock").as_deref(), value(&state, "gate").as_deref()),
        (Some("absent"), Some("absent"))
    );
    // A directory stands for every file whose content cannot be read; it serves for root too.
    std::fs::create_dir_all(host.at("etc/failover/LOCKED")).unwrap();
    host.write("etc/file", "");
    for (lock, expected) in [
        ("etc/failover/LOCKED", "unreadable"),
        ("etc/file/LOCKED", "unreadable"),
    ] {
        let state = host.call(Op::BarState, ["v.service", &host.text(lock)]).await;
        assert_eq!(value(&state, "lock").as_deref(), Some(expected), "{lock}");
        assert_eq!(decoded(&state, "lock"), None);
    }
    host.write("etc/empty/LOCKED", "");
    let state = host
        .call(Op::BarState, ["v.service", &host.text("etc/empty/LOCKED")])
        .await;
    assert_eq!(
        (
            value(&state, "lock").as_deref(),
            decoded(&state, "lock").as_deref()
        ),
        (Some("present"), Some(""))
    );
    std::os::unix::fs::symlink("/nowhere", host.at("etc/dangling")).unwrap();
    let state = host
        .call(Op::BarState, ["v.service", &host.text("etc/dangling")])
        .await;
    assert_eq!(value(&state, "lock").as_deref(), Some("unreadable"));
}
