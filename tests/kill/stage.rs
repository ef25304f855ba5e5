//! A stage of its own for every point: a simulated pair behind real SSH servers, and a coordinator's directory. Commands
//! are run by the real program, each in a process of its own. Must never end a process that it did not start.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use failover::config::{Config, HostConfig};
use failover::demo::Demo;
use failover::demo::world::WorldConfig;
use failover::journal::{FILE_NAME, Journal};
use failover::transport::TransportKind;
use serde_json::Value;
use tempfile::TempDir;

use crate::door::{Door, Shut};
use crate::records;

/// The host that signs at the beginning.
pub const A: usize = 0;
/// The host that is barred at the beginning.
pub const B: usize = 1;

/// The command of the hand-over that every point begins with.
pub const HAND_OVER: &str = "failover --primary val-a --backup val-b";

/// The command that goes on with the only live run.
pub const RESUME: &str = "failover resume";

/// Longer than anything takes, also on a busy machine; whoever is not there by then hangs.
const HANGS: Duration = Duration::from_secs(240);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A pair and a coordinator.
pub struct Stage {
    /// The hosts.
    pub demo: Demo,
    /// What stands before them.
    pub door: Arc<Door>,
    /// What the program was told, and what it answered.
    pub told: Vec<Told>,
    directory: TempDir,
    keys: TempDir,
    processes: AtomicU32,
}

/// A command that came to its end.
#[derive(Debug, Clone)]
pub struct Told {
    /// The command.
    pub command: String,
    /// Its exit code; none: it was killed.
    pub code: Option<i32>,
    /// Its standard output as JSON, or nothing.
    pub json: Value,
    /// Its standard error.
    pub stderr: String,
}

impl Told {
    /// Whether its run waits for a person.
    pub fn waits(&self) -> bool {
        let state = self.json["state"].as_str();
        state.is_some_and(|state| state.starts_with("Parked("))
    }

    /// The first command that it prints.
    pub fn next(&self) -> String {
        self.json["next"][0].as_str().unwrap().to_owned()
    }
}

impl Stage {
    /// A pair at its beginning, with an empty journal.
    pub async fn new(seed: u64) -> Stage {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let mut config = WorldConfig {
            seed,
            seconds_per_slot: 0.2,
            starts_at: now,
            ..WorldConfig::default()
        };
        config.timing.start_to_signing = Duration::from_millis(50);
        config.timing.stop = Duration::from_millis(10);
        config.timing.start = Duration::from_millis(10);
        config.timing.run = Duration::from_millis(20);
        let keys = tempfile::tempdir().unwrap();
        let demo = Demo::with(keys.path(), &config).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let door = Arc::new(Door::new(directory.path().join("state").join(FILE_NAME)));
        demo.world.guard(Arc::<Door>::clone(&door));
        let stage = Stage {
            demo,
            door,
            told: Vec::new(),
            directory,
            keys,
            processes: AtomicU32::new(0),
        };
        stage.configure();
        drop(Journal::open(&stage.journal()).unwrap());
        stage
    }

    fn configure(&self) {
        let mut config = Config::default();
        config.ssh.transport = Some(TransportKind::Russh);
        config.ssh.key_file = Some(self.demo.ssh.key_file.clone());
        config.ssh.known_hosts = Some(self.demo.ssh.known_hosts.clone());
        config.chain.keys = self.demo.keys().to_vec();
        config.checks.count = 2;
        config.timeouts.retry_s = 3;
        // Two dozen stages share a small machine: a line may be slow, and that is not what is tried here.
        config.clock.max_offset_s = 30.0;
        (config.timeouts.connect_s, config.timeouts.ask_s) = (120, 120);
        for host in self.demo.hosts() {
            let mut own = HostConfig {
                address: host.destination.address.clone(),
                ..HostConfig::default()
            };
            own.ssh.port = host.destination.port;
            own.ssh.user = host.destination.user.clone();
            own.validator.unit = Some(host.unit.to_owned());
            config.hosts.insert(host.name, own);
        }
        std::fs::write(self.config_file(), toml::to_string(&config).unwrap()).unwrap();
    }

    fn config_file(&self) -> PathBuf {
        self.keys.path().join("failover.toml")
    }

    /// The coordinator's state directory.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Where another coordinator keeps its state.
    pub fn other_desk(&self) -> PathBuf {
        self.directory.path().join("other-desk")
    }

    /// The journal's file.
    pub fn journal(&self) -> PathBuf {
        self.state().join(FILE_NAME)
    }

    /// The program, as an operator's command line says it; what follows a `#` is for the reader.
    pub fn spawn(&self, line: &str) -> Process {
        self.spawn_at(line, &self.state())
    }

    /// The same at another desk, which keeps its state elsewhere.
    pub fn spawn_at(&self, line: &str, state: &Path) -> Process {
        let number = self.processes.fetch_add(1, Ordering::Relaxed);
        let says = ["stdout", "stderr"].map(|name| self.directory.path().join(format!("{number}.{name}")));
        let line = line.split('#').next().unwrap();
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("failover"), "{line}");
        let words: Vec<&str> = words.collect();
        let looks = ["runs", "status", "report", "audit"].contains(words.first().unwrap_or(&""));
        let mut command = Command::new(env!("CARGO_BIN_EXE_failover"));
        command
            .args(words)
            .args((!looks).then_some("--yes"))
            .args(["--json", "--config"])
            .arg(self.config_file())
            .env_clear()
            .env("HOME", self.directory.path())
            .env("XDG_STATE_HOME", self.directory.path())
            .env("FAILOVER_STATE_DIR", state)
            .stdin(Stdio::null())
            .stdout(file(&says[0]))
            .stderr(file(&says[1]));
        Process {
            child: command.spawn().unwrap(),
            line: line.trim().to_owned(),
            says,
        }
    }

    /// Runs a command to its end.
    pub async fn run(&mut self, line: &str) -> Told {
        let state = self.state();
        self.run_at(line, &state).await
    }

    /// The same at another desk.
    pub async fn run_at(&mut self, line: &str, state: &Path) -> Told {
        let mut process = self.spawn_at(line, state);
        self.until(line, || process.ended().is_some()).await;
        self.over(process)
    }

    /// Runs a command until the door shuts, or whatever else is waited for happens, and kills it there. None: it came to
    /// its own end before.
    pub async fn kill_when(&mut self, line: &str, at: Shut, there: impl Fn(&Path) -> bool) -> Option<Told> {
        self.door.set(at);
        let journal = self.journal();
        let mut process = self.spawn(line);
        let mut ended = false;
        let here = || {
            let here = self.door.is_shut() || there(&journal);
            ended = !here && process.ended().is_some();
            here || ended
        };
        self.until(line, here).await;
        // Nothing reaches a host between here and the kill.
        self.door.slam();
        process.child.kill().unwrap();
        process.child.wait().unwrap();
        self.door.set(Shut::Never);
        let told = self.over(process);
        (!ended).then_some(told)
    }

    /// Waits until a condition holds.
    pub async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let waited = tokio::time::timeout(HANGS, async {
            while !holds() {
                tokio::time::sleep(LOOK).await;
            }
        });
        let there = waited.await.is_ok();
        assert!(there, "{what}: not within {HANGS:?}\n{}", self.story());
    }

    /// What a process that has ended has said.
    pub fn over(&mut self, mut process: Process) -> Told {
        let [out, err] = process
            .says
            .each_ref()
            .map(|path| std::fs::read_to_string(path).unwrap());
        let told = Told {
            command: process.line.clone(),
            code: process.ended().and_then(|status| status.code()),
            json: serde_json::from_str(&out).unwrap_or(Value::Null),
            stderr: err,
        };
        self.told.push(told.clone());
        told
    }

    /// Everything that was said and done, for a failing test.
    pub fn story(&self) -> String {
        let mut story = String::new();
        for told in &self.told {
            story += &format!("$ {}\nexit {:?}\n{}", told.command, told.code, told.stderr);
        }
        for line in records::lines(&self.journal()) {
            story += &format!("{:>3} {} -> {}: {}\n", line.seq, line.event, line.state, line.why);
        }
        story + &self.demo.verdict().to_string()
    }
}

/// A process of the program. It does not outlive its test.
pub struct Process {
    child: Child,
    line: String,
    says: [PathBuf; 2],
}

impl Process {
    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn file(path: &Path) -> std::fs::File {
    std::fs::File::create(path).unwrap()
}
