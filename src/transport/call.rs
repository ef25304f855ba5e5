//! What is asked of a host and what comes back: `Call`, `Batch`, `Output`, `Reply`.
//! A call is an operation of the one fixed remote script (`remote.sh`) with its arguments; no other text is ever
//! sent to a shell. Must never interpret an output: that is the adapters' work.

use std::fmt;

/// The closed list of operations that `remote.sh` knows. Read-only unless its line says that it changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// Who and when: uid, clock, synchronisation. No arguments.
    Identity,
    /// One systemd unit with its cgroup's members and loaded asserts. `[unit]`.
    Unit,
    /// Lock file and gate drop-in of a unit. `[unit, lock path]`.
    BarState,
    /// Every process with executable and command line; who holds files open below a directory. `[directory]`.
    Processes,
    /// The claim and the generation lying on the host. No arguments.
    Papers,
    /// Free bytes at a directory and the bytes that it holds. `[directory]`.
    Disk,
    /// One HTTP request made on the host. `[method, url, body, timeout_s]`.
    Http,
    /// A client's own command as a given user. `[user, timeout_s, argv…]`. What it changes depends on argv.
    Run,
    /// A file's size and hash, and its content in base64 when it is small. `[path, largest bytes]`.
    Get,
    /// Whether the run's claim lies here; when not, nothing that changes is begun behind it. `[run]`.
    Mine,
    /// Whether lock, resting unit and empty cgroup say that the host stands; guards like `Mine`. `[unit, lock path]`.
    Stands,
    /// Whether exactly this file of that name lies below a directory. `[directory, name, path]`.
    Sole,
    /// A hash of names, inodes, sizes and times of a database: changes when anything in it is written. `[path]`.
    Fingerprint,
    /// Whether a database still has this fingerprint; guards like `Mine`. `[path, fingerprint]`.
    Unchanged,
    /// Wait until a Prometheus counter rises above a number. `[url, metric, base, timeout_s, unit]`; ends at once when the unit is dead.
    AwaitMetric,
    /// Wait until the beacon node's head has reached a slot. `[url with api prefix, slot, timeout_s]`.
    AwaitHead,
    /// Wait until a unit's journal shows a fixed string after a time. `[unit, since (unix s), text, timeout_s]`.
    AwaitJournal,
    /// Changes: creates the claim exclusively. `[run, claim json]`.
    Claim,
    /// Changes: removes the claim of this run. `[run]`.
    Release,
    /// Changes: lock file, gate, disable, reload. `[unit, lock path, lock text]`.
    Bar,
    /// Changes: enables if asked, takes the lock away last. `[unit, lock path, "enable" | "keep"]`.
    Unbar,
    /// Changes: stops a unit, kills what is left in its cgroup, waits. `[unit, timeout_s]`.
    Stop,
    /// Changes: starts a unit and waits until it is active. `[unit, timeout_s]`.
    Start,
    /// Changes: writes the generation paper; refuses to lower it. `[number, json]`.
    Generation,
    /// Changes: a private work directory for this run. `[run, user]`. Prints its path.
    WorkDir,
    /// Changes: removes the work directory of this run. `[run]`.
    ClearWork,
    /// Changes: a private copy of a database in the work directory. `[run, path]`.
    Copy,
    /// Changes: a tar.gz of exactly the files of a database, in a private directory of its own; its content in base64 when
    /// it is small. `[id, database, largest bytes, directory, pattern…]`. See [`crate::clients::Packed`].
    Pack,
    /// Changes: syncs the file system that a database lies on. `[path]`.
    Settle,
    /// Changes: a verified copy of a directory or file into the run's archive, if it is not there as it is. `[run, path]`.
    Archive,
    /// Changes: puts the newest archived copy back in place of a failed import. `[run, path, unit, lock path]`.
    PutBack,
    /// Changes: writes a file below the run's work directory and proves its hash. `[run, name, user, sha256, base64]`.
    Put,
}

impl Op {
    /// The function's name in `remote.sh`.
    pub fn name(self) -> &'static str {
        match self {
            Op::Identity => "identity",
            Op::Unit => "unit",
            Op::BarState => "bar_state",
            Op::Processes => "processes",
            Op::Papers => "papers",
            Op::Disk => "disk",
            Op::Http => "http",
            Op::Run => "run",
            Op::Get => "get",
            Op::Mine => "mine",
            Op::Stands => "stands",
            Op::Sole => "sole",
            Op::Fingerprint => "fingerprint",
            Op::Unchanged => "unchanged",
            Op::AwaitMetric => "await_metric",
            Op::AwaitHead => "await_head",
            Op::AwaitJournal => "await_journal",
            Op::Claim => "claim",
            Op::Release => "release",
            Op::Bar => "bar",
            Op::Unbar => "unbar",
            Op::Stop => "stop",
            Op::Start => "start",
            Op::Generation => "generation",
            Op::WorkDir => "work_dir",
            Op::ClearWork => "clear_work",
            Op::Copy => "copy",
            Op::Pack => "pack",
            Op::Settle => "settle",
            Op::Archive => "archive",
            Op::PutBack => "put_back",
            Op::Put => "put",
        }
    }

    /// Every operation, for tests and for simulated hosts that look one up by name.
    pub const ALL: [Op; 32] = [
        Op::Identity,
        Op::Unit,
        Op::BarState,
        Op::Processes,
        Op::Papers,
        Op::Disk,
        Op::Http,
        Op::Run,
        Op::Get,
        Op::Mine,
        Op::Stands,
        Op::Sole,
        Op::Fingerprint,
        Op::Unchanged,
        Op::AwaitMetric,
        Op::AwaitHead,
        Op::AwaitJournal,
        Op::Claim,
        Op::Release,
        Op::Bar,
        Op::Unbar,
        Op::Stop,
        Op::Start,
        Op::Generation,
        Op::WorkDir,
        Op::ClearWork,
        Op::Copy,
        Op::Pack,
        Op::Settle,
        Op::Archive,
        Op::PutBack,
        Op::Put,
    ];

    /// What the host forbids to the rest of a batch when this operation fails.
    pub fn breaks(self) -> Broken {
        match self {
            Op::Mine | Op::Stands | Op::Unchanged => Broken::Standing,
            Op::Generation
            | Op::Bar
            | Op::Unbar
            | Op::Archive
            | Op::Copy
            | Op::Put
            | Op::WorkDir
            | Op::Settle
            | Op::Sole => Broken::Step,
            Op::Identity
            | Op::Unit
            | Op::BarState
            | Op::Processes
            | Op::Papers
            | Op::Disk
            | Op::Http
            | Op::Run
            | Op::Get
            | Op::Pack
            | Op::Fingerprint
            | Op::AwaitMetric
            | Op::AwaitHead
            | Op::AwaitJournal
            | Op::Claim
            | Op::Release
            | Op::Stop
            | Op::Start
            | Op::ClearWork
            | Op::PutBack => Broken::No,
        }
    }

    /// Whether the host answers this operation with 125 and does nothing, after such a failure before it.
    pub fn blocked_by(self, broken: Broken) -> bool {
        let step = match self {
            Op::Generation
            | Op::Unbar
            | Op::Start
            | Op::Archive
            | Op::Copy
            | Op::Pack
            | Op::Put
            | Op::PutBack
            | Op::Run
            | Op::Settle
            | Op::Sole => true,
            Op::Mine | Op::Stands | Op::Unchanged | Op::Bar | Op::Stop | Op::WorkDir => {
                return broken == Broken::Standing;
            }
            Op::Identity
            | Op::Unit
            | Op::BarState
            | Op::Processes
            | Op::Papers
            | Op::Disk
            | Op::Http
            | Op::Get
            | Op::Fingerprint
            | Op::AwaitMetric
            | Op::AwaitHead
            | Op::AwaitJournal
            | Op::Claim
            | Op::Release
            | Op::ClearWork => false,
        };
        step && broken != Broken::No
    }

    /// The operation of that name, if there is one.
    pub fn named(name: &str) -> Option<Op> {
        Op::ALL.into_iter().find(|op| op.name() == name)
    }
}

/// What a failed call forbids to the rest of its batch, so that no step is taken behind one that did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Broken {
    /// Nothing.
    #[default]
    No,
    /// Every change but barring and stopping.
    Step,
    /// Every change.
    Standing,
}

/// One operation with its arguments. Arguments travel single-quoted; they may hold anything but a NUL byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which function of the remote script.
    pub op: Op,
    /// Its arguments, in the order that [`Op`] states.
    pub args: Vec<String>,
}

impl Call {
    /// A call from anything that can be shown as text.
    pub fn new<I, S>(op: Op, args: I) -> Call
    where
        I: IntoIterator<Item = S>,
        S: fmt::Display,
    {
        Call {
            op,
            args: args.into_iter().map(|arg| arg.to_string()).collect(),
        }
    }
}

/// Calls that travel together: one round trip, answered in order.
pub type Batch = Vec<Call>;

/// What one call printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// The exit status of the call; 127 means that the host lacks the command, 124 that a limit ran out on the host.
    pub status: i32,
    /// Standard output, lossily decoded.
    pub stdout: String,
    /// Standard error, lossily decoded.
    pub stderr: String,
}

impl Output {
    /// Standard output of a call that ended with 0; otherwise why it is no answer.
    pub fn ok(&self) -> Result<&str, String> {
        match self.status {
            0 => Ok(&self.stdout),
            127 => Err(format!("a command is missing on the host: {}", self.last_words())),
            124 => Err(format!("the command did not end in time: {}", self.last_words())),
            status => Err(format!("exit status {status}: {}", self.last_words())),
        }
    }

    /// The last line that the command wrote, for messages; standard error first.
    pub fn last_words(&self) -> &str {
        self.stderr
            .lines()
            .rev()
            .chain(self.stdout.lines().rev())
            .map(str::trim)
            .find(|line| !line.is_empty())
            .unwrap_or("(no output)")
    }
}

/// The framed answer to a batch: whose it is, and one output per call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `/etc/machine-id` of the host that answered, 32 hex digits.
    pub machine_id: String,
    /// `/proc/sys/kernel/random/boot_id` of the host that answered.
    pub boot_id: String,
    /// One output per call, in order.
    pub outputs: Vec<Output>,
}
