"""Fixtures: the lab once per session, a healthy pair and a fresh coordinator for each test."""

import os

import pytest

import lab as lab_module
from pair import Pair
from program import COMPLETED, Program


FIGURES = pytest.StashKey[list]()
"""One line per completed hand-over, shown at the end of every run of the lab."""


@pytest.fixture
def figures(request):
    """Where a test leaves its line of figures."""
    return request.config.stash.setdefault(FIGURES, []).append


def pytest_terminal_summary(terminalreporter, config):
    lines = config.stash.get(FIGURES, [])
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def lab():
    """The lab, brought up if it is not up already; taken down only by who brought it up."""
    owner = str(os.getpid())
    yield lab_module.bring_up(owner)
    lab_module.take_down(owner)


@pytest.fixture(scope="session")
def session_pair(lab):
    return Pair(lab)


@pytest.fixture
def hosts(session_pair):
    """val-a signs, val-b is installed and stopped, nothing is barred. Judged by the referee afterwards."""
    session_pair.reset()
    yield session_pair
    session_pair.window.assert_safe()


@pytest.fixture
def failover(hosts, tmp_path):
    """The program, as run by a coordinator that has never run it."""
    return Program(hosts.lab, tmp_path)


@pytest.fixture
def pair(hosts, failover):
    """A healthy pair: val-a signs, val-b is stopped and barred by the program itself."""
    failover("halt", "val-b", "--yes", expect=COMPLETED)
    return hosts


@pytest.fixture
def second_coordinator(hosts, tmp_path_factory):
    """Another operator's machine: same hosts, own journal."""
    return Program(hosts.lab, tmp_path_factory.mktemp("second"))
