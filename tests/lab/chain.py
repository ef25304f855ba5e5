"""The real beacon node: a one-node Lodestar development chain, and questions to it.

It holds every validator except the keys under test, so it finalises without them. It has a network namespace of its own;
hosts reach it through the referee.
"""

import json
import time
import urllib.request
from pathlib import Path

import processes
from host import LODESTAR_PARAMS
from settings import BEACON_PORT, KEYS, LODESTAR, NODE_ADDRESS, NODE_CABLE, SECONDS_PER_SLOT, SLOTS_PER_EPOCH, STATE, VALIDATORS
from waiting import wait_for

URL = f"http://{NODE_ADDRESS}:{BEACON_PORT}"


def start(genesis_in_s: int = 10) -> None:
    """Starts a new chain and waits until its node answers."""
    folder = STATE / "beacon"
    params = STATE / "params.yaml"
    params.write_text(LODESTAR_PARAMS)
    processes.start("beacon", command(folder, params, int(time.time()) + genesis_in_s), {"LODESTAR_PRESET": "minimal"})
    wait_for("beacon node", answers, 90, 0.2)


def command(folder: Path, params: Path, genesis: int) -> list[str]:
    return [
        "ip", "netns", "exec", NODE_CABLE, "nice", "-n", "-10", str(LODESTAR), "dev", "--rootDir", str(folder),
        "--genesisValidators", str(VALIDATORS), "--startValidators", f"0:{KEYS.start - 1}",
        "--genesisTime", str(genesis), "--paramsFile", str(params), "--reset",
        "--enr.ip", "127.0.0.1", "--network.discv5.enabled", "false", "--sync.isSingleNode", "true",
        "--api.rest.api", "*", "--api.rest.host", "0.0.0.0", "--api.rest.port", str(BEACON_PORT),
    ]  # fmt: skip


def stop() -> None:
    processes.stop("beacon")


def get(path: str, timeout_s: float = 5) -> dict:
    with urllib.request.urlopen(URL + path, timeout=timeout_s) as reply:
        return json.load(reply)["data"]


def answers() -> bool:
    try:
        get("/eth/v1/beacon/genesis", 2)
        return True
    except OSError:
        return False


def genesis_time() -> int:
    return int(get("/eth/v1/beacon/genesis")["genesis_time"])


def head_slot() -> int:
    return int(get("/eth/v1/node/syncing")["head_slot"])


def moves() -> bool:
    """Whether the chain has blocks and its node keeps up. One that missed its first slots calls itself syncing for good."""
    answer = get("/eth/v1/node/syncing")
    return int(answer["head_slot"]) > 0 and not answer["is_syncing"]


def clock_slot(genesis: int) -> int:
    return int((time.time() - genesis) // SECONDS_PER_SLOT)


def epoch_of(slot: int) -> int:
    return slot // SLOTS_PER_EPOCH


def pubkeys() -> dict[int, str]:
    """Index to public key of the keys under test."""
    return {
        int(entry["index"]): entry["validator"]["pubkey"]
        for entry in get("/eth/v1/beacon/states/head/validators")
        if int(entry["index"]) in KEYS
    }


def pubkey(index: int) -> str:
    """Any validator's public key."""
    entries = get("/eth/v1/beacon/states/head/validators")
    return next(entry["validator"]["pubkey"] for entry in entries if int(entry["index"]) == index)
