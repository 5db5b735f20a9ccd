"""What a call's request carries, and how failures of the web client are told."""

from blubees.connectors.caller import Caller, JiraSite
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.connection import Lease, LeaseRefusal
from blubees.model.failures import Failure, FailureCode, explain_failure
from blubees.model.ids import ConnectionName, TenantId
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest
from fakes.machine import FakeChance, FakeClock, FakeWeb

TENANT = TenantId("t" + "a" * 24)
GET = Call(method="GET", url="https://example.com/", effect=Effect.READ)


class NoDesk:
    """Port LeaseDesk."""

    async def borrow(self, tenant: TenantId, name: ConnectionName) -> Lease | LeaseRefusal:
        del tenant, name
        return LeaseRefusal.MISSING


def make_caller(found: WebAnswer | WebFailure) -> tuple[Caller, list[WebRequest]]:
    web = FakeWeb(lambda _request: found)
    site = JiraSite("https://api.example.com", "c", lambda: "token")
    return Caller(TENANT, web, NoDesk(), FakeClock(), FakeChance(), site), web.requests


async def test_every_call_tells_whose_it_is() -> None:
    caller, requests = make_caller(WebAnswer(status=200, headers={}, body=b""))
    assert isinstance(await caller.call(GET), CallAnswer)
    assert isinstance(await caller.call_jira(Call(method="GET", url="/x", effect=Effect.READ)), CallAnswer)
    assert [(each.tenant, each.is_ours) for each in requests] == [(TENANT, False), (TENANT, True)]


async def test_a_call_that_was_not_made_tells_when_to_come_again() -> None:
    for problem in (WebProblem.CIRCUIT_OPEN, WebProblem.CROWDED):
        caller, _ = make_caller(WebFailure(problem=problem, detail=problem.value, retry_after_seconds=2.5))
        found = await caller.call(GET)
        assert found == Failure(code=FailureCode.BUSY, detail=problem.value, retry_after_seconds=2.5)
        assert "not made" in explain_failure(found)[0]


async def test_every_problem_has_a_meaning() -> None:
    for problem in WebProblem:
        caller, _ = make_caller(WebFailure(problem=problem))
        assert isinstance(await caller.call(GET), Failure)
