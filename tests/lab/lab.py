"""The lab as a whole: bridge, hosts, chain and referee, brought up and taken down.

`python lab.py up|down|status`; tests use `Lab` through the fixtures in conftest.py.
It touches nothing outside its state folder but one bridge, its namespaces and its mounts.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import chain
import processes
from host import Host, call, plug, unplug
from settings import (
    BEACON_ADDRESS, BRIDGE, BRIDGE_ADDRESS, CACHE, CLIENT_KEY, CONTROL_PORT, HERE, HOSTS, KNOWN_HOSTS, MARK, NODE_ADDRESS, NODE_CABLE, PREFIX_LENGTH, REFEREE_LOG, SSH_CONFIG, STATE, UNIT,
)  # fmt: skip
from waiting import wait_for

USE = """\
The lab is up.
  hosts      {hosts}
  ssh        ssh -F {ssh_config} val-a        (root; also val-a-ops with sudo, val-a-nosudo without)
  key        {key}
  beacon     val-a {beacon_a}   val-b {beacon_b}
  faults     curl -X PUT -d '{{"syncing":{{"is_syncing":true}}}}' http://127.0.0.1:{control}/faults/val-b ; '{{}}' ends them
  referee    {log}
  validator  unit {unit}, runs on val-a
  take down  tests/lab/run --down
"""

OWNER = STATE / "owner"
"""Who takes the lab down: `hand`, or the process id of a pytest; empty while it is coming up."""


class Lab:
    """Everything that runs; holds no state of its own that is not on disk."""

    def __init__(self) -> None:
        self.hosts = {plan.name: Host(plan) for plan in HOSTS}
        self.a = self.hosts["val-a"]
        self.b = self.hosts["val-b"]
        self.stranger = self.hosts["stranger"]

    def up(self) -> None:
        """From nothing to a finalising chain with val-a signing and val-b installed and stopped."""
        self.down()
        began = time.monotonic()
        STATE.mkdir(parents=True)
        STATE.chmod(0o711)
        OWNER.touch()
        make_keys()
        make_bridge()
        processes.start("referee", ["nice", "-n", "-10", sys.executable, str(HERE / "proxy.py")])
        for host in self.hosts.values():
            host.make()
        write_ssh_files(self)
        for host in self.hosts.values():
            host.boot(wait=False)
        chain.start()
        for host in self.hosts.values():
            host.wait_up()
        wait_for("referee", lambda: self.referee()["genesis_time"] > 0, 30)
        wait_for("a chain that moves", chain.moves, 30, 0.2)
        self.a.run("systemctl", "enable", "--now", UNIT)
        wait_for("first message of val-a", lambda: '"val-a"' in REFEREE_LOG.read_text(), 90, 0.2)
        (STATE / "logs" / "up").write_text(f"{time.monotonic() - began:.1f} s\n")

    def down(self) -> None:
        """Takes away all that `up` made; harmless if there is nothing."""
        for host in self.hosts.values():
            host.remove()
        processes.stop("referee")
        chain.stop()
        unplug(NODE_CABLE)
        subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True)
        if not any(os.path.ismount(host.root) for host in self.hosts.values()):
            shutil.rmtree(STATE, ignore_errors=True)

    def is_up(self) -> bool:
        return all(processes.running(name) for name in ("beacon", "referee", *self.hosts))

    def referee(self) -> dict:
        """The referee's status."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{CONTROL_PORT}/status", timeout=5) as reply:
                return json.load(reply)
        except OSError:
            return {"genesis_time": 0, "lines": 0, "faults": {}}

    def beacon_fault(self, host: Host, **faults: object) -> None:
        """Replaces what `host` is told about the chain (see proxy.FAULTS); none = the truth."""
        address = f"http://127.0.0.1:{CONTROL_PORT}/faults/{host.name}"
        request = urllib.request.Request(address, json.dumps(faults).encode(), method="PUT")
        with urllib.request.urlopen(request, timeout=5) as reply:
            assert reply.status == 200

    def describe(self) -> str:
        hosts = "  ".join(f"{host.name} {host.address}" for host in self.hosts.values())
        return USE.format(
            hosts=hosts, ssh_config=SSH_CONFIG, key=CLIENT_KEY, control=CONTROL_PORT, log=REFEREE_LOG, unit=UNIT,
            beacon_a=self.a.plan.beacon_url, beacon_b=self.b.plan.beacon_url,
        )  # fmt: skip


@contextlib.contextmanager
def alone():
    """One lab is brought up or taken down at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"lab{MARK}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_keys() -> None:
    CLIENT_KEY.parent.mkdir(parents=True, mode=0o700)
    call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "failover-lab", "-f", str(CLIENT_KEY))


def make_bridge() -> None:
    call("ip", "link", "add", BRIDGE, "type", "bridge")
    for address in (BRIDGE_ADDRESS, BEACON_ADDRESS):
        call("ip", "address", "add", f"{address}/{PREFIX_LENGTH}", "dev", BRIDGE)
    call("ip", "link", "set", BRIDGE, "up")
    plug(NODE_CABLE, NODE_ADDRESS)
    # libp2p looks for neighbours by multicast and does not start where that leads nowhere.
    call("ip", "netns", "exec", NODE_CABLE, "ip", "route", "add", "224.0.0.0/4", "dev", "host0")


def write_ssh_files(lab: Lab) -> None:
    """known_hosts with the true keys, and a config that names every host and every way to log in."""
    known, config = [], []
    for host in lab.hosts.values():
        for kind in ("ed25519", "ecdsa", "rsa"):
            key = host.inside(f"/etc/ssh/ssh_host_{kind}_key.pub").read_text().split()
            known.append(f"{host.name},{host.address} {key[0]} {key[1]}\n")
        for user in ("root", "ops", "nosudo"):
            alias = host.name if user == "root" else f"{host.name}-{user}"
            config.append(f"Host {alias}\n  HostName {host.address}\n  HostKeyAlias {host.name}\n  User {user}\n\n")
    config.append(
        f"Host *\n  IdentityFile {CLIENT_KEY}\n  IdentitiesOnly yes\n  UserKnownHostsFile {KNOWN_HOSTS}\n"
        "  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  BatchMode yes\n"
    )
    KNOWN_HOSTS.write_text("".join(known))
    SSH_CONFIG.write_text("".join(config))
    SSH_CONFIG.chmod(0o600)


def bring_up(owner: str) -> Lab:
    """A lab that is up; if it had to be brought up, `owner` is noted as whose it is."""
    lab = Lab()
    with alone():
        if lab.is_up():
            return lab
        try:
            try:
                lab.up()
            except TimeoutError as error:
                print(f"lab: {error}; once more", file=sys.stderr)
                # On a machine that is busy elsewhere a chain may miss its own beginning.
                lab.up()
        except BaseException:
            lab.down()
            raise
        OWNER.write_text(owner)
    return lab


def take_down(owner: str | None = None) -> None:
    """Takes the lab down, or only if it is the given owner's."""
    with alone():
        if owner is None or (OWNER.exists() and OWNER.read_text() in (owner, "")):
            Lab().down()


def main(command: str, *options: str) -> int:
    if command == "up":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        print(bring_up("hand").describe(), end="")
    elif command == "down":
        take_down(options[1] if options[:1] == ("--owned-by",) else None)
    elif command == "status":
        print("up" if Lab().is_up() else "down", json.dumps(Lab().referee()))
    else:
        print("usage: lab.py up | down [--owned-by OWNER] | status", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["help"])))
