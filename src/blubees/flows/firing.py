"""Carries out the order `Fire` in a conduit: asks where there is something to ask, starts the runs of the tick, answers.

Called by main/conduit.py. Getting an order twice starts nothing twice: a run's delivery id is made of the tick and of what the
run is about. The cursor of a poll goes back with the answer only when all of its runs are safe in the broker.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import orjson

from blubees.connectors.field_names import LookUp
from blubees.engine.frames import Line
from blubees.engine.launch import Launcher
from blubees.engine.message import RUN_MAX_BYTES, RunMessage
from blubees.engine.receipt import StepBook, describe_run
from blubees.engine.work import Receipts
from blubees.expressions.errors import EvaluationError
from blubees.expressions.template import compile_template
from blubees.expressions.values import write_date
from blubees.flows.asking import (
    SCHEDULE_ISSUES,
    News,
    PollTools,
    list_fields,
    names_fields_of_issues,
    poll_jira,
    poll_third_party,
    search_issues,
)
from blubees.flows.asking_action import poll_action
from blubees.flows.match import FlowIndex
from blubees.model.errors import BluBeesError, UnavailableError
from blubees.model.event import Admission, RawEvent, Verdict
from blubees.model.failures import Failure, FailureCode
from blubees.model.flow import PublishedFlow, TriggerKind
from blubees.model.ids import FlowId, TenantId
from blubees.model.order import Fire
from blubees.model.receipt import Fired, RunOutcome
from blubees.model.reference import Reference, read_id
from blubees.model.schedule import RunsFor
from blubees.ports import Chance, Clock

LAUNCHES_AT_ONCE: Final = 32
FIRE_SECONDS: Final = 120.0  # for one tick, asking included
ASKING_AT_ONCE: Final = 16  # in one conduit: half of the orders that it carries out at a time
ASKING_PER_TENANT: Final = 4  # of them for one tenant, whose third party may be slow
BODY_MAX_BYTES: Final = RUN_MAX_BYTES - 65_536


class FiringDesk:
    """Carries out what is due."""

    def __init__(
        self,
        index: FlowIndex,
        admit: Callable[[RawEvent], Awaitable[Admission]],
        open_line: Callable[[TenantId], Line],
        launcher: Launcher,
        receipts: Receipts,
        clock: Clock,
        chance: Chance,
        field_names: LookUp | None = None,
    ) -> None:
        self._field_names = field_names
        self._index, self._admit, self._open_line, self._launcher = index, admit, open_line, launcher
        self._receipts, self._clock, self._chance = receipts, clock, chance
        self._asking: Counter[TenantId] = Counter()

    async def carry_out(self, order: Fire) -> None:
        """Carry out one order.

        Raises:
            UnavailableError: not now; it shall come again. One that has expired is dropped: another was sent in its place.
        """
        if self._clock.now_milliseconds() >= order.expires_at_milliseconds:
            return
        flow = self._index.find(TenantId(order.tenant), FlowId(order.flow))
        if flow is None or flow.version != order.version:
            raise UnavailableError("The version that is due is not known here yet, or not live any more.")
        try:
            async with asyncio.timeout(FIRE_SECONDS):
                runs, cursor, failure = await self._fire(flow, order)
        except TimeoutError:
            raise UnavailableError("The tick could not be carried out in time.") from None
        except BluBeesError:
            raise
        except Exception:  # noqa: BLE001 - as in the runner: whatever an answer does to us, the order gets its own
            runs, cursor, failure = 0, "", Failure(code=FailureCode.INTERNAL, detail="firing")
        if failure is not None and order.is_last_try:
            await self._tell_failure(flow, order, failure)
        self._receipts.add(
            Fired(
                tenant=order.tenant,
                flow=order.flow,
                version=order.version,
                due_milliseconds=order.due_milliseconds,
                runs=runs,
                cursor="" if failure is not None else cursor,
                is_last_try=order.is_last_try,
                failure=failure,
            )
        )

    async def _fire(self, flow: PublishedFlow, order: Fire) -> tuple[int, str, Failure | None]:
        """Give how many runs were started, the next cursor, and what went wrong."""
        if flow.flow.trigger.on is TriggerKind.POLL:
            with self._hold_place(flow.tenant):
                news = await self._ask_for_news(flow, order)
            if isinstance(news, Failure):
                return 0, "", news
            await self._pass_over(flow, news.passed)
            poll = _tell_tick(order)
            name = "issue" if flow.flow.trigger.poll and flow.flow.trigger.poll.jql else "item"
            events = [(f"poll|{each}", {"poll": poll, name: item}) for each, item in news.items]
            runs, failure = await self._start(flow, order, events)
            if failure is None and news.take_away is not None:  # not before: what is taken away does not come again
                failure = await news.take_away()
            return runs, news.cursor, failure
        found = await self._list_events(flow, order)
        if isinstance(found, Failure):
            return 0, "", found
        runs, failure = await self._start(flow, order, found)
        return runs, "", failure

    async def _pass_over(self, flow: PublishedFlow, names: Sequence[str]) -> None:
        """Have these deliveries known, so that they start nothing. Raises UnavailableError: the broker is away."""
        for place in range(0, len(names), LAUNCHES_AT_ONCE):
            part = names[place : place + LAUNCHES_AT_ONCE]
            await asyncio.gather(*(self._launcher.claim(flow.tenant, flow.flow.id, f"poll|{each}") for each in part))

    @contextmanager
    def _hold_place(self, tenant: TenantId) -> Iterator[None]:
        """Ask while there is a place to; else the order goes back, so that slow answers hold up nobody else's orders."""
        if self._asking.total() >= ASKING_AT_ONCE or self._asking[tenant] >= ASKING_PER_TENANT:
            raise UnavailableError("Too many are being asked at a time.")
        self._asking[tenant] += 1
        try:
            yield
        finally:
            self._asking[tenant] -= 1
            if not self._asking[tenant]:
                del self._asking[tenant]

    async def _ask_for_news(self, flow: PublishedFlow, order: Fire) -> News | Failure:
        poll = flow.flow.trigger.poll
        assert poll is not None  # noqa: S101 - flows/check.py
        scope = self._write_scope(flow, {"poll": _tell_tick(order)})
        line = self._open_line(flow.tenant)
        if flow.flow.trigger.connector:
            return await poll_action(line, order, flow, self._clock.now_milliseconds())
        if poll.jql:
            fields = await self._list_fields(flow)
            if isinstance(fields, Failure):
                return fields
            return await poll_jira(line, fields, order, poll, scope, self._clock.now_milliseconds())
        return await poll_third_party(PollTools(line, flow.flow.id), order, poll, scope)

    async def _list_events(self, flow: PublishedFlow, order: Fire) -> list[tuple[str, dict[str, Any]]] | Failure:
        """What a schedule's tick starts: (delivery id, document) of each run."""
        trigger, schedule = flow.flow.trigger, _tell_tick(order)
        delivery = f"schedule|{order.due_milliseconds}"
        if not trigger.jql:
            return [(delivery, {"schedule": schedule})]
        try:
            jql = compile_template(trigger.jql).text(self._write_scope(flow, {"schedule": schedule}))
        except EvaluationError as error:
            return Failure(code=FailureCode.TEMPLATE_FAILED, field="trigger.jql", detail=error.code.value)
        with self._hold_place(flow.tenant):
            fields = await self._list_fields(flow)
            if isinstance(fields, Failure):
                return fields
            found = await search_issues(self._open_line(flow.tenant), jql, fields, SCHEDULE_ISSUES)
        if isinstance(found, Failure):
            return found
        issues = found[0]
        if trigger.for_each is RunsFor.RESULT:
            return [(delivery, {"schedule": schedule, "issues": issues})]
        return [(f"{delivery}|{issue.get('id')}", {"schedule": schedule, "issue": issue}) for issue in issues]

    async def _list_fields(self, flow: PublishedFlow) -> list[str] | Failure:
        """List the fields that are asked for; those that the flow reads by name, by their ids."""
        if self._field_names is None or not names_fields_of_issues(flow.flow):
            return list_fields(flow.flow)
        names = await self._field_names(flow.tenant)
        return msgspec.structs.replace(names, field="trigger") if isinstance(names, Failure) else list_fields(flow.flow, names)

    async def _start(
        self, flow: PublishedFlow, order: Fire, events: list[tuple[str, dict[str, Any]]]
    ) -> tuple[int, Failure | None]:
        """Start the runs. Raises UnavailableError: the broker is away; what was started is known by its delivery id."""
        runs = 0
        for place in range(0, len(events), LAUNCHES_AT_ONCE):
            part = events[place : place + LAUNCHES_AT_ONCE]
            bodies = [orjson.dumps(document) for _, document in part]
            if max(map(len, bodies)) > BODY_MAX_BYTES:
                return runs, Failure(code=FailureCode.RUN_TOO_LARGE, field="trigger")
            raw = [self._write_event(flow, order, *event, body) for event, body in zip(part, bodies, strict=True)]
            admissions = await asyncio.gather(*map(self._admit, raw))
            runs += sum(each.runs for each in admissions)
            verdicts = {each.verdict for each in admissions}
            if Verdict.UNAVAILABLE in verdicts:
                raise UnavailableError("The broker did not take all runs of the tick.")
            if Verdict.FULL in verdicts:
                return runs, Failure(code=FailureCode.BUSY, field="trigger", detail="queue_full")
        return runs, None

    def _write_event(self, flow: PublishedFlow, order: Fire, delivery: str, document: dict[str, Any], body: bytes) -> RawEvent:
        issue = document.get("issue")
        reference = Reference(
            issue=read_id(issue.get("id")) if isinstance(issue, dict) else "",
            # what a search found as a whole can't be asked for again: nobody knows later what it found then
            due_at_milliseconds=0 if "issues" in document else order.due_milliseconds,
            item=order.cursor if "~" not in order.cursor else "",
        )
        return RawEvent(
            reference=reference,
            tenant=flow.tenant,
            trigger=flow.flow.trigger.on,
            body=body,
            document=document,
            delivery=delivery,
            received_at_milliseconds=self._clock.now_milliseconds(),
            hook=flow,
        )

    def _write_scope(self, flow: PublishedFlow, more: dict[str, object]) -> dict[str, object]:
        return {"now": self._clock.now(), "flow": {"id": flow.flow.id, "name": flow.flow.name, "version": flow.version}, **more}

    async def _tell_failure(self, flow: PublishedFlow, order: Fire, failure: Failure) -> None:
        """Put a failed run into the ledger, once a tick."""
        if not await self._launcher.claim(flow.tenant, flow.flow.id, f"schedule|{order.due_milliseconds}|failed"):
            return
        message = RunMessage(
            run=self._chance.new_run_id(),
            tenant=flow.tenant,
            flow=flow.flow.id,
            version=flow.version,
            trigger=flow.flow.trigger.on,
            accepted_at_milliseconds=self._clock.now_milliseconds(),
            body=b"",
        )
        book = StepBook(self._clock, message)
        self._receipts.add(describe_run(message, book, RunOutcome.FAILED, failure, deliveries=1, failed_step=""))


def _tell_tick(order: Fire) -> dict[str, Any]:
    """What smart values read as `schedule` or `poll`."""
    return {
        "due": _write_time(order.due_milliseconds),
        "last": _write_time(order.last_milliseconds) if order.last_milliseconds else None,
        "missed": order.missed,
        **({"cursor": order.cursor} if order.cursor else {}),
    }


def _write_time(milliseconds: int) -> str:
    return write_date(datetime.fromtimestamp(milliseconds / 1_000, UTC))
