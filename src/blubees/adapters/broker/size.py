"""Is the broker's cluster whole: every node there, and every stream on each of them? Used for /readyz by main's processes."""

import asyncio
from dataclasses import dataclass
from typing import Final

import msgspec
import nats
import nats.errors

from blubees.adapters.broker.link import Broker

SURVEY_SECONDS: Final = 1.5
GAP_SECONDS: Final = 0.25  # between two surveys: /readyz may be asked often
HEARD_SECONDS: Final = 2.0  # a node tells each stream's leader once a second that it is there
LOOK_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class BrokerSize:
    """What was seen.

    Attributes:
        nodes_expected: how many there must be.
        nodes: names of those that hold every stream wholly.
        problems: what is not as it must be, one sentence each; names of our streams and nodes only.
        storage: "memory" when every stream has it, else "file" (which must not be).
    """

    nodes_expected: int
    nodes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    storage: str = "memory"

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return not self.problems


class _Peer(msgspec.Struct):
    """One of the nodes that hold a stream, beside its leader. `active`: nanoseconds since it was last heard."""

    name: str
    current: bool = False
    offline: bool = False
    active: int = 0


class _Cluster(msgspec.Struct):
    leader: str = ""
    replicas: list[_Peer] = []


class _Config(msgspec.Struct):
    storage: str


class _Info(msgspec.Struct):
    config: _Config | None = None
    cluster: _Cluster | None = None


class _Names(msgspec.Struct):
    streams: list[str] | None = None


class Surveyor:
    """Asks the broker about all its streams, one survey at a time; who asks meanwhile shares the next."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._running: asyncio.Task[BrokerSize] | None = None
        self._next: asyncio.Task[BrokerSize] | None = None

    async def survey(self) -> BrokerSize:
        """Give what is there now.

        It is never what was seen before the question: who restarts node after node would take the answer of before one
        node was stopped for leave to stop another. The broker itself calls a node current for 4 s and more after
        it was killed (nats-server 2.15), so a node counts once it was heard after the question: that takes 1 to 2 s.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._survey_after(self._running))
        return await asyncio.shield(self._next)

    async def _survey_after(self, running: asyncio.Task[BrokerSize] | None) -> BrokerSize:
        if running is not None:
            await asyncio.wait({running})
            await asyncio.sleep(GAP_SECONDS)
        self._running, self._next = self._next, None  # who asks from now on gets another
        return await self._survey()

    async def _survey(self) -> BrokerSize:
        expected = self._broker.replicas
        try:
            names = msgspec.json.decode(await self._ask("STREAM.NAMES"), type=_Names).streams or []
            asked = asyncio.get_running_loop().time()
            infos = await asyncio.gather(*(self._inform(name, asked) for name in names))
        except (nats.errors.Error, OSError, msgspec.DecodeError):
            return BrokerSize(expected, problems=("the broker does not answer",))
        if not names:
            return BrokerSize(expected, problems=("no stream is there yet",))
        return judge_size(expected, dict(zip(names, infos, strict=True)))

    async def _inform(self, name: str, asked: float) -> _Info:
        """Give a stream's state; nodes that were not heard since the question are not current."""
        loop = asyncio.get_running_loop()
        while True:
            since = loop.time() - asked
            try:
                info = msgspec.json.decode(await self._ask(f"STREAM.INFO.{name}"), type=_Info)
            except (nats.errors.Error, OSError):
                return _Info()
            silent = [each for each in (info.cluster or _Cluster()).replicas if each.current and each.active > since * 1e9]
            if not silent:
                return info
            if since > HEARD_SECONDS:
                for each in silent:
                    each.current = False
                return info
            await asyncio.sleep(LOOK_SECONDS)

    async def _ask(self, what: str) -> bytes:
        return (await self._broker.client.request(f"$JS.API.{what}", b"", timeout=SURVEY_SECONDS)).data


def judge_size(expected: int, infos: dict[str, _Info]) -> BrokerSize:
    """Say which nodes hold all streams, and what is missing."""
    problems: list[str] = []
    whole: set[str] | None = None
    behind: dict[str, list[str]] = {}
    storage = "memory"
    for stream, info in sorted(infos.items()):
        if info.config is None:
            problems.append(f"stream {stream}: nobody leads it")
            continue
        if info.config.storage != "memory":
            storage = info.config.storage
            problems.append(f"stream {stream}: its storage is not memory")
        cluster = info.cluster or _Cluster()
        current = {cluster.leader} | {each.name for each in cluster.replicas if each.current and not each.offline}
        if expected > 1:
            for each in cluster.replicas:
                if each.name not in current:
                    behind.setdefault(each.name, []).append(stream)
            if len(cluster.replicas) + 1 < expected:
                problems.append(f"stream {stream}: on {len(cluster.replicas) + 1} of {expected} nodes")
        whole = current if whole is None else whole & current
    for node, streams in sorted(behind.items()):
        count = "every stream" if len(streams) == len(infos) else ", ".join(streams)
        problems.append(f"node {node}: is away or behind for {count}")
    return BrokerSize(expected, tuple(sorted(whole or ())), tuple(problems), storage)


def describe_size(broker: Broker, size: BrokerSize) -> dict[str, object]:
    """As /readyz tells it."""
    return {
        "connected": broker.is_connected,
        "storage": size.storage,
        "nodes_expected": size.nodes_expected,
        "nodes_whole": list(size.nodes),
        "problems": list(size.problems),
    }
