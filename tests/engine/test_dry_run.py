"""A dry run makes reads only, and tells which calls it would have made."""

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from blubees.connectors.caller import JiraSite
from blubees.connectors.watched import WatchedCaller
from blubees.engine.runner import Ended, Runner
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.connection import ConnectionKind, Lease, Use
from blubees.model.failures import Failure
from blubees.model.ids import ConnectionName, TenantId
from blubees.model.receipt import RunReceipt, StepOutcome, Trial, WouldCall
from blubees.model.web import WebAnswer, WebRequest
from fakes.engine import make_message, make_plan
from fakes.machine import FakeChance, FakeClock, FakeWeb

SECRET = "tok-8k2hf7s0"
STEPS = """\
  - {id: look, kind: http, with: {url: "https://a.example.com/look", connection: c}}
  - {id: post, kind: http, with: {method: POST, url: "https://a.example.com/{{steps.look.body.id}}", json: {a: "{{webhookData.n}}"}}}
  - {id: after, kind: set, with: {values: {got: "{{steps.post.body.id}}", way: "{{steps.look.body.id}}"}}}
  - id: loop
    kind: each
    with: {items: [PUT, DELETE, BREW]}
    branches: [{steps: [{id: change, kind: http, with: {method: "{{item}}", url: "https://a.example.com/x"}}]}]
  - {id: tell, kind: jira.add_comment, with: {issue: AB-1, body: "got {{got}}"}}
  - {id: ask, kind: jira.get_issue, with: {issue: AB-1}}"""


@dataclass
class Watch:
    """Ports CallWatch: keeps what it sees."""

    begun: list[tuple[str, Call, bool]] = field(default_factory=list)
    ended: list[CallAnswer | Failure] = field(default_factory=list)
    withheld: set[str] = field(default_factory=set)

    def call_begins(self, place: str, call: Call, *, is_made: bool) -> None:
        self.begun.append((place, call, is_made))

    def call_ends(self, _place: str, found: CallAnswer | Failure, _seconds: float) -> None:
        self.ended.append(found)

    def withhold(self, secret: str) -> None:
        self.withheld.add(secret)


class Desk:
    async def borrow(self, _tenant: TenantId, _name: ConnectionName, _use: Use, _refused: str = "") -> Lease:
        return Lease(
            kind=ConnectionKind.BEARER,
            hosts=("a.example.com",),
            user_name="",
            parameter="",
            secret=SECRET,
            expires_at_milliseconds=2**53,
        )


async def perform(trial: Trial | None) -> tuple[RunReceipt, FakeWeb, Watch]:
    def answer(request: WebRequest) -> WebAnswer:
        return WebAnswer(
            status=200, headers={"content-type": "application/json"}, body=json.dumps({"id": 7, "m": request.method}).encode()
        )

    web, watch, clock = FakeWeb(answer), Watch(), FakeClock()
    site = JiraSite("https://jira.example.com", "cloud", lambda: "app-token-77")
    message = make_message()
    message.trial = trial

    def open_line(tenant: TenantId) -> WatchedCaller:
        return WatchedCaller(tenant, web, Desk(), clock, FakeChance(), site, watch, is_dry=trial is Trial.DRY_RUN)

    end = await Runner(clock, open_line).perform(make_plan(STEPS), message)
    assert isinstance(end, Ended)
    return end.receipt, web, watch


async def test_a_dry_run_makes_reads_only_and_names_the_rest() -> None:
    receipt, web, watch = await perform(Trial.DRY_RUN)
    assert [request.method for request in web.requests] == ["GET", "GET"]
    steps = {each.step: each for each in receipt.steps}
    assert receipt.trial is Trial.DRY_RUN
    assert receipt.outcome.value == "finished"
    assert steps["post"].outcome is StepOutcome.WOULD
    assert steps["post"].would == WouldCall(method="POST", effect=Effect.UNSAFE)  # type: ignore[arg-type]
    assert steps["change"].would == WouldCall(method="PUT", effect=Effect.IDEMPOTENT, count=3)  # type: ignore[arg-type]
    assert steps["tell"].outcome is StepOutcome.WOULD
    assert {steps[step].outcome for step in ("look", "after", "loop", "ask")} == {StepOutcome.DONE}
    assert [(call.method, is_made) for _, call, is_made in watch.begun] == [
        ("GET", True), ("POST", False), ("PUT", False), ("DELETE", False), ("BREW", False), ("POST", False), ("GET", True)
    ]  # fmt: skip
    assert watch.begun[1][1].url == "https://a.example.com/7"
    assert len(watch.ended) == 2


async def test_a_test_run_makes_them_all() -> None:
    receipt, web, watch = await perform(Trial.TEST)
    assert [request.method for request in web.requests] == ["GET", "POST", "PUT", "DELETE", "BREW", "POST", "GET"]
    assert receipt.trial is Trial.TEST
    assert {each.would for each in receipt.steps} == {None}
    assert len(watch.ended) == 7


async def test_who_watches_sees_no_credential_and_is_told_what_to_withhold() -> None:
    _, web, watch = await perform(Trial.TEST)
    assert SECRET in repr(web.requests[0])
    assert "app-token-77" in repr(web.requests[-1])
    assert SECRET not in repr(watch.begun)
    assert "app-token-77" not in repr(watch.begun)
    assert {SECRET, "app-token-77"} <= watch.withheld


async def test_a_method_from_the_payload_is_told_as_another_one() -> None:
    receipt, _, _ = await perform(Trial.DRY_RUN)
    written: Any = msgspec.json.encode(receipt)
    assert b"BREW" not in written
    assert msgspec.json.decode(written, type=RunReceipt) == receipt
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(written.replace(b'"method":"PUT"', b'"method":"CANARY"'), type=RunReceipt)
