//! The service manager of a simulated host: one unit, its state, its gate, and how `systemctl show` and `busctl`
//! print them. It starts nothing by itself: the host asks it whether a start is allowed and tells it what happened.

use std::time::Duration;

/// The state of the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Active {
    /// Stopped.
    Inactive,
    /// Running.
    Active,
    /// Ended badly, and nothing will start it by itself.
    Failed,
    /// Ended badly, and `Restart=` starts it again at this unix time.
    AutoRestart(Duration),
}

/// How a validator process came to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It ran when the world began.
    Beginning,
    /// The coordinator's start.
    Coordinator,
    /// The service manager: a boot, `Restart=`, or a person's `systemctl start`, through the gate.
    Service,
    /// The unit's start after a person had taken the lock away.
    Lifted,
    /// A person in a shell, outside the unit.
    ByHand,
}

impl Cause {
    /// Whether a person went past the gate, which no program can prevent.
    pub fn past_gate(self) -> bool {
        match self {
            Cause::Lifted | Cause::ByHand => true,
            Cause::Beginning | Cause::Coordinator | Cause::Service => false,
        }
    }
}

/// One service unit.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Full name, with `.service`.
    pub name: String,
    /// Whether it is wanted at boot.
    pub enabled: bool,
    /// The state.
    pub active: Active,
    /// `Restart=always` (else `no`).
    pub restart: bool,
    /// `RestartSec=`.
    pub restart_after: Duration,
    /// Restarts since the last start by hand.
    pub restarts: u32,
    /// Grows with every start; the invocation id is drawn from it.
    pub starts: u32,
    /// Since boot, when it was last started; zero: not in this boot.
    pub started_monotonic: Duration,
    /// Paths whose presence forbids a start, as the manager has loaded them (not as they lie on disk).
    pub loaded_asserts: Vec<String>,
    /// `User=`.
    pub user: String,
    /// The command line of `ExecStart=`.
    pub argv: Vec<String>,
    /// `WorkingDirectory=`.
    pub directory: String,
}

impl Unit {
    /// Whether a name, with or without `.service`, means this unit.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.name.strip_suffix(".service") == Some(name)
    }

    /// Where the gate drop-in lies. The script forms the path from the name as it was given.
    pub fn gate_path(name: &str) -> String {
        format!("/etc/systemd/system/{name}.d/90-failover.conf")
    }

    /// `daemon-reload`: takes over the asserts of the gate as it lies on disk.
    pub fn reload(&mut self, gate: Option<&str>) {
        let lines = gate.unwrap_or_default().lines();
        self.loaded_asserts = lines
            .filter_map(|line| line.strip_prefix("AssertPathExists=!"))
            .map(str::to_owned)
            .collect();
    }

    /// The output of the script's `unit`, from `systemctl show`, `busctl` and the cgroup.
    pub fn show(&self, invocation_seed: &str, pid: Option<u32>) -> String {
        let (active, sub, result) = match self.active {
            Active::Inactive => ("inactive", "dead", "success"),
            Active::Active => ("active", "running", "success"),
            Active::Failed => ("failed", "failed", "exit-code"),
            Active::AutoRestart(_) => ("activating", "auto-restart", "exit-code"),
        };
        let pid_or_zero = pid.unwrap_or(0);
        let running = pid.is_some();
        let cgroup = if running {
            format!("/system.slice/{}", self.name)
        } else {
            String::new()
        };
        let invocation = if self.started_monotonic.is_zero() {
            ""
        } else {
            invocation_seed
        };
        let enabled = if self.enabled { "enabled" } else { "disabled" };
        let wanted_by = if self.enabled { "multi-user.target" } else { "" };
        let gate = if self.loaded_asserts.is_empty() {
            String::new()
        } else {
            Unit::gate_path(&self.name)
        };
        let argv = self.argv.join(" ");
        let program = self.argv.first().map_or("", String::as_str);
        let (name, user, directory) = (&self.name, &self.user, &self.directory);
        let (restart, restart_s) = (
            if self.restart { "always" } else { "no" },
            self.restart_after.as_secs_f64(),
        );
        // systemd unloads a unit that rests and that nothing refers to, and forgets when it ran.
        let forgotten = !self.enabled && pid.is_none();
        let started = if forgotten {
            0
        } else {
            self.started_monotonic.as_micros()
        };
        let restarts = self.restarts;
        let asserts = self.show_asserts();
        let members = pid.map_or(String::new(), |pid| format!("{pid} "));
        format!(
            "Restart={restart}\nRestartUSec={restart_s}s\nMainPID={pid_or_zero}\nNRestarts={restarts}\n\
             ExecMainStartTimestampMonotonic={started}\n\
             ExecStart={{ path={program} ; argv[]={argv} ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; \
             pid={pid_or_zero} ; code=(null) ; status=0/0 }}\n\
             Environment=\nWorkingDirectory={directory}\nUser={user}\nControlGroup={cgroup}\nKillMode=control-group\n\
             Result={result}\nId={name}\nRequiredBy=\nWantedBy={wanted_by}\nBoundBy=\nUpheldBy=\nConsistsOf=\n\
             TriggeredBy=\nLoadState=loaded\nActiveState={active}\nSubState={sub}\n\
             FragmentPath=/etc/systemd/system/{name}\nDropInPaths={gate}\nUnitFileState={enabled}\n\
             InvocationID={invocation}\nAsserts={asserts}\nCgroupPids={members}\nCgroupRead=yes\n",
        )
    }

    /// As `busctl get-property … Asserts` prints: type, trigger, negated, parameter, result of the last test.
    fn show_asserts(&self) -> String {
        let mut line = format!("a(sbbsi) {}", self.loaded_asserts.len());
        for path in &self.loaded_asserts {
            line.push_str(&format!(" \"AssertPathExists\" false true \"{path}\" 0"));
        }
        line
    }

    /// What the script's `unit` prints for a unit that is not there.
    pub fn show_missing(name: &str) -> String {
        let name = if name.ends_with(".service") {
            name.to_owned()
        } else {
            format!("{name}.service")
        };
        format!(
            "Restart=no\nRestartUSec=100ms\nMainPID=0\nNRestarts=0\nExecMainStartTimestampMonotonic=0\nEnvironment=\n\
             WorkingDirectory=\nUser=\nControlGroup=\nKillMode=control-group\nResult=success\nId={name}\nRequiredBy=\n\
             WantedBy=\nBoundBy=\nUpheldBy=\nConsistsOf=\nTriggeredBy=\nLoadState=not-found\nActiveState=inactive\n\
             SubState=dead\nFragmentPath=\nDropInPaths=\nUnitFileState=\nInvocationID=\nAsserts=a(sbbsi) 0\n\
             CgroupPids=\nCgroupRead=yes\n"
        )
    }
}
