"""The module against a stub in the program's place, which prints recorded documents and notes how it was called.

The documents under recorded/ were printed by the program itself (its demo, and a dry run).
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import importlib.util
import json
import os

import pytest

from ansible.module_utils import basic
from ansible.module_utils.common.text.converters import to_bytes

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(HERE, "..", "..", "plugins", "modules", "failover.py")

STUB = """\
#!/bin/sh
here=$(dirname "$0")
printf '%s\\n' "$@" >"$here/arguments"
env >"$here/environment"
[ -t 0 ] && echo terminal >"$here/terminal"
{before}
[ -e "$here/document" ] && cat "$here/document"
echo "failover: said on stderr" >&2
exit {rc}
"""


class Ended(Exception):
    """The module has answered."""

    def __init__(self, failed, answer):
        super(Ended, self).__init__(answer.get("msg"))
        self.failed = failed
        self.answer = answer


def exit_json(self, **answer):
    raise Ended(False, answer)


def fail_json(self, msg, **answer):
    raise Ended(True, dict(answer, msg=msg))


def recorded(name):
    with open(os.path.join(HERE, "recorded", name + ".json")) as file:
        return json.load(file)


class Task:
    """One task against one stub."""

    def __init__(self, home, monkeypatch):
        self.home = home
        self.monkeypatch = monkeypatch
        monkeypatch.setattr(basic.AnsibleModule, "exit_json", exit_json)
        monkeypatch.setattr(basic.AnsibleModule, "fail_json", fail_json)

    def __call__(self, document, rc, before="", check=False, **options):
        text = document if isinstance(document, str) else json.dumps(document)
        (self.home / "document").write_text(text)
        stub = self.home / "failover"
        stub.write_text(STUB.format(before=before, rc=rc))
        stub.chmod(0o755)
        given = dict(dict(primary="val-a", backup="val-b", binary=str(stub)), **options)
        given.update(_ansible_check_mode=check, _ansible_diff=True, _ansible_remote_tmp=str(self.home), _ansible_keep_remote_files=False)
        self.monkeypatch.setattr(basic, "_ANSIBLE_ARGS", to_bytes(json.dumps({"ANSIBLE_MODULE_ARGS": given})))
        self.monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        specification = importlib.util.spec_from_file_location("failover_module", SOURCE)
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        with pytest.raises(Ended) as ended:
            module.main()
        return ended.value

    @property
    def arguments(self):
        return (self.home / "arguments").read_text().splitlines()

    @property
    def environment(self):
        return (self.home / "environment").read_text().splitlines()


@pytest.fixture
def task(tmp_path, monkeypatch):
    return Task(tmp_path, monkeypatch)


def test_completed(task):
    ended = task(recorded("completed"), 0)
    assert not ended.failed
    assert ended.answer["changed"] is True
    assert (ended.answer["outcome"], ended.answer["signer"]) == ("completed", "val-b")
    assert ended.answer["diff"]["before"] == "val-a signs\n"
    assert ended.answer["diff"]["after"] == "val-b signs\n"
    assert ended.answer["next"] == ["failover audit --primary val-b --backup val-a"]
    assert ended.answer["findings"] == []
    assert ended.answer["run"] == ended.answer["report"]["run"]


def test_the_command(task):
    task(recorded("completed"), 0, checks=5, check_interval=0.5, transport="russh", config="/etc/f.toml",
         state_dir="/var/lib/elsewhere", environment={"SSH_USER": "ops", "N": 3})  # fmt: skip
    assert task.arguments == [
        "--json", "--color", "never", "--primary", "val-a", "--backup", "val-b", "--config", "/etc/f.toml",
        "--transport", "russh", "--checks", "5", "--check-interval", "0.5", "--yes",
    ]  # fmt: skip
    assert {"SSH_USER=ops", "N=3", "FAILOVER_STATE_DIR=/var/lib/elsewhere"} <= set(task.environment)
    assert not (task.home / "terminal").exists()


def test_done_already(task):
    done = dict(recorded("completed"), changed=False)
    done["guards"] = [dict(guard, verdict="refuse") for guard in done["guards"]]
    ended = task(done, 0)
    assert not ended.failed
    assert ended.answer["changed"] is False
    assert ended.answer["diff"]["before"] == ended.answer["diff"]["after"] == "val-b signs\n"


def test_refused(task):
    ended = task(recorded("refused"), 1)
    assert ended.failed
    assert ended.answer["changed"] is False
    assert ended.answer["rc"] == 1
    assert [guard["id"] for guard in ended.answer["findings"]] == ["beacon-synced"]
    assert "beacon-synced" in ended.answer["msg"] and "nothing was changed" in ended.answer["msg"]
    assert ended.answer["next"] and "said on stderr" in ended.answer["stderr"]


@pytest.mark.parametrize("outcome, rc", [("restored", 3), ("parked", 4)])
def test_ends_that_need_a_person(task, outcome, rc):
    ended = task(recorded(outcome), rc)
    assert ended.failed
    assert ended.answer["outcome"] == outcome
    assert ended.answer["changed"] is True
    assert ended.answer["next"][0] in ended.answer["msg"]


def test_unconfirmed_fails_and_has_changed(task):
    ended = task(dict(recorded("completed"), outcome="unconfirmed"), 6)
    assert ended.failed
    assert ended.answer["changed"] is True


def test_check_mode_ready(task):
    ended = task(recorded("plan-ready"), 0, check=True)
    assert not ended.failed
    assert ended.answer["changed"] is True
    assert ended.answer["report"]["changed"] is False
    assert (ended.answer["diff"]["before"], ended.answer["diff"]["after"]) == ("val-a signs\n", "val-b signs\n")
    assert "--dry-run" in task.arguments and "--yes" not in task.arguments


def test_check_mode_refused(task):
    ended = task(recorded("plan-refused"), 1, check=True)
    assert ended.failed
    assert ended.answer["changed"] is False
    assert "reached" in [guard["id"] for guard in ended.answer["findings"]]
    assert ended.answer["waived"]


@pytest.mark.parametrize("check", [False, True])
def test_audit(task, check):
    ended = task(recorded("audit-clean"), 0, state="audited", checks=3, check=check)
    assert not ended.failed
    assert (ended.answer["changed"], ended.answer["outcome"]) == (False, "clean")
    assert task.arguments == ["audit", "--json", "--color", "never", "--primary", "val-a", "--backup", "val-b"]


def test_audit_found(task):
    ended = task(recorded("audit-found"), 1, state="audited")
    assert ended.failed
    assert ended.answer["outcome"] == "found"
    assert "reached" in ended.answer["msg"]


LIES = {
    "no document": ("", 0),
    "not JSON": ("all went well", 0),
    "a list": ("[]", 0),
    "two documents": ("{}\n{}", 0),
    "another version": (dict(recorded("completed"), schema="failover.report/2"), 0),
    "another document": (recorded("plan-ready"), 0),
    "another host": (dict(recorded("completed"), backup="val-c"), 0),
    "changed is a word": (dict(recorded("completed"), changed="no"), 0),
    "an outcome from the future": (dict(recorded("completed"), outcome="splendid"), 0),
    "live still": (dict(recorded("completed"), outcome="running"), 5),
    "completed, exit 1": (recorded("completed"), 1),
    "refused, exit 0": (recorded("refused"), 0),
    "unknown exit": (recorded("completed"), 77),
    "usage error": ("", 2),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_not_believed(task, lie):
    document, rc = LIES[lie]
    ended = task(document, rc)
    assert ended.failed
    assert "changed" not in ended.answer
    assert ended.answer["outcome"] == "unknown"
    assert (ended.answer["rc"], "said on stderr" in ended.answer["msg"]) == (rc, True)


def test_looking_that_changed_something_is_not_believed(task):
    ended = task(dict(recorded("plan-ready"), changed=True), 0, check=True)
    assert ended.failed


def test_clean_with_a_guard_that_blocks_is_not_believed(task):
    ended = task(dict(recorded("audit-found"), clean=True), 0, state="audited")
    assert ended.failed


def test_timeout_asks_and_waits(task):
    """The run gets SIGTERM, parks, and is waited for. It is not killed."""
    parks = "trap 'echo parking >&2; stop=1' TERM; while [ -z \"$stop\" ]; do sleep 0.05; done; sleep 0.3"
    ended = task(recorded("parked"), 4, before=parks, timeout=1)
    assert ended.failed
    assert ended.answer["rc"] == 4
    assert ended.answer["outcome"] == "parked"
    assert "timeout" in ended.answer["msg"]
    assert ended.answer["stderr"].count("parking") == 1, "a second signal makes the program leave at once"


def test_timeout_fails_even_if_the_run_completes(task):
    waits = "trap stop=1 TERM; while [ -z \"$stop\" ]; do sleep 0.05; done"
    ended = task(recorded("completed"), 0, before=waits, timeout=1)
    assert ended.failed
    assert ended.answer["changed"] is True


def test_killed(task):
    ended = task(recorded("completed"), 0, before="kill -9 $$")
    assert ended.failed
    assert ended.answer["rc"] == -9
    assert "not known" in ended.answer["msg"]


def test_no_program(task):
    ended = task(recorded("completed"), 0, binary="/nonexistent/failover")
    assert ended.failed


def test_no_time_at_all(task):
    ended = task(recorded("completed"), 0, timeout=0)
    assert ended.failed
    assert not (task.home / "arguments").exists()
