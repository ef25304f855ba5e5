//! An ssh server in this process, on loopback, with a fresh host key: runs real `sh` and breaks on request. Both ssh
//! transports are tested against it, so that `cargo test` needs no `sshd`. Must never listen beyond loopback.

use std::collections::HashMap;
use std::io::Read;
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::faults::{Fault, Output};
use failover::transport::Destination;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Handle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelMsg};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// How the server is set up; the defaults work.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Printed on standard output before the shell starts.
    pub noise: String,
    /// `PATH` of the shell, if not the usual one.
    pub path: Option<PathBuf>,
    /// `FO_ROOT` of the shell.
    pub root: Option<PathBuf>,
    /// No key is accepted.
    pub reject: bool,
}

pub struct Server {
    pub port: u16,
    pub dir: TempDir,
    pub host_key: PrivateKey,
    shared: Arc<Shared>,
}

struct Shared {
    setup: Setup,
    client_key: PublicKey,
    fault: Mutex<Option<Fault>>,
    sockets: Mutex<Vec<std::net::TcpStream>>,
    channels: AtomicUsize,
    standing: AtomicUsize,
    running: AtomicUsize,
}

impl Server {
    pub async fn start(setup: Setup) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let (host_key, client_key) = (fresh_key(), fresh_key());
        client_key
            .write_openssh_file(dir.path().join("id"), LineEnding::LF)
            .unwrap();
        std::fs::write(dir.path().join("config"), "").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            setup,
            client_key: client_key.public_key().clone(),
            fault: Mutex::new(None),
            sockets: Mutex::default(),
            channels: AtomicUsize::new(0),
            standing: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
        });
        let config = Arc::new(server::Config {
            keys: vec![host_key.clone()],
            auth_rejection_time: std::time::Duration::ZERO,
            auth_rejection_time_initial: Some(std::time::Duration::ZERO),
            ..server::Config::default()
        });
        tokio::spawn(accept(listener, config, Arc::clone(&shared)));
        let server = Server {
            port,
            dir,
            host_key,
            shared,
        };
        server.know(&[&server.host_line(server.host_key.public_key())]);
        server
    }

    /// One known_hosts line for this server with that key.
    pub fn host_line(&self, key: &PublicKey) -> String {
        format!("[127.0.0.1]:{} {}", self.port, key.to_openssh().unwrap())
    }

    /// Replaces the known_hosts file of [`Server::destination`].
    pub fn know(&self, lines: &[&str]) {
        std::fs::write(self.dir.path().join("known_hosts"), lines.join("\n") + "\n").unwrap();
    }

    pub fn destination(&self) -> Destination {
        Destination {
            host: "127.0.0.1".to_owned(),
            user: Some("tester".to_owned()),
            port: Some(self.port),
            key_file: Some(self.dir.path().join("id")),
            known_hosts: Some(self.dir.path().join("known_hosts")),
            ..Destination::default()
        }
    }

    /// Breaks the next channel that is opened.
    pub fn break_next(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = Some(fault);
    }

    /// Cuts every connection that stands.
    pub fn cut(&self) {
        self.shared.cut();
    }

    pub fn connections(&self) -> usize {
        self.shared.sockets.lock().unwrap().len()
    }

    /// Connections that have not ended.
    pub fn standing(&self) -> usize {
        self.shared.standing.load(Ordering::SeqCst)
    }

    /// Shells that have not ended.
    pub fn running(&self) -> usize {
        self.shared.running.load(Ordering::SeqCst)
    }

    pub fn channels(&self) -> usize {
        self.shared.channels.load(Ordering::SeqCst)
    }
}

pub fn fresh_key() -> PrivateKey {
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")
        .unwrap()
        .read_exact(&mut seed)
        .unwrap();
    PrivateKey::from(Ed25519Keypair::from_seed(&seed))
}

/// Puts an executable `sh` script into a directory that serves as `PATH`.
pub fn shim(dir: &Path, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(dir).unwrap();
    let file = dir.join(name);
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

impl Shared {
    fn cut(&self) {
        for socket in self.sockets.lock().unwrap().iter() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

async fn accept(listener: TcpListener, config: Arc<server::Config>, shared: Arc<Shared>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            return;
        };
        socket.set_nodelay(true).unwrap();
        let socket = socket.into_std().unwrap();
        shared.sockets.lock().unwrap().push(socket.try_clone().unwrap());
        let socket = TcpStream::from_std(socket).unwrap();
        let client = Client {
            shared: Arc::clone(&shared),
            channels: HashMap::new(),
        };
        let config = Arc::clone(&config);
        let shared = Arc::clone(&shared);
        shared.standing.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            if let Ok(session) = server::run_stream(config, socket, client).await {
                let _ = session.await;
            }
            shared.standing.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

struct Client {
    shared: Arc<Shared>,
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl server::Handler for Client {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        _user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        let good =
            !self.shared.setup.reject && key.public_key.key_data() == self.shared.client_key.key_data();
        Ok(if good { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let Some(channel) = self.channels.remove(&id) else {
            return session.channel_failure(id);
        };
        let command = String::from_utf8_lossy(command).into_owned();
        self.shared.channels.fetch_add(1, Ordering::SeqCst);
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        session.channel_success(id)?;
        tokio::spawn(execute(
            command,
            channel,
            session.handle(),
            Arc::clone(&self.shared),
        ));
        Ok(())
    }
}

async fn execute(command: String, mut channel: Channel<Msg>, handle: Handle, shared: Arc<Shared>) {
    let id = channel.id();
    let setup = &shared.setup;
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(&command).env_clear();
    let usual = || PathBuf::from("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    shell.env("PATH", setup.path.clone().unwrap_or_else(usual));
    if let Some(root) = &setup.root {
        shell.env("FO_ROOT", root);
    }
    let mut child = shell
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stderr) = (child.stdin.take().unwrap(), child.stderr.take().unwrap());
    let fault = shared.fault.lock().unwrap().take();
    let input = tokio::spawn(async move {
        while let Some(message) = channel.wait().await {
            let ended = match message {
                ChannelMsg::Data { data } => stdin.write_all(&data).await.is_err(),
                ChannelMsg::Eof | ChannelMsg::Close => true,
                _ => false,
            };
            if ended {
                return;
            }
        }
    });
    let errors = {
        let handle = handle.clone();
        tokio::spawn(async move {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
                let _ = handle.extended_data(id, 1, chunk[..read].to_vec()).await;
            }
        })
    };
    if !setup.noise.is_empty() {
        let _ = handle.data(id, setup.noise.clone().into_bytes()).await;
    }
    let cutting = Arc::clone(&shared);
    let mut output = Output {
        handle: handle.clone(),
        id,
        fault,
        frame: 0,
        sent: 0,
        cut: Box::new(move || cutting.cut()),
    };
    output.carry(child.stdout.take().unwrap()).await;
    let _ = errors.await;
    let status = child.wait().await.ok().and_then(|status| status.code());
    shared.running.fetch_sub(1, Ordering::SeqCst);
    let _ = handle.eof(id).await;
    let _ = handle.exit_status_request(id, status.unwrap_or(255) as u32).await;
    let _ = handle.close(id).await;
    input.abort();
}
