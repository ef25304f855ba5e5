"""Where everything of the lab lies and what it is called.

Only names, numbers and paths: this module starts nothing and writes nothing.
"""

import os
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("FAILOVER_LAB_CACHE", "/var/cache/failover-lab"))
STATE = Path(os.environ.get("FAILOVER_LAB_STATE", "/tmp/failover-lab"))
REPOSITORY = HERE.parent.parent

BASE = CACHE / "base"
NPM = CACHE / "npm"
NODE = Path("/usr/bin/node")
LODESTAR = NPM / "node_modules" / ".bin" / "lodestar"

BRIDGE = "fo-lab0"
BRIDGE_ADDRESS = "10.213.77.1"
"""The coordinator's address: where ssh connections come from."""
BEACON_ADDRESS = "10.213.77.2"
"""The beacon nodes' address, so that a host can lose the coordinator and go on signing."""
PREFIX_LENGTH = 24

BEACON_PORT = 9596
CONTROL_PORT = 9700

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


VAL_A = HostPlan("val-a", "10.213.77.11", 9701, True)
VAL_B = HostPlan("val-b", "10.213.77.12", 9702, True)
STRANGER = HostPlan("stranger", "10.213.77.13", 9703, False)
HOSTS = (VAL_A, VAL_B, STRANGER)
"""`stranger` is a plain host without a validator: the machine that took over an address."""

REFEREE_LOG = STATE / "referee.jsonl"
CLIENT_KEY = STATE / "home" / ".ssh" / "id_ed25519"
KNOWN_HOSTS = STATE / "home" / ".ssh" / "known_hosts"
SSH_CONFIG = STATE / "home" / ".ssh" / "config"
