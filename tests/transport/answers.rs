//! Questions that are answered, and connections that break while one is: what is known afterwards, and that the next
//! question finds its way again.

use super::faults::Fault;
use super::server::{Server, Setup};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_in_order_over_one_connection_and_one_shell() {
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let transport = reach(kind, &server);
        let hostile = "it's $(touch /tmp/x) `id` \\ \"q\" \n\t * ~ é";
        let batch = vec![
            Call::new(Op::Run, ["", "5", "printf", "%s|", hostile, "", "-n"]),
            Call::new(Op::Run, ["", "5", "sh", "-c", "echo out; echo err >&2; exit 7"]),
            Call::new(Op::Run, ["", "5", "no-such-command"]),
        ];
        for _ in 0..3 {
            let reply = transport.ask(&batch, AMPLE).await.unwrap();
            assert_eq!(reply.outputs[0].stdout, format!("{hostile}||-n|\n"), "{kind:?}");
            let second = &reply.outputs[1];
            assert_eq!(
                (second.status, &*second.stdout, &*second.stderr),
                (7, "out\n", "err\n")
            );
            assert_eq!(reply.outputs[2].status, 127);
            assert_eq!(
                reply.machine_id,
                std::fs::read_to_string("/etc/machine-id").unwrap().trim()
            );
        }
        assert_eq!((server.connections(), server.channels()), (1, 1), "{kind:?}");
        transport.close().await;
        assert_eq!(
            transport.ask(&vec![], AMPLE).await.unwrap().outputs,
            [],
            "{kind:?}: usable after close"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_login_prints_before_the_frame_is_skipped() {
    for kind in kinds() {
        let noise = "Welcome!\n\n@ noon: maintenance\no x\nlast login: never, without a newline".to_owned();
        let server = Server::start(Setup {
            noise,
            ..Setup::default()
        })
        .await;
        let reply = reach(kind, &server).ask(&identity(), AMPLE).await.unwrap();
        assert!(reply.outputs[0].stdout.starts_with("uid="), "{kind:?}: {reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_questions_and_answers_do_not_block_each_other() {
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let transport = reach(kind, &server);
        let echo = |n: usize| Call::new(Op::Run, ["", "20", "printf", "%s", &"x".repeat(n)]);
        let batch: Batch = (0..30).map(|_| echo(100_000)).collect();
        let reply = transport.ask(&batch, AMPLE).await.unwrap();
        assert!(
            reply.outputs.iter().all(|output| output.stdout.len() == 100_001),
            "{kind:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_answer_is_never_an_answer_and_the_next_question_reconnects() {
    let faults = [
        (Fault::CutBefore(1), ErrorKind::Lost),
        (Fault::CutWithin(1), ErrorKind::Lost),
        (Fault::Garbage(1), ErrorKind::Garbled),
        (Fault::ForeignNonce(1), ErrorKind::Garbled),
        (Fault::OtherMachine(1), ErrorKind::Garbled),
    ];
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let transport = reach(kind, &server);
        for (fault, expected) in faults {
            transport.close().await;
            server.break_next(fault);
            let error = failed_ask(&*transport, AMPLE).await;
            assert_eq!(
                (error.kind, error.may_have_run),
                (expected, true),
                "{kind:?} {fault:?}: {error}"
            );
            assert_eq!(error.host, "127.0.0.1");
            transport.ask(&identity(), AMPLE).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_while_the_shell_is_opened_cannot_have_run_anything() {
    let faults = [
        (Fault::CutBefore(0), ErrorKind::Lost),
        (Fault::Garbage(0), ErrorKind::Garbled),
        (Fault::ForeignNonce(0), ErrorKind::Garbled),
    ];
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        for (fault, expected) in faults {
            server.break_next(fault);
            let error = failed_ask(&*reach(kind, &server), AMPLE).await;
            assert_eq!(
                (error.kind, error.may_have_run),
                (expected, false),
                "{kind:?} {fault:?}: {error}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_ends_with_the_deadline() {
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let transport = reach(kind, &server);
        server.break_next(Fault::Hang(1));
        transport.connect(AMPLE).await.unwrap();
        let error = failed_ask(&*transport, Duration::from_millis(200)).await;
        assert_eq!(
            (error.kind, error.may_have_run),
            (ErrorKind::TimedOut, true),
            "{kind:?}"
        );
        transport.ask(&identity(), AMPLE).await.unwrap();
        transport.close().await;
        server.break_next(Fault::Hang(0));
        let error = failed_ask(&*transport, Duration::from_secs(2)).await;
        assert_eq!(
            (error.kind, error.may_have_run),
            (ErrorKind::TimedOut, false),
            "{kind:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_while_idle_costs_at_most_one_question() {
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let transport = reach(kind, &server);
        transport.ask(&identity(), AMPLE).await.unwrap();
        server.cut();
        if let Err(error) = transport.ask(&identity(), AMPLE).await {
            assert_eq!(
                (error.kind, error.may_have_run),
                (ErrorKind::Lost, true),
                "{kind:?}: {error}"
            );
        }
        transport.ask(&identity(), AMPLE).await.unwrap();
        assert_eq!(server.connections(), 2, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_given_up_half_way_leaves_no_shell_out_of_step() {
    for kind in kinds() {
        let server = Server::start(Setup::default()).await;
        let transport = reach(kind, &server);
        server.break_next(Fault::Hang(1));
        transport.connect(AMPLE).await.unwrap();
        let asked = identity();
        let abandoned = tokio::time::timeout(Duration::from_millis(100), transport.ask(&asked, AMPLE)).await;
        assert!(abandoned.is_err(), "{kind:?}: the fault did not strike");
        let reply = transport
            .ask(&vec![Call::new(Op::Run, ["", "5", "echo", "mine"])], AMPLE)
            .await
            .unwrap();
        assert_eq!(reply.outputs[0].stdout, "mine\n", "{kind:?}");
    }
}
