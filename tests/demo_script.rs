//! The simulated hosts print what the script prints on a real one: both are asked the same, and compared as text.
//! Must never be satisfied with a text that the program's own readers would accept but the script would not print.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests end on the first surprise

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use failover::demo::chain::sha256_hex;
use failover::demo::host::{LOCK, STATE, UNIT};
use failover::demo::world::{World, WorldConfig};
use failover::transport::frame::{FrameParser, encode};
use failover::transport::{Broken, Call, Op, Output, REMOTE_SH};

const A: usize = 0;
const B: usize = 1;

async fn ask(world: &World, host: usize, op: Op, args: &[&str]) -> Output {
    world
        .perform(host, &Call::new(op, args))
        .await
        .expect("the host answers")
}

fn world() -> Arc<World> {
    Arc::new(World::new(&WorldConfig::default()).unwrap())
}

/// Runs calls through the real script in a root of its own.
fn really(root: &std::path::Path, calls: &[Call]) -> Vec<Output> {
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::create_dir_all(root.join("proc/sys/kernel/random")).unwrap();
    std::fs::create_dir_all(root.join("etc/systemd/system")).unwrap();
    std::fs::write(root.join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
    std::fs::write(
        root.join("proc/sys/kernel/random/boot_id"),
        "01234567-0123-0123-0123-0123456789ab\n",
    )
    .unwrap();
    let mut shell = Command::new("sh")
        .env("FO_ROOT", root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = format!("{REMOTE_SH}\n{}", encode("n1", None, &calls.to_vec()).unwrap());
    shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap().stdout;
    let mut parser = FrameParser::new("n1", calls.len());
    for line in output.split(|byte| *byte == b'\n') {
        if let Some(reply) = parser.line(line).unwrap() {
            return reply.outputs;
        }
    }
    panic!("no reply: {}", String::from_utf8_lossy(&output));
}

fn keys(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.split_once('=').map(|(key, _)| key))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_host_prints_what_the_script_prints() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_str().unwrap();
    let sha256 = sha256_hex(b"{}");
    let lock = format!("{root}{LOCK}");
    let work = format!("{root}{STATE}/work/r1");
    let steps: Vec<(Op, Vec<&str>)> = vec![
        (Op::Papers, vec![]),
        (Op::BarState, vec![UNIT, &lock]),
        (Op::Claim, vec!["r1", r#"{"run":"r1","pair":"a'b"}"#]),
        (Op::Claim, vec!["r2", r#"{"run":"r2"}"#]),
        (Op::Release, vec!["r2"]),
        (Op::Generation, vec!["7", r#"{"generation":7}"#]),
        (Op::Release, vec!["r1"]),
        (Op::WorkDir, vec!["r1", ""]),
        (Op::Put, vec!["r1", "x.json", "", &sha256, "e30="]),
        (Op::Archive, vec!["r1", "/nowhere"]),
        (Op::Copy, vec!["r1", "/nowhere"]),
        (Op::Fingerprint, vec!["/nowhere"]),
        (Op::Unchanged, vec!["/nowhere", "absent"]),
        (Op::PutBack, vec!["r1", "/nowhere", UNIT, &lock]),
        (Op::ClearWork, vec!["../r1"]),
        (Op::Put, vec!["r1", "y.json", "", &sha256, "e30K"]),
        // From here on nothing that changes is begun, but what only makes safer.
        (Op::Generation, vec!["6", r#"{"generation":6}"#]),
        (Op::Run, vec!["", "5", "true"]),
        (Op::Mine, vec!["r1"]),
        (Op::Bar, vec![UNIT, &lock, "text"]),
        (Op::Stop, vec![UNIT, "1"]),
    ];
    let calls: Vec<Call> = steps.iter().map(|(op, args)| Call::new(*op, args)).collect();
    let real = really(directory.path(), &calls);
    let world = world();
    world.with_host(B, |host, _| {
        host.files.remove(LOCK);
        host.files
            .remove(&failover::demo::host::unit::Unit::gate_path(UNIT));
    });
    let mut broken = Broken::No;
    for (call, real) in calls.iter().zip(&real) {
        let simulated = world.perform_unless(broken, B, call).await.unwrap();
        if simulated.status != 0 {
            broken = broken.max(call.op.breaks());
        }
        let (out, err) = (real.stdout.replace(root, ""), real.stderr.replace(root, ""));
        assert_eq!(
            (simulated.status, simulated.stdout),
            (real.status, out),
            "{call:?}"
        );
        if real.status > 2 {
            assert_eq!(simulated.stderr, err, "{call:?}");
        }
    }
    let file = format!("{work}/x.json");
    let (identity, disk, get) = (
        Call::new(Op::Identity, [""; 0]),
        Call::new(Op::Disk, [root]),
        Call::new(Op::Get, [&file, "100"]),
    );
    let real = really(directory.path(), &[identity.clone(), disk.clone(), get]);
    let simulated = world.perform(B, &identity).await.unwrap();
    assert_eq!(keys(&simulated.stdout), keys(&real[0].stdout));
    assert_eq!(
        keys(&world.perform(B, &disk).await.unwrap().stdout),
        keys(&real[1].stdout)
    );
    let got = ask(&world, B, Op::Get, &[&format!("{STATE}/work/r1/x.json"), "100"]).await;
    assert_eq!(got.stdout, real[2].stdout);
}

/// Proves that a database which does not look as it did forbids the rest of a batch on a simulated host, too.
#[tokio::test(start_paused = true)]
async fn what_changed_forbids_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let calls = [
        Call::new(Op::Unchanged, ["/nowhere", "0123"]),
        Call::new(Op::WorkDir, ["r1", ""]),
        Call::new(Op::Run, ["", "5", "true"]),
        Call::new(Op::Unchanged, ["/nowhere", "absent"]),
    ];
    let real = really(directory.path(), &calls);
    let (world, mut broken) = (world(), Broken::No);
    for (call, real) in calls.iter().zip(&real) {
        let simulated = world.perform_unless(broken, B, call).await.unwrap();
        if simulated.status != 0 {
            broken = broken.max(call.op.breaks());
        }
        assert_eq!(
            (simulated.status, &simulated.stderr),
            (real.status, &real.stderr),
            "{call:?}"
        );
    }
    let statuses: Vec<i32> = real.iter().map(|output| output.status).collect();
    assert_eq!(statuses, [9, 125, 125, 125]);
}

#[tokio::test(start_paused = true)]
async fn the_unit_shows_just_the_properties_that_the_script_asks_for() {
    let world = world();
    let listing = REMOTE_SH
        .split_once("fo_unit() {")
        .unwrap()
        .1
        .split_once("|| return")
        .unwrap()
        .0;
    let mut asked: Vec<&str> = listing
        .split_whitespace()
        .filter(|word| word.contains(','))
        .flat_map(|word| word.trim_end_matches(')').split(','))
        .chain(["Asserts", "CgroupPids", "CgroupRead"])
        // Printed only for units that have some.
        .filter(|name| *name != "EnvironmentFiles")
        .collect();
    asked.sort_unstable();
    for (host, name) in [(A, UNIT), (B, UNIT), (A, "other.service")] {
        let shown = ask(&world, host, Op::Unit, &[name]).await.stdout;
        let mut shown: Vec<&str> = keys(&shown)
            .into_iter()
            .filter(|key| *key != "ExecStart")
            .collect();
        shown.sort_unstable();
        let asked: Vec<&str> = asked
            .iter()
            .copied()
            .filter(|name| *name != "ExecStart")
            .collect();
        assert_eq!(shown, asked);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_world() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let world = world();
        tokio::time::sleep(std::time::Duration::from_secs(100)).await;
        seen.push(
            world.with(|inside, now| (inside.referee.messages().to_vec(), now, inside.hosts[A].boot_id())),
        );
    }
    assert!(seen[0] == seen[1] && !seen[0].0.is_empty());
}
