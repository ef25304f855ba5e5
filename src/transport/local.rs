//! This machine as a host: a child process instead of a connection, for a coordinator that runs on one of its hosts,
//! and for tests. Must never inherit a rooted environment by accident: `FO_ROOT` and `FO_PATH` are always set here.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;
use tokio::time::Instant;

use super::failure::{self, Failure};
use super::held::Pipes;
use super::link::{Dial, Linked, Wire, shell_command};
use super::{Destination, ErrorKind, Transport, TransportError};

/// A transport to this machine. Of the destination, `host` is the name in messages and `become` asks for sudo.
pub fn open(to: Destination) -> Result<Arc<dyn Transport>, TransportError> {
    to.check()?;
    Ok(Arc::new(Linked::new(
        to,
        Box::new(Local {
            root: None,
            path: None,
        }),
    )))
}

/// For tests: every path of the remote script lies below `root`, and commands are looked for in `path` first.
pub fn rooted(host: &str, root: &Path, path: &Path) -> Arc<dyn Transport> {
    let to = Destination {
        host: host.to_owned(),
        ..Destination::default()
    };
    let local = Local {
        root: Some(root.to_owned()),
        path: Some(path.to_owned()),
    };
    Arc::new(Linked::new(to, Box::new(local)))
}

#[derive(Clone)]
struct Local {
    root: Option<std::path::PathBuf>,
    path: Option<std::path::PathBuf>,
}

#[async_trait::async_trait]
impl Dial for Local {
    async fn dial(&self, to: &Destination, _deadline: Instant) -> Result<Box<dyn Wire>, Failure> {
        Ok(Box::new(LocalWire {
            local: self.clone(),
            command: shell_command(to),
        }))
    }
}

struct LocalWire {
    local: Local,
    command: &'static str,
}

#[async_trait::async_trait]
impl Wire for LocalWire {
    async fn channel(&self) -> Result<Pipes, Failure> {
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(self.command)
            .env_remove("FO_ROOT")
            .env_remove("FO_PATH");
        if let Some(root) = &self.local.root {
            command.env("FO_ROOT", root);
        }
        if let Some(path) = &self.local.path {
            command.env("FO_PATH", path);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A group of its own: Ctrl-C at the coordinator's terminal must not cut an operation in half.
        command.process_group(0);
        let mut child = command
            .spawn()
            .map_err(|error| failure::of_io("starting sh", &error))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(Failure::new(
                ErrorKind::Lost,
                "the shell was started without its pipes",
            ));
        };
        // Not killed when dropped: without input it ends after the operation that it is at, as it would on a host.
        let ended = Box::pin(async move { child.wait().await.ok().and_then(|status| status.code()) });
        Ok(Pipes {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            ended,
        })
    }
}
