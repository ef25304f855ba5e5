"""Histories that are higher, slashable, not covered, cut, tampered with, lied about, or do not fit on the disk."""

import json

import pytest

import breaking
import chain
import leveldb
from pair import DATABASE
from program import COMPLETED, PARKED, REFUSED, RESTORED
from settings import DATA, KEYS
from truth import database
from waiting import wait_for

FLIPS_A_BYTE = """\
#!/usr/bin/python3
# base64 as the host has it, but for what is gzipped: a byte in the middle arrives as another.
import base64, subprocess, sys
data = sys.stdin.buffer.read()
if "-d" in sys.argv or not data.startswith(b"\\x1f\\x8b"):
    sys.stdout.buffer.write(subprocess.run(["REAL", *sys.argv[1:]], input=data, capture_output=True).stdout)
else:
    middle = len(data) // 2
    sys.stdout.buffer.write(base64.encodebytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]))
"""

CUTS_SHORT = """\
#!/usr/bin/python3
# gzip as the host has it, but it loses the last hundred bytes and says nothing.
import subprocess, sys
packed = subprocess.run(["REAL", *sys.argv[1:]], stdin=sys.stdin.buffer, capture_output=True).stdout
sys.stdout.buffer.write(packed[:-100])
"""

DROPS_A_KEY = """\
#!/usr/bin/python3
# The validator client as installed, but its import leaves a key out and says that all went well.
import json, os, sys
if "import" in sys.argv:
    given = sys.argv[sys.argv.index("--file") + 1]
    document = json.load(open(given))
    document["data"] = document["data"][1:]
    kept = "/tmp/kept.json"
    json.dump(document, open(kept, "w"))
    sys.argv[sys.argv.index(given)] = kept
os.execv("REAL", ["REAL", *sys.argv[1:]])
"""

DOES_NOTHING = """\
#!/usr/bin/python3
# The validator client as installed, but its import only says that all went well.
import os, sys
if "import" in sys.argv:
    print("Import completed successfully")
    sys.exit(0)
os.execv("REAL", ["REAL", *sys.argv[1:]])
"""


@pytest.mark.fault("F13", "{lie} on the primary: what is read here is not what was hashed there")
@pytest.mark.fault("F34", "{lie} on the primary")
@pytest.mark.parametrize("lie", ["base64 flips a byte", "gzip cuts the pack short"])
def test_tampered_pack(pair, failover, lie):
    tool, text = ("base64", FLIPS_A_BYTE) if "base64" in lie else ("gzip", CUTS_SHORT)
    before = leveldb.floors(pair.b.inside(DATABASE))
    with breaking.lying(pair.a, tool, text):
        failover.handover(expect=RESTORED)
    assert leveldb.floors(pair.b.inside(DATABASE)) == before
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F26", "the backup's client {lie} and exits 0; then an honest one")
@pytest.mark.parametrize("lie", ["drops a key in its import", "imports nothing"])
def test_import_lies(pair, failover, lie):
    with breaking.lying_client(pair.b, DROPS_A_KEY if "key" in lie else DOES_NOTHING):
        document = failover.handover(expect=RESTORED).document
    assert "ReadBackFails" in [stay["event"] for stay in document["states"]]
    pair.assert_signs_alone(pair.a)
    if "key" in lie:
        # With an honest client the same standby takes over, though its database holds nothing but an import.
        failover.handover(expect=COMPLETED)
        pair.assert_signs_alone(pair.b)


@pytest.mark.fault("F14", "the backup's database is on a file system that fills up when the primary is proven stopped")
def test_full_disk_while_importing(pair, failover):
    with breaking.small(pair.b, DATA, 96):
        before = database(pair.b)
        running = failover.begin()
        failover.wait_event(running, "StopAnswered")
        breaking.fill(pair.b, DATA)
        failover.finish(running, RESTORED)
        assert database(pair.b) == before
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F14", "the place for archives on the backup is full when the primary is proven stopped")
def test_full_disk_while_archiving(pair, failover):
    with breaking.small(pair.b, "/var/lib/failover", 96):
        running = failover.begin()
        failover.wait_event(running, "StopAnswered")
        breaking.fill(pair.b, "/var/lib/failover")
        failover.finish(running, RESTORED)
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F14", "the backup's database is on a file system of 16 MB")
def test_small_disk_is_seen_before(pair, failover):
    with breaking.small(pair.b, DATA, 16):
        result = failover.handover(expect=REFUSED)
    assert "disk" in {guard["id"] for guard in result.document["guards"] if guard["verdict"] != "pass"}
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F31", "{path} is read-only on {host}")
@pytest.mark.parametrize("host, path", [("val-a", "/etc"), ("val-b", "/var/lib/lodestar"), ("val-b", "/var/lib/failover"), ("val-b", "/etc")])
def test_read_only_file_system(pair, failover, host, path):
    victim = pair.lab.hosts[host]
    made = not victim.inside(path).exists()
    victim.run("mkdir", "-p", path)
    with breaking.read_only(victim, path):
        result = failover.handover(expect=PARKED if (host, path) == ("val-b", "/etc") else None)
        assert result.exit in (REFUSED, RESTORED, PARKED), str(result)
    if made:
        victim.run("rmdir", path, check=False)
    if result.exit == PARKED:
        # What could not be unbarred could not be started either. Both are barred: the way back is a hand-over.
        failover.handover("val-b", "val-a", expect=COMPLETED)
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F11", "a block floor of the backup is far above the primary's")
def test_backup_holds_a_higher_floor(pair, failover, truth):
    key = chain.pubkeys()[KEYS.start]
    slot = chain.clock_slot(pair.genesis) - 1
    breaking.give(pair.b, interchange({key: {"blocks": [{"slot": str(slot)}]}}))
    truth.rebase()
    assert database(pair.b)[key].slot == slot
    failover.handover(expect=COMPLETED)
    assert database(pair.b)[key].slot >= slot
    pair.assert_signs_alone(pair.b)


@pytest.mark.fault("F22", "the backup's database holds another vote for a target that the primary has voted for, both roots known")
def test_slashable_history(pair, failover):
    """The evidence is kept and named; nobody gets to sign with it."""
    held = database(pair.b)
    key, vote = wait_for("a vote that the backup does not hold", lambda: fresh_vote(pair, held), 60, 1)
    with breaking.put_back(pair.b, DATABASE):
        breaking.give(pair.b, interchange({key: {"attestations": [vote | {"signing_root": "0x" + "77" * 32}]}}))
        document = failover.handover(expect=RESTORED).document
    assert "MergeRefused" in [stay["event"] for stay in document["states"]]
    assert short(key) in str(document), "the key is not named"
    pair.assert_signs_alone(pair.a)


def fresh_vote(pair, held: leveldb.Floors) -> tuple[str, dict] | None:
    """A vote of the primary, by its client's own export, above what the backup holds."""
    for entry in json.loads(breaking.export(pair.a, DATABASE))["data"]:
        for vote in entry["signed_attestations"]:
            if int(vote["target_epoch"]) > held.get(entry["pubkey"], leveldb.Floor()).target and "signing_root" in vote:
                return entry["pubkey"], vote
    return None


@pytest.mark.fault("F16", "{what}")
@pytest.mark.parametrize("what", ["a configured key is in neither history", "a key of both histories is not configured"])
def test_keys_that_are_not_covered(pair, failover, what):
    keys = list(chain.pubkeys().values())
    wrong = [*keys, chain.pubkey(0)] if "neither" in what else keys[1:]
    failover.configure(f"keys = {json.dumps(keys)}", f"keys = {json.dumps(wrong)}")
    document = failover.handover(expect=None).document
    assert document["outcome"] in ("refused", "restored")
    named = wrong[-1] if "neither" in what else keys[0]
    assert short(named) in str(document), "the key is not named"
    pair.assert_signs_alone(pair.a)


def short(key: str) -> str:
    """A key as the program shows it."""
    return f"{key[:6]}…{key[-4:]}"


def interchange(signed: dict[str, dict]) -> str:
    """An interchange of this chain: key to `blocks` and `attestations`."""
    data = [{"pubkey": key, "signed_blocks": its.get("blocks", []), "signed_attestations": its.get("attestations", [])} for key, its in signed.items()]
    root = chain.get("/eth/v1/beacon/genesis")["genesis_validators_root"]
    return json.dumps({"metadata": {"interchange_format_version": "5", "genesis_validators_root": root}, "data": data})
