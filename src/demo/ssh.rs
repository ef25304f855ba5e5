//! A real SSH server on loopback for each simulated host, so that the demo goes through the production transports:
//! host keys, a client key, `exec`, the held shell and fetches. It accepts one key, made for this run, and listens on
//! 127.0.0.1 only; it must never run anything on this machine.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::ssh_key::{LineEnding, PublicKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Disconnect};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::host::Link;
use super::world::World;

mod shell;

pub(super) use shell::framed;

/// The user that the servers accept.
pub const USER: &str = "demo";

/// The commands that open a shell: as the production transports send them, and without their `exec`.
const SHELLS: [&str; 4] = ["exec sh", "exec sudo -n -- sh", "sh", "sudo -n -- sh"];

/// How often a connection that must not answer looks whether it is to end.
const STALL: Duration = Duration::from_millis(50);

/// The servers of all hosts of a world, and the files that a client needs. Dropping it ends them.
#[derive(Debug)]
pub struct SshServers {
    /// Where each host listens, in the world's order.
    pub addresses: Vec<SocketAddr>,
    /// The client's private key (mode 0600).
    pub key_file: PathBuf,
    /// Every host's key (mode 0600), under its name and under its address.
    pub known_hosts: PathBuf,
    /// An ssh configuration that names all of this, for the openssh transport (mode 0600).
    pub config_file: PathBuf,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for SshServers {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl SshServers {
    /// Starts a server per host and writes the client's files into a directory that is the caller's.
    pub async fn start(world: &Arc<World>, directory: &Path) -> Result<SshServers, String> {
        let names = world.with(|inside, _| {
            inside
                .hosts
                .iter()
                .map(|host| host.name.clone())
                .collect::<Vec<_>>()
        });
        let client = new_key()?;
        let mut servers = SshServers {
            addresses: Vec::new(),
            key_file: directory.join("id_ed25519"),
            known_hosts: directory.join("known_hosts"),
            config_file: directory.join("ssh_config"),
            tasks: Vec::new(),
        };
        let (mut known_hosts, mut config) = (String::new(), String::new());
        for (position, name) in names.iter().enumerate() {
            let host_key = new_key()?;
            let public = host_key
                .public_key()
                .to_openssh()
                .map_err(|error| error.to_string())?;
            let listener = TcpListener::bind(("127.0.0.1", 0))
                .await
                .map_err(|error| error.to_string())?;
            let address = listener.local_addr().map_err(|error| error.to_string())?;
            let port = address.port();
            known_hosts.push_str(&format!("[{name}]:{port},[127.0.0.1]:{port} {public}\n"));
            config.push_str(&servers.config_of(name, port));
            servers.addresses.push(address);
            let door = Door {
                world: Arc::clone(world),
                position,
                client_key: client.public_key().clone(),
                config: Arc::new(config_with(host_key)),
            };
            servers.tasks.push(tokio::spawn(door.accept(listener)));
        }
        let key = client
            .to_openssh(LineEnding::LF)
            .map_err(|error| error.to_string())?;
        write_private(&servers.key_file, &key)?;
        write_private(&servers.known_hosts, &known_hosts)?;
        write_private(&servers.config_file, &config)?;
        Ok(servers)
    }

    fn config_of(&self, name: &str, port: u16) -> String {
        let (key, known) = (self.key_file.display(), self.known_hosts.display());
        format!(
            "Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  User {USER}\n  IdentityFile {key}\n  \
             IdentitiesOnly yes\n  UserKnownHostsFile {known}\n  GlobalKnownHostsFile /dev/null\n  \
             StrictHostKeyChecking yes\n"
        )
    }
}

fn config_with(host_key: PrivateKey) -> server::Config {
    server::Config {
        keys: vec![host_key],
        auth_rejection_time: Duration::from_millis(100),
        auth_rejection_time_initial: Some(Duration::ZERO),
        inactivity_timeout: None,
        nodelay: true,
        ..server::Config::default()
    }
}

/// A new ed25519 key from the operating system's random source.
fn new_key() -> Result<PrivateKey, String> {
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut seed))
        .map_err(|error| format!("/dev/urandom: {error}"))?;
    Ok(PrivateKey::from(Ed25519Keypair::from_seed(&seed)))
}

fn write_private(path: &Path, text: &str) -> Result<(), String> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Where connections to one host come in.
#[derive(Clone)]
struct Door {
    world: Arc<World>,
    position: usize,
    client_key: PublicKey,
    config: Arc<server::Config>,
}

/// What becomes of a connection attempt, or of a connection that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    Silent,
    Shut,
}

impl Door {
    async fn accept(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(self.clone().connection(stream));
            while connections.try_join_next().is_some() {}
        }
    }

    async fn connection(self, stream: TcpStream) {
        // A host that is off or cut off lets packets vanish: the connection stands and nothing is said.
        while self.way() == Way::Silent {
            tokio::time::sleep(STALL).await;
        }
        if self.way() == Way::Shut || stream.set_nodelay(true).is_err() {
            return;
        }
        let handler = Visitor {
            door: self.clone(),
            session: None,
        };
        let Ok(running) = server::run_stream(Arc::clone(&self.config), stream, handler).await else {
            return;
        };
        let session = running.handle();
        tokio::select! {
            // How a connection ended is the client's concern.
            _ = running => {}
            () = self.until_shut() => {
                // A session that has ended meanwhile needs no end.
                let _ = session.disconnect(Disconnect::ByApplication, String::new(), String::new()).await;
            }
        }
    }

    /// Returns when connections to this host are refused.
    async fn until_shut(&self) {
        while self.way() != Way::Shut {
            tokio::time::sleep(STALL).await;
        }
    }

    fn way(&self) -> Way {
        let way = self
            .world
            .with_host(self.position, |host, _| match (host.answers(), host.link) {
                (true, _) => Way::Open,
                (false, Link::Refusing) => Way::Shut,
                (false, Link::Up | Link::Dark) => Way::Silent,
            });
        way.unwrap_or(Way::Shut)
    }
}

/// One connection.
struct Visitor {
    door: Door,
    session: Option<Channel<Msg>>,
}

impl server::Handler for Visitor {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        _user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        let ours = key.public_key.key_data() == self.door.client_key.key_data();
        Ok(if ours { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.session = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let known = SHELLS.iter().any(|shell| shell.as_bytes() == command);
        match self.session.take().filter(|channel| channel.id() == id && known) {
            Some(channel) => {
                session.channel_success(id)?;
                tokio::spawn(hold_shell(self.door.clone(), channel));
            }
            None => session.channel_failure(id)?,
        }
        Ok(())
    }
}

/// One shell, from its first line to its end.
async fn hold_shell(door: Door, channel: Channel<Msg>) {
    let (mut reading, writing) = channel.split();
    let mut lines = BufReader::new(reading.make_reader());
    let mut shell = shell::Shell::new(Arc::clone(&door.world), door.position);
    let status = loop {
        let step = shell.next(&mut lines).await;
        let said = shell.take_output();
        if !said.is_empty() && writing.data_bytes(said).await.is_err() {
            return;
        }
        match step {
            shell::Step::Continue => {}
            shell::Step::Exit(status) => break Some(status),
            // No answer comes until the client goes, or until the host is up again and knows nothing of this shell.
            shell::Step::Stalled => {
                let mut nowhere = tokio::io::sink();
                tokio::select! {
                    () = shell.until_another_boot() => {}
                    _ = tokio::io::copy_buf(&mut lines, &mut nowhere) => {}
                }
                break None;
            }
        }
    };
    // The client may have gone by now; then there is nobody to tell.
    if let Some(status) = status {
        let _ = writing.exit_status(status).await;
    }
    let _ = writing.eof().await;
    let _ = writing.close().await;
}
