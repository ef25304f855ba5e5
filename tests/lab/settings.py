"""Where everything of the lab lies and what it is called.

Only names, numbers and paths: this module starts nothing and writes nothing.
"""

import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("FAILOVER_LAB_CACHE", "/var/cache/failover-lab"))
NUMBER = int(os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw") or os.environ.get("FAILOVER_LAB_NUMBER") or 0)
"""Which lab of this machine: each worker of pytest has one of its own, with hosts, chain and referee, and shares nothing."""
MARK = str(NUMBER or "")
"""Goes into every name that two labs would else share."""
STATE = Path(os.environ.get("FAILOVER_LAB_STATE", "/tmp/failover-lab") + MARK)
REPOSITORY = HERE.parent.parent

BASE = CACHE / "base"
NPM = CACHE / "npm"
NODE = Path("/usr/bin/node")
LODESTAR = NPM / "node_modules" / ".bin" / "lodestar"

BRIDGE = f"fo-lab{NUMBER}"
NETWORK = f"10.213.{77 + NUMBER}"
BRIDGE_ADDRESS = f"{NETWORK}.1"
"""The coordinator's address: where ssh connections come from."""
BEACON_ADDRESS = f"{NETWORK}.2"
"""The beacon nodes' address, so that a host can lose the coordinator and go on signing."""
NODE_ADDRESS = f"{NETWORK}.3"
"""The one beacon node behind those addresses: in a network of its own, since two on one would find each other (mDNS)."""
NODE_CABLE = f"fo{MARK}-beacon"
PREFIX_LENGTH = 24

BEACON_PORT = 9596
CONTROL_PORT = 9700 + 10 * NUMBER

SECONDS_PER_SLOT = 2
SLOTS_PER_EPOCH = 8
VALIDATORS = 32
KEYS = range(28, 32)
"""Validators under test; the beacon node itself signs for all the others."""

UNIT = "lodestar-validator.service"
DATA = "/var/lib/lodestar"
PARAMS = "/etc/lodestar/params.yaml"


@dataclass(frozen=True)
class HostPlan:
    """What tells one host of the lab from another."""

    name: str
    address: str
    beacon_port: int
    validator: bool

    @property
    def beacon_url(self) -> str:
        return f"http://{BEACON_ADDRESS}:{self.beacon_port}"


VAL_A = HostPlan("val-a", f"{NETWORK}.11", 9701, True)
VAL_B = HostPlan("val-b", f"{NETWORK}.12", 9702, True)
STRANGER = HostPlan("stranger", f"{NETWORK}.13", 9703, False)
HOSTS = (VAL_A, VAL_B, STRANGER)
"""`stranger` is a plain host without a validator: the machine that took over an address."""

REFEREE_LOG = STATE / "referee.jsonl"
CLIENT_KEY = STATE / "home" / ".ssh" / "id_ed25519"
KNOWN_HOSTS = STATE / "home" / ".ssh" / "known_hosts"
SSH_CONFIG = STATE / "home" / ".ssh" / "config"
