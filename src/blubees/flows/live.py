"""Trials: a person's test or dry run of a flow, performed in the conduit that the ticket came to, all told to them.

The values go from this process's memory to the one connection that started the run, and nowhere else: nothing is kept for a
reader who is slow or gone. Called by doors/live.py. Source: docs/decisions/0023-trials.md.
"""

import asyncio
import base64
import json
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import msgspec
import orjson

from blubees.connectors.watched import WatchedCaller
from blubees.engine.inputs import convert_inputs
from blubees.engine.message import RunMessage
from blubees.engine.plan import Plan, PlanShelf
from blubees.engine.runner import Ended, Runner
from blubees.model.call import Call, CallAnswer
from blubees.model.errors import TamperedError
from blubees.model.event import Admission, Verdict
from blubees.model.failures import Failure, explain_failure
from blubees.model.flow import UNPUBLISHED, TriggerKind
from blubees.model.ids import FlowId, TenantId
from blubees.model.receipt import RunReceipt, Trial
from blubees.model.seen import SeenQuestion
from blubees.ports import Chance, Clock
from blubees.steps.contract import Enter, ForEach, Outcome, Stop
from blubees.vault.seal import Sealer
from blubees.vault.tickets import TRIAL_PURPOSES, Ticket, open_ticket

VALUE_MAX_BYTES: Final = 65_536  # of one value as JSON; of a larger one its beginning is told
BACKLOG_MAX_BYTES: Final = 1_048_576  # what a reader may be behind; then it is dropped
TRIALS_AT_ONCE: Final = 16  # in one conduit
TRIALS_PER_TENANT: Final = 4
SECRET_MIN_CHARACTERS: Final = 4  # what is shorter can't be told from other text
WITHHELD: Final = b"[withheld]"
RETRY_SECONDS: Final = 1


class LiveStream:
    """What one reader is told, as server-sent events. It looks on at steps and calls (RunWatch, CallWatch)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic_seconds()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._news = asyncio.Event()
        self._has_ended = False
        self._secrets: dict[bytes, None] = {}
        self.is_dropped = False

    def tell(self, event: str, /, **facts: object) -> None:
        """Tell one event: facts of ours, and values (`Value`), which are cut when they are large."""
        if self.is_dropped or self._has_ended:
            return
        facts["at_milliseconds"] = int((self._clock.monotonic_seconds() - self._began) * 1000)
        written = {name: self._write(fact.value) if isinstance(fact, Value) else fact for name, fact in facts.items()}
        chunk = b"event: %b\ndata: %b\n\n" % (event.encode(), orjson.dumps(written))
        self._size += len(chunk)
        if self._size > BACKLOG_MAX_BYTES:
            self.drop()
            return
        self._waiting.append(chunk)
        self._news.set()

    def end(self) -> None:
        """Nothing more comes."""
        self._has_ended = True
        self._news.set()

    def drop(self) -> None:
        """The reader is gone, or too slow: forget all there is for it."""
        self.is_dropped = True
        self._waiting.clear()
        self._size = 0
        self._secrets.clear()
        self._news.set()

    async def read(self) -> bytes:
        """Give what there is, when there is something; empty: it has ended, or was dropped."""
        while not self._waiting and not self._has_ended and not self.is_dropped:
            self._news.clear()
            await self._news.wait()
        chunks = b"".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        return chunks

    # ------------------------------------------------------------ looking on

    def step_begins(self, path: str, kind: str, settings: object, line: object) -> None:
        """See RunWatch."""
        if isinstance(line, WatchedCaller):
            line.place = path
        self.tell("step_begins", step=path, kind=kind, settings=Value(settings))

    def step_comes_to(self, path: str, outcome: Outcome) -> None:
        """See RunWatch."""
        if isinstance(outcome, Failure):
            self.tell("step_fails", step=path, **describe_failure(outcome))
        elif isinstance(outcome, Enter):
            self.tell("branch_entered", step=path, branch=-1 if outcome.branch is None else outcome.branch + 1)
        elif isinstance(outcome, ForEach):
            self.tell("loop_begins", step=path, turns=len(outcome.items))
        elif isinstance(outcome, Stop):
            self.tell("step_stops", step=path)

    def step_ends(self, path: str, result: object) -> None:
        """See RunWatch."""
        self.tell("step_ends", step=path, result=Value(result))

    def call_begins(self, place: str, call: Call, *, is_made: bool) -> None:
        """See CallWatch."""
        self.tell(
            "call_begins" if is_made else "call_would_begin",
            step=place,
            method=Value(call.method),
            url=Value(call.url),
            query=Value([list(pair) for pair in call.query]),
            headers=Value([list(pair) for pair in call.headers]),
            connection=call.connection,
            effect=call.effect.value,
            body=Value(_read_body(call.body)),
            bytes=len(call.body),
        )

    def call_ends(self, place: str, found: CallAnswer | Failure, seconds: float) -> None:
        """See CallWatch."""
        took = int(seconds * 1000)
        if isinstance(found, Failure):
            self.tell("call_fails", step=place, milliseconds=took, **describe_failure(found))
            return
        body = Value(_read_body(found.body))
        self.tell(
            "call_ends", step=place, milliseconds=took, status=found.status, headers=Value(found.headers), body=body,
            bytes=len(found.body),
        )  # fmt: skip

    def withhold(self, secret: str) -> None:
        """See CallWatch: plain, as it stands in JSON, in a URL, and as base64."""
        if len(secret) < SECRET_MIN_CHARACTERS:
            return
        plain = secret.encode("utf-8", "replace")
        for form in (secret, quote(secret, safe=""), base64.b64encode(plain).decode()):
            self._secrets[json.dumps(form)[1:-1].encode()] = None
            self._secrets[json.dumps(form, ensure_ascii=False)[1:-1].encode("utf-8", "replace")] = None

    def _write(self, value: object) -> object:
        text = _write_json(value)
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, WITHHELD)
        if len(text) <= VALUE_MAX_BYTES:
            return orjson.Fragment(text)
        return {"cut": True, "bytes": len(text), "start": text[:VALUE_MAX_BYTES].decode("utf-8", "ignore")}


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the run."""

    value: object


@dataclass(frozen=True, slots=True)
class Live:
    """A trial that is under way, and what its reader is told."""

    stream: LiveStream
    task: asyncio.Task[None]
    is_dry: bool

    def leave(self) -> None:
        """The reader is gone. A test run goes on to its end, as any run does; a dry run has no further use."""
        self.stream.drop()
        if self.is_dry:
            self.task.cancel()


class ForgetfulSeenDesk:
    """Port SeenDesk for dry runs: nothing was seen, and nothing is marked."""

    async def ask(self, tenant: TenantId, question: SeenQuestion) -> bool:
        """See the port."""
        _ = tenant, question
        return False


class LiveDesk:
    """Takes tickets and performs trials.

    Args:
        make_runner: makes the runner of one trial, whose calls and steps the stream looks on at.
        claim: takes a name once, whichever conduit asks (ports.RunQueue.claim).
        sealer: of the lease key.
    """

    def __init__(
        self,
        shelf: PlanShelf,
        make_runner: Callable[[LiveStream, Trial], Runner],
        claim: Callable[[str], Awaitable[bool]],
        add_receipt: Callable[[RunReceipt], None],
        sealer: Sealer,
        clock: Clock,
        chance: Chance,
    ) -> None:
        self._shelf, self._make_runner, self._claim, self._add_receipt = shelf, make_runner, claim, add_receipt
        self._sealer, self._clock, self._chance = sealer, clock, chance
        self._tasks: set[asyncio.Task[None]] = set()
        self._of_tenants: Counter[TenantId] = Counter()

    async def start(
        self, tenant: TenantId, flow_id: FlowId, ticket_text: str, document: object
    ) -> Live | Admission | Failure | None:
        """Start a trial. None for a ticket that is not good here, whatever the reason; which input is wrong, as a Failure.

        Raises:
            UnavailableError: the broker does not say whether the ticket was used.
        """
        opened = self._open(tenant, flow_id, ticket_text)
        if opened is None:
            return None
        trial, ticket = opened
        plan = self._shelf.get(tenant, flow_id, ticket.version)
        if plan is None:
            return Admission(verdict=Verdict.UNAVAILABLE, retry_after_seconds=RETRY_SECONDS)  # it was published just now
        if len(self._tasks) >= TRIALS_AT_ONCE or self._of_tenants[tenant] >= TRIALS_PER_TENANT:
            return Admission(verdict=Verdict.FULL, retry_after_seconds=RETRY_SECONDS)
        flow = plan.published.flow
        if flow.trigger.on in {TriggerKind.MANUAL, TriggerKind.CALLED}:
            document = convert_inputs(flow.inputs, document)
            if isinstance(document, Failure):
                return document
        if not await self._claim(f"trial|{ticket.name}"):
            return None
        return self._begin(plan, trial, document)

    def _open(self, tenant: TenantId, flow_id: FlowId, text: str) -> tuple[Trial, Ticket] | None:
        for trial, purpose in TRIAL_PURPOSES.items():
            try:
                return trial, open_ticket(self._sealer, purpose, tenant, flow_id, text, self._clock.now_milliseconds())
            except TamperedError:
                continue
        return None

    def _begin(self, plan: Plan, trial: Trial, document: object) -> Live:
        published = plan.published
        message = RunMessage(
            run=self._chance.new_run_id(),
            tenant=published.tenant,
            flow=published.flow.id,
            version=published.version,
            trigger=published.flow.trigger.on,
            accepted_at_milliseconds=self._clock.now_milliseconds(),
            body=orjson.dumps(document),
            trial=trial,
        )
        stream = LiveStream(self._clock)
        task = asyncio.create_task(self._perform(plan, message, stream, trial, document))
        self._tasks.add(task)
        self._of_tenants[published.tenant] += 1
        task.add_done_callback(lambda done: self._forget(done, published.tenant, stream))
        return Live(stream, task, is_dry=trial is Trial.DRY_RUN)

    def _forget(self, task: asyncio.Task[None], tenant: TenantId, stream: LiveStream) -> None:
        self._tasks.discard(task)
        self._of_tenants[tenant] -= 1
        stream.end()
        if not task.cancelled():
            task.exception()  # looked at: asyncio would print it

    async def _perform(self, plan: Plan, message: RunMessage, stream: LiveStream, trial: Trial, document: object) -> None:
        facts = {"run": message.run, "flow": message.flow, "version": message.version, "trial": trial.value}
        stream.tell("run_begins", **facts, event=Value(document))
        end = await self._make_runner(stream, trial).perform(plan, message, document=document)
        if not isinstance(end, Ended):  # nothing waits in a trial, and nobody waits for its answer
            return
        receipt = end.receipt
        if message.version != UNPUBLISHED:  # else the ledger would tell of a flow that nobody has
            self._add_receipt(receipt)
        failure = describe_failure(receipt.failure) if receipt.failure is not None else {}
        answer = end.answer
        answered = {} if answer is None else {"answer": Value({"status": answer.status, "body": _read_body(answer.body)})}
        stream.tell("run_ends", run=message.run, outcome=receipt.outcome.value, **failure, **answered)


def describe_failure(failure: Failure) -> dict[str, Any]:
    """Give a failure's facts, and what they mean."""
    what, what_to_do = explain_failure(failure)
    return {"failure": msgspec.to_builtins(failure), "what": what, "what_to_do": what_to_do}


def _read_body(body: bytes) -> object:
    """Give a body as JSON where it is, else as text."""
    if not body:
        return None
    try:
        return orjson.loads(body) if len(body) <= VALUE_MAX_BYTES else body.decode("utf-8", "replace")
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")


def _write_json(value: object) -> bytes:
    """Write a value, whatever it is."""
    try:
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError):  # a number past 64 bits, half a character
        return json.dumps(value, default=str).encode()
