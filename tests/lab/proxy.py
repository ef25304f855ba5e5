"""The referee's ear: a recording reverse proxy between the validator hosts and the beacon node.

It writes every attestation, block and sync committee message that a client publishes as a line of
JSON (and, beside it, which duties the keys under test had), and lies to one host about the chain when
a test asks it to. It never changes or withholds a published message unless a fault says so, and it
records a message before passing it on: a signature exists even if the beacon node refuses it.

Every host has a port of its own; the control port is on loopback:
  GET  /status            faults, number of lines, genesis time
  PUT  /faults/HOST       replaces the faults of a host, `{}` ends them; see `FAULTS`
"""

import asyncio
import hashlib
import json
import sys
import time

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web

import chain
from settings import (
    BEACON_ADDRESS, BRIDGE_ADDRESS, CONTROL_PORT, HOSTS, KEYS, REFEREE_LOG, SECONDS_PER_SLOT, SLOTS_PER_EPOCH, VALIDATORS, HostPlan,
)  # fmt: skip

UPSTREAM = chain.URL

FAULTS = {
    "down": "'refused' (nothing listens), 'hang' (no answer until the fault ends), 'garbage' (200 and HTML), or a status such as 503",
    "syncing": "fields merged into data of /eth/v1/node/syncing; is_syncing true also makes health 206",
    "peers": "connected peers in /eth/v1/node/peer_count",
    "genesis": "fields merged into data of /eth/v1/beacon/genesis",
    "spec": "fields merged into data of /eth/v1/config/spec",
    "delay_s": "seconds before every answer",
    "replies": "path (or its beginning and *) to {status, body}: an answer made up whole",
    "swallow": "true: published messages are recorded, answered 200 and not passed on",
}
MERGED = {"/eth/v1/node/syncing": "syncing", "/eth/v1/beacon/genesis": "genesis", "/eth/v1/config/spec": "spec"}
PUBLISHING = {
    "/eth/v1/beacon/pool/attestations": "attestation",
    "/eth/v1/beacon/blocks": "block",
    "/eth/v1/beacon/pool/sync_committees": "sync_committee",
}
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "host", "te", "upgrade"}


class Referee:
    """The log, the duties, and the faults of every host."""

    def __init__(self) -> None:
        self.faults: dict[str, dict] = {plan.name: {} for plan in HOSTS}
        self.doors: dict[str, "Door"] = {}
        ours = (BRIDGE_ADDRESS, BEACON_ADDRESS, "127.0.0.1")
        self.names = {plan.address: plan.name for plan in HOSTS} | dict.fromkeys(ours, "coordinator")
        self.committees: dict[tuple[int, int], list[int]] = {}
        self.genesis_time = 0
        self.lines = 0
        self.log = open(REFEREE_LOG, "a", buffering=1)
        self.client: ClientSession

    def record(self, kind: str, **fields: object) -> None:
        self.log.write(json.dumps({"t": round(time.time(), 4), "kind": kind, **fields}) + "\n")
        self.lines += 1

    async def published(self, kind: str, where: dict, body: bytes) -> None:
        """One line for each message of a publishing request."""
        try:
            messages = json.loads(body)
            for message in messages if isinstance(messages, list) else [messages]:
                self.record(kind, **where, **await self.describe(kind, message))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self.record("unreadable", **where, of=kind, error=repr(error), body=body.decode(errors="replace")[:2000])

    async def describe(self, kind: str, message: dict) -> dict:
        if kind == "attestation":
            data = message["data"]
            slot = int(data["slot"])
            return {
                "validator": await self.attester(slot, int(data["index"]), message["aggregation_bits"]),
                "slot": slot,
                "source": int(data["source"]["epoch"]),
                "target": int(data["target"]["epoch"]),
                "root": digest(data),
            }
        if kind == "block":
            block = message["message"]
            return {"validator": int(block["proposer_index"]), "slot": int(block["slot"]), "root": digest(block)}
        return {"validator": int(message["validator_index"]), "slot": int(message["slot"]), "root": message["beacon_block_root"]}

    async def attester(self, slot: int, committee: int, bits: str) -> int:
        """Whose bit is set. An attestation as published has one; anything else is unreadable."""
        raw = int.from_bytes(bytes.fromhex(bits.removeprefix("0x")), "little")
        places = [place for place in range(raw.bit_length() - 1) if raw >> place & 1]
        if len(places) != 1:
            raise ValueError(f"{len(places)} bits set in {bits}")
        if (slot, committee) not in self.committees:
            await self.learn(slot // SLOTS_PER_EPOCH)
        return self.committees[slot, committee][places[0]]

    async def learn(self, epoch: int) -> None:
        """Asks the beacon node for the committees of an epoch; records the duties of our keys once."""
        address = f"{UPSTREAM}/eth/v1/validator/duties/attester/{epoch}"
        async with self.client.post(address, json=[str(index) for index in range(VALIDATORS)]) as reply:
            duties = (await reply.json())["data"]
        for duty in duties:
            slot, committee = int(duty["slot"]), int(duty["committee_index"])
            members = self.committees.setdefault((slot, committee), [-1] * int(duty["committee_length"]))
            members[int(duty["validator_committee_index"])] = int(duty["validator_index"])
        for duty in duties:
            if int(duty["validator_index"]) in KEYS:
                self.record("duty", epoch=epoch, slot=int(duty["slot"]), validator=int(duty["validator_index"]))

    async def follow(self) -> None:
        """Learns every epoch shortly after it began, whether or not anybody signs in it."""
        while not self.genesis_time:
            try:
                async with self.client.get(f"{UPSTREAM}/eth/v1/beacon/genesis") as reply:
                    self.genesis_time = int((await reply.json())["data"]["genesis_time"])
            except (ClientError, OSError):
                await asyncio.sleep(0.2)
        length = SECONDS_PER_SLOT * SLOTS_PER_EPOCH
        epoch = max(0, int((time.time() - self.genesis_time) // length))
        while True:
            await asyncio.sleep(max(0, self.genesis_time + epoch * length + 0.4 - time.time()))
            try:
                await self.learn(epoch)
                epoch += 1
            except (ClientError, OSError, KeyError):
                await asyncio.sleep(0.3)


class Door:
    """One host's way to the beacon node."""

    def __init__(self, referee: Referee, plan: HostPlan):
        self.referee = referee
        self.plan = plan
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{tail:.*}", self.handle)
        self.app = app
        self.runner: web.AppRunner | None = None

    @property
    def faults(self) -> dict:
        return self.referee.faults[self.plan.name]

    async def open(self) -> None:
        if self.runner is None:
            self.runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.01)
            await self.runner.setup()
            await web.TCPSite(self.runner, BEACON_ADDRESS, self.plan.beacon_port, reuse_address=True).start()

    async def close(self) -> None:
        """Nothing listens any more, and open connections are dropped."""
        if self.runner is not None:
            for connection in list(self.runner.server.connections) if self.runner.server else []:
                if connection.transport:
                    connection.transport.abort()
            await self.runner.cleanup()
            self.runner = None
            self.app = web.Application(client_max_size=64 << 20)
            self.app.router.add_route("*", "/{tail:.*}", self.handle)

    async def apply(self) -> None:
        await (self.close() if self.faults.get("down") == "refused" else self.open())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        address = request.remote or ""
        where = {"host": self.referee.names.get(address, address), "address": address, "door": self.plan.name}
        kind = PUBLISHING.get(request.path) if request.method == "POST" else None
        if kind:
            await self.referee.published(kind, where, body)
        lie = await self.lie(request, kind)
        return lie if lie is not None else await self.forward(request, body)

    async def lie(self, request: web.Request, kind: str | None) -> web.Response | None:
        """The made-up answer that a fault asks for, if one does."""
        await asyncio.sleep(self.faults.get("delay_s", 0))
        down = self.faults.get("down")
        while down == "hang":
            await asyncio.sleep(0.2)
            down = self.faults.get("down")
        if down == "garbage":
            return web.Response(text="<html><body>It works!</body></html>", content_type="text/html")
        if isinstance(down, int):
            return web.Response(status=down, text="out of order")
        if kind and self.faults.get("swallow"):
            return web.Response()
        reply = self.made_up(request.path)
        if reply is not None:
            return web.json_response(reply.get("body"), status=reply.get("status", 200))
        if request.path == "/eth/v1/node/health" and self.faults.get("syncing", {}).get("is_syncing"):
            return web.Response(status=206, text="206")
        return None

    def made_up(self, path: str) -> dict | None:
        replies = self.faults.get("replies", {})
        begun = [wanted for wanted in replies if wanted.endswith("*") and path.startswith(wanted[:-1])]
        return replies.get(path) or (replies[begun[0]] if begun else None)

    async def forward(self, request: web.Request, body: bytes) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        try:
            upstream = await self.referee.client.request(
                request.method, UPSTREAM + request.path_qs, headers=headers, data=body or None, allow_redirects=False
            )
        except (ClientError, OSError) as error:
            return web.Response(status=502, text=f"beacon node: {error}")
        async with upstream:
            if "event-stream" in upstream.headers.get("content-type", ""):
                return await stream(request, upstream)
            return web.Response(
                status=upstream.status,
                body=self.bend(request.path, await upstream.read()),
                headers={name: value for name, value in upstream.headers.items() if name.lower() not in HOP_BY_HOP},
            )

    def bend(self, path: str, body: bytes) -> bytes:
        """Merges a fault's fields into an otherwise true answer."""
        fault = MERGED.get(path)
        if fault and self.faults.get(fault):
            document = json.loads(body)
            document["data"] |= self.faults[fault]
            return json.dumps(document).encode()
        if path == "/eth/v1/node/peer_count" and "peers" in self.faults:
            document = json.loads(body)
            document["data"]["connected"] = self.faults["peers"]
            return json.dumps(document).encode()
        return body


async def stream(request: web.Request, upstream) -> web.StreamResponse:
    """Passes events on as they come."""
    reply = web.StreamResponse(status=upstream.status, headers={"content-type": "text/event-stream", "cache-control": "no-cache"})
    await reply.prepare(request)
    try:
        async for chunk in upstream.content.iter_any():
            await reply.write(chunk)
    except (ClientError, ConnectionError):
        pass
    return reply


def digest(document: dict) -> str:
    """A short name for signed content: equal content has an equal name."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


async def serve() -> None:
    referee = Referee()
    referee.client = ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=None, sock_connect=5), auto_decompress=True)
    for plan in HOSTS:
        referee.doors[plan.name] = Door(referee, plan)
        await referee.doors[plan.name].open()

    async def status(_: web.Request) -> web.Response:
        return web.json_response({"genesis_time": referee.genesis_time, "lines": referee.lines, "faults": referee.faults})

    async def put(request: web.Request) -> web.Response:
        host, wanted = request.match_info["host"], await request.json()
        if host not in referee.faults or not set(wanted) <= set(FAULTS):
            return web.json_response({"hosts": list(referee.faults), "faults": FAULTS}, status=400)
        referee.faults[host] = wanted
        await referee.doors[host].apply()
        referee.record("fault", host=host, faults=wanted)
        return web.json_response(wanted)

    control = web.Application()
    control.router.add_get("/status", status)
    control.router.add_put("/faults/{host}", put)
    runner = web.AppRunner(control, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", CONTROL_PORT).start()
    await referee.follow()


if __name__ == "__main__":
    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        sys.exit(130)
