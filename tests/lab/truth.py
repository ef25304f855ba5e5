"""Is what the program reports what is so? Compared at the end of every run of it, from outside the hosts.

Who runs a validator is read from the kernel's process table, what is barred from the hosts' disks, which history is there
from the databases' own files, and what was signed from the referee. Nothing here asks systemd or the program.
"""

import chain
import leveldb
import referee
from host import Host
from leveldb import Floor, Floors
from pair import DATABASE, GATE, LOCK, WANTED, Pair
from program import COMPLETED, PARKED, REFUSED, RESTORED, UNCONFIRMED, Result
from settings import REFEREE_LOG

EXITS = {"completed": COMPLETED, "refused": REFUSED, "restored": RESTORED, "parked": PARKED, "unconfirmed": UNCONFIRMED}


class Truth:
    """What the program said in one test, and the databases as they were when it began."""

    def __init__(self, pair: Pair):
        self.pair = pair
        self.said: list[Result] = []
        self.rebase()

    def rebase(self) -> None:
        """Counts the databases' floors from now on: a test has itself put a host's database in place."""
        self.before = {host: database(host) for host in (self.pair.a, self.pair.b)}

    def heard(self, result: Result) -> None:
        """Takes note of a run that ended; of a hand-over, checks that its report is true."""
        self.said.append(result)
        report = report_of(result)
        if report is not None and not result.killed:
            self.check(result, report)

    def check(self, result: Result, report: dict) -> None:
        assert EXITS.get(report["outcome"]) == result.exit, f"exit and outcome differ: {result}"
        primary, backup = self.host(report["primary"]), self.host(report["backup"])
        match report["outcome"]:
            case "completed":
                assert runs(backup) and not runs(primary) and barred(primary) and not barred(backup), self.tell(result)
                self.check_history(primary, backup)
            case "unconfirmed":
                assert not barred(backup), self.tell(result)
            case "restored":
                assert runs(primary) and not runs(backup) and not barred(primary) and barred(backup), self.tell(result)
            case "parked":
                assert not runs(backup) or "Starting" in report["state"] or "Halting" in report["state"], self.tell(result)
            case "refused":
                assert not report["changed"], self.tell(result)
        if report["signer"] is not None:
            assert runs(self.host(report["signer"])), self.tell(result)

    def check_history(self, primary: Host, backup: Host) -> None:
        """The host that may sign covers all that its forerunner's database holds, and all that anybody published before."""
        held = database(backup)
        assert covers(held, database(primary)), f"{backup.name} lacks history of {primary.name}"
        assert covers(held, published(primary.name)), f"{backup.name} lacks what {primary.name} published"

    def tell(self, result: Result) -> str:
        seen = {host.name: {"runs": runs(host), "barred": barred(host)} for host in (self.pair.a, self.pair.b)}
        return f"not the truth, which is {seen}: {result}"

    def host(self, name: str) -> Host:
        """By its ssh alias: `val-a-ops` is val-a."""
        return self.pair.a if name.startswith(self.pair.a.name) else self.pair.b

    def assert_nothing_lost(self) -> None:
        """No floor of either host is lower than it was when the test began."""
        for host, before in self.before.items():
            assert covers(database(host), before), f"a floor of {host.name} has fallen"


def report_of(result: Result) -> dict | None:
    """The report of a hand-over, if this is one."""
    if not result.stdout.startswith("{"):
        return None
    document = result.document
    return document if document.get("schema") == "failover.report/1" else None


def runs(host: Host) -> bool:
    return bool(host.validator_pids())


def barred(host: Host) -> bool:
    """As the disk says it: lock and gate are there, and nothing starts the unit at boot. Also of a host that is off."""
    gate = host.seen(GATE)
    return host.seen(LOCK).exists() and gate.exists() and LOCK in gate.read_text() and not host.seen(WANTED).is_symlink()


def database(host: Host) -> Floors:
    return leveldb.floors(host.seen(DATABASE))


def published(host: str) -> Floors:
    """The floors of everything that the referee heard of a host."""
    keys, floors = chain.pubkeys(), Floors()
    for message in referee.read(REFEREE_LOG)[0]:
        if message.host == host and message.kind != "sync_committee":
            slot = message.slot if message.kind == "block" else -1
            floors.setdefault(keys[message.validator], Floor()).raise_to(slot, message.source, message.target)
    return floors


def covers(one: Floors, other: Floors) -> bool:
    return all(key in one and one[key].covers(floor) for key, floor in other.items())
