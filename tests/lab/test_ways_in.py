"""Every way to reach a host, against real sshd and sudo: what openssh does, what is built in, who may."""

import pytest

from program import COMPLETED, REFUSED
from settings import CLIENT_KEY, KNOWN_HOSTS, SSH_CONFIG


def reached(result) -> dict:
    return {guard["id"]: guard for guard in result.document["guards"]}


def with_russh(failover, lab, user: str = "root", become: bool = False) -> tuple[str, ...]:
    """The same configuration without any ssh program: keys, known hosts and addresses are said by hand."""
    text = failover.config.read_text().replace(f'config_file = "{SSH_CONFIG}"', "")
    for host in (lab.a, lab.b):
        text += f'\n[hosts.{host.name}]\naddress = "{host.plan.address}"\n'
    failover.config.write_text(text)
    ways = ("--transport", "russh", "--ssh-user", user, "--ssh-key", str(CLIENT_KEY), "--known-hosts", str(KNOWN_HOSTS))
    return ways + (("--become",) if become else ())


def test_sudo_is_enough(pair, failover):
    """A user that is not root, with a password-less sudo rule: everything can be read, as by root."""
    result = failover("--primary", "val-a-ops", "--backup", "val-b-ops", "--become", "--dry-run", "--json", expect=COMPLETED)
    assert all(guard["verdict"] == "pass" for guard in result.document["guards"]), str(result)


def test_without_root_nothing_is_believed(pair, failover):
    result = failover("--primary", "val-a-ops", "--backup", "val-b-ops", "--dry-run", "--json", expect=REFUSED)
    assert reached(result)["privileged"]["verdict"] == "refuse"


def test_a_sudo_that_refuses_is_named(pair, failover):
    result = failover("--primary", "val-a-nosudo", "--backup", "val-b-nosudo", "--become", "--dry-run", "--json", expect=REFUSED)
    assert "sudo" in reached(result)["reached"]["why"], str(result)


@pytest.mark.parametrize("user, become", [("root", False), ("ops", True)])
def test_the_built_in_ssh_sees_the_same(pair, failover, user, become):
    result = failover("--primary", "val-a", "--backup", "val-b", "--dry-run", "--json", *with_russh(failover, pair.lab, user, become))
    assert result.exit == COMPLETED, str(result)
    assert all(guard["verdict"] == "pass" for guard in result.document["guards"]), str(result)


def test_the_built_in_ssh_hands_over(pair, failover):
    """The whole main job without an ssh program."""
    failover.handover("val-a", "val-b", *with_russh(failover, pair.lab))
    pair.assert_signs_alone(pair.b)
