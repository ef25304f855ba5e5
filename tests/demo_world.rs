//! The simulated world itself is put to the test: its validators sign as they should, its referee can fail, its gate
//! holds, and its hosts print what the script prints on a real one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests end on the first surprise

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use failover::demo::chain::sha256_hex;
use failover::demo::host::{DATABASE, LOCK, Link, STATE, UNIT, unit::Active};
use failover::demo::referee::{Rule, Signed};
use failover::demo::transport::{Fate, FaultPlan, Phase, SimTransport};
use failover::demo::world::{World, WorldConfig};
use failover::transport::{Call, ErrorKind, Op, Output, Transport};

const A: usize = 0;
const B: usize = 1;
fn world() -> Arc<World> {
    Arc::new(World::new(&WorldConfig::default()).unwrap())
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

async fn ask(world: &World, host: usize, op: Op, args: &[&str]) -> Output {
    let answer = world.perform(host, &Call::new(op, args)).await;
    answer.expect("the host answers")
}

fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let prefix = format!("{key}=");
    text.lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .unwrap_or_else(|| panic!("no {key} in {text}"))
}

fn attestations_by(world: &World, host: &str) -> Vec<(String, u64)> {
    world.with(|inside, _| {
        let by_host = inside
            .referee
            .messages()
            .iter()
            .filter(|message| message.host == host);
        by_host
            .filter_map(|message| match &message.signed {
                Signed::Attestation { target, .. } => Some((message.key.clone(), *target)),
                Signed::Block { .. } => None,
            })
            .collect()
    })
}

#[tokio::test(start_paused = true)]
async fn a_running_validator_signs_each_duty_once() {
    let world = world();
    pass(8 * 10).await;
    let mut signed = attestations_by(&world, "val-a");
    assert!(
        (40..=44).contains(&signed.len()),
        "four keys, ten epochs: {}",
        signed.len()
    );
    let all = signed.len();
    signed.sort();
    signed.dedup();
    assert_eq!(signed.len(), all, "no duty twice");
    assert!(attestations_by(&world, "val-b").is_empty());
    let verdict = world.verdict();
    assert!(verdict.clean(), "{verdict}");
    assert_eq!(verdict.shares.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_running_validators_are_caught() {
    let world = world();
    world.with_host(B, |host, now| {
        host.timing.by_hand_to_signing = Duration::ZERO;
        host.start_by_hand(now);
    });
    pass(16).await;
    let verdict = world.verdict();
    assert!(!verdict.clean());
    let rules: Vec<Rule> = verdict.offences.iter().map(|offence| offence.rule).collect();
    assert!(
        rules.contains(&Rule::DoubleVote) && rules.contains(&Rule::DoubleProposal),
        "{verdict}"
    );
    assert_eq!(verdict.overlaps.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_barred_unit_starts_neither_by_hand_nor_at_boot() {
    let world = world();
    let start = ask(&world, B, Op::Start, &[UNIT, "10"]).await;
    assert_eq!(
        (start.status, start.stderr.as_str()),
        (1, "Assertion failed on job for validator.service.\n")
    );
    world.with_host(B, |host, now| {
        host.unit.enabled = true;
        host.reboot(now);
    });
    assert_eq!(
        world.perform(B, &Call::new(Op::Identity, [""; 0])).await,
        None,
        "a booting host does not answer"
    );
    pass(30).await;
    let unit = ask(&world, B, Op::Unit, &[UNIT]).await.stdout;
    assert_eq!(value(&unit, "ActiveState"), "inactive");
    assert_eq!(value(&unit, "ExecMainStartTimestampMonotonic"), "0");
    assert_eq!(
        value(&unit, "Asserts"),
        format!("a(sbbsi) 1 \"AssertPathExists\" false true \"{LOCK}\" 0")
    );
    assert!(attestations_by(&world, "val-b").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_not_barred_comes_back_after_reboot_and_crash() {
    let world = world();
    let before = world.with_host(A, |host, now| {
        let boot = host.boot_id();
        host.reboot(now);
        boot
    });
    pass(20).await;
    let unit = ask(&world, A, Op::Unit, &[UNIT]).await.stdout;
    assert_eq!(
        (value(&unit, "ActiveState"), value(&unit, "NRestarts")),
        ("active", "0")
    );
    assert_ne!(before, world.with_host(A, |host, _| host.boot_id()));
    world.with_host(A, |host, now| host.crash_validator(now));
    let unit = ask(&world, A, Op::Unit, &[UNIT]).await.stdout;
    assert_eq!(
        (value(&unit, "SubState"), value(&unit, "CgroupPids")),
        ("auto-restart", "")
    );
    pass(6).await;
    let unit = ask(&world, A, Op::Unit, &[UNIT]).await.stdout;
    assert_eq!(
        (value(&unit, "SubState"), value(&unit, "NRestarts")),
        ("running", "1")
    );
    pass(20).await;
    assert!(world.verdict().clean());
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_the_bar_is_not_followed_by_a_restart() {
    let world = world();
    assert_eq!(ask(&world, A, Op::Bar, &[UNIT, LOCK, "run 1"]).await.status, 0);
    world.with_host(A, |host, now| host.crash_validator(now));
    pass(6).await;
    assert_eq!(
        world.with_host(A, |host, _| host.unit.active),
        Some(Active::Inactive)
    );
    assert!(world.with_host(A, |host, _| host.process.is_none()).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_was_not_loaded_holds_nothing() {
    let world = world();
    world.with_host(B, |host, _| host.unit.reload(None));
    assert_eq!(ask(&world, B, Op::Start, &[UNIT, "10"]).await.status, 0);
}

async fn export(world: &World, host: usize) -> (Output, String) {
    let run = [
        "",
        "30",
        "lodestar",
        "validator",
        "slashing-protection",
        "export",
        "--file",
        "/tmp/x.json",
    ];
    let output = ask(world, host, Op::Run, &run).await;
    let got = ask(world, host, Op::Get, &["/tmp/x.json", "1000000"])
        .await
        .stdout;
    let base64: String = got
        .lines()
        .filter(|line| !line.contains('=') || line.ends_with('='))
        .collect();
    let content = base64::engine::general_purpose::STANDARD
        .decode(base64.trim())
        .unwrap_or_default();
    (output, String::from_utf8(content).unwrap())
}

#[tokio::test(start_paused = true)]
async fn what_is_exported_can_be_imported_and_holds() {
    let world = world();
    let (refused, _) = export(&world, A).await;
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.contains("already in use"), "{refused:?}");
    assert_eq!(ask(&world, A, Op::Stop, &[UNIT, "10"]).await.status, 0);
    let (exported, json) = export(&world, A).await;
    assert_eq!((exported.status, sha256_hex(json.as_bytes()).len()), (0, 64));

    let work = ask(&world, B, Op::WorkDir, &["run-1", "lodestar"]).await.stdout;
    let base64 = base64::engine::general_purpose::STANDARD.encode(&json);
    let put = ask(
        &world,
        B,
        Op::Put,
        &["run-1", "in.json", "", &sha256_hex(json.as_bytes()), &base64],
    )
    .await;
    let path = value(&put.stdout, "path").to_owned();
    assert_eq!(path, format!("{}/in.json", work.trim()));
    let file = format!("--file={path}");
    let run = [
        "",
        "30",
        "/usr/bin/lodestar",
        "validator",
        "slashing-protection",
        "import",
        &file,
    ];
    assert_eq!(ask(&world, B, Op::Run, &run).await.status, 0);
    let (a, b) = world.with(|inside, _| {
        (
            inside.hosts[A].database.records().unwrap(),
            inside.hosts[B].database.records().unwrap(),
        )
    });
    for (key, record) in &a {
        for target in record.attestations.keys() {
            assert!(
                !b[key].allows_attestation(target - 1, *target, "another"),
                "{key} {target}"
            );
        }
    }
    let last = &world.chain.keys[3];
    assert!(
        a[last].blocks.is_empty() && !b[last].blocks.is_empty(),
        "the backup is ahead in one floor"
    );
}

#[tokio::test(start_paused = true)]
async fn an_import_can_be_undone_from_the_verified_copy_and_a_copy_can_be_exported() {
    let world = world();
    let before = world.with(|inside, _| inside.hosts[B].database.records().unwrap());
    let archived = ask(&world, B, Op::Archive, &["run-1", DATABASE]).await.stdout;
    assert_eq!(
        value(&archived, "archive"),
        format!("{STATE}/archive/run-1/1/old")
    );
    let again = ask(&world, B, Op::Archive, &["run-1", DATABASE]).await.stdout;
    assert_eq!(
        again, archived,
        "a second call proves the copy and makes no other"
    );
    world.with(|inside, _| inside.hosts[B].database.replace(Default::default()).unwrap());
    let back = ["run-1", DATABASE, UNIT, LOCK];
    assert_eq!(
        ask(&world, B, Op::PutBack, &back).await.status,
        9,
        "only the claim's holder may"
    );
    ask(&world, B, Op::Claim, &["run-1", r#"{"run":"run-1"}"#]).await;
    assert_eq!(ask(&world, B, Op::PutBack, &back).await.stdout, "put_back=yes\n");
    assert_eq!(
        world.with(|inside, _| inside.hosts[B].database.records().unwrap()),
        before
    );
    world.with(|inside, _| inside.hosts[B].database.replace(Default::default()).unwrap());
    let other = ask(&world, B, Op::Archive, &["run-1", DATABASE]).await.stdout;
    assert_eq!(
        value(&other, "archive"),
        format!("{STATE}/archive/run-1/2/old"),
        "no state of it is lost"
    );
    assert_eq!(
        ask(&world, B, Op::PutBack, &["run-2", DATABASE, UNIT, LOCK])
            .await
            .status,
        4
    );

    ask(&world, A, Op::WorkDir, &["run-1", "lodestar"]).await;
    let copied = ask(&world, A, Op::Copy, &["run-1", DATABASE]).await.stdout;
    let copy = value(&copied, "copy").to_owned();
    let run = [
        "",
        "30",
        "lodestar",
        "validator",
        "slashing-protection",
        "export",
        "--validatorsDbDir",
        &copy,
    ];
    let run: Vec<&str> = run.into_iter().chain(["--file", "/tmp/copy.json"]).collect();
    assert_eq!(
        ask(&world, A, Op::Run, &run).await.status,
        0,
        "a copy is not locked"
    );
}

#[tokio::test(start_paused = true)]
async fn a_metric_is_awaited_in_virtual_time() {
    let world = world();
    let url = "http://127.0.0.1:5064/metrics";
    let began = world.now();
    let seen = ask(
        &world,
        A,
        Op::AwaitMetric,
        &[url, "vc_published_attestations_total", "3", "60", UNIT],
    )
    .await
    .stdout;
    assert_eq!(value(&seen, "seen"), "4");
    let took = world.now() - began;
    assert!(
        (Duration::from_secs(5)..Duration::from_secs(9)).contains(&took),
        "{took:?}"
    );
    let unseen = ask(
        &world,
        B,
        Op::AwaitMetric,
        &[url, "vc_published_attestations_total", "0", "5", ""],
    )
    .await
    .stdout;
    assert_eq!(unseen, "seen=no\n");
}

#[tokio::test(start_paused = true)]
async fn liveness_tells_who_signed_and_the_control_group_lives() {
    let world = world();
    pass(8).await;
    let epoch = world.chain.epoch_of(world.chain.slot_at(world.now())) - 1;
    let url = format!("http://127.0.0.1:5052/eth/v1/validator/liveness/{epoch}");
    let body = r#"["100","103","104"]"#;
    let live = ask(&world, B, Op::Http, &["POST", &url, body, "5"]).await.stdout;
    assert_eq!(live.lines().last(), Some("200"));
    assert_eq!(live.matches("\"is_live\":true").count(), 3, "{live}");
    world.with_host(B, |host, _| host.beacon.blind = true);
    let live = ask(&world, B, Op::Http, &["POST", &url, body, "5"]).await.stdout;
    assert_eq!(live.matches("\"is_live\":false").count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_transport_loses_what_the_plan_says() {
    let world = world();
    let plan = FaultPlan::new(|ask| match (ask.number, ask.phase) {
        (1, Phase::Before) => Fate::LoseRequest,
        (2, Phase::After) => Fate::LoseReply,
        (3, Phase::Before) => Fate::Refuse,
        (4, Phase::After) => Fate::Garble,
        _ => Fate::Deliver,
    });
    let transport = SimTransport::new(Arc::clone(&world), A, Duration::from_millis(20), plan.clone());
    let claim = |run: &str| vec![Call::new(Op::Claim, [run, &format!("{{\"run\":\"{run}\"}}")])];
    let deadline = Duration::from_secs(5);
    let papers = vec![Call::new(Op::Papers, [""; 0])];
    let there = transport.ask(&papers, deadline).await.unwrap();
    assert_eq!(there.outputs[0].stdout, "claim=absent\ngeneration=absent\n");
    let lost = transport.ask(&claim("one"), deadline).await.unwrap_err();
    assert_eq!((lost.kind, lost.may_have_run), (ErrorKind::Lost, true));
    let lost = transport.ask(&claim("two"), deadline).await.unwrap_err();
    assert_eq!((lost.kind, lost.may_have_run), (ErrorKind::Lost, true));
    let refused = transport.ask(&claim("three"), deadline).await.unwrap_err();
    assert_eq!((refused.kind, refused.may_have_run), (ErrorKind::Refused, false));
    assert_eq!(
        transport.ask(&papers, deadline).await.unwrap_err().kind,
        ErrorKind::Garbled
    );
    let claim = world
        .with_host(A, |host, _| host.files.text(&format!("{STATE}/claim.json")))
        .flatten();
    assert_eq!(
        claim.as_deref(),
        Some("{\"run\":\"two\"}\n"),
        "the lost request did nothing, the lost reply all"
    );
    assert_eq!(plan.asks(), 5);
    world.with_host(A, |host, _| host.link = Link::Dark);
    let began = world.now();
    let dark = transport.ask(&papers, deadline).await.unwrap_err();
    assert_eq!(
        (dark.kind, dark.may_have_run, world.now() - began),
        (ErrorKind::TimedOut, false, deadline)
    );
}
