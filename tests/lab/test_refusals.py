"""What a run must refuse before it touches anything. After each, val-a still signs and no file has changed."""

import pytest

from program import REFUSED
from settings import UNIT

@pytest.fixture
def refused(pair, failover):
    """Runs the handover, wants a refusal and proof that it cost nothing; answers the guards that objected."""

    def run(primary: str = "val-a", backup: str = "val-b", watch=(pair.a, pair.b)) -> dict[str, dict]:
        before = {host: pair.snapshot(host) for host in watch}
        result = failover.handover(primary, backup, expect=REFUSED)
        for host in watch:
            assert pair.changes(host, before[host]) == {}, f"{host.name} was touched"
        guards = result.document.get("guards", [])
        return {guard["id"]: guard for guard in guards if guard["verdict"] != "pass"}

    return run


def test_backup_validator_running(pair, refused):
    stray = start_stray_validator(pair.b)
    try:
        assert "backup-stopped" in refused()
    finally:
        pair.b.run("systemctl", "stop", stray)
    pair.assert_signs_alone(pair.a)


def start_stray_validator(host) -> str:
    """A validator outside its unit on its own data directory, which never reaches a beacon node."""
    host.run("systemd-run", "--unit=stray-validator", "--uid=lodestar", "--setenv=LODESTAR_PRESET=minimal",
             "/usr/local/bin/lodestar", "validator", "--rootDir", "/var/lib/lodestar", "--paramsFile", "/etc/lodestar/params.yaml",
             "--interopIndexes", "28..31", "--server", "http://127.0.0.1:1")  # fmt: skip
    return "stray-validator"


LIES = {
    "wrong chain": ("same-chain", {"genesis": {"genesis_validators_root": "0x" + "11" * 32}}),
    "syncing": ("beacon-synced", {"syncing": {"is_syncing": True, "sync_distance": 40}}),
    "optimistic": ("beacon-not-optimistic", {"syncing": {"is_optimistic": True}}),
    "beacon refused": ("beacon-synced", {"down": "refused"}),
    "beacon 503": ("beacon-synced", {"down": 503}),
    "beacon garbage": ("beacon-synced", {"down": "garbage"}),
    "beacon hangs": ("beacon-synced", {"down": "hang"}),
}
"""What val-b is told about the chain, and the guard that has to object: another one's refusal proves nothing."""


@pytest.mark.parametrize("name", LIES)
def test_beacon_of_the_backup(pair, refused, name):
    guard, lie = LIES[name]
    pair.lab.beacon_fault(pair.b, **lie)
    assert guard in refused()
    pair.assert_signs_alone(pair.a)


def test_changed_host_key(pair, refused):
    pair.b.change_host_key()
    assert "reached" in refused()
    pair.assert_signs_alone(pair.a)


def test_same_host_twice(pair, failover):
    result = failover("--primary", "val-a", "--backup", "val-a", "--yes", "--json")
    assert result.exit in (1, 2), str(result)
    pair.assert_signs_alone(pair.a)


def test_two_names_of_one_machine(pair, refused):
    pair.b.run("cp", "/etc/machine-id", "/root/machine-id.kept")
    pair.b.write("/etc/machine-id", pair.a.run("cat", "/etc/machine-id").stdout)
    try:
        assert "distinct-machines" in refused()
    finally:
        pair.b.run("sh", "-c", "cat /root/machine-id.kept > /etc/machine-id; rm /root/machine-id.kept")


def test_roles_swapped(pair, refused):
    assert refused("val-b", "val-a").keys() & {"roles", "backup-stopped", "primary-process"}
    pair.assert_signs_alone(pair.a)


def test_primary_unreachable(pair, refused):
    pair.a.drop_from("10.213.77.1")
    assert "reached" in refused(watch=(pair.b,))
    pair.a.heal()
    pair.assert_signs_alone(pair.a)


def test_primary_frozen(pair, refused):
    pair.a.freeze()
    assert "reached" in refused(watch=(pair.b,))
    pair.a.thaw()
    pair.assert_signs_alone(pair.a)


def test_backup_not_barred_and_enabled(pair, failover):
    """A backup that would start by itself at its next boot is no safe backup."""
    pair.wipe(pair.b)
    pair.b.run("systemctl", "enable", "-q", UNIT)
    result = failover("audit", "--primary", "val-a", "--backup", "val-b", "--json")
    pair.b.run("systemctl", "disable", "-q", UNIT)
    assert result.exit == 1, str(result)
