"""The lab itself: resets, faults and the referee do what the other tests rely on.

Uses no program under test; the handover here is done by hand.
"""

import json
import subprocess
import time

import breaking
import leveldb
from host import call
from pair import DATABASE
from settings import BRIDGE_ADDRESS, PARAMS, DATA, SSH_CONFIG, UNIT

CLIENT = ("runuser", "-u", "lodestar", "--", "env", "LODESTAR_PRESET=minimal", "/usr/local/bin/lodestar",
          "account", "validator", "slashing-protection")  # fmt: skip


def protection(host, act: str, file: str) -> None:
    host.run("sh", "-c", 'cd /tmp && exec "$@"', "sh", *CLIENT, act, "--rootDir", DATA, "--paramsFile", PARAMS,
             "--server", host.plan.beacon_url, "--file", file)  # fmt: skip


def hand_over(old, new) -> None:
    """By hand: stop, export, keep the highest of each, import, start."""
    old.run("systemctl", "disable", "-q", "--now", UNIT)
    protection(old, "export", "/tmp/old.json")
    document = json.loads(old.run("cat", "/tmp/old.json").stdout)
    new.run("sh", "-c", "umask 022; cat > /tmp/new.json", stdin=json.dumps(highest(document)))
    protection(new, "import", "/tmp/new.json")
    new.run("systemctl", "enable", "-q", "--now", UNIT)


def highest(document: dict) -> dict:
    root = document["metadata"]["genesis_validators_root"]
    real = [entry for entry in document["data"] if len(entry["pubkey"]) == 98]
    return {
        "metadata": {"interchange_format_version": "5", "genesis_validators_root": root},
        "data": [
            {
                "pubkey": entry["pubkey"],
                "signed_blocks": [{"slot": top(entry["signed_blocks"], "slot")}],
                "signed_attestations": [
                    {name: top(entry["signed_attestations"], name) for name in ("source_epoch", "target_epoch")}
                ],
            }
            for entry in real
        ],
    }


def top(records: list[dict], name: str) -> str:
    return str(max((int(record[name]) for record in records), default=0))


def ssh(alias: str, command: str) -> subprocess.CompletedProcess[str]:
    return call("ssh", "-F", str(SSH_CONFIG), "-o", "ConnectTimeout=2", alias, command, check=False)


def test_handover_by_hand_and_back(hosts):
    for old, new in ((hosts.a, hosts.b), (hosts.b, hosts.a)):
        hand_over(old, new)
        hosts.assert_signs_alone(new)
        assert 0 < hosts.window.gap_s(old.name, new.name) < 30


def test_reset_after_a_handover_keeps_the_newest_history(hosts):
    hand_over(hosts.a, hosts.b)
    hosts.assert_signs_alone(hosts.b)
    hosts.reset()
    hosts.assert_signs_alone(hosts.a)
    assert hosts.b.inside(DATABASE).exists()
    assert hosts.b.unit()["UnitFileState"] == "disabled"


def test_referee_sees_duties_missed(hosts):
    since = time.time()
    hosts.a.run("systemctl", "stop", UNIT)
    hosts.assert_silent(hosts.a, slots=9)
    assert hosts.window.missed(time.time()), "nine slots of silence and nothing missed"
    assert hosts.last_signer() is hosts.a
    assert not hosts.signed_since(hosts.a, since + 2)


def test_a_host_can_lose_the_coordinator_and_go_on_signing(hosts):
    hosts.a.drop_from(BRIDGE_ADDRESS)
    assert ssh("val-a", "true").returncode == 255
    hosts.wait_signing(hosts.a)


def test_full_partition_silences_a_host_that_still_runs(hosts):
    hosts.a.unplug()
    assert ssh("val-a", "true").returncode == 255
    hosts.assert_silent(hosts.a)
    assert hosts.a.validator_pids()


def test_changed_host_key_is_noticed_by_ssh(hosts):
    hosts.b.change_host_key()
    answer = ssh("val-b", "true")
    assert answer.returncode == 255 and "Host key verification failed" in answer.stderr


def test_power_cut_and_boot_revive_an_enabled_validator(hosts):
    boot = hosts.a.boot_id()
    hosts.a.power_cut()
    hosts.assert_silent(hosts.a)
    hosts.a.boot()
    assert hosts.a.boot_id() != boot
    hosts.wait_signing(hosts.a)


def test_reboot(hosts):
    before = hosts.a.run("cat", "/proc/sys/kernel/random/boot_id").stdout
    hosts.a.reboot()
    assert hosts.a.run("cat", "/proc/sys/kernel/random/boot_id").stdout != before
    hosts.wait_signing(hosts.a)


def test_frozen_host_is_silent_until_thawed(hosts):
    hosts.a.freeze()
    hosts.assert_silent(hosts.a)
    hosts.a.thaw()
    hosts.wait_signing(hosts.a)


def test_reader_of_the_databases_agrees_with_the_client(hosts):
    """The floors that every test is judged by are those that Lodestar itself exports, also from compacted files."""
    hosts.a.run("systemctl", "stop", UNIT)
    for _ in range(2):
        exported = {
            entry["pubkey"]: leveldb.Floor(
                *(max((int(record[name]) for record in entry[kind]), default=-1)
                  for kind, name in (("signed_blocks", "slot"), ("signed_attestations", "source_epoch"), ("signed_attestations", "target_epoch")))
            )
            for entry in json.loads(breaking.export(hosts.a, DATABASE))["data"] if len(entry["pubkey"]) == 98
        }  # fmt: skip
        assert len(exported) == 4 and leveldb.floors(hosts.a.seen(DATABASE)) == exported
        # An export of the database itself rewrites its log to a table.
        protection(hosts.a, "export", "/tmp/compacts.json")
        assert list(hosts.a.inside(DATABASE).glob("*.ldb"))


def test_users(hosts):
    assert ssh("val-a-ops", "sudo -n id -u").stdout == "0\n"
    assert ssh("val-a-nosudo", "sudo -n id -u").returncode == 1


def test_snapshot_notices_a_touched_file(hosts):
    before = hosts.snapshot(hosts.b)
    assert hosts.snapshot(hosts.b) == before
    hosts.b.run("touch", "/etc/touched")
    after = hosts.snapshot(hosts.b)
    hosts.b.run("rm", "/etc/touched")
    assert set(after) - set(before) == {"/etc/touched"}


def test_hosts_do_not_share_control_groups(hosts):
    """Two systemds in one control group would end each other's services."""
    for host in (hosts.a, hosts.b):
        host.run("systemd-run", "--unit=twin", "sleep", "600")
    hosts.b.run("systemctl", "stop", "twin")
    assert hosts.a.run("systemctl", "is-active", "twin", check=False).stdout == "active\n"
    hosts.a.run("systemctl", "stop", "twin")
