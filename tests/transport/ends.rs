//! How things end: connections that are closed or dropped, keys that an agent holds, batches that come too late; and,
//! on request, what an ask costs.

use super::faults::Fault;
use super::rooted::Rooted;
use super::server::{Server, Setup};
use super::*;

/// Waits for a fact, as long as it takes within [`AMPLE`].
async fn until(what: &str, fact: impl Fn() -> bool) {
    let waiting = async {
        while !fact() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(AMPLE, waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_or_dropped_transport_leaves_no_connection_behind() {
    for kind in kinds() {
        for close in [true, false] {
            let server = Server::start(Setup::default()).await;
            let transport = reach(kind, &server);
            transport.ask(&identity(), AMPLE).await.unwrap();
            assert_eq!(server.standing(), 1);
            if close {
                transport.close().await;
            } else {
                drop(transport);
            }
            until("the connection ends", || server.standing() == 0).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_deadline_while_connecting_leaves_no_ssh_behind() {
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut to = server.destination();
        to.port = Some(mute.local_addr().unwrap().port());
        let known = server.host_line(server.host_key.public_key());
        server.know(&[&known.replace(&server.port.to_string(), &to.port.unwrap().to_string())]);
        let transport = open(kind, to, &server);
        let connecting = transport.connect(Duration::from_millis(500));
        // It greets and then says nothing: `ssh` itself would wait 15 s.
        let greeting = async {
            let mut socket = mute.accept().await.unwrap().0;
            tokio::io::AsyncWriteExt::write_all(&mut socket, b"SSH-2.0-mute\r\n")
                .await
                .unwrap();
            socket
        };
        let (result, mut socket) = tokio::join!(connecting, greeting);
        assert_eq!(result.unwrap_err().kind, ErrorKind::TimedOut, "{kind:?}");
        let mut said = Vec::new();
        let ended = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut said);
        // An end of file or a reset: either way nobody is there any more.
        assert!(
            tokio::time::timeout(Duration::from_secs(8), ended).await.is_ok(),
            "{kind:?}: somebody still holds the connection"
        );
    }
}

/// A first call that outlives the deadline, and a second that must then not be begun. The server keeps reading the
/// shell's output, so that nothing but the deadline itself can stop it.
#[tokio::test(flavor = "multi_thread")]
async fn calls_after_the_one_that_outlived_its_deadline_are_not_begun() {
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let path = |name: &str| server.dir.path().join(name);
        let text = |name: &str| path(name).to_str().unwrap().to_owned();
        assert!(
            std::process::Command::new("mkfifo")
                .arg(path("gate"))
                .status()
                .unwrap()
                .success()
        );
        let wait = format!(
            "echo $$ >{0}.new && mv {0}.new {0} && read line <{1}",
            text("pid"),
            text("gate")
        );
        let batch = vec![
            Call::new(Op::Run, ["", "30", "sh", "-c", &wait]),
            Call::new(Op::Run, ["", "30", "touch", &text("done")]),
        ];
        let transport = reach(kind, &server);
        server.break_next(Fault::Hang(1));
        transport.connect(AMPLE).await.unwrap();
        let asked = transport.ask(&batch, Duration::from_millis(300)).await;
        let error = asked.unwrap_err();
        assert_eq!(
            (error.kind, error.may_have_run),
            (ErrorKind::TimedOut, true),
            "{kind:?}"
        );
        until("the first call begins", || path("pid").exists()).await;
        let waiting = format!("/proc/{}", super::rooted::read(&path("pid")).trim());
        std::fs::write(path("gate"), "go\n").unwrap();
        until("the first call ends", || !std::path::Path::new(&waiting).exists()).await;
        until("the shell is through", || server.running() == 0).await;
        assert!(
            !path("done").exists(),
            "{kind:?}: the second call ran after its deadline"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_key_file_is_explained_by_the_built_in_client() {
    let server = Server::start(Setup::default()).await;
    let key = server.dir.path().join("id");
    let status = std::process::Command::new("ssh-keygen")
        .args(["-q", "-p", "-N", "secret", "-P", "", "-f"])
        .arg(&key)
        .status();
    if !status.is_ok_and(|status| status.success()) {
        println!("NOTICE: no `ssh-keygen` here, the encrypted key is not tested");
        return;
    }
    let error = reach(TransportKind::Russh, &server)
        .connect(AMPLE)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Authentication);
    assert!(error.detail.contains("load it into ssh-agent"), "{error}");
}

/// Starts an agent with the server's client key, and this test binary again inside its environment.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_in_the_agent_is_used() {
    let server = Server::start(Setup::default()).await;
    let (socket, key) = (server.dir.path().join("agent"), server.dir.path().join("id"));
    let agent = std::process::Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .spawn();
    let Ok(mut agent) = agent else {
        println!("NOTICE: no `ssh-agent` here, the agent is not tested");
        return;
    };
    until("the agent listens", || socket.exists()).await;
    let added = std::process::Command::new("ssh-add")
        .arg("-q")
        .arg(&key)
        .env("SSH_AUTH_SOCK", &socket)
        .status();
    let again = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "ends::with_the_agent_of_the_environment",
            "--ignored",
            "--nocapture",
        ])
        .env("SSH_AUTH_SOCK", &socket)
        .env("TRANSPORT_TEST_PORT", server.port.to_string())
        .env("TRANSPORT_TEST_DIR", server.dir.path())
        .output()
        .await
        .unwrap();
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(added.unwrap().success());
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by a_key_in_the_agent_is_used"]
async fn with_the_agent_of_the_environment() {
    let dir = std::path::PathBuf::from(std::env::var("TRANSPORT_TEST_DIR").unwrap());
    for kind in kinds() {
        let to = Destination {
            host: "127.0.0.1".to_owned(),
            user: Some("tester".to_owned()),
            port: std::env::var("TRANSPORT_TEST_PORT").unwrap().parse().ok(),
            known_hosts: Some(dir.join("known_hosts")),
            config_file: (kind == TransportKind::OpenSsh).then(|| dir.join("config")),
            ..Destination::default()
        };
        transport::open(kind, to).unwrap().connect(AMPLE).await.unwrap();
    }
}

/// `cargo test --release --test transport cost -- --ignored --nocapture`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn the_cost_of_an_ask() {
    let server = Server::start(Setup::default()).await;
    let local = Rooted::new();
    let mut transports = vec![("local", Arc::clone(&local.transport))];
    transports.extend(kinds().into_iter().map(|kind| match kind {
        TransportKind::OpenSsh => ("openssh", reach(kind, &server)),
        TransportKind::Russh | TransportKind::Local => ("russh", reach(kind, &server)),
    }));
    for (name, transport) in transports {
        let begun = std::time::Instant::now();
        transport.connect(AMPLE).await.unwrap();
        let connect = begun.elapsed();
        for (what, batch) in [
            ("no call", vec![]),
            ("one call", vec![Call::new(Op::Run, ["", "5", "true"])]),
        ] {
            let mut times = Vec::new();
            for _ in 0..200 {
                let begun = std::time::Instant::now();
                transport.ask(&batch, AMPLE).await.unwrap();
                times.push(begun.elapsed());
            }
            times.sort();
            println!(
                "{name}: connect {connect:.1?}; {what}: median {:.2?}, p95 {:.2?}",
                times[100], times[190]
            );
        }
    }
}
