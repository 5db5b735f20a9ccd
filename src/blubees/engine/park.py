"""Parks runs and wakes them: a run that waits leaves this process, and comes back into the queue. Used by engine/work.py, main.

What later steps read is sealed under a key of the run's own and left in the customer's Jira: as properties of the issue that
the run is about, else of the app. The key is in the vault, and when to wake it in the database. Every step of it may happen
twice and in another conduit. Source: docs/decisions/0011-parking.md.
"""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import orjson

from blubees.engine.frames import Line
from blubees.engine.mail import Mailbox, MailRoom
from blubees.engine.message import RunMessage, open_carried, pack_carried, seal_carried, seal_run
from blubees.engine.paths import holds_results
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.errors import TamperedError, UnavailableError
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import FlowId, RunId, TenantId
from blubees.model.order import Clear, Wake
from blubees.model.parking import ArmSlot, LeaveSlot, OpenSlot, Slot, SlotVerdict, TakeSlot, Wait, WaitKind
from blubees.model.receipt import RunOutcome, RunReceipt
from blubees.ports import Chance, Lane, ParkingDesk, Put, RunQueue
from blubees.vault.seal import SEAL_BYTES, Sealer

CARRIED_MAX_BYTES: Final = 262_144  # docs/decisions/0004-size-limits.md
PART_CHARACTERS: Final = 32_000  # Jira takes 32,768 of JSON in one property
LOOK_AGAIN_SECONDS: Final = 3.0  # at values that are not there: parking takes less
PARKED_AT_ONCE: Final = 16  # by one conduit: so that the control plane answers each in time
_LATER: Final = frozenset({401, 408, 425, 429})  # 401: the app's token has run out, and the next invocation brings another


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the parts of one run are."""

    issue: str
    run: RunId

    def path(self, number: int) -> str:
        name = f"blubees.run.{self.run}.{number}"
        return f"/rest/api/3/issue/{self.issue}/properties/{name}" if self.issue else f"/rest/forge/1/app/properties/{name}"


class Parker:
    """Parks and wakes. Holds nothing of a parked run."""

    def __init__(
        self,
        desk: ParkingDesk,
        queue: RunQueue,
        open_line: Callable[[TenantId], Line],
        sealer: Sealer,
        chance: Chance,
        room: MailRoom,
        ended: Callable[[RunReceipt], None],
    ) -> None:
        self._desk, self._queue, self._open_line, self._sealer = desk, queue, open_line, sealer
        self._chance, self._room, self._ended = chance, room, ended
        self._places = asyncio.Semaphore(PARKED_AT_ONCE)

    async def park(self, message: RunMessage, waits: tuple[Wait, ...]) -> Failure | None:
        """Park a run; None when it is parked, or has gone on elsewhere already.

        Raises:
            UnavailableError: Jira or the control plane does not answer now; all of it may be tried again.
        """
        carried = pack_carried(message)
        if len(carried) > CARRIED_MAX_BYTES:
            return Failure(code=FailureCode.NOT_PARKED, detail="too_large")
        async with self._places:
            return await self._park(message, waits, carried)

    async def _park(self, message: RunMessage, waits: tuple[Wait, ...], carried: bytes) -> Failure | None:
        tenant, run, ordinal = message.tenant, message.run, message.state.parked
        slot = await self._desk.open(
            OpenSlot(
                tenant=tenant,
                run=run,
                ordinal=ordinal,
                flow=message.flow,
                version=message.version,
                trigger=message.trigger,
                accepted_at_milliseconds=message.accepted_at_milliseconds,
                is_empty=_is_empty(message),
                issue=message.issue,
                parts=count_parts(len(carried)),
            )
        )
        if slot is SlotVerdict.OVER:
            return None
        if slot is SlotVerdict.REFUSED:
            is_doubt = all(wait.kind is WaitKind.DOUBT for wait in waits)
            if all(wait.kind is WaitKind.CONNECTION for wait in waits):
                return Failure(code=FailureCode.CREDENTIAL_REFUSED, field="with.connection", detail="grant_dead")
            code = FailureCode.IN_DOUBT if is_doubt else FailureCode.NOT_PARKED
            return Failure(code=code, detail="refused_by_tenant")
        if not isinstance(slot, Slot):
            raise UnavailableError("The control plane does not give a parking slot.")
        sealed = seal_carried(message, carried, Sealer(slot.key, self._chance))
        text = base64.b64encode(sealed).decode()
        parts = [text[start : start + PART_CHARACTERS] for start in range(0, len(text), PART_CHARACTERS)]
        issue = message.issue
        failure = await self._write(_Place(issue, run), tenant, parts)
        if failure is not None and issue and failure.http_status == 404:  # noqa: PLR2004 - the issue is gone: the app's own place
            issue = ""
            failure = await self._write(_Place(issue, run), tenant, parts)
        if failure is not None:
            return failure
        await self._delete_surplus(_Place(slot.issue, run), tenant, slot.parts, kept=len(parts) if issue == slot.issue else 0)
        armed = ArmSlot(tenant=tenant, run=run, ordinal=ordinal, issue=issue, parts=len(parts), waits=waits)
        if await self._desk.tell(armed) is SlotVerdict.UNAVAILABLE:
            raise UnavailableError("The control plane does not take the parked run.")
        for wait in waits:  # what came before it was parked, or while it looked at something else
            heard = message.state.heard.get(wait.path, 0)
            if wait.name and await self._room.read(tenant, wait.name, after=heard):
                await self._room.ring(tenant, Mailbox(wait.name))
        return None

    async def wake(self, order: Wake) -> None:
        """Put a parked run back into the queue. Raises UnavailableError."""
        tenant, run = TenantId(order.tenant), RunId(order.run)
        epoch = await self._queue.epoch()
        slot = await self._take(order, epoch)
        message = await self.read(tenant, run, order.ordinal, slot) if slot is not None else None
        if slot is not None and message is None:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)  # it may have gone on, and be writing what it holds at its next wait
            slot = await self._take(order, epoch)
            message = await self.read(tenant, run, order.ordinal, slot) if slot is not None else None
        if slot is None:
            return
        if message is None:
            self._ended(_describe_gone(tenant, run, slot))
            return
        answers = message.state.answers | {each.path: each for each in slot.answers if each.path in message.state.waits}
        message.state = msgspec.structs.replace(message.state, answers=answers)
        message.is_redriven = message.is_redriven or slot.was_lost
        delivery = hashlib.sha256(f"wake|{tenant}|{run}|{order.ordinal}".encode()).hexdigest()[:32]
        if await self._queue.put(tenant, Lane.PROMPT, seal_run(message, self._sealer), delivery=delivery) is Put.FULL:
            raise UnavailableError("The tenant's queue is full.")
        if await self._queue.epoch() != epoch:  # in which of the two memories it is, nobody knows: the order comes again
            raise UnavailableError("The brokers have lost their memory while the run was put into it.", retry_after_seconds=2)
        await self._desk.tell(LeaveSlot(tenant=tenant, run=run, ordinal=order.ordinal))

    async def _take(self, order: Wake, epoch: int) -> Slot | None:
        """Give the slot of a run that is to be woken; None: it has gone on, or is over. Raises UnavailableError."""
        request = TakeSlot(tenant=order.tenant, run=order.run, ordinal=order.ordinal, epoch=epoch)
        slot = await self._desk.open(request)
        if slot in {SlotVerdict.OVER, SlotVerdict.DONE}:
            return None
        if not isinstance(slot, Slot):
            raise UnavailableError("The control plane does not give the slot.")
        return slot

    async def clear(self, order: Clear) -> None:
        """Delete what a run left in Jira. Raises UnavailableError."""
        tenant, run = TenantId(order.tenant), RunId(order.run)
        place = _Place(order.issue, run)
        for number in range(order.parts):
            await self.ask(tenant, "DELETE", place.path(number))  # refused: gone already, or we may no longer: nothing to do
        await self._desk.tell(LeaveSlot(tenant=tenant, run=run, cleared=True))

    async def _write(self, place: _Place, tenant: TenantId, parts: list[str]) -> Failure | None:
        for number, part in enumerate(parts):
            answer = await self.ask(tenant, "PUT", place.path(number), orjson.dumps(part))
            if isinstance(answer, Failure):
                return answer
        return None

    async def _delete_surplus(self, place: _Place, tenant: TenantId, count: int, *, kept: int) -> None:
        """Delete what the run left there when it was parked before, as far as this time has not written over it."""
        for number in range(kept, count):
            await self.ask(tenant, "DELETE", place.path(number))

    async def read(self, tenant: TenantId, run: RunId, ordinal: int, slot: Slot) -> RunMessage | None:
        """Read what a parked run carried; None when it is no longer there, or is not what was left. Raises UnavailableError."""
        place, texts = _Place(slot.issue, run), []
        for number in range(slot.parts):
            answer = await self.ask(tenant, "GET", place.path(number))
            if isinstance(answer, Failure):
                if answer.http_status == 404:  # noqa: PLR2004 - RFC 9110
                    return None
                raise UnavailableError("Jira does not let us read.", retry_after_seconds=60)
            texts.append(_read_part(answer))
        try:
            sealed = base64.b64decode("".join(texts), validate=True)
            return open_carried(tenant, FlowId(slot.flow), run, ordinal, sealed, Sealer(slot.key, self._chance))
        except (ValueError, TamperedError):
            return None

    async def ask(self, tenant: TenantId, method: str, path: str, body: bytes = b"") -> CallAnswer | Failure:
        """Ask the tenant's Jira as the app; gives what it refused as a Failure. Raises UnavailableError."""
        effect = Effect.READ if method == "GET" else Effect.IDEMPOTENT  # made twice, each does no harm
        headers = (("Content-Type", "application/json"), ("Accept", "application/json"))
        answer = await self._open_line(tenant).call_jira(
            Call(method=method, url=path, effect=effect, headers=headers, body=body)
        )
        if isinstance(answer, Failure):
            # no token of the app yet (after a start, until the site's next invocation), or no answer
            raise UnavailableError("Jira does not answer, or not to us yet.", retry_after_seconds=5)
        if answer.status in _LATER or answer.status >= 500:  # noqa: PLR2004 - RFC 9110
            raise UnavailableError("Jira does not answer.", retry_after_seconds=5)
        if answer.status >= 300:  # noqa: PLR2004 - RFC 9110
            return Failure(code=FailureCode.NOT_PARKED, detail="jira_refused", http_status=answer.status)
        return answer


def count_parts(carried_bytes: int) -> int:
    """In how many properties it will be: sealed, in base64."""
    characters = 4 * -(-(carried_bytes + SEAL_BYTES) // 3)
    return -(-characters // PART_CHARACTERS)


def _is_empty(message: RunMessage) -> bool:
    """Whether a parked run carries no payload: nothing of the event, no result, no variable, nothing for whoever answers."""
    state = message.state
    return not (message.scope or holds_results(state.done) or state.variables or state.notes)


def _read_part(answer: CallAnswer) -> str:
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return "!"
    value = document.get("value") if isinstance(document, dict) else None
    return value if isinstance(value, str) else "!"


def _describe_gone(tenant: TenantId, run: RunId, slot: Slot) -> RunReceipt:
    return RunReceipt(
        tenant=tenant,
        flow=slot.flow,
        version=slot.version,
        run=run,
        trigger=slot.trigger,
        outcome=RunOutcome.FAILED,
        accepted_at_milliseconds=slot.accepted_at_milliseconds,
        started_at_milliseconds=slot.accepted_at_milliseconds,
        duration_microseconds=0,
        payload_bytes=0,
        failure=Failure(code=FailureCode.PARKED_GONE),
    )
