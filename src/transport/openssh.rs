//! The operator's own `ssh`, spoken to through its multiplexing socket: its configuration, known hosts, agent, jump
//! hosts and certificates hold. Must never accept a host key that `ssh` would not (`StrictHostKeyChecking=yes`), ask a
//! person anything, or leave a master behind for long.
//!
//! The master is started here and not by the crate, so that a missed deadline kills it, the destination comes after
//! `--`, and its whole log is at hand to say why it failed.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use openssh::{Session, Stdio as Pipe};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::Instant;

use super::failure::{self, Failure};
use super::held::Pipes;
use super::link::{Dial, Linked, Wire, shell_command};
use super::{Destination, ErrorKind, Transport, TransportError};

/// Seconds without any sign of the host before `ssh` asks for one, and how often it asks before it gives up.
const ALIVE: [&str; 2] = ["ServerAliveInterval=5", "ServerAliveCountMax=3"];

/// A master whose coordinator is gone (killed) ends after so many idle seconds.
const PERSIST: &str = "ControlPersist=30s";

/// A unix socket's path ends at 108 bytes; `ssh` appends 17 for a moment, our own names need 20.
const LONGEST_BASE: usize = 64;

/// A transport through `ssh`.
pub fn open(to: Destination) -> Result<Arc<dyn Transport>, TransportError> {
    to.check()?;
    Ok(Arc::new(Linked::new(to, Box::new(OpenSsh))))
}

struct OpenSsh;

#[async_trait::async_trait]
impl Dial for OpenSsh {
    async fn dial(&self, to: &Destination, deadline: Instant) -> Result<Box<dyn Wire>, Failure> {
        let directory = control_directory()?;
        let log = directory.path().join("log");
        let mut master = Command::new("ssh");
        master
            .arg("-E")
            .arg(&log)
            .arg("-S")
            .arg(directory.path().join("master"));
        master.args(options(to, deadline)).arg("--").arg(&to.host);
        master
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Until it is connected it is our child, and ends with us; then it forks away and lives by `PERSIST`. A group
        // of its own: Ctrl-C at the terminal must not take the connection from under the coordinator.
        master.kill_on_drop(true).process_group(0);
        let status = master.status().await.map_err(|error| not_started(&error))?;
        if !status.success() {
            return Err(failure::of_ssh_log(&read_log(&log)));
        }
        let command = shell_command(to);
        Ok(Box::new(OpenSshWire {
            session: Arc::new(Session::new_native_mux(directory)),
            log,
            command,
        }))
    }
}

/// What the master is started with, but for its socket, its log and the destination.
fn options(to: &Destination, deadline: Instant) -> Vec<std::ffi::OsString> {
    let patience = deadline.saturating_duration_since(Instant::now()).as_secs() + 1;
    let mut options: Vec<std::ffi::OsString> = ["-M", "-f", "-N", "-T"].map(Into::into).into();
    let mut set = |option: &str| options.extend(["-o".into(), option.into()]);
    for option in [
        PERSIST,
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        ALIVE[0],
        ALIVE[1],
    ] {
        set(option);
    }
    // Nothing of the operator's own sessions comes along: no forwarding, no local command.
    for option in [
        "ClearAllForwardings=yes",
        "ForwardAgent=no",
        "ForwardX11=no",
        "PermitLocalCommand=no",
    ] {
        set(option);
    }
    set(&format!("ConnectTimeout={patience}"));
    if to.key_file.is_some() {
        set("IdentitiesOnly=yes");
    }
    let mut give = |flag: &str, value: std::ffi::OsString| options.extend([flag.into(), value]);
    if let Some(port) = to.port {
        give("-p", port.to_string().into());
    }
    if let Some(user) = &to.user {
        give("-l", user.into());
    }
    if let Some(key) = &to.key_file {
        give("-i", key.into());
    }
    if let Some(config) = &to.config_file {
        give("-F", config.into());
    }
    if !to.jump_hosts.is_empty() {
        give("-J", to.jump_hosts.join(",").into());
    }
    if let Some(known_hosts) = &to.known_hosts {
        let mut option = std::ffi::OsString::from("UserKnownHostsFile=\"");
        option.push(known_hosts);
        option.push("\"");
        give("-o", option);
    }
    options
}

/// A private directory with a short path for the master's socket.
fn control_directory() -> Result<TempDir, Failure> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usable =
        |base: &PathBuf| base.is_absolute() && base.as_os_str().len() <= LONGEST_BASE && base.is_dir();
    let base = runtime.filter(usable).unwrap_or_else(|| PathBuf::from("/tmp"));
    tempfile::Builder::new()
        .prefix("fo-ssh-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(&base)
        .map_err(|error| {
            failure::of_io(
                &format!("making a private directory in {}", base.display()),
                &error,
            )
        })
}

fn not_started(error: &std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Failure::new(
            ErrorKind::CommandMissing,
            "`ssh` is not installed on this machine",
        );
    }
    failure::of_io("starting `ssh`", error)
}

fn read_log(log: &Path) -> String {
    std::fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

struct OpenSshWire {
    session: Arc<Session>,
    log: PathBuf,
    command: &'static str,
}

#[async_trait::async_trait]
impl Wire for OpenSshWire {
    async fn channel(&self) -> Result<Pipes, Failure> {
        let mut command = Arc::clone(&self.session).arc_raw_command(self.command);
        command
            .stdin(Pipe::piped())
            .stdout(Pipe::piped())
            .stderr(Pipe::piped());
        let mut child = command.spawn().await.map_err(|error| no_channel(&error))?;
        let pipes = (child.stdin().take(), child.stdout().take(), child.stderr().take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(Failure::new(
                ErrorKind::Lost,
                "ssh opened a channel without its pipes",
            ));
        };
        let ended = Box::pin(async move {
            match child.wait().await {
                Ok(status) => status.code(),
                // The crate turns the exit status 127 into this error.
                Err(openssh::Error::Remote(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                    Some(127)
                }
                Err(_) => None,
            }
        });
        Ok(Pipes {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            ended,
        })
    }

    fn last_words(&self) -> Option<String> {
        read_log(&self.log)
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .map(str::to_owned)
    }
}

fn no_channel(error: &openssh::Error) -> Failure {
    let source = std::error::Error::source(error)
        .map(|source| format!(": {source}"))
        .unwrap_or_default();
    Failure::new(ErrorKind::Lost, format!("opening a channel: {error}{source}"))
}
