//! Files brought over a second channel: whole and hashed, or an error.

use sha2::{Digest, Sha256};

use super::faults::Fault;
use super::server::{Server, Setup, shim};
use super::*;

/// Several MiB of bytes that no line reader likes.
fn content() -> Vec<u8> {
    (0..5_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_arrives_whole_beside_a_held_shell() {
    for kind in kinds() {
        let noise = "motd\nwithout newline".to_owned();
        let server = Server::start(Setup {
            noise,
            ..Setup::default()
        })
        .await;
        let path = server.dir.path().join("it's a $file");
        let transport = reach(kind, &server);
        transport.connect(AMPLE).await.unwrap();
        for content in [content(), Vec::new()] {
            std::fs::write(&path, &content).unwrap();
            let mut received = Vec::new();
            let fetched = transport
                .fetch(path.to_str().unwrap(), &mut received, AMPLE)
                .await
                .unwrap();
            assert!(received == content, "{kind:?}: other bytes");
            assert_eq!(fetched.bytes, content.len() as u64);
            assert_eq!(fetched.sha256, const_hex::encode(Sha256::digest(&content)));
        }
        transport.ask(&identity(), AMPLE).await.unwrap();
        assert_eq!((server.connections(), server.channels()), (1, 3), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_an_error() {
    let faults = [
        (Fault::EndBytes(2_000_000), ErrorKind::Lost),
        (Fault::CutBytes(2_000_000), ErrorKind::Lost),
        (Fault::Flip(2_000_000), ErrorKind::Garbled),
        (Fault::EndBytes(0), ErrorKind::Lost),
    ];
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let path = server.dir.path().join("file");
        std::fs::write(&path, content()).unwrap();
        let transport = reach(kind, &server);
        for (fault, expected) in faults {
            transport.ask(&identity(), AMPLE).await.unwrap();
            server.break_next(fault);
            let error = transport
                .fetch(path.to_str().unwrap(), &mut Vec::new(), AMPLE)
                .await
                .expect_err("fetched");
            assert_eq!(error.kind, expected, "{kind:?} {fault:?}: {error}");
            let mut received = Vec::new();
            transport
                .fetch(path.to_str().unwrap(), &mut received, AMPLE)
                .await
                .unwrap();
            assert_eq!(received.len(), 5_000_000);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_host_truncates_meanwhile_is_an_error() {
    for kind in kinds() {
        let shims = tempfile::tempdir().unwrap();
        shim(shims.path(), "head", "exec /usr/bin/head -c 1000");
        let path = Some(format!("{}:/usr/bin:/bin", shims.path().display()).into());
        let server = Server::start(Setup {
            path,
            ..Setup::default()
        })
        .await;
        let file = server.dir.path().join("file");
        std::fs::write(&file, content()).unwrap();
        let transport = reach(kind, &server);
        let error = transport
            .fetch(file.to_str().unwrap(), &mut Vec::new(), AMPLE)
            .await
            .expect_err("fetched");
        assert_eq!(error.kind, ErrorKind::Lost, "{kind:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_readable_file_is_named() {
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let transport = reach(kind, &server);
        for (path, words) in [
            ("/nonexistent/file", "no such file"),
            ("/tmp", "not a regular file"),
        ] {
            let error = transport
                .fetch(path, &mut Vec::new(), AMPLE)
                .await
                .expect_err("fetched");
            assert!(error.detail.contains(words), "{kind:?}: {error}");
        }
        assert_eq!(
            server.connections(),
            1,
            "{kind:?}: a missing file says nothing against the connection"
        );
    }
}
