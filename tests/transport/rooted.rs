//! A host below a temporary directory: its own ids, its own state, shims for what would need a real system.

use std::path::{Path, PathBuf};

use failover::transport::{Output, local};
use tempfile::TempDir;

use super::server::shim;
use super::*;

pub struct Rooted {
    pub root: TempDir,
    pub transport: Arc<dyn Transport>,
}

impl Rooted {
    pub fn new() -> Rooted {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("etc/machine-id", "00000000000000000000000000000001\n");
        write(
            "proc/sys/kernel/random/boot_id",
            "11111111-2222-3333-4444-555555555555\n",
        );
        let transport = local::rooted("rooted", root.path(), &root.path().join("shims"));
        Rooted { root, transport }
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub fn text(&self, path: &str) -> String {
        self.at(path).to_str().unwrap().to_owned()
    }

    pub fn state(&self, path: &str) -> PathBuf {
        self.at("var/lib/failover").join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        std::fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        std::fs::write(self.at(path), text).unwrap();
    }

    pub fn shim(&self, name: &str, script: &str) {
        shim(&self.at("shims"), name, script);
    }

    /// The exit statuses of calls that travel together.
    pub async fn batch(&self, calls: Vec<Call>) -> Vec<i32> {
        let reply = self.transport.ask(&calls, AMPLE).await.unwrap();
        reply.outputs.iter().map(|output| output.status).collect()
    }

    pub async fn call<const N: usize>(&self, op: Op, args: [&str; N]) -> Output {
        let reply = self
            .transport
            .ask(&vec![Call::new(op, args)], AMPLE)
            .await
            .unwrap();
        assert_eq!(reply.machine_id, "00000000000000000000000000000001");
        let output = reply.outputs.into_iter().next().unwrap();
        println!("{op:?} {args:?}: {output:?}");
        output
    }
}

/// The value of `NAME=` in an output.
pub fn value(output: &Output, name: &str) -> Option<String> {
    output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}=")))
        .map(str::to_owned)
}

/// The decoded value of `NAME.base64=`.
pub fn decoded(output: &Output, name: &str) -> Option<String> {
    use base64::Engine;
    let text = value(output, &format!("{name}.base64"))?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    Some(String::from_utf8(bytes).unwrap())
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
