"""What a call's request carries, and how failures of the web client are told."""

from blubees.connectors.caller import Caller, JiraSite
from blubees.model.call import Call, CallAnswer, Effect, Transfer, Transferred
from blubees.model.connection import ConnectionKind, Lease, LeaseRefusal, Use
from blubees.model.failures import Failure, FailureCode, explain_failure
from blubees.model.ids import ConnectionName, TenantId
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest
from blubees.vault.lease import hash_token
from fakes.machine import FakeChance, FakeClock, FakeWeb

TENANT = TenantId("t" + "a" * 24)
GET = Call(method="GET", url="https://example.com/", effect=Effect.READ)


class NoDesk:
    """Port LeaseDesk."""

    async def borrow(self, tenant: TenantId, name: ConnectionName, use: Use, refused: str = "") -> Lease | LeaseRefusal:
        del tenant, name, use, refused
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


class Vendor:
    """Port LeaseDesk: gives a token, and another when that is refused; and a vendor that takes one of them."""

    def __init__(self, *tokens: str, taken: str = "", kind: ConnectionKind = ConnectionKind.OAUTH2_CODE) -> None:
        self.tokens, self.taken, self.kind = list(tokens), taken, kind
        self.refused: list[str] = []
        self.seen: list[str] = []

    async def borrow(self, _tenant: TenantId, _name: ConnectionName, _use: Use, refused: str = "") -> Lease | LeaseRefusal:
        if refused:
            self.refused.append(refused)
            self.tokens = self.tokens[1:] or self.tokens
        return Lease(
            kind=self.kind, hosts=("example.com",), user_name="", parameter="", secret=self.tokens[0], expires_at_milliseconds=2**53
        )  # fmt: skip

    def answer(self, request: WebRequest) -> WebAnswer:
        token = dict(request.headers)["Authorization"].removeprefix("Bearer ")
        self.seen.append(token)
        return WebAnswer(status=200 if token == self.taken else 401, headers={}, body=b"")

    async def call(self, effect: Effect = Effect.UNSAFE) -> CallAnswer | Failure:
        caller = Caller(TENANT, FakeWeb(self.answer), self, FakeClock(), FakeChance(), JiraSite("", "", lambda: None))
        return await caller.call(Call(method="POST", url="https://example.com/", effect=effect, connection="vendor"))


async def test_a_granted_token_that_is_refused_is_renewed_once_and_the_call_made_once_more() -> None:
    vendor = Vendor("old", "new", taken="new")
    found = await vendor.call()
    assert isinstance(found, CallAnswer)
    assert found.status == 200
    assert vendor.seen == ["old", "new"]
    assert vendor.refused == [hash_token("old")]


async def test_where_there_is_no_other_token_the_refusal_is_told_and_nothing_repeated() -> None:
    for vendor, calls in ((Vendor("old"), 1), (Vendor("old", "new"), 2), (Vendor("old", "new", kind=ConnectionKind.BEARER), 1)):
        found = await vendor.call()
        assert isinstance(found, CallAnswer)
        assert found.status == 401
        assert len(vendor.seen) == calls


async def test_why_there_is_no_lease_is_told_as_what_a_person_can_do() -> None:
    for refusal, code in (
        (LeaseRefusal.MISSING, FailureCode.CONNECTION_MISSING),
        (LeaseRefusal.UNAVAILABLE, FailureCode.BUSY),
        (LeaseRefusal.KEY_DISABLED, FailureCode.BUSY),
        (LeaseRefusal.NO_GRANT, FailureCode.CREDENTIAL_REFUSED),
        (LeaseRefusal.GRANT_DEAD, FailureCode.CREDENTIAL_REFUSED),
        (LeaseRefusal.HOST_RULES, FailureCode.EGRESS_REFUSED),
    ):
        vendor = Vendor("none")
        vendor.borrow = lambda *_, refusal=refusal: _give(refusal)  # type: ignore[method-assign]
        found = await vendor.call()
        assert isinstance(found, Failure)
        assert found.code is code
        assert vendor.seen == []
        assert explain_failure(found)[1]
        if code is FailureCode.BUSY:
            assert "third party" not in explain_failure(found)[0]


async def _give(refusal: LeaseRefusal) -> LeaseRefusal:
    return refusal


def transfer(source: str = "https://a.example.com/f", target: str = "https://b.example.com/g", **more: str) -> Transfer:
    return Transfer(
        source=Call(
            method="GET", url=source, effect=Effect.READ, answer_limit_bytes=100, connection=more.get("connection", "")
        ),
        target=Call(method="PUT", url=target, effect=Effect.IDEMPOTENT),
    )


def make_party(**statuses: int | WebFailure) -> tuple[Caller, list[WebRequest]]:
    """Both sides by method."""

    def answer(request: WebRequest) -> WebAnswer | WebFailure:
        found = statuses.get(request.method, 200)
        if isinstance(found, WebFailure):
            return found
        return WebAnswer(status=found, headers={"content-type": "text/csv"}, body=f"of {request.method}".encode())

    web = FakeWeb(answer)
    site = JiraSite("https://api.example.com", "c", lambda: "token")
    return Caller(TENANT, web, NoDesk(), FakeClock(), FakeChance(), site), web.requests


async def test_a_file_passes_from_one_to_the_other() -> None:
    caller, requests = make_party()
    found = await caller.transfer(transfer())
    assert found == Transferred(
        is_sent=True,
        size=6,
        answer=CallAnswer(status=200, headers={"content-type": "text/csv"}, body=b"of PUT"),
    )
    assert [(each.method, each.url, each.body, each.tenant) for each in requests] == [
        ("GET", "https://a.example.com/f", b"", TENANT),
        ("PUT", "https://b.example.com/g", b"of GET", TENANT),
    ]
    assert requests[1].headers == (("Content-Type", "text/csv"),)
    assert (caller.request_bytes, caller.answer_bytes, caller.http_status) == (6, 6, 200)


async def test_the_tenants_own_jira_may_be_either_side() -> None:
    caller, requests = make_party()
    await caller.transfer(transfer(source="/rest/api/3/attachment/content/1"))
    await caller.transfer(transfer(target="/rest/api/3/issue/AB-1/attachments"))
    of_jira = [each for each in requests if each.is_ours]
    assert [each.url.removeprefix("https://api.example.com/ex/jira/c/rest/api/3/") for each in of_jira] == [
        "attachment/content/1",
        "issue/AB-1/attachments",
    ]
    assert all(("Authorization", "Bearer token") in each.headers for each in of_jira)
    assert all(name != "Authorization" for each in requests if not each.is_ours for name, _ in each.headers)


async def test_a_failure_names_the_side() -> None:
    gone = WebFailure(problem=WebProblem.UNREACHABLE)
    for method, field in (("GET", "with.from_url"), ("PUT", "with.to_url")):
        caller, requests = make_party(**{method: gone})
        assert await caller.transfer(transfer()) == Failure(code=FailureCode.UNREACHABLE, field=field)
    caller, requests = make_party(GET=404)
    found = await caller.transfer(transfer())
    assert isinstance(found, Transferred)
    assert (found.is_sent, found.answer.status, len(requests)) == (False, 404, 1)
    assert caller.refused == found.answer
    caller, requests = make_party()
    found = await caller.transfer(transfer(connection="unknown"))
    assert isinstance(found, Failure)
    assert (found.code, found.field, requests) == (FailureCode.CONNECTION_MISSING, "with.from_connection", [])


async def test_a_file_that_is_too_large_is_the_sources() -> None:
    web = FakeWeb(lambda _request: WebAnswer(status=200, headers={}, body=b"x" * 101))
    caller = Caller(TENANT, web, NoDesk(), FakeClock(), FakeChance(), JiraSite("", "", lambda: None))
    found = await caller.transfer(transfer())
    assert found == Failure(code=FailureCode.ANSWER_TOO_LARGE, field="with.from_url")
    assert len(web.requests) == 1


class Storage(Vendor):
    """A vendor whose files go from one place to another; which tokens each place takes is told by method."""

    def __init__(self, *tokens: str, **taken: str) -> None:
        super().__init__(*tokens)
        self.by_method = taken
        self.web = FakeWeb(self.answer)

    def answer(self, request: WebRequest) -> WebAnswer:
        token = dict(request.headers)["Authorization"].removeprefix("Bearer ")
        self.seen.append(f"{request.method} {token} {len(request.body)}")
        is_taken = self.by_method.get(request.method, token) == token
        return WebAnswer(status=200 if is_taken else 401, headers={}, body=b"file" if is_taken else b"")

    async def pass_on(self, effect: Effect = Effect.READ) -> Transferred | Failure:
        site = JiraSite("", "", lambda: None)
        self.caller = Caller(TENANT, self.web, self, FakeClock(), FakeChance(), site)
        places = {"url": "https://example.com/", "connection": "vendor"}
        source = Call(method="GET", effect=effect, answer_limit_bytes=100, **places)  # type: ignore[arg-type]
        return await self.caller.transfer(
            Transfer(source=source, target=Call(method="PUT", effect=Effect.UNSAFE, **places))  # type: ignore[arg-type]
        )


async def test_a_file_goes_once_more_when_either_sides_token_has_ended_meanwhile() -> None:
    for taken, seen in (
        ({"GET": "new"}, ["GET old 0", "GET new 0", "PUT new 4"]),
        ({"PUT": "new"}, ["GET old 0", "PUT old 4", "GET new 0", "PUT new 4"]),
    ):
        vendor = Storage("old", "new", **taken)
        found = await vendor.pass_on()
        assert isinstance(found, Transferred)
        assert (found.is_sent, found.answer.status, found.size) == (True, 200, 4)
        assert vendor.seen == seen
        assert vendor.refused == [hash_token("old")]
        assert vendor.caller.http_status == 200


async def test_a_side_that_goes_on_refusing_is_told_and_what_is_no_reading_is_not_asked_for_again() -> None:
    vendor = Storage("old", "new", GET="none")
    found = await vendor.pass_on()
    assert isinstance(found, Transferred)
    assert (found.is_sent, found.answer.status, vendor.seen) == (False, 401, ["GET old 0", "GET new 0"])
    vendor = Storage("old", "new", PUT="new")
    found = await vendor.pass_on(Effect.UNSAFE)
    assert isinstance(found, Transferred)
    assert (found.is_sent, found.answer.status, vendor.seen) == (True, 401, ["GET old 0", "PUT old 4"])
    assert vendor.caller.refused == found.answer
    vendor = Storage("old", PUT="new")  # there is no other token
    found = await vendor.pass_on()
    assert isinstance(found, Transferred)
    assert (found.answer.status, vendor.seen) == (401, ["GET old 0", "PUT old 4"])
