//! ssh without an `ssh` program: the crate `russh` and our own reading of known_hosts. Knows no ssh configuration and no
//! jump hosts, and refuses them. Must never connect to a host whose key is not recorded, and never ask a person.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::ssh_key;
use russh::keys::{Algorithm, PublicKeyBase64, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg, Disconnect, Preferred};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::failure::{self, Failure};
use super::held::Pipes;
use super::known_hosts::{self, KnownKey, Verdict};
use super::link::{Dial, Linked, Wire, shell_command};
use super::{Destination, ErrorKind, Transport, TransportError};

mod authentication;

/// Without any sign of the host for this long, one is asked for; after three unanswered, the connection is lost.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// What a channel may have in flight between the network and its reader.
const CHANNEL_BUFFER: usize = 256 << 10;

/// A transport through `russh`. Refuses settings that only `ssh` understands, instead of ignoring them.
pub fn open(to: Destination) -> Result<Arc<dyn Transport>, TransportError> {
    to.check()?;
    if !to.jump_hosts.is_empty() || to.config_file.is_some() {
        let why = "jump hosts and an ssh configuration file need the openssh transport";
        return Err(Failure::new(ErrorKind::BadDestination, why).of(&to.host));
    }
    Ok(Arc::new(Linked::new(to, Box::new(Russh))))
}

struct Russh;

#[async_trait::async_trait]
impl Dial for Russh {
    async fn dial(&self, to: &Destination, _deadline: Instant) -> Result<Box<dyn Wire>, Failure> {
        let port = to.port.unwrap_or(22);
        let (stream, socket) = connect(to.address.as_deref().unwrap_or(&to.host), port).await?;
        let recorded = recorded_keys(to, port)?;
        let config = client::Config {
            preferred: Preferred {
                key: verifiable(&recorded)?,
                ..Preferred::default()
            },
            keepalive_interval: Some(KEEPALIVE),
            keepalive_max: 3,
            inactivity_timeout: None,
            nodelay: true,
            ..client::Config::default()
        };
        let refusal = Arc::new(Mutex::new(None));
        let handler = Handler {
            recorded,
            refusal: Arc::clone(&refusal),
        };
        let mut handle = match client::connect_stream(Arc::new(config), stream, handler).await {
            Ok(handle) => handle,
            Err(error) => {
                let refusal = refusal.lock().unwrap_or_else(PoisonError::into_inner).take();
                return Err(refusal.unwrap_or_else(|| of_russh("connecting", &error)));
            }
        };
        authentication::authenticate(&mut handle, to).await?;
        Ok(Box::new(RusshWire {
            handle,
            command: shell_command(to),
            _socket: socket,
        }))
    }
}

/// The first of the host's addresses that accepts a connection.
async fn connect(host: &str, port: u16) -> Result<(TcpStream, Socket), Failure> {
    let addresses = tokio::net::lookup_host((host, port)).await;
    let addresses = addresses.map_err(|error| {
        Failure::new(
            ErrorKind::Unreachable,
            format!("the name {host} does not resolve: {error}"),
        )
    })?;
    let mut last = Failure::new(ErrorKind::Unreachable, format!("the name {host} has no address"));
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Socket::of(stream).map_err(|error| failure::of_io("connecting", &error)),
            Err(error) => last = failure::of_io(&format!("connecting to {address}"), &error),
        }
    }
    Err(last)
}

/// The connection under the crate's hands. Dropped, it ends: the crate's own task would live on with a host that never
/// says anything.
struct Socket(std::net::TcpStream);

impl Socket {
    fn of(stream: TcpStream) -> std::io::Result<(TcpStream, Socket)> {
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let socket = Socket(stream.try_clone()?);
        Ok((TcpStream::from_std(stream)?, socket))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

/// What all known_hosts files together record for the host. A file that is there and cannot be read refuses.
fn recorded_keys(to: &Destination, port: u16) -> Result<Vec<KnownKey>, Failure> {
    let own = match (&to.known_hosts, std::env::home_dir()) {
        (Some(file), _) => vec![file.clone()],
        (None, Some(home)) => vec![home.join(".ssh/known_hosts"), home.join(".ssh/known_hosts2")],
        (None, None) => Vec::new(),
    };
    let everyones = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(Into::into);
    let refuse = |why: String| Failure::new(ErrorKind::HostKeyUninterpretable, why);
    let mut keys = Vec::new();
    for file in own.into_iter().chain(everyones) {
        let text = match std::fs::read(&file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(refuse(format!("{}: {error}", file.display()))),
        };
        let found = known_hosts::keys(&file.display().to_string(), &text, &to.host, port);
        keys.extend(found.map_err(|unclear| refuse(unclear.to_string()))?);
    }
    if keys.is_empty() {
        let name = known_hosts::recorded_name(&to.host, port);
        return Err(Failure::new(
            ErrorKind::HostKeyUnknown,
            format!("no key is recorded for {name} in known_hosts"),
        ));
    }
    Ok(keys)
}

/// The recorded algorithms that can be verified here; only these are offered, so that a host with several keys shows
/// one that is recorded.
fn verifiable(recorded: &[KnownKey]) -> Result<Cow<'static, [Algorithm]>, Failure> {
    let is_recorded = |algorithm: &&Algorithm| recorded.iter().any(|key| key.algorithm == algorithm.as_str());
    let offered: Vec<Algorithm> = Preferred::default()
        .key
        .iter()
        .filter(is_recorded)
        .cloned()
        .collect();
    if offered.is_empty() {
        let why = format!(
            "only a key of type {} is recorded, which cannot be verified here",
            recorded[0].algorithm
        );
        return Err(Failure::new(ErrorKind::HostKeyUninterpretable, why));
    }
    Ok(Cow::Owned(offered))
}

struct Handler {
    recorded: Vec<KnownKey>,
    refusal: Arc<Mutex<Option<Failure>>>,
}

impl client::Handler for Handler {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let refusal = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => refusal(&self.recorded, key),
            PublicKeyOrCertificate::Certificate(_) => Some(Failure::new(
                ErrorKind::HostKeyUninterpretable,
                "the host shows a certificate",
            )),
        };
        let known = refusal.is_none();
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
        Ok(known)
    }
}

fn refusal(recorded: &[KnownKey], key: &ssh_key::PublicKey) -> Option<Failure> {
    let (algorithm, blob) = (key.algorithm(), key.public_key_bytes());
    let shown = key.fingerprint(ssh_key::HashAlg::Sha256);
    match known_hosts::judge(recorded, algorithm.as_str(), &blob) {
        Verdict::Known => None,
        Verdict::Changed(place) => {
            let why = format!("{place} records another {algorithm} key than the host shows ({shown})");
            Some(Failure::new(ErrorKind::HostKeyChanged, why))
        }
        Verdict::Unknown => {
            let why = format!("no {algorithm} key is recorded for the host, it shows {shown}");
            Some(Failure::new(ErrorKind::HostKeyUnknown, why))
        }
    }
}

/// Sorts an error of the crate.
fn of_russh(doing: &str, error: &russh::Error) -> Failure {
    if let russh::Error::IO(error) = error {
        return failure::of_io(doing, error);
    }
    if let russh::Error::NoCommonAlgo {
        kind: russh::AlgorithmKind::Key,
        theirs,
        ..
    } = error
    {
        let why = format!("no key of the host's types ({}) is recorded", theirs.join(", "));
        return Failure::new(ErrorKind::HostKeyUnknown, why);
    }
    let late = matches!(
        error,
        russh::Error::ConnectionTimeout | russh::Error::KeepaliveTimeout | russh::Error::InactivityTimeout
    );
    Failure::new(
        if late {
            ErrorKind::TimedOut
        } else {
            ErrorKind::Lost
        },
        format!("{doing}: {error}"),
    )
}

struct RusshWire {
    handle: Handle<Handler>,
    command: &'static str,
    _socket: Socket,
}

#[async_trait::async_trait]
impl Wire for RusshWire {
    async fn channel(&self) -> Result<Pipes, Failure> {
        let opening = |error: russh::Error| of_russh("opening a channel", &error);
        let channel = self.handle.channel_open_session().await.map_err(opening)?;
        // Not waited for: a refusal ends the channel, and the round trip is saved.
        channel.exec(true, self.command).await.map_err(opening)?;
        let stdin = Box::pin(channel.make_writer());
        let (out, stdout) = tokio::io::duplex(CHANNEL_BUFFER);
        let (err, stderr) = tokio::io::duplex(CHANNEL_BUFFER);
        let (status, ended) = oneshot::channel();
        let (held, dropped) = oneshot::channel::<()>();
        let pump = Pump {
            channel,
            out,
            err,
            status,
            dropped,
        };
        tokio::spawn(pump.run());
        // `held` lives in the future, so that dropping the pipes closes the channel.
        let ended = Box::pin(async move {
            let status = ended.await.ok().flatten();
            drop(held);
            status
        });
        Ok(Pipes {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            ended,
        })
    }

    async fn close(&self) {
        // A connection that is gone already needs no goodbye.
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
    }
}

/// Carries what a channel receives to its two readers, until either side ends.
struct Pump {
    channel: Channel<client::Msg>,
    out: tokio::io::DuplexStream,
    err: tokio::io::DuplexStream,
    status: oneshot::Sender<Option<i32>>,
    dropped: oneshot::Receiver<()>,
}

impl Pump {
    async fn run(self) {
        let Pump {
            mut channel,
            mut out,
            mut err,
            status,
            mut dropped,
        } = self;
        let mut code = None;
        loop {
            let message = tokio::select! {
                message = channel.wait() => message,
                _ = &mut dropped => break,
            };
            let Some(message) = message else { break };
            let written = if let ChannelMsg::Data { data } = &message {
                out.write_all(data).await
            } else if let ChannelMsg::ExtendedData { data, ext: 1 } = &message {
                err.write_all(data).await
            } else if let ChannelMsg::Failure = &message {
                let said = err.write_all(b"the host refused to run a command\n").await;
                said.and(out.shutdown().await)
            } else if let ChannelMsg::Eof = &message {
                out.shutdown().await.and(err.shutdown().await)
            } else if let ChannelMsg::ExitStatus { exit_status } = &message {
                code = i32::try_from(*exit_status).ok();
                Ok(())
            } else {
                Ok(())
            };
            if written.is_err() {
                break;
            }
        }
        // The other side may be gone: then there is nobody to tell.
        let _ = channel.eof().await;
        let _ = channel.close().await;
        let _ = status.send(code);
    }
}
