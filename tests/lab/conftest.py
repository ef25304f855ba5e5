"""Fixtures: the lab once per worker, a healthy pair and a fresh coordinator for each test, and the row of a fault."""

import os

import pytest

import faults
import lab as lab_module
from observed import row
from pair import Pair
from program import COMPLETED, Program
from truth import Truth


def pytest_configure(config):
    config.addinivalue_line("markers", "fault(id, how): shows a fault of faults.toml; `how` may name the test's parameters")
    if not hasattr(config, "workerinput"):
        # Of a worker too the lab belongs to the pytest that tests/lab/run started and cleans up behind.
        os.environ["FAILOVER_LAB_OWNER"] = str(os.getpid())
        config.pluginmanager.register(faults.Table(config))


@pytest.fixture
def figures(record_property):
    """Where a test leaves its line of figures, shown at the end of every run of the lab."""
    return lambda line: record_property("figure", line)


@pytest.fixture(scope="session")
def lab():
    """The lab, brought up if it is not up already; taken down only by who brought it up."""
    owner = os.environ.get("FAILOVER_LAB_OWNER", str(os.getpid()))
    yield lab_module.bring_up(owner)
    lab_module.take_down(owner)


@pytest.fixture(scope="session")
def session_pair(lab):
    return Pair(lab)


@pytest.fixture
def truth(session_pair, request):
    """What the program says in this test, compared with what is so. The hosts are put in place before."""
    session_pair.reset(keep_bar="pair" in request.fixturenames)
    return Truth(session_pair)


@pytest.fixture
def hosts(session_pair, truth, request, record_property):
    """val-a signs, val-b is installed and stopped. Judged by the referee and by the databases afterwards."""
    marks = list(request.node.iter_markers("fault"))
    record_property("faults", len(marks))
    yield session_pair
    session_pair.window.assert_safe()
    truth.assert_nothing_lost()
    for mark in marks:
        fault, how = mark.args
        params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
        record_property("fault", row(fault, how.format(**params), truth) | {"test": request.node.nodeid})


@pytest.fixture
def failover(hosts, truth, tmp_path):
    """The program, as run by a coordinator that has never run it."""
    return Program(hosts.lab, tmp_path, truth.heard)


@pytest.fixture
def pair(hosts, failover, truth):
    """A healthy pair: val-a signs, val-b is stopped and was barred by the program itself."""
    if not hosts.stands_by(hosts.b):
        failover("halt", "val-b", "--yes", expect=COMPLETED)
        truth.said.clear()
    return hosts


@pytest.fixture
def second_coordinator(hosts, truth, tmp_path_factory):
    """Another operator's machine: same hosts, own journal."""
    return Program(hosts.lab, tmp_path_factory.mktemp("second"), truth.heard)
