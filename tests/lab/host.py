"""One real Debian host of the lab (systemd-nspawn), and the faults that can befall it.

Commands are run inside by joining the host's namespaces, so a test can look at a host that is
partitioned. This module never knows what the program under test does or expects.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import processes
from settings import (
    BASE, BEACON_ADDRESS, BRIDGE, CLIENT_KEY, DATA, LODESTAR, MARK, NODE, NPM, PARAMS, PREFIX_LENGTH, STATE, UNIT, HostPlan,
)  # fmt: skip
from waiting import wait_for

LODESTAR_PARAMS = """\
PRESET_BASE: minimal
SECONDS_PER_SLOT: 2
MIN_GENESIS_TIME: 0
ALTAIR_FORK_EPOCH: 0
"""

UNIT_TEXT = """\
[Unit]
Description=Lodestar validator client
Documentation=https://chainsafe.github.io/lodestar/
Wants=network-online.target
After=network-online.target

[Service]
User=lodestar
Group=lodestar
Environment=LODESTAR_PRESET=minimal
ExecStart=/usr/local/bin/lodestar validator --rootDir {data} --paramsFile {params} --interopIndexes 28..31 --server {beacon}
Restart=always
RestartSec=10
TimeoutStopSec=30

[Install]
WantedBy=multi-user.target
"""

UNIT_FILE = f"/etc/systemd/system/{UNIT}"
"""Where an operator puts it by hand, so `systemctl mask` does not work on it."""


class Host:
    """A host of the lab by its plan; all state is on disk or in the kernel."""

    def __init__(self, plan: HostPlan):
        self.plan = plan
        self.name = plan.name
        self.address = plan.address
        self.folder = STATE / "hosts" / plan.name
        self.root = self.folder / "root"
        """The host's own `/`, readable and writable from outside, also while the host is off."""

    def __repr__(self) -> str:
        return f"Host({self.name})"

    # --- made once -------------------------------------------------------------------------

    def make(self) -> None:
        """Mounts a fresh root over the cached base, installs the host, plugs it into the bridge."""
        for part in ("upper", "work", "root"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        layers = f"lowerdir={BASE},upperdir={self.folder / 'upper'},workdir={self.folder / 'work'}"
        call("mount", "-t", "overlay", f"failover-lab{MARK}-{self.name}", "-o", layers, str(self.root))
        self.install()
        plug(self.cable, self.address)

    def install(self) -> None:
        """Names the host and gives it keys of its own, the lab's users and, if planned, a validator."""
        self.write("/etc/hostname", f"{self.name}\n")
        self.write("/etc/hosts", f"127.0.0.1 localhost {self.name}\n{BEACON_ADDRESS} beacon\n")
        self.write("/etc/machine-id", "")
        call("ssh-keygen", "-q", "-A", "-f", str(self.root))
        public = CLIENT_KEY.with_suffix(".pub").read_text()
        for home in ("/root", "/home/ops", "/home/nosudo"):
            owner = self.inside(home).stat()
            self.write(f"{home}/.ssh/authorized_keys", public)
            for path in (f"{home}/.ssh", f"{home}/.ssh/authorized_keys"):
                os.chown(self.inside(path), owner.st_uid, owner.st_gid)
            os.chmod(self.inside(f"{home}/.ssh"), 0o700)
        if self.plan.validator:
            self.install_validator()

    def install_validator(self) -> None:
        self.inside("/usr/local/bin/lodestar").symlink_to(LODESTAR)
        self.write(PARAMS, LODESTAR_PARAMS)
        self.write(UNIT_FILE, self.unit_text())

    def unit_text(self) -> str:
        """The validator's unit as its operator wrote it."""
        return UNIT_TEXT.format(data=DATA, params=PARAMS, beacon=self.plan.beacon_url)

    def remove(self) -> None:
        """Takes away all that `make` made; harmless if there is nothing."""
        self.power_cut()
        unplug(self.cable)
        subprocess.run(["umount", str(self.root)], capture_output=True)
        for group in self.cgroups():
            remove_cgroup(group)
        if not os.path.ismount(self.root):
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- power -----------------------------------------------------------------------------

    def boot(self, wait: bool = True) -> None:
        """Switches the host on. A reboot asked for inside (nspawn's status 133) boots it again."""
        nspawn = (
            f"systemd-nspawn -q -D {self.root} -M {self.name}{MARK} --hostname={self.name} --register=no --keep-unit"
            f" --network-namespace-path=/run/netns/{self.namespace}"
            f" --bind-ro={NODE} --bind-ro={NPM} --boot"
        )
        for group in self.cgroups():
            group.mkdir(exist_ok=True)
        join = "".join(f"echo $BASHPID >{group}/cgroup.procs; " for group in self.cgroups())
        loop = f"while :; do ({join}exec {nspawn}); rc=$?; [ $rc = 133 ] || exit $rc; done"
        processes.start(self.name, ["bash", "-c", loop])
        if wait:
            self.wait_up()

    def cgroups(self) -> list[Path]:
        """The host's own control group in each hierarchy that systemd uses.

        Without it all hosts would share one, and a stop on one host would end the other's validator.
        """
        tops = [Path("/sys/fs/cgroup") / part for part in ("systemd", "unified", "")]
        return [top / f"failover-lab{MARK}-{self.name}" for top in tops if (top / "cgroup.procs").exists()]

    def wait_up(self, timeout_s: float = 60) -> None:
        """Until systemd has finished booting and sshd answers."""
        wait_for(f"{self.name} running", self.is_up, timeout_s)

    def is_up(self) -> bool:
        if self.leader() is None:
            return False
        state = self.run("systemctl", "is-system-running", check=False, timeout_s=5).stdout.strip()
        return state in ("running", "degraded") and self.port_open()

    def port_open(self) -> bool:
        """Whether sshd listens, seen from the host itself (a partition does not matter)."""
        return ":22 " in self.net("ss", "-Hltn", "sport = 22").stdout

    def boot_id(self) -> str:
        """systemd's idea of this boot: the leader's start time (the kernel's boot id is shared)."""
        leader = self.leader()
        return f"{leader}:{processes.start_time(leader)}" if leader else ""

    def power_cut(self) -> None:
        """Everything in the host is gone at once; nothing is asked, nothing is written."""
        supervisor = processes.running(self.name)
        if supervisor is None:
            return
        nspawns = processes.children(supervisor)
        inits = [init for nspawn in nspawns for init in processes.children(nspawn)]
        for pid in (supervisor, *nspawns, *inits):
            processes.send(pid, signal.SIGKILL)
        for pid in (supervisor, *nspawns, *inits):
            wait_for(f"end of {pid} of {self.name}", lambda pid=pid: processes.gone(pid), 15, 0.02)
        processes.stop(self.name)

    def reboot(self, wait: bool = True) -> None:
        """An orderly `systemctl reboot`."""
        before = self.boot_id()
        self.run("systemctl", "reboot", check=False)
        if wait:
            wait_for(f"new boot of {self.name}", lambda: self.boot_id() not in ("", before), 90)
            self.wait_up()

    def leader(self) -> int | None:
        """The host's process 1, by its id outside."""
        supervisor = processes.running(self.name)
        for nspawn in processes.children(supervisor) if supervisor else []:
            for child in processes.children(nspawn):
                if inner_id(child) == "1":
                    return child
        return None

    # --- faults ----------------------------------------------------------------------------

    def freeze(self) -> None:
        """Every process of the host stands still; connections stay open and silent."""
        self.signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal_all(signal.SIGCONT)

    def signal_all(self, number: int) -> None:
        """To each process in the host's process namespace, until no new ones appear."""
        done: set[int] = set()
        while fresh := self.members() - done:
            for pid in fresh:
                processes.send(pid, number)
            done |= fresh

    def members(self) -> set[int]:
        leader = self.leader()
        space = pid_space(leader) if leader else None
        return {pid for pid in all_pids() if space and pid_space(pid) == space}

    def unplug(self) -> None:
        """Full partition: the cable is out, in both directions."""
        call("ip", "link", "set", self.cable, "down")

    def replug(self) -> None:
        call("ip", "link", "set", self.cable, "up")

    def drop_from(self, address: str) -> None:
        """One-way partition: packets of `address` no longer arrive; those to it still leave."""
        self.net("iptables", "-w", "-I", "INPUT", "-s", address, "-j", "DROP")

    def drop_to(self, address: str) -> None:
        """One-way partition: packets to `address` no longer leave; those of it still arrive."""
        self.net("iptables", "-w", "-I", "OUTPUT", "-d", address, "-j", "DROP")

    def heal(self) -> None:
        """Ends every partition of this host."""
        self.net("iptables", "-w", "-F")
        self.replug()

    def change_host_key(self) -> None:
        """The host answers with a new identity, as a machine that took over the address would."""
        self.run("mkdir", "-p", "/etc/ssh/kept")
        self.run("sh", "-c", "mv -n /etc/ssh/ssh_host_* /etc/ssh/kept/")
        self.run("ssh-keygen", "-q", "-A")

    def restore_host_key(self) -> None:
        """Undoes `change_host_key`, if it was done."""
        self.run("sh", "-c", "[ ! -d /etc/ssh/kept ] || { mv -f /etc/ssh/kept/* /etc/ssh/ && rmdir /etc/ssh/kept; }")

    # --- looking and touching --------------------------------------------------------------

    def run(self, *command: str, check: bool = True, timeout_s: float = 60, user: str | None = None,
            stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command inside, as root or as `user`, without the network."""
        leader = self.leader()
        if leader is None:
            raise RuntimeError(f"{self.name} is off")
        if user:
            command = ("runuser", "-u", user, "--", *command)
        clean = ("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")
        enter = ("nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w")
        return call(*enter, *clean, *command, check=check, timeout_s=timeout_s, stdin=stdin)

    def net(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs one of the lab's own programs in the host's network only (works while it is off)."""
        return call("ip", "netns", "exec", self.namespace, *command)

    def inside(self, path: str) -> Path:
        """A path of the host as seen from outside."""
        return self.root / path.lstrip("/")

    def seen(self, path: str) -> Path:
        """A path as the host's own processes see it, through what is mounted there; of a host that is off, its disk."""
        leader = self.leader()
        return Path(f"/proc/{leader}/root", path.lstrip("/")) if leader else self.inside(path)

    def write(self, path: str, text: str) -> None:
        target = self.inside(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def unit(self, *names: str) -> dict[str, str]:
        """Properties of the validator's unit."""
        wanted = names or ("ActiveState", "SubState", "UnitFileState", "MainPID", "NRestarts")
        out = self.run("systemctl", "show", UNIT, *(f"-p{name}" for name in wanted)).stdout
        return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)

    def validator_pids(self) -> list[int]:
        """Every process in the host that runs the validator's program, by whatever unit or none (ids outside)."""
        return [pid for pid in self.members() if "validator" in (line := command_line(pid)) and any("lodestar" in word for word in line)]

    @property
    def namespace(self) -> str:
        return self.cable

    @property
    def cable(self) -> str:
        """The outer end of the host's cable, and the name of its network's namespace."""
        return f"fo{MARK}-{self.name}"


def plug(cable: str, address: str) -> None:
    """A network namespace with one cable to the lab's bridge, both of this name."""
    inside = ("ip", "netns", "exec", cable)
    call("ip", "netns", "add", cable)
    call("ip", "link", "add", cable, "type", "veth", "peer", "name", "host0", "netns", cable)
    call("ip", "link", "set", cable, "master", BRIDGE, "up")
    call(*inside, "ip", "link", "set", "lo", "up")
    call(*inside, "ip", "address", "add", f"{address}/{PREFIX_LENGTH}", "dev", "host0")
    call(*inside, "ip", "link", "set", "host0", "up")


def unplug(cable: str) -> None:
    """Takes it away; harmless if there is none."""
    subprocess.run(["ip", "netns", "delete", cable], capture_output=True)
    subprocess.run(["ip", "link", "delete", cable], capture_output=True)


def call(*command: str, check: bool = True, timeout_s: float = 60, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a program outside the hosts; a failure shows its whole output."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, input=stdin or "")
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def inner_id(pid: int) -> str:
    """A process's id in its innermost namespace."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return next((line.split()[-1] for line in lines if line.startswith("NSpid:")), "")


def pid_space(pid: int) -> str | None:
    """A process's id namespace; None if it has ended or is not ours to look at."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def all_pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def remove_cgroup(group: Path) -> None:
    """A control group and those below it; they can only be removed one by one, and when empty."""
    for folder, _, _ in os.walk(group, topdown=False):
        try:
            os.rmdir(folder)
        except OSError:
            pass
