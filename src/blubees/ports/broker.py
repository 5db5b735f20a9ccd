"""The broker: runs, checkpoints, plans, receipts, and what else is kept in its memory."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from blubees.model.flow import PublishedFlow
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.receipt import Receipt
from blubees.model.settings import TenantSettings


class Put(StrEnum):
    """What became of a run that was put into the queue."""

    QUEUED = "queued"
    DUPLICATE = "duplicate"
    FULL = "full"


class Lane(StrEnum):
    """Which of the two queues a run rides in: the prompt one is served first, so that a noisy tenant slows only itself."""

    PROMPT = "prompt"
    BULK = "bulk"


class Finishable(Protocol):
    """Something that can be forgotten once its receipt is safe."""

    async def finish(self) -> object:
        """Forget it."""
        ...


class TakenRun(Protocol):
    """A run that this conduit holds until it says what became of it. Else another gets it after the take-over time."""

    @property
    def tenant(self) -> TenantId:
        """Whose run it is."""
        ...

    @property
    def sealed(self) -> bytes:
        """The sealed run."""
        ...

    @property
    def epoch(self) -> int:
        """Which memory of the brokers it came from."""
        ...

    @property
    def deliveries(self) -> int:
        """How often it was delivered, this time included."""
        ...

    @property
    def is_surely_finished(self) -> bool:
        """Whether the broker, as long as it lives, hears finish() before it gives the run to another."""
        ...

    async def finish(self) -> bool:
        """It is done: the broker forgets it. False: it may not have heard of it, and give the run again."""
        ...

    async def keep(self) -> None:
        """Still working on it."""
        ...

    async def hand_back(self, after_seconds: float = 0.0) -> None:
        """Another shall have it, now or after some time."""
        ...


class RunTaker(Protocol):
    """Who performs runs of one lane."""

    def room(self) -> int:
        """How many more it would take now."""
        ...

    def take(self, run: TakenRun) -> None:
        """Take one; it holds it from now on."""
        ...

    async def wait_for_room(self) -> None:
        """Return when there may be more room than there was."""
        ...


class RunQueue(Protocol):
    """The queue of sealed runs, in the broker's memory."""

    async def put(self, tenant: TenantId, lane: Lane, sealed: bytes, *, delivery: str) -> Put:
        """Queue one run; returns when a majority of the broker's nodes has it.

        Args:
            delivery: keyed hash of the sender's delivery id; the same one within a day is a duplicate. Empty: no check.

        Raises:
            UnavailableError: the broker did not confirm.
        """
        ...

    async def supply(self, lane: Lane, taker: RunTaker) -> None:
        """Give runs to the taker, as many as it has room for, until it is cancelled.

        Raises:
            UnavailableError: the broker did not take our request.
        """
        ...

    async def claim(self, delivery: str) -> bool:
        """Note a delivery that is performed without the queue; False when it was noted within a day before.

        Raises:
            UnavailableError: the broker did not confirm.
        """
        ...

    async def epoch(self) -> int:
        """Which memory of the brokers we speak to: another number after all of them have died, and nothing else changes it.

        Asked once for each connection, so that it costs nothing. Raises UnavailableError: there is none now.
        """
        ...

    async def count_waiting(self) -> int:
        """Runs in the broker that nobody finished yet."""
        ...


class CheckpointStore(Protocol):
    """How far runs are, sealed, in the broker's memory: one checkpoint a run, and nobody overwrites another's unseen."""

    async def save(self, tenant: TenantId, run: RunId, sealed: bytes, *, after: int) -> int | None:
        """Save a checkpoint; gives its number, or None when it is not `after` that is there: another conduit has the run.

        Args:
            after: the number of the checkpoint that this one follows; 0 for none.

        Raises:
            UnavailableError: the broker did not confirm: it may or may not be saved.
        """
        ...

    async def load(self, tenant: TenantId, run: RunId) -> tuple[int, bytes] | None:
        """Give (number, sealed) of a run's checkpoint. Raises UnavailableError."""
        ...

    async def epoch(self) -> int:
        """As RunQueue.epoch: the checkpoints of an earlier memory are gone. Raises UnavailableError."""
        ...

    async def drop(self, tenant: TenantId, run: RunId) -> None:
        """Forget a run's checkpoint."""
        ...


class GateStore(Protocol):
    """Who of a flow's runs is performed and who waits, in the broker's memory: as CheckpointStore, by name."""

    async def save(self, tenant: TenantId, name: str, data: bytes, *, after: int) -> int | None:
        """Save; gives its number, or None when it is not `after` that is there. Raises UnavailableError: saved or not."""
        ...

    async def load(self, tenant: TenantId, name: str) -> tuple[int, bytes] | None:
        """Give (number, data). Raises UnavailableError."""
        ...

    async def note(self, tenant: TenantId, name: str, data: bytes) -> None:
        """Keep this, whatever is there. Not waited for."""
        ...

    async def drop(self, tenant: TenantId, name: str) -> None:
        """Forget what was noted."""
        ...


class PlanBoard(Protocol):
    """Published flows on their way to the conduits, in the broker's memory.

    What is posted follows what its poster has found there before it looked at what is to be posted: whoever looked earlier can
    put nothing over it (docs/decisions/0033).
    """

    async def find(self, tenant: TenantId, flow: FlowId) -> tuple[int, PublishedFlow | None]:
        """Give what was posted last (None: withdrawn, or nothing) and its number, 0 for nothing. Raises UnavailableError."""
        ...

    async def post(self, tenant: TenantId, flow: FlowId, plan: PublishedFlow | None, *, after: int) -> bool:
        """Make a version the current one of its flow; None: it starts no more runs.

        False: something else was posted after that number. Raises UnavailableError.
        """
        ...

    async def post_past(self, plan: PublishedFlow) -> None:
        """Have conduits know a version that is not the current one, for runs of it that are launched again."""
        ...

    async def watch_past(self, told: Callable[[PublishedFlow], None]) -> None:
        """As `watch`, for those."""
        ...

    async def watch(self, changed: Callable[[TenantId, FlowId, PublishedFlow | None], None]) -> None:
        """Call `changed` for every plan there is, return when all were told, and go on telling until the broker closes."""
        ...


class TokenBoard(Protocol):
    """The newest app token of each tenant, sealed, in the broker's memory: conduits share it among themselves."""

    async def post(self, tenant: TenantId, sealed: bytes) -> None:
        """Make it the newest."""
        ...

    async def watch(self, changed: Callable[[TenantId, bytes], None]) -> None:
        """As PlanBoard.watch."""
        ...


class SettingsBoard(Protocol):
    """Every tenant's settings, in the broker's memory."""

    async def find(self, tenant: TenantId) -> int:
        """Give the number of what was posted last for a tenant; 0 for nothing. Raises UnavailableError."""
        ...

    async def post(self, settings: TenantSettings, *, after: int) -> bool:
        """Make them the tenant's, as in PlanBoard.post."""
        ...

    async def watch(self, changed: Callable[[TenantSettings], None]) -> None:
        """As PlanBoard.watch."""
        ...


class Stand(msgspec.Struct, frozen=True, order=True):
    """How far receipts are: in which memory of the brokers (RunQueue.epoch), and up to which number in it."""

    epoch: int
    number: int


class ReceiptBox(Protocol):
    """Receipts on their way to the control plane; they wait in the broker while it is away."""

    async def send(self, receipts: Sequence[Receipt]) -> Stand:
        """Send a batch; returns when the broker has it, and where it stands there. Raises UnavailableError otherwise."""
        ...

    async def kept(self) -> Stand:
        """Up to where batches are in the database. Raises UnavailableError."""
        ...

    def collect(self) -> AsyncIterator[tuple[Sequence[Receipt], int, Callable[[], Awaitable[None]]]]:
        """Batches as (good ones, number refused for their type, what to await once they are kept)."""
        ...


class CancelBoard(Protocol):
    """Runs that an operator has cancelled, in the broker's memory for an hour: told to every conduit."""

    async def post(self, tenant: TenantId, run: RunId) -> None:
        """The run shall end before its next call. Raises UnavailableError."""
        ...

    async def watch(self, told: Callable[[TenantId, RunId], None]) -> None:
        """As PlanBoard.watch."""
        ...


class ReplayStore(Protocol):
    """What failed runs held, sealed, in the broker's memory, each for a time of its own: a conduit's side."""

    async def save(self, tenant: TenantId, run: RunId, sealed: bytes, *, seconds: int) -> bool:
        """Keep it for so long, unless room is needed; False: it is too large, or was not taken. Raises UnavailableError."""
        ...

    async def load(self, tenant: TenantId, run: RunId) -> bytes | None:
        """Give it, while it is there. Raises UnavailableError."""
        ...


class ReplayShelf(Protocol):
    """The control plane's side: it may count, and not read."""

    async def has(self, tenant: TenantId, run: RunId) -> bool:
        """Whether it is there. Raises UnavailableError."""
        ...


class TraceStore(Protocol):
    """How deep the runs were that wrote to issues lately, in the broker's memory; forgotten after ten minutes."""

    async def note(self, tenant: TenantId, name: str, depth: int) -> None:
        """Note the depth of what comes of a write. Not confirmed: what is not noted is taken for a first run."""
        ...

    async def find(self, tenant: TenantId, name: str) -> int:
        """Give the newest; 0 for none. Raises UnavailableError."""
        ...


class MailStore(Protocol):
    """What comes for runs that wait, sealed, in the broker's memory: a mailbox a wait."""

    async def put(self, tenant: TenantId, name: str, sealed: bytes, *, delivery: str) -> bool:
        """Put something into a mailbox; False when it is full. The same delivery counts once within two minutes.

        Raises:
            UnavailableError: the broker did not confirm.
        """
        ...

    async def read(self, tenant: TenantId, name: str, *, after: int) -> Sequence[tuple[int, bytes]]:
        """Give what is in it after a number, oldest first: (number, sealed). Raises UnavailableError."""
        ...
