#!/usr/bin/python
# Copyright: (c) 2026, the failover authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Runs the program `failover` and says in Ansible's words what its JSON document says.
# Must never report a success that the document does not state, guess `changed`, or kill a run that is under way.

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: failover
short_description: Hand the right to sign from one validator host to another
version_added: 0.1.0
author:
  - The failover authors (@quantapool)
description:
  - Runs the program C(failover), which fences the primary, moves and merges its slashing protection to the backup and
    starts the backup, after every guard has passed.
  - The program reaches both hosts itself, over SSH. The module belongs on the coordinator, the machine that holds the
    program, its configuration and its journal, so delegate it to C(localhost), run it once and do not gather facts.
  - The program is always run with C(--yes). The task is the consent.
  - Do not run it with C(async) and C(poll=0), or under a timeout of another program. A run that is interrupted is
    resumed with C(failover resume), or by the same task again.
options:
  primary:
    description: The host that signs now, as the program is to reach it (an SSH alias, usually).
    type: str
    required: true
  backup:
    description: The host that is to sign.
    type: str
    required: true
  state:
    description:
      - V(handed_over) means that the backup signs and the primary is fenced.
      - V(audited) judges whether the backup is ready to take over, touches nothing, and fails when it is not.
    type: str
    choices: [handed_over, audited]
    default: handed_over
  config:
    description:
      - The program's configuration file.
      - Left out, the program takes E(FAILOVER_CONFIG), then C(/etc/failover/failover.toml).
    type: path
  binary:
    description: The program, as a path or as a name to be found on E(PATH).
    type: str
    default: failover
  transport:
    description: How hosts are reached. Left out, the configuration says.
    type: str
    choices: [openssh, russh, local]
  checks:
    description:
      - Consecutive positive readings before the primary counts as stopped.
      - Not used with O(state=audited).
    type: int
  check_interval:
    description:
      - Seconds between two readings.
      - Not used with O(state=audited).
    type: float
  state_dir:
    description:
      - Where the program keeps its journal (E(FAILOVER_STATE_DIR)).
      - Everyone who drives a pair from one machine should use the same.
    type: path
  environment:
    description: Further environment variables for the program, such as E(SSH_USER), E(SSH_KEY) or E(FAILOVER_LOG).
    type: dict
    default: {}
  timeout:
    description:
      - Seconds after which the program is asked to stop (SIGTERM). It parks at the next safe point and is then waited
        for; it is never killed. The task fails, whatever the program comes to. Needs C(timeout) of GNU coreutils.
      - Give more than a run can take, which includes three epochs in which the backup's first attestation is awaited.
    type: int
    default: 3600
attributes:
  check_mode:
    description:
      - With O(state=handed_over) this runs C(failover --dry-run), which judges every guard and touches nothing.
      - RV(changed) is then whether a run would change something, and the task fails if a run would be refused.
    support: full
  diff_mode:
    description: Shows who signs, before and after.
    support: full
  platform:
    description: The coordinator's platform. The hosts are Linux with systemd.
    support: full
    platforms: linux
notes:
  - An exit code alone is never believed. The module fails unless the document, its version, its outcome, its hosts
    and the exit code agree.
  - An outcome C(unconfirmed) (the backup was started, and not everything was seen in time) fails the task.
  - While a run of the pair is not over, the same task goes on with it, as the program does. This is also so when the
    module's options have changed since; a run keeps the configuration with which it began.
seealso:
  - name: The program's exit codes
    description: C(failover --help) and C(docs/ansible.md) in its repository.
    link: https://github.com/quantapool/failover
"""

EXAMPLES = r"""
- name: Hand over from val-a to val-b
  failover.validator.failover:
    primary: val-a
    backup: val-b
  delegate_to: localhost
  run_once: true
  become: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"

- name: Is the standby ready?
  failover.validator.failover:
    primary: val-a
    backup: val-b
    state: audited
    config: /etc/failover/failover.toml
  delegate_to: localhost
  run_once: true
  become: false

- name: Five readings, half a second apart, as another user
  failover.validator.failover:
    primary: val-a
    backup: val-b
    checks: 5
    check_interval: 0.5
    environment:
      SSH_USER: ops
  delegate_to: localhost
  run_once: true
  become: false
"""

RETURN = r"""
changed:
  description:
    - Whether either host was changed, as the document says; in check mode, whether a run would change them.
    - Without a document that can be believed it means nothing.
  returned: always
  type: bool
outcome:
  description:
    - What the program came to. V(completed), V(refused), V(restored), V(parked), V(unconfirmed); in check mode V(ready)
      or V(refused); with O(state=audited) V(clean) or V(found).
    - V(unknown) if there is no document that can be believed. What was changed is not known then.
  returned: always
  type: str
  sample: completed
run:
  description: The run's id, for C(failover report) and C(failover resume).
  returned: when there was a run
  type: str
  sample: 20261122T011655Z-2bd67d3b
signer:
  description: Who signs now, as it was read back. None when nobody does or it is not known.
  returned: when there was a run
  type: str
  sample: val-b
guards:
  description: The newest verdict of every guard that was judged.
  returned: when there is a document
  type: list
  elements: dict
  contains:
    id:
      description: Stable name.
      type: str
    title:
      description: What it makes sure of.
      type: str
    verdict:
      description: V(pass), V(refuse) or V(unknown); the last two block.
      type: str
    why:
      description: What was seen.
      type: str
    remedy:
      description: What to do about it.
      type: str
findings:
  description: The guards that block.
  returned: when there is a document
  type: list
  elements: dict
waived:
  description: What the configuration waives, in words.
  returned: in check mode and with O(state=audited)
  type: list
  elements: str
next:
  description: Commands to do next, most urgent first.
  returned: when there is a document
  type: list
  elements: str
  sample: ["failover audit --primary val-b --backup val-a"]
notes:
  description: What cannot be said as a command.
  returned: when there was a run
  type: list
  elements: str
report:
  description: The program's JSON document, whole.
  returned: when there is a document
  type: dict
rc:
  description: The program's exit code; negative if a signal ended it.
  returned: when the program ran
  type: int
cmd:
  description: The command that was run.
  returned: when the program ran
  type: list
  elements: str
stderr:
  description: What the program said beside the document.
  returned: when the program ran
  type: str
stdout:
  description: What the program printed in place of a document.
  returned: when there is no document that can be believed
  type: str
"""

import json
import time

from ansible.module_utils.basic import AnsibleModule

RUN = "failover.report/1"
PLAN = "failover.plan/1"
AUDIT = "failover.audit/1"

# The one exit code that belongs to each outcome of each document.
EXITS = {
    RUN: {"completed": 0, "refused": 1, "restored": 3, "parked": 4, "unconfirmed": 6},
    PLAN: {"ready": 0, "completed": 0, "refused": 1},
    AUDIT: {"clean": 0, "found": 1},
}
GOOD = ("completed", "ready", "clean")

IN_WORDS = {
    "refused": "refused; nothing was changed",
    "restored": "undone; the primary signs again",
    "parked": "parked; it is safe and needs a person",
    "unconfirmed": "unconfirmed; the backup was started and not everything was seen in time",
    "found": "the audit found something; the backup is not ready",
}


class Unbelievable(Exception):
    """The output is not the document that was asked for."""


def main():
    module = AnsibleModule(
        argument_spec=dict(
            primary=dict(type="str", required=True),
            backup=dict(type="str", required=True),
            state=dict(type="str", choices=["handed_over", "audited"], default="handed_over"),
            config=dict(type="path"),
            binary=dict(type="str", default="failover"),
            transport=dict(type="str", choices=["openssh", "russh", "local"]),
            checks=dict(type="int"),
            check_interval=dict(type="float"),
            state_dir=dict(type="path"),
            environment=dict(type="dict", default={}),
            timeout=dict(type="int", default=3600),
        ),
        supports_check_mode=True,
    )
    if module.params["timeout"] < 1:
        module.fail_json(msg="timeout must be at least 1 second", outcome="unknown")
    wanted = AUDIT if module.params["state"] == "audited" else PLAN if module.check_mode else RUN
    cmd = command(module, wanted)
    rc, stdout, stderr, late = run(module, cmd)
    told = dict(rc=rc, cmd=cmd, stderr=stderr)
    try:
        document = believed(stdout, rc, wanted, module.params)
    except Unbelievable as doubt:
        module.fail_json(msg=doubted(doubt, rc, stderr, late, wanted), outcome="unknown", stdout=stdout, **told)
    told.update(result(document, wanted))
    if module._diff:
        told["diff"] = signers(document, wanted)
    if late:
        module.fail_json(msg="stopped after {0} s (timeout): {1}".format(module.params["timeout"], summary(told)), **told)
    if told["outcome"] not in GOOD:
        module.fail_json(msg=summary(told), **told)
    module.exit_json(**told)


def command(module, wanted):
    """The command line. Everything a person could be asked is answered in it."""
    given = module.params
    cmd = [module.get_bin_path(given["binary"], required=True)]
    if wanted == AUDIT:
        cmd.append("audit")
    cmd += ["--json", "--color", "never", "--primary", given["primary"], "--backup", given["backup"]]
    for option in ("config", "transport"):
        if given[option] is not None:
            cmd += ["--" + option, given[option]]
    if wanted == AUDIT:
        return cmd
    for option in ("checks", "check_interval"):
        if given[option] is not None:
            cmd += ["--" + option.replace("_", "-"), str(given[option])]
    cmd.append("--dry-run" if wanted == PLAN else "--yes")
    return cmd


def run(module, cmd):
    """Runs the program to its end. After the timeout it is asked once to park, and waited for."""
    environment = dict((name, str(value)) for name, value in module.params["environment"].items())
    if module.params["state_dir"]:
        environment["FAILOVER_STATE_DIR"] = module.params["state_dir"]
    # In the foreground, or timeout would signal its whole group too: a second signal makes the program leave at once.
    limit = module.params["timeout"]
    patient = [module.get_bin_path("timeout", required=True), "--foreground", "--preserve-status", "--signal=TERM", str(limit)]
    began = time.time()
    rc, stdout, stderr = module.run_command(patient + cmd, environ_update=environment, expand_user_and_vars=False, errors="replace")
    return rc, stdout, stderr, time.time() - began >= limit


def believed(stdout, rc, wanted, given):
    """The document, if everything about it agrees; else Unbelievable."""
    try:
        document = json.loads(stdout)
    except ValueError:
        raise Unbelievable("its output is not a JSON document" if stdout.strip() else "it printed no document")
    if not isinstance(document, dict) or document.get("schema") != wanted:
        schema = document.get("schema") if isinstance(document, dict) else None
        raise Unbelievable("its document is not of {0} but of {1}".format(wanted, schema))
    if (document.get("primary"), document.get("backup")) != (given["primary"], given["backup"]):
        raise Unbelievable("its document is about {0} and {1}".format(document.get("primary"), document.get("backup")))
    if not isinstance(document.get("changed"), bool) or not isinstance(document.get("guards"), list):
        raise Unbelievable("its document does not say what was changed, or what was judged")
    if wanted != RUN and document["changed"]:
        raise Unbelievable("its document says that looking changed something")
    outcome = outcome_of(document, wanted)
    if outcome not in EXITS[wanted]:
        raise Unbelievable("its document has the unknown outcome {0}".format(outcome))
    if EXITS[wanted][outcome] != rc:
        raise Unbelievable("its document says {0}, which is not exit {1}".format(outcome, rc))
    if outcome in GOOD and wanted != RUN and blocking(document):
        raise Unbelievable("its document says {0}, and a guard blocks".format(outcome))
    return document


def outcome_of(document, wanted):
    if wanted == AUDIT:
        return {True: "clean", False: "found"}.get(document.get("clean"), document.get("clean"))
    return document.get("outcome")


def blocking(document):
    return [guard for guard in document["guards"] if guard.get("verdict") != "pass"]


def result(document, wanted):
    """What the task returns. In check mode `changed` is what a run would change."""
    outcome = outcome_of(document, wanted)
    told = dict(
        changed=outcome == "ready" if wanted == PLAN else document["changed"],
        outcome=outcome,
        guards=document["guards"],
        findings=blocking(document),
        next=document.get("next", []),
        report=document,
    )
    for key in ("run", "signer", "notes", "waived"):
        if key in document:
            told[key] = document[key]
    return told


def signers(document, wanted):
    """Who signs before and after, as far as it was read; the same text twice when nothing changes."""
    primary, backup = document["primary"], document["backup"]
    roles = [guard.get("verdict") for guard in document["guards"] if guard.get("id") == "roles"]
    before = primary if roles == ["pass"] else None
    after = before
    if wanted == PLAN and outcome_of(document, wanted) == "ready":
        after = backup
    elif wanted == RUN and document["changed"]:
        after = document.get("signer")
    elif wanted == RUN and document.get("signer"):
        before = after = document["signer"]
    return dict(before=signs(before), after=signs(after), before_header="signer", after_header="signer")


def signs(host):
    return "{0} signs\n".format(host) if host else "not known who signs\n"


def summary(told):
    """One line for a person: the outcome, the first reasons, and the next command."""
    outcome = told["outcome"]
    line = IN_WORDS.get(outcome, outcome)
    if told["report"].get("why"):
        line += ": " + told["report"]["why"]
    if outcome in ("refused", "found"):
        line += ". Guards that block: " + "; ".join("{id} ({why})".format(**finding(guard)) for guard in told["findings"])
    if told["next"]:
        line += ". Next: " + told["next"][0]
    return line


def finding(guard):
    return dict(id=guard.get("id"), why=guard.get("why"))


def doubted(doubt, rc, stderr, late, wanted):
    line = "failover ended with exit {0}, and {1}".format(rc, doubt)
    if late:
        line += " (it was asked to stop after the timeout)"
    if wanted == RUN and rc not in (1, 2):
        line += ". What was changed is not known: failover status"
    said = [part for part in stderr.strip().splitlines() if part.startswith("failover:")] or stderr.strip().splitlines()[-1:]
    return line + (". It said: " + said[-1] if said else "")


if __name__ == "__main__":
    main()
