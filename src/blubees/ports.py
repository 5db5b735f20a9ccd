"""The outside world on one page: every port, as a Protocol. Adapters fulfil them; main hands them in. Read this file first.

Times are UTC milliseconds since 1970 unless a name says otherwise. The tenant stands first in every method about a tenant.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from blubees.model.audit import AuditEvent
from blubees.model.connection import Connection, Lease, LeaseRefusal, Use
from blubees.model.connector import AuthScheme, Connector
from blubees.model.flow import PublishedFlow, TriggerKind
from blubees.model.grant import Consent, ConsentState, Grant
from blubees.model.ids import ConnectionName, FlowId, RunId, TenantId
from blubees.model.order import Order
from blubees.model.parking import (
    Answered,
    ArmSlot,
    CallIn,
    FindWaiters,
    LeaveSlot,
    OpenSlot,
    Slot,
    SlotAnswer,
    SlotRequest,
    SlotVerdict,
    TakeSlot,
    Wait,
)
from blubees.model.receipt import Receipt, RunAccepted, RunReceipt, TenantSeen
from blubees.model.schedule import Timing
from blubees.model.seen import SeenQuestion
from blubees.model.settings import TenantSettings
from blubees.model.sign_off import AnswerSignOff, Choice, Notice, SignOffReply, SignOffRequest
from blubees.model.web import SentBody, WebAnswer, WebFailure, WebRequest

# ---------------------------------------------------------------- the machine


class Clock(Protocol):
    """Time."""

    def now_milliseconds(self) -> int:
        """UTC, since 1970."""
        ...

    def now(self) -> datetime:
        """UTC, aware."""
        ...

    def monotonic_seconds(self) -> float:
        """For durations; the start is arbitrary."""
        ...


class Chance(Protocol):
    """Unpredictable bytes and ids."""

    def bytes(self, count: int) -> bytes:
        """Cryptographically strong bytes."""
        ...

    def new_run_id(self) -> RunId:
        """Sorts by time: 48 bits of milliseconds, 80 bits of chance."""
        ...


class Events(Protocol):
    """Operational log: an event's name and typed fields. No free text, no payload (style, rule 21)."""

    def __call__(self, event: str, /, **fields: float | bool | str) -> None:
        """Tell one event. String fields must be ids or words from our own closed lists."""
        ...


# ---------------------------------------------------------------- third parties


class AnswerStream(Protocol):
    """An answer whose body is read as it comes in. Close it, whatever happens."""

    @property
    def status(self) -> int:
        """Its status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names lower-cased; a repeated one is joined with ", "."""
        ...

    @property
    def length(self) -> int | None:
        """Bytes of the body as `pieces` gives it; None: not known before its end."""
        ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body, unpacked, 256 KiB at most at a time. Raises BrokenOffError: it is not whole, or larger than allowed."""
        ...

    def close(self) -> None:
        """Read no more of it."""
        ...


class WebClient(Protocol):
    """The one way out. Guards every address at connect time, also on redirects."""

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """Carry out one call. Never raises for what the other side does."""
        ...

    async def open(self, request: WebRequest, body: SentBody | None = None) -> AnswerStream | WebFailure:
        """Carry out a call whose answer's body is read in pieces; with `body`, its own is sent in pieces, and `redirects` is 0.

        No piece is asked for before the other side has taken those before. Raises what `body.pieces` raises, the call being
        broken off then; never for what the other side does.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class ProtocolClient(Protocol):
    """A client of another protocol than HTTP. Guards as WebClient does."""

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """As WebClient.call: the URL's scheme names the protocol."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


# ---------------------------------------------------------------- the broker


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


class OrderBox(Protocol):
    """Where the control plane puts its orders."""

    async def send(self, order: Order, *, name: str) -> None:
        """Send one; it is carried out at least once. The same name within two minutes counts once. Raises UnavailableError."""
        ...


class OrderQueue(Protocol):
    """Where conduits get orders."""

    async def supply(self, perform: Callable[[Order], Awaitable[None]]) -> None:
        """Have orders carried out, some at a time, until cancelled. One that raises a BluBeesError comes again, to any."""
        ...


class LeaseDesk(Protocol):
    """Where a conduit borrows credentials. Asked over the broker, answered by the control plane, sealed on the way."""

    async def borrow(self, tenant: TenantId, name: ConnectionName, use: Use, refused: str = "") -> Lease | LeaseRefusal:
        """Open a lease for one call, of this use, which is noted. Unavailable when the control plane does not answer in time.

        Args:
            refused: the hash of a token (vault/lease.py) that the vendor has just refused: give another, if there is one.
        """
        ...


class ParkingDesk(Protocol):
    """Where a conduit parks runs. Asked over the broker, answered by the control plane, sealed on the way."""

    async def open(self, request: OpenSlot | TakeSlot) -> Slot | SlotVerdict:
        """Ask for a run's slot, with its key. UNAVAILABLE when the control plane does not answer within 3 s."""
        ...

    async def tell(self, request: ArmSlot | LeaveSlot | CallIn) -> SlotVerdict:
        """Tell what became of it; as above."""
        ...

    async def find_waiters(self, request: FindWaiters) -> Sequence[str]:
        """Give the mailboxes that wait for an event. Raises UnavailableError."""
        ...

    async def borrow_call_back_key(self, tenant: TenantId) -> bytes:
        """Borrow the key of the tenant's call-back addresses, for a minute. Raises UnavailableError."""
        ...


class SignOffDesk(Protocol):
    """Where a conduit asks about sign-offs. Asked over the broker, answered by the control plane, sealed both ways."""

    async def ask(self, request: SignOffRequest) -> SignOffReply:
        """Ask. Raises UnavailableError after 3 s."""
        ...


class SignOffCounter(Protocol):
    """The control plane's side of it."""

    async def serve(self, answer: Callable[[SignOffRequest], Awaitable[SignOffReply]]) -> None:
        """Answer every request from now on, until the broker closes."""
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


class WaiterBoard(Protocol):
    """Which tenants have runs that wait for Jira events: conduits ask for the others' events nothing more."""

    async def post(self, tenant: TenantId) -> None:
        """This tenant has. It stays so until the brokers' memory is a new one. Raises UnavailableError."""
        ...

    async def watch(self, changed: Callable[[TenantId], None]) -> None:
        """As PlanBoard.watch."""
        ...


class ParkingCounter(Protocol):
    """The control plane's side of the parking desk."""

    async def serve(self, answer: Callable[[SlotRequest], Awaitable[SlotAnswer | SlotVerdict]]) -> None:
        """Answer every request from now on, until the broker closes."""
        ...


class LeaseCounter(Protocol):
    """The control plane's side of the lease desk."""

    async def serve(
        self, answer: Callable[[TenantId, ConnectionName, Sequence[Use], str], Awaitable[Lease | LeaseRefusal]]
    ) -> None:
        """Answer every request from now on, until the broker closes.

        Each is for one or more uses, of one flow and purpose, and says which token was refused, if one was.
        """
        ...


class SeenDesk(Protocol):
    """Where a conduit asks whether a key was seen before. Answered by the control plane, sealed both ways."""

    async def ask(self, tenant: TenantId, question: SeenQuestion) -> bool:
        """Whether another asker has marked it; else it is marked now. Raises UnavailableError after 3 s."""
        ...


class SeenCounter(Protocol):
    """The control plane's side of it."""

    async def serve(self, answer: Callable[[TenantId, SeenQuestion], Awaitable[bool]]) -> None:
        """Answer every question from now on, until the broker closes."""
        ...


# ---------------------------------------------------------------- the database (control plane only)


class TenantRow(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant as it is kept: the newest TenantSeen and when it was first seen."""

    seen: TenantSeen
    first_seen_at_milliseconds: int


class FlowRow(msgspec.Struct, frozen=True, kw_only=True):
    """A flow's head: its draft and which version is live.

    Attributes:
        draft: the text as the author wrote it (YAML or JSON).
        live_version: 0 when none is.
        hook_token_hash: hex SHA-256 of the webhook token; empty until first published with a webhook trigger.
    """

    tenant: TenantId
    flow: FlowId
    name: str
    draft: str
    live_version: int = 0
    newest_version: int = 0
    hook_token_hash: str = ""
    changed_at_milliseconds: int = 0


class VersionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One published version: immutable. `connectors`: what it pins (flows/connectors.py), as JSON; empty for nothing."""

    tenant: TenantId
    flow: FlowId
    version: int
    text: str
    published_at_milliseconds: int
    connectors: bytes = b""


class SecretRow(msgspec.Struct, frozen=True, kw_only=True):
    """A connection with its sealed secrets (docs/decisions/0044).

    Attributes:
        key_version: of the tenant's key that wraps this connection's own.
        wrapped_key: the connection's own key, which seals its fields; empty for a row from before there was one.
        sealed: its fields by name, as in `connection.fields`.
    """

    connection: Connection
    key_version: int
    wrapped_key: bytes
    sealed: Mapping[str, bytes]


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a tenant's key.

    Attributes:
        wrapped: by the key provider; empty once it is destroyed.
        minimum: since this version was made the newest, no version below that one is opened.
        created_at_milliseconds, wrapped_at_milliseconds: when it was made, and wrapped the last time.
    """

    tenant: TenantId
    version: int
    wrapped: bytes
    minimum: int = 0
    created_at_milliseconds: int = 0
    wrapped_at_milliseconds: int = 0


class DerivedKeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key of a tenant's for one purpose, which stays the same while the tenant's key changes: wrapped under that."""

    tenant: TenantId
    purpose: str
    key_version: int
    wrapped: bytes


class ScheduleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A live flow's schedule or poll, and how far it is.

    Attributes:
        timing: when it is due; `source`: a digest of what a poll asks: another one starts without a cursor.
        anchor_milliseconds: what intervals are counted from.
        next_due_milliseconds: the next tick.
        claimed_due_milliseconds: the tick that was given to the conduits and is not answered yet; 0 for none.
        claimed_at_milliseconds: when it was claimed.
        deadline_milliseconds: when its order is sent again; 0 for one that was not sent yet.
        attempts: how often it was sent.
        missed: ticks before it that were missed.
        last_due_milliseconds: the newest tick that was carried out; 0 for none.
        answered_at_milliseconds: when the newest answer came; 0 for none.
        runs: how many it started.
        failures: how often in a row it failed; `failure`: the newest one's code, empty when all is well.
        http_status: of the newest failure.
        cursor: where the next poll goes on.
    """

    tenant: TenantId
    flow: FlowId
    version: int
    timing: Timing
    source: str = ""
    anchor_milliseconds: int
    next_due_milliseconds: int
    claimed_due_milliseconds: int = 0
    claimed_at_milliseconds: int = 0
    deadline_milliseconds: int = 0
    attempts: int = 0
    missed: int = 0
    last_due_milliseconds: int = 0
    answered_at_milliseconds: int = 0
    runs: int = 0
    failures: int = 0
    failure: str = ""
    http_status: int = 0
    cursor: str = ""


class TenantStore(Protocol):
    """Tenants."""

    async def record(self, seen: TenantSeen) -> None:
        """Insert or renew, but with nothing older, and with nothing an installation sends in the minute after its goodbye."""
        ...

    async def leave(self, goodbye: TenantSeen, heard_at_milliseconds: int) -> None:
        """Note a goodbye that was recorded, and when it was heard here; one that was noted already changes nothing."""
        ...

    async def list(self) -> Sequence[TenantRow]:
        """All, newest first."""
        ...

    async def load(self, tenant: TenantId) -> TenantRow | None:
        """One."""
        ...


class FlowStore(Protocol):
    """Flows and their versions."""

    async def save_draft(self, row: FlowRow) -> None:
        """Insert or change the draft and name; live version and hook stay."""
        ...

    async def publish(self, row: VersionRow, *, hook_token_hash: str) -> None:
        """Add the version and make it live, in one transaction. ConflictError when the number is taken."""
        ...

    async def make_live(self, tenant: TenantId, flow: FlowId, version: int, at_milliseconds: int) -> None:
        """Point the flow at one of its versions; 0 means none (the flow starts no more runs)."""
        ...

    async def set_hook(self, tenant: TenantId, flow: FlowId, hook_token_hash: str) -> None:
        """Change the webhook token."""
        ...

    async def load(self, tenant: TenantId, flow: FlowId) -> FlowRow | None:
        """The head."""
        ...

    async def list(self, tenant: TenantId) -> Sequence[FlowRow]:
        """All heads of the tenant, by id."""
        ...

    async def load_version(self, tenant: TenantId, flow: FlowId, version: int) -> VersionRow | None:
        """One version."""
        ...

    async def list_versions(self, tenant: TenantId, flow: FlowId) -> Sequence[VersionRow]:
        """All versions, newest first."""
        ...

    async def list_live(self, tenant: TenantId | None = None) -> Sequence[tuple[FlowRow, VersionRow]]:
        """Give the live versions. None: every tenant's, what conduits must know: at the control plane's start only."""
        ...


class ScheduleStore(Protocol):
    """Schedules and polls of live flows: at most one a flow."""

    async def put(self, row: ScheduleRow) -> None:
        """Insert or replace."""
        ...

    async def load(self, tenant: TenantId, flow: FlowId) -> ScheduleRow | None:
        """One."""
        ...

    async def list(self, tenant: TenantId) -> Sequence[ScheduleRow]:
        """All of the tenant, by flow."""
        ...

    async def remove(self, tenant: TenantId, flow: FlowId) -> None:
        """Forget it, if it is there."""
        ...

    async def list_due(self, now_milliseconds: int, *, ahead_milliseconds: int, limit: int) -> Sequence[ScheduleRow]:
        """Those of all tenants that are installed, with a tick to claim or an order to send again; the longest due first.

        With them those that were claimed later than `ahead_milliseconds`: by a clock that was ahead.
        """
        ...

    async def swap(self, seen: ScheduleRow, changed: ScheduleRow) -> bool:
        """Change a row if it is as it was seen; False when somebody else was first. One UPDATE: no lock, no leader."""
        ...


class RegistrationRow(msgspec.Struct, frozen=True, kw_only=True):
    """What is registered at a vendor for a flow's webhook, and how it is taken back.

    Attributes:
        source: hash of what was registered: another one is registered anew.
        action: of `connector` (JSON, with that action only), which takes it back with `inputs` (JSON); empty: nothing does.
    """

    tenant: TenantId
    flow: FlowId
    source: str
    connection: str
    action: str = ""
    inputs: str = "{}"
    connector: str = ""
    registered_at_milliseconds: int = 0


class RenewalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A registration that ends by itself, and when it is renewed.

    Attributes:
        inputs: of the action that renews it (JSON), as far as registering gave them.
        registered_at_milliseconds: of the registration that is meant; another one has a row of its own, or needs none.
        tries: since it was renewed the last time.
    """

    tenant: TenantId
    flow: FlowId
    inputs: str
    registered_at_milliseconds: int
    due_milliseconds: int
    tries: int = 0


class RenewalStore(Protocol):
    """Registrations that end by themselves: at most one a flow."""

    async def put(self, row: RenewalRow) -> None:
        """Insert or replace."""
        ...

    async def list_due(self, now_milliseconds: int, *, limit: int) -> Sequence[RenewalRow]:
        """Those of all tenants that are to be renewed, the longest due first."""
        ...

    async def swap(self, seen: RenewalRow, changed: RenewalRow) -> bool:
        """Change a row if it is as it was seen; False when somebody else was first. One UPDATE: no lock, no leader."""
        ...

    async def remove(self, seen: RenewalRow) -> None:
        """Forget it, if it is as it was seen."""
        ...


class RemovalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that is to be taken back at its vendor: how, and how often that was tried. References only.

    Attributes:
        removal: its id.
        connection, action, inputs, connector: as in RegistrationRow.
        tries: how often it was tried, one that is under way counted.
        next_milliseconds: when it is tried again; 0: it was given up.
        failure: the code of the newest failure, with its detail behind a blank.
    """

    tenant: TenantId
    removal: str
    flow: FlowId
    connection: str
    action: str
    inputs: str
    connector: str
    since_milliseconds: int
    tries: int = 0
    next_milliseconds: int = 0
    failure: str = ""


class RegistrationStore(Protocol):
    """What is registered at vendors, at most one webhook a flow, and what is still to be taken back there."""

    async def save(self, row: RegistrationRow) -> None:
        """Insert or replace."""
        ...

    async def load(self, tenant: TenantId, flow: FlowId) -> RegistrationRow | None:
        """One."""
        ...

    async def list(self, tenant: TenantId) -> Sequence[RegistrationRow]:
        """All of the tenant, by flow."""
        ...

    async def retire(self, row: RegistrationRow, removal: RemovalRow) -> bool:
        """Turn a registration into what is to be taken back, in one step; False: it is not there as it was seen."""
        ...

    async def list_removals(self, tenant: TenantId) -> Sequence[RemovalRow]:
        """What is to be taken back, or was given up, the newest first."""
        ...

    async def list_due(self, now_milliseconds: int, *, limit: int) -> Sequence[RemovalRow]:
        """What is to be tried again now, of all tenants; the longest due first."""
        ...

    async def swap(self, seen: RemovalRow, changed: RemovalRow) -> bool:
        """Change a removal if it is as it was seen; False: another was first."""
        ...

    async def drop(self, seen: RemovalRow) -> None:
        """Forget a removal: it is done."""
        ...

    async def purge(self, before_milliseconds: int) -> None:
        """Forget those that were given up and began before that."""
        ...


class ConnectorShelf(Protocol):
    """The connectors that a tenant's flows may name: of the catalogue, and those that it imported. Looked into at checking."""

    async def find(
        self, tenant: TenantId, name: str, /, *, actions: Collection[str] = (), triggers: Collection[str] = ()
    ) -> Connector | None:
        """Give a connector with those of these actions and triggers that it has, and the forms that they reach.

        Actions that its triggers use come with them. None: the tenant has no connector of this name.
        """
        ...

    async def list_connectors(self, tenant: TenantId, /) -> Sequence[str]:
        """The names of all, in order: for finding the nearest to a wrong one."""
        ...

    async def list_names(self, tenant: TenantId, name: str, /) -> tuple[Sequence[str], Sequence[str]]:
        """The names of one connector's actions, and of its triggers; none when there is no such connector."""
        ...


class ConnectorRow(msgspec.Struct, frozen=True, kw_only=True):
    """A connector that a tenant imported, without its actions and forms.

    Attributes:
        source: the importer: `openapi`, `graphql`, `mcp`.
        source_version: what the document says of itself; empty where it says nothing.
        origin: the URL, or the file's name, that it came from.
        revision: counts imports, from 1.
        actions, triggers: how many.
        packed: the noun (model/connector.py) without actions and forms, as connectors/packing.py writes it.
    """

    tenant: TenantId
    name: str
    title: str
    source: str
    source_version: str = ""
    origin: str = ""
    revision: int = 1
    actions: int = 0
    triggers: int = 0
    imported_at_milliseconds: int = 0
    packed: bytes = b""


class ActionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One action of an imported connector.

    Attributes:
        words: what a search looks at: lower-case words, a blank before each.
        packed: the noun (model/action.py), as connectors/packing.py writes it; empty in what a search gives.
    """

    name: str
    title: str
    group: str = ""
    effect: str
    method: str = ""
    path: str = ""
    is_deprecated: bool = False
    words: str = ""
    packed: bytes = b""


class FormRow(msgspec.Struct, frozen=True, kw_only=True):
    """One form that actions refer to."""

    name: str
    packed: bytes


class ConnectorStore(Protocol):
    """Connectors that tenants imported, by action."""

    async def replace(self, row: ConnectorRow, actions: Sequence[ActionRow], forms: Sequence[FormRow], *, after: int) -> bool:
        """Put a connector in place of the one that is there, whole, in one transaction.

        Args:
            after: the revision that this one follows; 0: there is none. False: it is another that is there.
        """
        ...

    async def load(self, tenant: TenantId, name: str) -> ConnectorRow | None:
        """One."""
        ...

    async def list(self, tenant: TenantId) -> Sequence[ConnectorRow]:
        """All of the tenant, by name."""
        ...

    async def delete(self, tenant: TenantId, name: str) -> bool:
        """False when it was not there."""
        ...

    async def load_actions(self, tenant: TenantId, connector: str, names: Collection[str] | None = None) -> Sequence[ActionRow]:
        """Those of these actions that are there, by name; None: all."""
        ...

    async def load_forms(self, tenant: TenantId, connector: str, names: Collection[str] | None = None) -> Sequence[FormRow]:
        """Those of these forms that are there, by name; None: all."""
        ...

    async def list_actions(
        self, tenant: TenantId, connector: str, *, after: str = "", limit: int = 100_000
    ) -> Sequence[ActionRow]:
        """Actions by name, from behind a name on, without what is packed."""
        ...

    async def search(
        self, tenant: TenantId, connector: str, beginnings: Sequence[str], *, limit: int
    ) -> Sequence[tuple[str, ActionRow]]:
        """Find actions that have a word with each of these beginnings, with their connector's name; unordered.

        Args:
            connector: empty: all of the tenant.
        """
        ...


class ImportRefusal(msgspec.Struct, frozen=True, kw_only=True, tag="refusal"):
    """A document that is not imported, and why. Nothing of it is repeated."""

    sentence: str


class ImportNeeds(msgspec.Struct, frozen=True, kw_only=True, tag="needs"):
    """The files that a document refers to and that were not given, by URL."""

    urls: tuple[str, ...]


class ImportOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A document, and what is to be made of it.

    Attributes:
        url: where it comes from; empty: not known.
        files: those that it refers to, by URL.
        base_url: instead of what the document says; of GraphQL the endpoint.
        sort: `mcp`: a list of tools; empty: told by the document.
        is_open: whether it told its document to one who showed no credential (GraphQL, MCP).
        trusts_hints: whether what an MCP server says of its tools' effects is believed.
        auth: how it is authorised, where that was found out; else empty: as the document or the importer says.
        earlier: the connector that an earlier import made, packed, with its actions and forms; None: there is none.
    """

    name: str
    document: bytes
    sort: str = ""
    is_open: bool = False
    trusts_hints: bool = False
    auth: dict[str, AuthScheme] = {}
    url: str = ""
    files: dict[str, bytes] = {}
    base_url: str = ""
    title: str = ""
    earlier: tuple[bytes, Sequence[ActionRow], Sequence[FormRow]] | None = None


class ActionChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that another import changes.

    Attributes:
        sort: `added`, `removed`, or a word of connectors/differences.py.
        name: of the input or output; empty: the action itself.
        old, new: types or words of our own lists.
    """

    action: str
    sort: str
    name: str = ""
    old: str = ""
    new: str = ""


class ImportMade(msgspec.Struct, frozen=True, kw_only=True, tag="made"):
    """What was made of a document, ready to be kept."""

    row: ConnectorRow
    actions: Sequence[ActionRow]
    forms: Sequence[FormRow]
    notes: tuple[str, ...] = ()
    left_out: int = 0
    changes: tuple[ActionChange, ...] = ()


class ImportBench(Protocol):
    """Where a stranger's document is read: apart from everything, with bounds on time and memory."""

    async def work(self, order: ImportOrder) -> ImportMade | ImportNeeds | ImportRefusal:
        """Make a connector of a document. Never raises for what stands in it."""
        ...


class ConnectionStore(Protocol):
    """Connections and their sealed secrets."""

    async def save(self, row: SecretRow, *, after: int) -> bool:
        """Insert or replace a connection with all its fields, in one step; False when it is not `after` that is there.

        Args:
            after: the version that this one follows; 0: there is none.

        Raises:
            ConflictError: the tenant's key that it is sealed under is no more: another process has changed it.
        """
        ...

    async def load(self, tenant: TenantId, name: ConnectionName) -> SecretRow | None:
        """One."""
        ...

    async def list(self, tenant: TenantId) -> Sequence[Connection]:
        """All of the tenant, by name, without secrets."""
        ...

    async def delete(self, tenant: TenantId, name: ConnectionName) -> bool:
        """False when it was not there."""
        ...

    async def list_sealed(
        self, tenant: TenantId, *, key_below: int, before_milliseconds: int, after: str, limit: int
    ) -> Sequence[ConnectionName]:
        """Name connections sealed under an older version of the tenant's key, or whose own key was made before then.

        Args:
            after: names that follow this one, in order.
        """
        ...

    async def reseal(self, row: SecretRow, before: SecretRow) -> bool:
        """Change how a connection is sealed, and nothing else; False when it is not as in `before` any more.

        Raises:
            ConflictError: as in save.
        """
        ...


class RunKeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """The key of a parked run."""

    tenant: TenantId
    run: RunId
    key_version: int
    sealed: bytes


class TenantVault(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a tenant, for operators. `versions`: of its key; `under_older`: what is sealed under older ones."""

    tenant: TenantId
    versions: Sequence[KeyRow]
    connections: int
    run_keys: int
    under_older: int


class GrantStore(Protocol):
    """What is known of grants, and open questions to people."""

    async def load(self, tenant: TenantId, connection: ConnectionName) -> Grant | None:
        """One."""
        ...

    async def save(self, grant: Grant, *, after: int) -> bool:
        """Keep it, numbered after + 1; False when it is not `after` that is there (0: none), or its connection is gone."""
        ...

    async def list(self, tenant: TenantId) -> Sequence[Grant]:
        """All of a tenant."""
        ...

    async def list_due(self, now_milliseconds: int, *, limit: int) -> Sequence[Grant]:
        """Live ones of any tenant that are to be renewed, the longest due first."""
        ...

    async def add_consent(self, consent: Consent) -> None:
        """Keep a question."""
        ...

    async def take_consent(self, tenant: TenantId, mark: str, now_milliseconds: int) -> Consent | None:
        """Take the answer to an open question, once; None: there is none, it was taken, or its time is over."""
        ...

    async def load_consent(self, tenant: TenantId, mark: str) -> Consent | None:
        """One, however far it is."""
        ...

    async def end_consent(self, tenant: TenantId, mark: str, state: ConsentState, outcome: str) -> None:
        """Note how it ended, and forget what was sealed."""
        ...

    async def purge_consents(self, before_milliseconds: int) -> None:
        """Forget those whose time was over before that."""
        ...


class KeyStore(Protocol):
    """The wrapped keys of tenants."""

    async def load(self, tenant: TenantId) -> Sequence[KeyRow]:
        """All versions, the newest first."""
        ...

    async def add(self, row: KeyRow) -> bool:
        """False when that version exists: another process was first; load it."""
        ...

    async def rewrap(self, row: KeyRow, before: bytes) -> bool:
        """Change how a key is wrapped; False when it is not wrapped as `before` any more."""
        ...

    async def retire(self, tenant: TenantId, below: int) -> bool:
        """Destroy the versions below this one, and open none of them any more; False: something is sealed under one."""
        ...

    async def list_tenants(self) -> Sequence[TenantId]:
        """Tenants that have a key, in order. For operators."""
        ...

    async def describe(self, tenant: TenantId) -> TenantVault:
        """What is kept of a tenant."""
        ...

    async def list_wrapped(self) -> Sequence[bytes]:
        """Every wrapped key there is, of all tenants: to see what the key provider must still open."""
        ...

    async def list_derived(self, tenant: TenantId, *, below: int) -> Sequence[DerivedKeyRow]:
        """Those that are wrapped under older versions."""
        ...

    async def swap_derived(self, row: DerivedKeyRow, before: bytes) -> bool:
        """As rewrap. ConflictError as in ConnectionStore.save."""
        ...

    async def list_run_keys(self, tenant: TenantId, *, below: int, after: str, limit: int) -> Sequence[RunKeyRow]:
        """Keys of parked runs that are sealed under older versions, by run; those that follow `after`."""
        ...

    async def swap_run_key(self, row: RunKeyRow, before: bytes) -> bool:
        """As rewrap. ConflictError as in ConnectionStore.save."""
        ...

    async def shred(self, tenant: TenantId, event: AuditEvent) -> bool:
        """Destroy every wrapped key, all that was sealed under them, and what is registered at vendors by them.

        Nothing of the tenant's can be opened any more, and nothing be sealed under what is gone. The event is kept in the same
        transaction. False: there was no key, and nothing is told.

        Raises:
            UnavailableError: also while others keep sealing.
        """
        ...

    async def list_gone(self) -> Sequence[TenantId]:
        """Tenants with a key from before they said goodbye."""
        ...

    async def shredded_at(self) -> int:
        """When a tenant's keys were destroyed last, in UTC milliseconds; 0: none has been."""
        ...

    async def load_derived(self, tenant: TenantId, purpose: str) -> DerivedKeyRow | None:
        """One."""
        ...

    async def add_derived(self, row: DerivedKeyRow) -> bool:
        """False when there is one: another process was first; load it. ConflictError as in ConnectionStore.save."""
        ...


class SeenStore(Protocol):
    """Marks of keys that were seen: keyed hashes that expire."""

    async def mark(self, tenant: TenantId, mark: str, asker: str, now_milliseconds: int, expires_milliseconds: int) -> bool:
        """Whether the mark of another asker lives; else the mark is this asker's from now on. One is first."""
        ...

    async def purge(self, now_milliseconds: int) -> None:
        """Delete all that has expired, of every tenant."""
        ...


class MissingRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was accepted in an earlier memory of the brokers and has not ended.

    Attributes:
        accepted: of its first launch.
        relaunches, epoch: of its newest one.
    """

    accepted: RunAccepted
    relaunches: int
    epoch: int


class RunStore(Protocol):
    """The ledger's rows."""

    async def record(self, receipts: Sequence[RunReceipt | RunAccepted]) -> None:
        """Insert or change, whatever the order in which they come.

        An end beats `accepted`, and a later launch of a run an earlier one; of two ends of one launch the first is kept,
        with the larger `deliveries`.
        """
        ...

    async def load(self, tenant: TenantId, run: RunId) -> RunReceipt | None:
        """One, with its steps. Of a run that has not ended: what is known, with the outcome `accepted`."""
        ...

    async def list(
        self, tenant: TenantId | None, *, flow: FlowId | None, limit: int, before: RunId | None, retry_of: RunId | None = None
    ) -> Sequence[RunReceipt]:
        """Newest first, without steps, those under way too.

        Args:
            tenant: None is for operators only.
            before: the last id of the page before.
            retry_of: only those that started this failed run anew.
        """
        ...

    async def load_accepted(self, tenant: TenantId, run: RunId) -> RunAccepted | None:
        """What was known when a run was first accepted; None when only its end has come."""
        ...

    async def list_missing(self, epoch: int, *, limit: int) -> Sequence[MissingRun]:
        """Runs that have not ended and were last launched before this epoch, of all tenants: the control plane's own."""
        ...

    async def move_missing(self, run: MissingRun, epoch: int) -> bool:
        """It is taken care of in this epoch; False when it is not as it was found."""
        ...

    async def end_missing(self, run: MissingRun, receipt: RunReceipt) -> bool:
        """It is lost; False when it is not as it was found. An end that comes after all takes its place."""
        ...


class SettingsStore(Protocol):
    """Tenants' settings."""

    async def save(self, settings: TenantSettings) -> None:
        """Insert or replace."""
        ...

    async def load(self, tenant: TenantId) -> TenantSettings | None:
        """One; None when they were never changed."""
        ...

    async def list(self) -> Sequence[TenantSettings]:
        """Of every tenant that changed them: what conduits must know."""
        ...


class ParkedStatus(StrEnum):
    """Where a parked run is.

    `open`: its values are being left in Jira. `waiting`: parked. `waking`: a wait is over, and a conduit was asked to put it
    back into the queue. `running`: it is there. `done`: it has ended; the key is destroyed. `cleared`: Jira has nothing of it.
    """

    OPEN = "open"
    WAITING = "waiting"
    WAKING = "waking"
    RUNNING = "running"
    DONE = "done"
    CLEARED = "cleared"


class ParkedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A parked run as it is kept.

    Attributes:
        sealed_key: its key, sealed under the tenant's; empty once it is destroyed.
        woken_in: the memory of the brokers (RunQueue.epoch) in which it was first woken from this parking; 0: not yet.
    """

    tenant: TenantId
    run: RunId
    ordinal: int
    status: ParkedStatus
    flow: FlowId
    version: int
    trigger: TriggerKind
    accepted_at_milliseconds: int
    issue: str = ""
    parts: int = 0
    key_version: int = 0
    sealed_key: bytes = b""
    changed_at_milliseconds: int = 0
    woken_in: int = 0


class WaitRow(msgspec.Struct, frozen=True, kw_only=True):
    """One wait of a parked run, and how it ended, if it did."""

    tenant: TenantId
    run: RunId
    wait: Wait
    answer: Answered | None = None


class Ends(NamedTuple):
    """What ending waits came to: how many had not ended yet, and the runs that are to be woken now."""

    ended: int
    woken: Sequence[ParkedRow]


class ParkedStore(Protocol):
    """Parked runs and what they wait for."""

    async def open(self, row: ParkedRow) -> ParkedRow | None:
        """Make a slot, or give the one that is there to a later parking; None when this parking is over already.

        Raises:
            ConflictError: the tenant's key that its key is sealed under is no more.
        """
        ...

    async def arm(self, request: ArmSlot, at_milliseconds: int) -> tuple[bool, ParkedRow | None]:
        """Have it wait; False when this parking is over already. With the row when a wait has ended meanwhile: it is woken."""
        ...

    async def load(self, tenant: TenantId, run: RunId) -> ParkedRow | None:
        """One."""
        ...

    async def take(self, tenant: TenantId, run: RunId, ordinal: int, epoch: int) -> tuple[ParkedRow, Sequence[Answered]] | None:
        """One that is woken from this parking, with how its waits have ended, as far as they have; None: it is not.

        The first time, `epoch` is kept as `woken_in`.
        """
        ...

    async def list_waits(self, tenant: TenantId, run: RunId) -> Sequence[WaitRow]:
        """All of one run."""
        ...

    async def list_waiting(self, tenant: TenantId, *, limit: int) -> Sequence[tuple[ParkedRow, WaitRow]]:
        """What waits and is not answered, the next due first."""
        ...

    async def end(self, tenant: TenantId, answers: Sequence[tuple[RunId, Answered]], at_milliseconds: int) -> Ends:
        """End waits, and have their runs be woken, in one transaction: those that had not ended already."""
        ...

    async def move(
        self,
        tenant: TenantId,
        run: RunId,
        before: ParkedStatus,
        after: ParkedStatus,
        at_milliseconds: int,
        *,
        since: int = 0,
        ordinal: int = 0,
    ) -> ParkedRow | None:
        """Change the status when it is `before` (since then, and of that parking, if one is given); None when it is not."""
        ...

    async def find_mailbox(self, tenant: TenantId, name: str) -> tuple[ParkedRow, WaitRow] | None:
        """The wait that a mailbox belongs to."""
        ...

    async def list_named(self, tenant: TenantId, name: str, *, limit: int) -> Sequence[tuple[RunId, str]]:
        """The runs, and paths in them, that wait by this name and have no answer yet."""
        ...

    async def find_waiters(self, tenant: TenantId, trigger: TriggerKind, issue: str, *, limit: int) -> Sequence[str]:
        """The mailboxes of this tenant's runs that wait for such an event about this issue."""
        ...

    async def list_listening(self) -> Sequence[TenantId]:
        """Tenants that have runs which wait for events."""
        ...

    async def list_due(self, now_milliseconds: int, *, limit: int) -> Sequence[WaitRow]:
        """Waits that are due and not answered, of runs that wait. Of all tenants: the control plane's own."""
        ...

    async def list_stale(
        self,
        status: ParkedStatus,
        age_milliseconds: int,
        now_milliseconds: int,
        *,
        limit: int,
        is_installed: bool | None = None,
    ) -> Sequence[ParkedRow]:
        """Runs that have had this status for longer, or, by a clock that was ahead, since a time as far in the future.

        Of all tenants; or of those that are installed, or are not.
        """
        ...

    async def finish(self, tenant: TenantId, runs: Sequence[RunId] | None, at_milliseconds: int) -> Sequence[ParkedRow]:
        """Of these runs (None: of all), end those that are kept here: their keys are destroyed. Gives them as they were."""
        ...

    async def forget(self, tenant: TenantId, run: RunId) -> None:
        """Delete what is kept of one run."""
        ...


class OpenSignOff(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-off that waits: its run, its wait, who has answered what, and whether it is over."""

    row: ParkedRow
    wait: Wait
    answers: Mapping[str, Choice]
    is_over: bool = False


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """After an answer: which choice of this person counts (the first), and how the sign-off ended, if it did."""

    choice: Choice
    ended: Answered | None = None


class DueNotice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that people shall be told of a sign-off now: the `number`th thing, and when the one after it is due."""

    tenant: TenantId
    run: RunId
    path: str
    question: str
    number: int
    notice: Notice
    next_milliseconds: int


class SignOffStore(Protocol):
    """Sign-offs and what people answered. Rows come and go with the waits in ParkedStore."""

    async def list_open(self, tenant: TenantId, *, limit: int) -> Sequence[OpenSignOff]:
        """What waits, the next due first."""
        ...

    async def load(self, tenant: TenantId, run: RunId, path: str) -> OpenSignOff | None:
        """One, over or not."""
        ...

    async def answer(self, given: AnswerSignOff, at_milliseconds: int) -> Tally | None:
        """Count an answer and, when it is the last that was needed, end the wait, in one step.

        None: there is no such wait, it is over, or it is for another question.
        """
        ...

    async def list_due_notices(self, now_milliseconds: int, *, limit: int) -> Sequence[DueNotice]:
        """What people shall be told now. Of all tenants."""
        ...

    async def note_notice(self, sent: DueNotice) -> None:
        """It was sent."""
        ...

    async def list_unwoken(self, *, limit: int) -> Sequence[tuple[TenantId, RunId]]:
        """Runs that are still parked although a wait of theirs has ended. Of all tenants."""
        ...


class AuditStore(Protocol):
    """The audit trail: what is in it is never changed, and deleted only when its time is over."""

    async def append(self, events: Sequence[AuditEvent]) -> None:
        """Keep events, of any tenants, and when connections were used."""
        ...

    async def list(
        self, tenant: TenantId, *, connection: str, before: str, limit: int, leases: bool = True
    ) -> Sequence[AuditEvent]:
        """Newest first.

        Args:
            connection: of this one only; empty: of all. before: the last event of the page before. leases: those too.
        """
        ...

    async def purge(self, leases_before_milliseconds: int, others_before_milliseconds: int) -> int:
        """Delete those of every tenant that are older; gives how many."""
        ...


# ---------------------------------------------------------------- keys


class ProviderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a key provider says of itself.

    Attributes:
        kind: such as "local file"; `key`: names its newest key, and tells nothing of it; `keys`: how many it opens with.
        forgets: whether it can destroy its own older keys (`retire`).
    """

    kind: str
    key: str
    keys: int
    changed_at_milliseconds: int = 0
    forgets: bool = False


class KeyProvider(Protocol):
    """Wraps tenant keys: a local key file, or a key management service."""

    async def wrap(self, key: bytes, context: Mapping[str, str]) -> bytes:
        """Seal a 32-byte key with its newest key; `context` must be given again to open it. Raises UnavailableError."""
        ...

    async def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """Open it.

        Raises:
            TamperedError: another context, key or changed bytes. KeyDisabledError: its key may not be used now.
            UnavailableError: it does not answer.
        """
        ...

    async def rewrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """Seal it anew with the newest key. Raises as unwrap."""
        ...

    async def is_current(self, wrapped: bytes) -> bool:
        """Whether it is wrapped with the newest key, as far as can be told."""
        ...

    async def renew(self) -> None:
        """Make a newest key of its own. Raises InputError: why it can't."""
        ...

    async def retire(self, in_use: Sequence[bytes]) -> int:
        """Destroy its older keys that none of these is wrapped with, where it can; gives how many."""
        ...

    async def describe(self) -> ProviderFacts:
        """Tell of itself."""
        ...
