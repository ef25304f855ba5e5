//! Hosts that are not reached: each reason has its own word, none is taken for another, nothing has run.

use tokio::net::TcpListener;

use super::server::{Server, Setup, fresh_key, shim};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_silent_or_without_a_name() {
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let mut to = server.destination();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        to.port = Some(closed.local_addr().unwrap().port());
        drop(closed);
        assert_eq!(
            kind_of_connect(&*open(kind, to.clone(), &server)).await,
            ErrorKind::Refused,
            "{kind:?}"
        );

        let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
        to.port = Some(mute.local_addr().unwrap().port());
        server.know(&[&server
            .host_line(server.host_key.public_key())
            .replace(&format!(":{} ", server.port), &format!(":{} ", to.port.unwrap()))]);
        let transport = open(kind, to.clone(), &server);
        let error = transport
            .connect(Duration::from_millis(700))
            .await
            .expect_err("connected");
        assert_eq!(
            (error.kind, error.may_have_run),
            (ErrorKind::TimedOut, false),
            "{kind:?}: {error}"
        );

        to.host = "no-such-host.invalid".to_owned();
        assert_eq!(
            kind_of_connect(&*open(kind, to, &server)).await,
            ErrorKind::Unreachable,
            "{kind:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_ends_at_once_is_lost() {
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut to = server.destination();
        to.port = Some(listener.local_addr().unwrap().port());
        server.know(&[&format!(
            "[127.0.0.1]:{} {}",
            to.port.unwrap(),
            server.host_key.public_key().to_openssh().unwrap()
        )]);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                drop(socket);
            }
        });
        assert_eq!(
            kind_of_connect(&*open(kind, to, &server)).await,
            ErrorKind::Lost,
            "{kind:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_host_keys_are_refused() {
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let good = server.host_line(server.host_key.public_key());
        let other = server.host_line(fresh_key().public_key());
        let revoked = format!("@revoked {other}");
        let wildcard = good.replace("127.0.0.1", "127.*");
        let uninterpretable = match kind {
            TransportKind::Russh => [
                Err(ErrorKind::HostKeyUninterpretable),
                Err(ErrorKind::HostKeyUninterpretable),
            ],
            // ssh itself interprets both: the wildcard serves, and the revoked key is not the one that is shown.
            TransportKind::OpenSsh | TransportKind::Local => [Ok(()), Ok(())],
        };
        let rows: [(&[&str], Result<(), ErrorKind>); 6] = [
            (&[], Err(ErrorKind::HostKeyUnknown)),
            (&["elsewhere ssh-ed25519 AAAA"], Err(ErrorKind::HostKeyUnknown)),
            (&[&other], Err(ErrorKind::HostKeyChanged)),
            (&[&wildcard], uninterpretable[0]),
            (&[&good, &revoked], uninterpretable[1]),
            (&[&other, "# comment", &good], Ok(())),
        ];
        for (lines, expected) in rows {
            server.know(lines);
            let transport = reach(kind, &server);
            let result = transport.connect(AMPLE).await;
            assert_eq!(
                result.map_err(|error| error.kind),
                expected,
                "{kind:?}: {lines:?}"
            );
        }
        assert!(
            std::fs::read_to_string(server.dir.path().join("known_hosts"))
                .unwrap()
                .lines()
                .count()
                == 3
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_host_key_is_refused_by_both() {
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let good = server.host_line(server.host_key.public_key());
        server.know(&[&format!("@revoked {good}"), &good]);
        let expected = match kind {
            TransportKind::Russh => ErrorKind::HostKeyUninterpretable,
            TransportKind::OpenSsh | TransportKind::Local => ErrorKind::HostKeyChanged,
        };
        assert_eq!(kind_of_connect(&*reach(kind, &server)).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_accepted_is_an_authentication_failure() {
    for kind in kinds() {
        let server = Server::start(Setup {
            reject: true,
            ..Setup::default()
        })
        .await;
        assert_eq!(
            kind_of_connect(&*reach(kind, &server)).await,
            ErrorKind::Authentication,
            "{kind:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_shell_or_sudo_and_a_sudo_that_refuses() {
    let refusal = "echo 'sudo: a password is required' >&2; exit 1";
    let denial = "echo 'tester is not in the sudoers file.  This incident will be reported.' >&2; echo sudo >&2; exit 1";
    let grant = "[ \"$1 $2 $3\" = '-n -- sh' ] && exec /bin/sh";
    for kind in kinds() {
        for (sudo, r#become, expected) in [
            (None, false, Err(ErrorKind::CommandMissing)),
            (None, true, Err(ErrorKind::CommandMissing)),
            (Some(refusal), true, Err(ErrorKind::Sudo)),
            (Some(denial), true, Err(ErrorKind::Sudo)),
            (Some(grant), true, Ok(())),
        ] {
            let shims = tempfile::tempdir().unwrap();
            if let Some(script) = sudo {
                shim(shims.path(), "sudo", script);
            }
            let server = Server::start(Setup {
                path: Some(shims.path().into()),
                ..Setup::default()
            })
            .await;
            let transport = open(
                kind,
                Destination {
                    r#become,
                    ..server.destination()
                },
                &server,
            );
            let result = transport.connect(AMPLE).await;
            assert_eq!(
                result.as_ref().map_err(|e| e.kind),
                expected.as_ref().map_err(|k| *k),
                "{kind:?}: {result:?}"
            );
            let fetched = transport.fetch("/etc/machine-id", &mut Vec::new(), AMPLE).await;
            assert_eq!(
                fetched.map(|_| ()).map_err(|e| e.kind),
                expected,
                "{kind:?}: fetch"
            );
        }
    }
}

fn plain() -> Destination {
    Destination {
        host: "validator-a.example".to_owned(),
        ..Destination::default()
    }
}

#[test]
fn what_ssh_could_misread_is_refused_before_anything_runs() {
    let bad = [
        "",
        "-oProxyCommand=id",
        "a b",
        "a\n",
        "a\0",
        "a;id",
        "$(id)",
        "a%h",
        "a,b",
        "tester@a",
        "a/b",
    ];
    for host in bad {
        for kind in [TransportKind::OpenSsh, TransportKind::Russh, TransportKind::Local] {
            let to = Destination {
                host: host.to_owned(),
                ..Destination::default()
            };
            let error = transport::open(kind, to)
                .err()
                .unwrap_or_else(|| panic!("{host:?} was accepted"));
            assert_eq!(
                (error.kind, error.may_have_run),
                (ErrorKind::BadDestination, false)
            );
        }
    }
    let jump = |hosts: &[&str]| hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>();
    for to in [
        Destination {
            user: Some("-lroot".to_owned()),
            ..plain()
        },
        Destination {
            address: Some("-x".to_owned()),
            ..plain()
        },
        Destination {
            jump_hosts: jump(&["ok", "-oX"]),
            ..plain()
        },
        Destination {
            jump_hosts: jump(&["u@-oX"]),
            ..plain()
        },
        Destination {
            known_hosts: Some("a\nb".into()),
            ..plain()
        },
    ] {
        assert!(to.check().is_err(), "{to:?}");
    }
}

#[test]
fn usual_destinations_pass_and_no_setting_is_ignored() {
    let jump_hosts = vec!["u@bastion:2222".to_owned()];
    assert_eq!(plain().check(), Ok(()));
    assert_eq!(
        Destination {
            jump_hosts: jump_hosts.clone(),
            ..plain()
        }
        .check(),
        Ok(())
    );
    assert_eq!(
        Destination {
            host: "::1".to_owned(),
            ..plain()
        }
        .check(),
        Ok(())
    );
    for to in [
        Destination {
            jump_hosts,
            ..plain()
        },
        Destination {
            config_file: Some("c".into()),
            ..plain()
        },
    ] {
        let refused = transport::open(TransportKind::Russh, to)
            .err()
            .map(|error| error.kind);
        assert_eq!(refused, Some(ErrorKind::BadDestination), "russh knows neither");
    }
}
