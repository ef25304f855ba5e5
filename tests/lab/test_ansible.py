"""The Ansible collection against the lab: the playbooks as an operator runs them, with real ansible-core.

The inventory's names are not the ssh aliases, its `ansible_host` leads nowhere and it asks for `become`: Ansible itself
must never contact a host.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from program import Result
from settings import BRIDGE_ADDRESS, REPOSITORY

PLAYBOOK_S = 180

INVENTORY = """\
[primary]
alpha failover_destination={primary} ansible_host=192.0.2.1

[backup]
beta failover_destination={backup} ansible_host=192.0.2.2

[all:vars]
failover_binary={binary}
failover_config={config}
failover_state_dir={state}
ansible_become=true
"""


@dataclass(frozen=True)
class Played:
    """What a playbook came to."""

    rc: int
    text: str

    def result(self, task: str) -> dict:
        """What a task returned."""
        found = re.search(rf"^TASK \[{task}\] .*?^(?:ok|changed|fatal): .*?=> ({{.*?}})$", self.text, re.MULTILINE | re.DOTALL)
        assert found, self.text
        return json.loads(found[1])

    def report(self) -> Result | None:
        """The program's own run that the playbook wrapped, if it came to a report."""
        found = re.search(r"=> ({.*\"report\": {.*}.*})$", self.text, re.MULTILINE)
        document = json.loads(found[1]) if found else {}
        return Result(("ansible",), document["rc"], json.dumps(document["report"]), "") if document.get("report") else None

    def changed(self) -> int:
        """How many tasks changed something, by Ansible's own count."""
        return sum(int(number) for number in re.findall(r"changed=(\d+)", self.text))


class Ansible:
    """The collection and one operator's inventory."""

    def __init__(self, failover, home: Path):
        self.failover = failover
        self.home = home
        self.inventory = home / "inventory.ini"
        self.name("val-a", "val-b")

    def name(self, primary: str, backup: str) -> None:
        """Writes down who is primary and who is backup."""
        own = {"binary": self.failover.binary, "config": self.failover.config, "state": self.home / "state" / "failover"}
        self.inventory.write_text(INVENTORY.format(primary=primary, backup=backup, **own))

    def play(self, playbook: str, *more: str) -> Played:
        """Runs a playbook of the collection to its end."""
        env = self.failover.env | {
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY / "ansible"),
            "ANSIBLE_HOME": str(self.home / "ansible"),
            "ANSIBLE_REMOTE_TEMP": str(self.home / "ansible" / "tmp"),
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_CALLBACK_FORMAT_PRETTY": "false",
            "LC_ALL": "C.UTF-8",
        }
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        command = [program, "-v", "-i", str(self.inventory), f"failover.validator.{playbook}", *more]
        done = subprocess.run(command, env=env, cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PLAYBOOK_S)
        played = Played(done.returncode, done.stdout + done.stderr)
        if (reported := played.report()) is not None:
            self.failover.ended(reported)
        return played


@pytest.fixture
def ansible(pair, failover, tmp_path):
    return Ansible(failover, tmp_path)


def test_check_mode_changes_nothing(pair, ansible):
    before = {host: pair.snapshot(host) for host in (pair.a, pair.b)}
    played = ansible.play("failover", "--check", "--diff")
    for host in before:
        assert pair.changes(host, before[host]) == {}, f"{host.name} was touched"
    assert played.rc == 0, played.text
    result = played.result("Hand over")
    assert (result["outcome"], result["changed"], result["report"]["changed"]) == ("ready", True, False)
    assert all(guard["verdict"] == "pass" for guard in result["guards"])
    assert "-val-a signs" in played.text and "+val-b signs" in played.text
    assert not (ansible.home / "state" / "failover").exists()
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F23", "the playbook that names the old primary runs again")
def test_fails_over_and_a_second_run_changes_nothing(pair, ansible):
    first = ansible.play("failover", "--diff")
    assert first.rc == 0, first.text
    result = first.result("Hand over")
    assert (result["outcome"], result["changed"], result["signer"]) == ("completed", True, "val-b")
    assert "-val-a signs" in first.text and "+val-b signs" in first.text
    pair.assert_signs_alone(pair.b)
    assert pair.barred(pair.a)

    before = {host: pair.snapshot(host) for host in (pair.a, pair.b)}
    second = ansible.play("failover", "--diff")
    assert second.rc == 0, second.text
    assert (second.result("Hand over")["outcome"], second.result("Hand over")["changed"]) == ("completed", False)
    assert second.changed() == 0
    for host in before:
        assert pair.changes(host, before[host]) == {}, f"{host.name} was touched"
    pair.assert_signs_alone(pair.b)


def test_roles_swapped_in_the_inventory_bring_it_back(pair, ansible):
    assert ansible.play("failover").rc == 0
    pair.wait_signing(pair.b)
    ansible.name("val-b", "val-a")
    played = ansible.play("failover")
    assert played.rc == 0, played.text
    pair.assert_signs_alone(pair.a)
    assert pair.barred(pair.b)


@pytest.mark.parametrize("mode", [[], ["--check"]], ids=["run", "check"])
def test_refusal_fails_with_the_findings(pair, ansible, mode):
    pair.lab.beacon_fault(pair.b, syncing={"is_syncing": True, "sync_distance": 40})
    before = {host: pair.snapshot(host) for host in (pair.a, pair.b)}
    played = ansible.play("failover", *mode)
    for host in before:
        assert pair.changes(host, before[host]) == {}, f"{host.name} was touched"
    assert played.rc != 0, played.text
    result = played.result("Hand over")
    assert (result["outcome"], result["rc"], result["changed"]) == ("refused", 1, False)
    assert "beacon-synced" in {guard["id"] for guard in result["findings"]}
    assert "beacon-synced" in result["msg"]
    pair.assert_signs_alone(pair.a)


@pytest.mark.fault("F2", "by the playbook")
def test_primary_unreachable_is_refused(pair, ansible):
    """A dead primary must reach the program as a finding, and not end the play before."""
    pair.a.drop_from(BRIDGE_ADDRESS)
    played = ansible.play("failover")
    pair.a.heal()
    assert played.rc != 0, played.text
    assert "reached" in {guard["id"] for guard in played.result("Hand over")["findings"]}
    pair.assert_signs_alone(pair.a)


def test_audit(pair, ansible):
    clean = ansible.play("audit")
    assert clean.rc == 0, clean.text
    assert (clean.result("Audit")["outcome"], clean.changed()) == ("clean", 0)
    pair.lab.beacon_fault(pair.b, down="refused")
    found = ansible.play("audit")
    assert found.rc != 0, found.text
    assert any(guard["id"].startswith("beacon") for guard in found.result("Audit")["findings"]), found.text


@pytest.mark.parametrize(
    "inventory",
    ["[primary]\na\nb\n[backup]\nc\n", "[primary]\na\n", "[other]\na\n", "[primary]\na\n[backup]\na\n"],
    ids=["two primaries", "no backup", "neither", "one host in both"],
)
def test_inventory_that_names_no_pair(pair, ansible, inventory):
    ansible.inventory.write_text(inventory)
    for more in ([], ["--limit", "a"]):
        played = ansible.play("failover", *more)
        assert played.rc != 0, played.text
        assert "exactly one primary" in played.text
    pair.assert_signs_alone(pair.a)
