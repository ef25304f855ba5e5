//! Copies, puts and the frame itself, as the remote script makes them, under every shell that is installed.

use sha2::{Digest, Sha256};

use super::rooted::{Rooted, read, value};
use super::*;

/// Proves that no state of a database is lost: each is archived once, a tampered copy is noticed, and what is put back
/// replaces a failed import only on a host that stands, for the run that holds it.
#[tokio::test]
async fn every_state_is_archived_once_and_put_back_only_on_a_host_that_stands() {
    let host = Rooted::new();
    host.write("data/db/one", "1");
    host.write("data/db/deep er/two", "2");
    let (db, run) = (host.text("data/db"), "run-1");
    let first = host.call(Op::Archive, [run, &db]).await;
    assert_eq!(first.status, 0);
    let copy = host.state("archive/run-1/1/old");
    assert_eq!(value(&first, "archive").as_deref(), copy.to_str());
    let again = host.call(Op::Archive, [run, &db]).await;
    assert_eq!(
        (again.status, &again.stdout),
        (0, &first.stdout),
        "the same state is not copied again"
    );
    host.write("data/db/one", "newer");
    let second = host.call(Op::Archive, [run, &db]).await;
    let newer = host.state("archive/run-1/2/old");
    assert_eq!(value(&second, "archive").as_deref(), newer.to_str());
    assert_eq!(
        (read(&copy.join("one")), read(&newer.join("one"))),
        ("1".into(), "newer".into())
    );

    host.write("data/db/one", "a failed import");
    let lock = host.text("lock");
    let back = [run, &db, "v.service", &lock];
    host.write("sys/fs/cgroup/cgroup.procs", "1\n");
    assert_eq!(host.call(Op::PutBack, back).await.status, 9, "no lock");
    host.write("lock", "");
    host.shim("systemctl", "echo active");
    assert_eq!(host.call(Op::PutBack, back).await.status, 9, "it runs");
    host.shim("systemctl", "echo inactive");
    assert_eq!(host.call(Op::PutBack, back).await.status, 9, "no claim");
    assert_eq!(read(&host.at("data/db/one")), "a failed import");
    host.call(Op::Claim, [run, r#"{"run":"run-1"}"#]).await;
    let done = host.call(Op::PutBack, back).await;
    assert_eq!((done.status, done.stdout.as_str()), (0, "put_back=yes\n"));
    assert_eq!(read(&host.at("data/db/one")), "newer", "the newest state");
    assert_eq!(
        read(&host.at("data/db.failover-failed.1/one")),
        "a failed import",
        "nothing is lost"
    );
    assert_eq!(
        host.call(Op::PutBack, back).await.stdout,
        "put_back=same\n",
        "once more changes nothing"
    );

    std::fs::write(newer.join("one"), "tampered").unwrap();
    assert_eq!(host.call(Op::Archive, [run, &db]).await.status, 4);
    assert_eq!(host.call(Op::PutBack, back).await.status, 4);
    assert_eq!(read(&host.at("data/db/one")), "newer");
}

/// Proves that a batch does not go on behind a step that failed, but for what only makes safer.
#[tokio::test]
async fn nothing_is_begun_behind_a_step_that_failed() {
    let host = Rooted::new();
    host.write(
        "var/lib/failover/generation.json",
        r#"{"generation":9,"run":"other"}"#,
    );
    host.write("lock", "");
    host.shim("systemctl", "echo \"$@\" >>\"$FO_ROOT/ran\"");
    let lock = host.text("lock");
    let unbar = Call::new(Op::Unbar, ["v.service", &lock, "enable"]);
    let start = Call::new(Op::Start, ["v.service", "5"]);
    let lower = Call::new(Op::Generation, ["5", r#"{"generation":5,"run":"r"}"#]);
    let statuses = host.batch(vec![lower, unbar.clone(), start.clone()]).await;
    assert_eq!(statuses, [3, 125, 125]);
    let equal = Call::new(Op::Generation, ["9", r#"{"generation":9,"run":"r"}"#]);
    assert_eq!(
        host.batch(vec![equal, start.clone()]).await,
        [3, 125],
        "an equal number of another run"
    );
    let mine = Call::new(Op::Mine, ["r"]);
    let bar = Call::new(Op::Bar, ["v.service", &lock, "text"]);
    assert_eq!(
        host.batch(vec![mine, bar, unbar, start]).await,
        [9, 125, 125, 125]
    );
    assert!(host.at("lock").exists() && !host.at("ran").exists());
}

#[tokio::test]
async fn an_archive_of_a_link_holds_the_content_and_not_the_link() {
    let host = Rooted::new();
    host.write("disk/db/one", "1");
    host.write("data/x", "");
    std::os::unix::fs::symlink(host.at("disk/db"), host.at("data/db")).unwrap();
    assert_eq!(host.call(Op::WorkDir, ["run-1", ""]).await.status, 0);
    for (op, copy) in [(Op::Archive, "archive/run-1/1/old"), (Op::Copy, "work/run-1/db")] {
        host.write("disk/db/one", "1");
        assert_eq!(host.call(op, ["run-1", &host.text("data/db")]).await.status, 0);
        host.write("disk/db/one", "newer");
        assert_eq!(read(&host.state(copy).join("one")), "1", "{op:?}");
    }
}

#[tokio::test]
async fn an_interrupted_archive_is_made_again() {
    let host = Rooted::new();
    host.write("data/db", "whole");
    for left in ["old.part", "old"] {
        host.write(&format!("var/lib/failover/archive/r/1/{left}"), "half");
    }
    assert_eq!(
        host.call(Op::Archive, ["r", &host.text("data/db")]).await.status,
        0
    );
    assert_eq!(read(&host.state("archive/r/1/old")), "whole");
}

#[tokio::test]
async fn nothing_to_archive_is_said_only_where_it_can_be_seen() {
    let host = Rooted::new();
    let absent = host.call(Op::Archive, ["r", &host.text("data/db")]).await;
    assert_eq!((absent.status, absent.stdout.as_str()), (0, "archive=absent\n"));
    host.write("file", "");
    assert_ne!(
        host.call(Op::Archive, ["r", &host.text("file/db")]).await.status,
        0
    );
    std::os::unix::fs::symlink("/nowhere", host.at("data-link")).unwrap();
    assert_ne!(
        host.call(Op::Archive, ["r", &host.text("data-link")])
            .await
            .status,
        0
    );
    for run in ["", "../x", "a/b", ".x"] {
        assert_eq!(
            host.call(Op::Archive, [run, "/etc/hostname"]).await.status,
            2,
            "{run:?}"
        );
        assert_eq!(
            host.call(Op::PutBack, [run, "/nowhere"]).await.status,
            2,
            "{run:?}"
        );
        assert_eq!(host.call(Op::ClearWork, [run]).await.status, 2, "{run:?}");
        assert_eq!(
            host.call(Op::Put, [run, "name", "", "", ""]).await.status,
            2,
            "{run:?}"
        );
    }
    assert_eq!(host.call(Op::Put, ["run", "..", "", "", ""]).await.status, 2);
}

#[tokio::test]
async fn a_put_proves_the_hash_of_what_arrived() {
    use base64::Engine;
    let host = Rooted::new();
    host.call(Op::WorkDir, ["run", ""]).await;
    let content: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let (hash, text) = (
        const_hex::encode(Sha256::digest(&content)),
        base64::engine::general_purpose::STANDARD.encode(&content),
    );
    let put = host
        .transport
        .ask(&vec![Call::new(Op::Put, ["run", "f", "", &hash, &text])], AMPLE)
        .await
        .unwrap();
    assert_eq!(put.outputs[0].status, 0, "{:?}", put.outputs[0].stderr);
    let file = host.state("work/run/f");
    assert!(std::fs::read(&file).unwrap() == content);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    for (hash, text) in [
        ("0".repeat(64), text.as_str()),
        (hash.clone(), &text[..100]),
        (hash, "%"),
    ] {
        let put = host
            .transport
            .ask(&vec![Call::new(Op::Put, ["run", "f", "", &hash, text])], AMPLE)
            .await
            .unwrap();
        assert_ne!(put.outputs[0].status, 0);
        assert!(
            std::fs::read(&file).unwrap() == content,
            "the earlier file stands"
        );
    }
    assert_eq!(host.call(Op::ClearWork, ["run"]).await.status, 0);
    assert!(!file.exists());
}

#[tokio::test]
async fn a_call_cannot_read_the_next_or_write_into_the_frame() {
    let host = Rooted::new();
    let script = "cat; printf 'o a\\n@fo x\\nx 0\\nlast'; printf 'e b\\nx 9\\nlast' >&2; kill -9 $$";
    let batch = vec![
        Call::new(Op::Run, ["", "5", "sh", "-c", script]),
        Call::new(
            Op::Run,
            ["", "5", "sh", "-c", "echo second; exec >&- 2>&-; exit 3"],
        ),
    ];
    let outputs = host.transport.ask(&batch, AMPLE).await.unwrap().outputs;
    assert_eq!(outputs[0].stdout, "o a\n@fo x\nx 0\nlast\n");
    assert!(
        outputs[0].stderr.starts_with("e b\nx 9\nlast"),
        "a shell may add what killed its child"
    );
    assert_eq!(outputs[0].status, 137);
    assert_eq!((outputs[1].status, outputs[1].stdout.as_str()), (3, "second\n"));
}

#[tokio::test]
async fn both_outputs_arrive_whole_when_they_are_long() {
    let host = Rooted::new();
    let script = "i=0; while [ $i -lt 3000 ]; do echo out$i-aaaaaaaaaaaaaaaaaaaa; echo err$i-bbbbbbbbbbbbbbbb >&2; i=$((i+1)); done";
    let outputs = host.call(Op::Run, ["", "20", "sh", "-c", script]).await;
    let lines = |word: &str, tail: &str| {
        (0..3000)
            .map(|n| format!("{word}{n}-{tail}\n"))
            .collect::<String>()
    };
    assert!(outputs.stdout == lines("out", "aaaaaaaaaaaaaaaaaaaa"));
    assert!(outputs.stderr == lines("err", "bbbbbbbbbbbbbbbb"));
}

#[test]
fn every_installed_shell_frames_alike_and_begins_nothing_late() {
    use std::io::Write;
    for (program, args) in [
        ("dash", vec![]),
        ("bash", vec![]),
        ("busybox", vec!["ash"]),
        ("ksh", vec![]),
        ("sh", vec![]),
    ] {
        let command = std::process::Command::new(program)
            .args(&args)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn();
        let Ok(mut child) = command else {
            println!("NOTICE: no {program} here");
            continue;
        };
        let batch = vec![
            Call::new(Op::Run, ["", "5", "printf", "it's\n\nfine"]),
            Call::new(Op::Identity, [""; 0]),
        ];
        let mut text = transport::REMOTE_SH.to_owned();
        for (nonce, until) in [("aa", None), ("bb", Some(1)), ("cc", Some(u64::MAX >> 1))] {
            text.push_str(&transport::frame::encode(nonce, until, &batch).unwrap());
        }
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap().stdout;
        for (nonce, expected) in [("aa", 0), ("bb", 124), ("cc", 0)] {
            let mut parser = transport::frame::FrameParser::new(nonce, 2);
            let own = output
                .split(|byte| *byte == b'\n')
                .skip_while(|l| !l.starts_with(format!("@fo {nonce}").as_bytes()));
            let reply = own
                .map(|line| parser.line(line).unwrap())
                .find_map(|reply| reply)
                .unwrap();
            assert_eq!(reply.outputs[0].status, expected, "{program} {nonce}");
            assert_eq!(reply.outputs[1].status, expected, "{program} {nonce}");
            let said = if expected == 0 { "it's\n\nfine\n" } else { "" };
            assert_eq!(reply.outputs[0].stdout, said, "{program} {nonce}");
        }
    }
}
