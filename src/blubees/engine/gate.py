"""The gate of a flow that says how its runs stand to each other: holds in the broker's memory, for all conduits alike.

Called by engine/work.py. A slot belongs to a run, not to a conduit: when a conduit dies, the run that is taken over has its
slot still, and gives it back when it ends. What is kept are run ids, under a keyed hash of the flow and its key; each change
follows a known one. Source: docs/decisions/0016-run-modes.md.
"""

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar
from weakref import WeakValueDictionary

import msgspec
import orjson

from blubees.engine.gate_rules import GateState, RateState, Refuse, Verdict, Wait, enter, leave, reserve
from blubees.engine.journal import RunLostError
from blubees.engine.message import RunMessage
from blubees.engine.plan import Plan
from blubees.engine.scope import trigger_scope
from blubees.model.errors import UnavailableError
from blubees.model.ids import RunId, TenantId
from blubees.model.receipt import StopReason
from blubees.model.rules import Rate, RunMode, Runs
from blubees.ports import Clock, GateStore

TRIES: Final = 60  # changes that others were quicker with
HELD_AT_ONCE: Final = 64  # runs that wait in a conduit for a slot that will be free soon
HELD_POSITIONS: Final = 32  # how near to its slot a run must be for that
HOLD_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 0.05  # for each place before it: how often it looks whether another conduit's run has ended
WAKE_POSITIONS: Final = 4  # those so near look at once when a run of this conduit has ended
BACK_SECONDS: Final = (0.25, 0.02, 5.0)  # at least, for each place before it, and at most: when a run that waits comes back
BACK_GROWTH: Final = 1.3  # each time later: where runs take long, those that wait need not ask often
RATE_BACK_SECONDS: Final = 60.0  # at most: the clock of another conduit may be wrong
EARLY_MILLISECONDS: Final = 50

_State = TypeVar("_State")
_Answer = TypeVar("_Answer")


class RunNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a run stands, by its id: `gate` for whoever does not know its flow any more, and the time it has reserved."""

    gate: str = ""
    at_milliseconds: int = 0


class Gate:
    """All gates, as one conduit sees them."""

    def __init__(self, store: GateStore, key: bytes, clock: Clock) -> None:
        self._store, self._key, self._clock = store, key, clock
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self._freed: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()  # held by those who wait
        self._held = 0

    def visit(self, plan: Plan, message: RunMessage) -> "Visit":
        """Give one run's dealings with its gate. Raises EvaluationError: the key can't be worked out."""
        rules = plan.published.flow.runs or Runs()
        if plan.gate_key is not None and not message.gate:
            text = plan.gate_key.text(self._read_scope(plan, message))
            message.gate = self._name("key", message.tenant, message.flow, text)
        name = message.gate or self._name("flow", message.tenant, message.flow, "")
        return Visit(self, rules, message, name, self._name("rate", message.tenant, message.flow, ""))

    def _read_scope(self, plan: Plan, message: RunMessage) -> dict[str, object]:
        """What a key can read: the event."""
        document = orjson.loads(message.body) if message.body else None
        flow = plan.published.flow
        about = {"id": flow.id, "name": flow.name, "version": message.version, "run": message.run}
        scope = trigger_scope(message.trigger, document, message.headers, message.query)
        return {**scope, "flow": about, "now": self._clock.now()}

    def now_milliseconds(self) -> int:
        """The time."""
        return self._clock.now_milliseconds()

    async def change(
        self,
        tenant: TenantId,
        name: str,
        decode: Callable[[bytes], _State],
        decide: Callable[[_State], tuple[_State, _Answer]],
    ) -> _Answer:
        """Change what is kept under a name, whoever else does so too. Raises UnavailableError."""
        lock, users = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = (lock, users + 1)
        try:
            async with lock:
                return await self._change(tenant, name, decode, decide)
        finally:
            lock, users = self._locks.pop(name)
            if users > 1:
                self._locks[name] = (lock, users - 1)

    async def read(self, tenant: TenantId, name: str) -> bytes:
        """Give what is kept now; empty for nothing. Raises UnavailableError."""
        found = await self._store.load(tenant, name)
        return found[1] if found is not None else b""

    async def note(self, tenant: TenantId, run: RunId, note: RunNote) -> None:
        """Note where a run stands. Not waited for."""
        await self._store.note(tenant, run, msgspec.msgpack.encode(note))

    async def forget(self, tenant: TenantId, run: RunId) -> None:
        """Forget that."""
        await self._store.drop(tenant, run)

    async def let_out(self, tenant: TenantId, run: RunId) -> None:
        """Take a run out whose flow version nobody knows any more. Raises UnavailableError."""
        note = read_note(await self.read(tenant, run))
        if note.gate:
            await self.change(tenant, note.gate, _decode, lambda state: (leave(state, run), None))
            self.tell_freed(note.gate)
        await self.forget(tenant, run)

    async def hold(self, name: str, ask: Callable[[], Awaitable[Verdict]], verdict: Verdict) -> Verdict:
        """Let a run that is near its slot wait here, not for long: it asks again when another one leaves, or after a while."""
        if self._held >= HELD_AT_ONCE:
            return verdict
        deadline = self._clock.monotonic_seconds() + HOLD_SECONDS
        looks = int(4 * HOLD_SECONDS / LOOK_SECONDS)
        self._held += 1
        try:
            while isinstance(verdict, Wait) and verdict.position < HELD_POSITIONS:
                if looks <= 0 or self._clock.monotonic_seconds() > deadline:
                    break
                await self._wait_for_change(name, verdict.position)
                verdict = await ask()
                looks -= 1
        finally:
            self._held -= 1
        return verdict

    async def _wait_for_change(self, name: str, position: int) -> None:
        seconds = min(LOOK_SECONDS * (position + 1), HOLD_SECONDS)
        if position >= WAKE_POSITIONS:
            await asyncio.sleep(seconds)
            return
        event = self._freed.get(name) or asyncio.Event()
        self._freed[name] = event
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()

    def tell_freed(self, name: str) -> None:
        """A run of this conduit has left."""
        event = self._freed.pop(name, None)
        if event is not None:
            event.set()

    async def _change(
        self,
        tenant: TenantId,
        name: str,
        decode: Callable[[bytes], _State],
        decide: Callable[[_State], tuple[_State, _Answer]],
    ) -> _Answer:
        for _ in range(TRIES):  # read anew each time: what was known before the broker died could have the same number
            number, data = await self._store.load(tenant, name) or (0, b"")
            before = decode(data)
            after, answer = decide(before)
            if after == before or await self._store.save(tenant, name, msgspec.msgpack.encode(after), after=number) is not None:
                return answer
        raise UnavailableError("Too many runs come to this flow's gate at a time.", retry_after_seconds=1)

    def _name(self, kind: str, *parts: str) -> str:
        text = "\0".join((kind, *parts)).encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()[:32]


class Visit:
    """One run at its gate."""

    def __init__(self, gate: Gate, rules: Runs, message: RunMessage, name: str, rate_name: str) -> None:
        self._gate, self._rules, self._name, self._rate_name = gate, rules, name, rate_name
        self._tenant, self._run = message.tenant, message.run
        self._is_begun = bool(message.state.done or message.state.entered or message.state.receipts or message.state.parked)
        self._has_slots = rules.mode is not RunMode.PARALLEL or rules.most > 0

    async def enter(self, deliveries: int) -> float | StopReason | None:
        """Come in: None when the run may be performed, else when to come again in seconds, or why it is refused.

        Args:
            deliveries: how often the run was delivered, this time included.

        Raises:
            UnavailableError: the broker does not answer.
        """
        note = read_note(await self._gate.read(self._tenant, self._run)) if deliveries > 1 else RunNote()
        if self._rules.rate is not None and not self._is_begun and not note.gate:
            wait, note = await self._take_time(self._rules.rate, note)
            if wait:
                return wait
        if not self._has_slots:
            return None
        if note.gate != self._name:
            await self._gate.note(self._tenant, self._run, msgspec.structs.replace(note, gate=self._name))
        verdict = await self._ask()
        if isinstance(verdict, Wait) and verdict.position < HELD_POSITIONS:
            verdict = await self._gate.hold(self._name, self._ask, verdict)
        if isinstance(verdict, Wait):
            return choose_delay(verdict.position, deliveries)
        return verdict.reason if isinstance(verdict, Refuse) else None

    async def leave(self) -> None:
        """The run has ended, or is parked: give its slot back. Raises UnavailableError."""
        if self._has_slots:
            await self._gate.change(self._tenant, self._name, _decode, lambda state: (leave(state, self._run), None))
            self._gate.tell_freed(self._name)
        if self._has_slots or self._rules.rate is not None:
            await self._gate.forget(self._tenant, self._run)

    async def check(self) -> StopReason | None:
        """Before a call: why the run is to stop, if it is.

        Raises:
            RunLostError: nobody can say: make no further call.
        """
        if self._rules.mode is not RunMode.RESTART:
            return None
        try:
            state = _decode(await self._gate.read(self._tenant, self._name))
        except UnavailableError:
            raise RunLostError from None
        return StopReason.RESTARTED if self._run in state.leaving else None

    async def _ask(self) -> Verdict:
        return await self._gate.change(
            self._tenant, self._name, _decode, lambda state: enter(state, self._run, self._rules, is_begun=self._is_begun)
        )

    async def _take_time(self, rate: Rate, note: RunNote) -> tuple[float, RunNote]:
        """Reserve a time, once; gives how many seconds are left to it."""
        now = self._gate.now_milliseconds()
        if not note.at_milliseconds:
            at = await self._gate.change(self._tenant, self._rate_name, _decode_rate, lambda state: reserve(state, rate, now))
            note = RunNote(at_milliseconds=at)
            await self._gate.note(self._tenant, self._run, note)
        left = note.at_milliseconds - now
        return (min(left / 1000, RATE_BACK_SECONDS) if left > EARLY_MILLISECONDS else 0.0), note


def choose_delay(position: int, deliveries: int) -> float:
    """When a run that waits comes back, in seconds."""
    least, each, most = BACK_SECONDS
    return min(max(least, each * position) * BACK_GROWTH ** min(deliveries - 1, 10), most)


def read_note(data: bytes) -> RunNote:
    """Read what was noted."""
    return _NOTE_DECODER.decode(data) if data else RunNote()


_NOTE_DECODER: Final = msgspec.msgpack.Decoder(RunNote)
_DECODER: Final = msgspec.msgpack.Decoder(GateState)
_RATE_DECODER: Final = msgspec.msgpack.Decoder(RateState)


def _decode(data: bytes) -> GateState:
    return _DECODER.decode(data) if data else GateState()


def _decode_rate(data: bytes) -> RateState:
    return _RATE_DECODER.decode(data) if data else RateState()
