"""What a host can be made to suffer inside: missing and lying tools, full and read-only disks, hidden processes, strays.

Each is a context that ends what it began, also when the host was off in between. None of them knows the program under test.
"""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from host import Host
from settings import DATA, PARAMS

NOWHERE = "http://127.0.0.1:1"
"""No beacon node: what is started with it can never sign."""

CLIENT = "runuser -u lodestar -- env LODESTAR_PRESET=minimal /usr/local/bin/lodestar account validator slashing-protection"
OPTIONS = f"--paramsFile {PARAMS} --server SERVER"


@contextmanager
def without(host: Host, tool: str) -> Iterator[None]:
    """A program is not installed."""
    script = 'for t in /usr/bin /usr/sbin /usr/local/bin; do if [ -e "$t/$1" ]; then mv "$t/$1" "$t/$1.away"; fi; done'
    host.run("sh", "-c", script, "sh", tool)
    assert host.run("sh", "-c", f"command -v {tool}", check=False).returncode != 0
    try:
        yield
    finally:
        for folder in ("/usr/bin", "/usr/sbin", "/usr/local/bin"):
            if (away := host.inside(f"{folder}/{tool}.away")).exists() or away.is_symlink():
                os.rename(away, host.inside(f"{folder}/{tool}"))


@contextmanager
def lying(host: Host, tool: str, text: str) -> Iterator[None]:
    """Another program stands in front of one of the host's, under its name. `REAL` in its text is the real one's path."""
    real = host.run("sh", "-c", f"command -v {tool}").stdout.strip()
    path = f"/usr/local/sbin/{tool}"
    host.write(path, text.replace("REAL", real))
    host.inside(path).chmod(0o755)
    try:
        yield
    finally:
        host.inside(path).unlink()


@contextmanager
def lying_client(host: Host, text: str) -> Iterator[None]:
    """The validator client itself lies: its program is replaced by one that ends in calling the real one."""
    link = host.inside("/usr/local/bin/lodestar")
    real = os.readlink(link)
    link.unlink()
    link.write_text(text.replace("REAL", real))
    link.chmod(0o755)
    try:
        yield
    finally:
        link.unlink()
        link.symlink_to(real)


@contextmanager
def small(host: Host, path: str, mebibytes: int) -> Iterator[None]:
    """A path lies on a small file system of its own, with all that it held."""
    script = """
        mkdir -p "$1" && cp -a "$1" /run/small && mount -t tmpfs -o "size=$2m" small "$1" || exit
        chown --reference=/run/small "$1" && chmod --reference=/run/small "$1" && cp -a /run/small/. "$1"/ && rm -rf /run/small"""
    host.run("sh", "-c", script, "sh", path, str(mebibytes))
    try:
        yield
    finally:
        host.run("umount", "-l", path, check=False)


def fill(host: Host, path: str) -> None:
    """Not one more byte can be written below this path."""
    host.run("sh", "-c", 'dd if=/dev/zero of="$1/filled" bs=1M 2>/dev/null; dd if=/dev/zero of="$1/filled.too" bs=1 2>/dev/null', "sh", path, check=False)


@contextmanager
def read_only(host: Host, path: str) -> Iterator[None]:
    """A path can be read and not written, by root either."""
    host.run("sh", "-c", 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"', "sh", path)
    try:
        yield
    finally:
        host.run("umount", "-l", path, check=False)


@contextmanager
def put_back(host: Host, path: str) -> Iterator[None]:
    """What is written below a path meanwhile is undone. No validator may use it."""
    host.run("cp", "-a", path, f"{path}.kept")
    try:
        yield
    finally:
        host.run("sh", "-c", 'rm -rf "$1" && mv "$1.kept" "$1"', "sh", path)


@contextmanager
def hidden_processes(host: Host) -> Iterator[None]:
    """Nobody but root sees the processes of others."""
    host.run("mount", "-o", "remount,hidepid=2", "/proc")
    try:
        yield
    finally:
        host.run("mount", "-o", "remount,hidepid=0", "/proc", check=False)


@contextmanager
def drop_in(host: Host, unit: str, text: str) -> Iterator[None]:
    """The operator's own addition to a unit. (A reset takes the folder away.)"""
    path = f"/etc/systemd/system/{unit}.d/50-operator.conf"
    host.write(path, text)
    host.run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        host.inside(path).unlink(missing_ok=True)
        if host.leader() is not None:
            host.run("systemctl", "daemon-reload", check=False)


@contextmanager
def stray(host: Host, kind: str = "plain") -> Iterator[None]:
    """A validator beside its unit, on the host's own database, which can never sign.

    `plain`: started by hand. `container`: in process, mount, network, host name and IPC namespaces of its own and a control
    group as a container has. `renamed`: under another program's name.
    """
    program = "/opt/signer/bin/vc" if kind == "renamed" else "/usr/local/bin/lodestar"
    if kind == "renamed":
        host.run("sh", "-c", f"mkdir -p /opt/signer/bin && ln -sf /usr/local/bin/lodestar {program}")
    client = [program, "validator", "--rootDir", DATA, "--paramsFile", PARAMS, "--interopIndexes", "28..31", "--server", NOWHERE]
    owner = host.inside(DATA).stat()
    command = ["setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups", "env", "LODESTAR_PRESET=minimal", *client]
    if kind == "container":
        command = ["unshare", "--pid", "--fork", "--mount-proc", "--mount", "--net", "--uts", "--ipc", *command]
    unit = "docker-0123456789ab" if kind == "container" else "stray"
    host.run("systemd-run", "-q", f"--unit={unit}", *command)
    try:
        yield
    finally:
        if host.leader() is not None:
            host.run("systemctl", "stop", unit, check=False)
        host.run("rm", "-rf", "/opt/signer", check=False)


def export(host: Host, database: str) -> str:
    """The client's own export of a copy of a database, whatever the validator does."""
    script = f"""
        rm -rf /tmp/look && mkdir -p /tmp/look && cp -a {shlex.quote(database)} /tmp/look/validator-db && rm -f /tmp/look/validator-db/LOCK &&
        chown -R lodestar:lodestar /tmp/look && cd /tmp && {CLIENT} export {OPTIONS} --rootDir /tmp/look --file /tmp/look/out.json >&2 && cat /tmp/look/out.json"""
    return host.run("sh", "-c", script.replace("SERVER", host.plan.beacon_url)).stdout


def give(host: Host, interchange: str) -> None:
    """The host's client takes an interchange into its own database. Its validator must be stopped."""
    script = f"cd /tmp && cat >given.json && chmod 0644 given.json && {CLIENT} import {OPTIONS} --rootDir {DATA} --file /tmp/given.json"
    host.run("sh", "-c", script.replace("SERVER", host.plan.beacon_url), stdin=interchange)
