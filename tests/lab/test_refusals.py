"""What a run must refuse before it touches anything. After each, val-a still signs and no file has changed."""

import pytest

import breaking
from program import REFUSED
from settings import BRIDGE_ADDRESS, UNIT
from waiting import wait_for


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


WAYS = ["plain", "container", "renamed"]
"""How a validator may run beside its unit; see breaking.stray."""


@pytest.mark.fault("F5", "a validator beside the unit of the backup: {way}")
@pytest.mark.parametrize("way", WAYS)
def test_backup_validator_running(pair, refused, way):
    with breaking.stray(pair.b, way):
        assert "backup-stopped" in refused()
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F5", "the primary's unit is stopped, a validator runs beside it: {way}")
@pytest.mark.parametrize("way", WAYS)
def test_primary_validator_beside_its_unit(pair, refused, way):
    """A unit that is stopped says nothing: the host may sign in another way."""
    pair.a.run("systemctl", "stop", UNIT)
    with breaking.stray(pair.a, way):
        wait_for("the validator", lambda: pair.a.validator_pids(), 10)
        assert refused().keys() & {"primary-process", "roles"}


LIES = {
    "wrong chain": ("F15", "same-chain", {"genesis": {"genesis_validators_root": "0x" + "11" * 32}}),
    "syncing": ("F17", "beacon-synced", {"syncing": {"is_syncing": True, "sync_distance": 40}}),
    "optimistic": ("F17", "beacon-not-optimistic", {"syncing": {"is_optimistic": True}}),
    "execution layer offline": ("F17", "execution-online", {"syncing": {"el_offline": True}}),
    "no peers": ("F17", "beacon-peers", {"peers": 0}),
    "connection refused": ("F17", "beacon-synced", {"down": "refused"}),
    "answers 503": ("F17", "beacon-synced", {"down": 503}),
    "answers HTML": ("F17", "beacon-synced", {"down": "garbage"}),
    "never answers": ("F17", "beacon-synced", {"down": "hang"}),
}
"""The fault, the guard that has to object (another one's refusal proves nothing), and what val-b is told of the chain."""


@pytest.mark.parametrize("lie", [pytest.param(name, marks=pytest.mark.fault(LIES[name][0], "beacon node of the backup: {lie}")) for name in LIES])
def test_beacon_of_the_backup(pair, failover, refused, lie):
    _, guard, told = LIES[lie]
    if guard in ("execution-online", "beacon-peers"):
        failover.configure("execution_layer = false", "execution_layer = true")
        failover.configure("min_peers = 0", "min_peers = 1")
    pair.lab.beacon_fault(pair.b, **told)
    assert guard in refused()
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F8", "the backup answers with another host key")
def test_changed_host_key(pair, refused):
    pair.b.change_host_key()
    assert "reached" in refused()
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F10", "one name twice")
def test_same_host_twice(pair, failover):
    result = failover("--primary", "val-a", "--backup", "val-a", "--yes", "--json")
    assert result.exit in (1, 2), str(result)
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F10", "two names, one machine id")
def test_two_names_of_one_machine(pair, refused):
    pair.b.run("cp", "/etc/machine-id", "/root/machine-id.kept")
    pair.b.write("/etc/machine-id", pair.a.run("cat", "/etc/machine-id").stdout)
    try:
        assert "distinct-machines" in refused()
    finally:
        pair.b.run("sh", "-c", "cat /root/machine-id.kept > /etc/machine-id; rm /root/machine-id.kept")


@pytest.mark.fault("F9", "the two names are swapped on the command line")
def test_roles_swapped(pair, refused):
    assert refused("val-b", "val-a").keys() & {"roles", "backup-stopped", "primary-process"}
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F2", "the primary cannot be reached and goes on signing")
def test_primary_unreachable(pair, refused):
    pair.a.drop_from(BRIDGE_ADDRESS)
    assert "reached" in refused(watch=(pair.b,))
    pair.a.heal()
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F28", "frozen before the run")
def test_primary_frozen(pair, refused):
    pair.a.freeze()
    assert "reached" in refused(watch=(pair.b,))
    pair.a.thaw()
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F7", "the backup's unit is enabled and not barred: audit")
def test_backup_not_barred_and_enabled(pair, failover):
    """A backup that would start by itself at its next boot is no safe backup."""
    pair.wipe(pair.b)
    pair.b.run("systemctl", "enable", "-q", UNIT)
    result = failover("audit", "--primary", "val-a", "--backup", "val-b", "--json")
    pair.b.run("systemctl", "disable", "-q", UNIT)
    assert result.exit == 1, str(result)
