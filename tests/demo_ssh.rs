//! The demo's SSH servers, reached through the production transports over real sockets and in real time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::time::Duration;

use failover::demo::Demo;
use failover::demo::host::{DATABASE, LOCK, Link, UNIT};
use failover::demo::world::{Trigger, When};
use failover::transport::{Call, Destination, ErrorKind, Op, TransportKind, open};

const SOON: Duration = Duration::from_secs(10);

fn identity() -> Vec<Call> {
    vec![
        Call::new(Op::Identity, [""; 0]),
        Call::new(Op::BarState, [UNIT, LOCK]),
        Call::new(Op::Unit, [UNIT]),
    ]
}

fn through_openssh(demo: &Demo, host: &str) -> Destination {
    Destination {
        host: host.to_owned(),
        config_file: Some(demo.ssh.config_file.clone()),
        ..Destination::default()
    }
}

#[tokio::test]
async fn both_transports_reach_both_hosts() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Demo::start(directory.path(), 0.2).await.unwrap();
    for host in demo.hosts() {
        let russh = open(TransportKind::Russh, host.destination.clone()).unwrap();
        let openssh = open(TransportKind::OpenSsh, through_openssh(&demo, &host.name)).unwrap();
        for transport in [russh, openssh] {
            for _ in 0..3 {
                let reply = transport.ask(&identity(), SOON).await.unwrap();
                assert!(
                    reply.outputs[0]
                        .stdout
                        .contains(&format!("hostname={}\n", host.name))
                );
                let barred = host.name == "val-b";
                assert_eq!(reply.outputs[1].stdout.contains("lock=present\n"), barred);
                assert_eq!(reply.outputs[2].stdout.contains("ActiveState=inactive\n"), barred);
            }
            transport.close().await;
        }
    }
}

#[tokio::test]
async fn a_file_is_fetched_and_signing_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Demo::start(directory.path(), 0.1).await.unwrap();
    let hosts = demo.hosts();
    let (a, b) = (
        open(TransportKind::Russh, hosts[0].destination.clone()).unwrap(),
        open(TransportKind::Russh, hosts[1].destination.clone()).unwrap(),
    );
    let metric = Call::new(
        Op::AwaitMetric,
        [hosts[0].metrics_url, "vc_published_attestations_total", "0", "5"],
    );
    let seen = a.ask(&vec![metric], SOON).await.unwrap();
    assert!(seen.outputs[0].stdout.starts_with("seen="), "{seen:?}");
    let run = [
        "",
        "30",
        "lodestar",
        "validator",
        "slashing-protection",
        "export",
        "--file",
        "/tmp/b.json",
    ];
    let exported = b.ask(&vec![Call::new(Op::Run, run)], SOON).await.unwrap();
    assert_eq!(exported.outputs[0].status, 0, "{exported:?}");
    let mut content = Vec::new();
    let fetched = b.fetch("/tmp/b.json", &mut content, SOON).await.unwrap();
    assert_eq!(fetched.bytes, content.len() as u64);
    let json: serde_json::Value = serde_json::from_slice(&content).unwrap();
    assert_eq!(json["data"].as_array().unwrap().len(), 4);
    assert!(b.fetch(DATABASE, &mut content, SOON).await.is_err());
    let verdict = demo.verdict();
    assert!(verdict.clean() && verdict.shares.len() == 1, "{verdict}");
    assert!(directory.path().join("val-a.sqlite").exists());
}

#[tokio::test]
async fn a_link_that_breaks_is_lost_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Demo::start(directory.path(), 0.2).await.unwrap();
    let transport = open(TransportKind::Russh, demo.hosts()[0].destination.clone()).unwrap();
    transport.ask(&identity(), SOON).await.unwrap();
    demo.world.arm(Trigger {
        host: 0,
        on: |call| call.op == Op::Stop,
        when: When::After,
        action: Box::new(|hosts, _| hosts[0].link = Link::Refusing),
        kills_coordinator: false,
    });
    let lost = transport
        .ask(&vec![Call::new(Op::Stop, [UNIT, "5"])], SOON)
        .await
        .unwrap_err();
    assert_eq!((lost.kind, lost.may_have_run), (ErrorKind::Lost, true), "{lost}");
    let refused = transport
        .ask(&identity(), Duration::from_secs(1))
        .await
        .unwrap_err();
    assert!(!refused.may_have_run, "{refused}");
    demo.world.with_host(0, |host, _| host.link = Link::Dark);
    let dark = transport
        .ask(&identity(), Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(dark.kind, ErrorKind::TimedOut, "{dark}");
    demo.world.heal_links();
    let back = transport.ask(&identity(), SOON).await.unwrap();
    assert!(
        back.outputs[2].stdout.contains("ActiveState=inactive\n"),
        "the stop was carried out"
    );
}

#[tokio::test]
async fn a_killed_coordinator_gets_no_answer_and_the_demo_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Demo::start(directory.path(), 0.2).await.unwrap();
    (failover::demo::faults::named("coordinator-killed").unwrap().arm)(&demo.world);
    let transport = open(TransportKind::Russh, demo.hosts()[1].destination.clone()).unwrap();
    let run = [
        "",
        "30",
        "lodestar",
        "validator",
        "slashing-protection",
        "import",
        "--file",
        "/tmp/no.json",
    ];
    let batch = vec![Call::new(Op::Run, run)];
    let killed = tokio::select! {
        answer = transport.ask(&batch, SOON) => panic!("{answer:?}"),
        () = demo.world.killed() => true,
    };
    assert!(killed);
    drop(transport);
    let again = open(TransportKind::Russh, demo.hosts()[1].destination.clone()).unwrap();
    let answer = again.ask(&batch, SOON).await.unwrap();
    assert_eq!(answer.outputs[0].status, 1, "no such file: but it answers");
}

#[tokio::test]
async fn a_reboot_ends_the_shell_and_a_stranger_is_not_let_in() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Demo::start(directory.path(), 0.2).await.unwrap();
    let there = demo.hosts()[1].destination.clone();
    let transport = open(TransportKind::Russh, there.clone()).unwrap();
    let before = transport.ask(&identity(), SOON).await.unwrap().boot_id;
    demo.world.with_host(1, |host, now| {
        host.timing.boot = Duration::from_millis(200);
        host.reboot(now);
    });
    tokio::time::sleep(Duration::from_millis(400)).await;
    // The old shell may break once; the next question opens another.
    let mut after = transport.ask(&identity(), SOON).await;
    if after.is_err() {
        after = transport.ask(&identity(), SOON).await;
    }
    assert_ne!(after.unwrap().boot_id, before);
    let other = Demo::start(tempfile::tempdir().unwrap().path(), 0.2)
        .await
        .unwrap();
    let wrong_key = Destination {
        key_file: Some(other.ssh.key_file.clone()),
        ..there
    };
    let refused = open(TransportKind::Russh, wrong_key)
        .unwrap()
        .connect(SOON)
        .await
        .unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Authentication);
}
