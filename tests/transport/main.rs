//! The transports against real shells and a real ssh protocol: one suite for the two ssh transports, one for the
//! remote script on this machine. Must never need root, an sshd or the network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

#[path = "../support/transport_faults.rs"]
mod faults;
#[path = "../support/transport_server.rs"]
mod server;

mod answers;
mod companions;
mod ends;
mod fetching;
mod packing;
mod papers;
mod refusals;
mod remote;
mod rooted;
mod unchanged;

use std::sync::Arc;
use std::time::Duration;

use failover::transport::{
    self, Batch, Call, Destination, ErrorKind, Op, Transport, TransportError, TransportKind,
};
use server::Server;

/// Far more than anything here needs; reaching it is a failure of the test.
const AMPLE: Duration = Duration::from_secs(30);

/// Both ssh transports, or only the built-in one where no `ssh` is installed.
fn kinds() -> Vec<TransportKind> {
    let ssh = std::process::Command::new("ssh").arg("-V").output();
    if ssh.is_ok_and(|output| output.status.success()) {
        return vec![TransportKind::OpenSsh, TransportKind::Russh];
    }
    println!("NOTICE: no `ssh` program here, the openssh transport is not tested");
    vec![TransportKind::Russh]
}

fn reach(kind: TransportKind, server: &Server) -> Arc<dyn Transport> {
    open(kind, server.destination(), server)
}

/// Opens with the test's own ssh configuration, so that the operator's plays no part.
fn open(kind: TransportKind, mut to: Destination, server: &Server) -> Arc<dyn Transport> {
    if kind == TransportKind::OpenSsh {
        to.config_file = Some(server.dir.path().join("config"));
    }
    transport::open(kind, to).unwrap()
}

fn identity() -> Batch {
    vec![Call::new(Op::Identity, [""; 0])]
}

async fn kind_of_connect(transport: &dyn Transport) -> ErrorKind {
    let error = transport.connect(AMPLE).await.expect_err("connected");
    println!("{error}");
    assert!(!error.may_have_run, "nothing was asked yet: {error}");
    error.kind
}

async fn failed_ask(transport: &dyn Transport, deadline: Duration) -> TransportError {
    let error = transport.ask(&identity(), deadline).await.expect_err("answered");
    println!("{error}");
    error
}
