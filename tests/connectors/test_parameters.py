"""Where a third party is, is told by the connection; whatever it tells, its secret goes to its own hosts only."""

import msgspec
import pytest

from blubees.connectors.caller import Caller, JiraSite
from blubees.connectors.pace import PaceBook
from blubees.connectors.parameters import fill_url
from blubees.model.authorisation import check_fields
from blubees.model.call import Call, CallAnswer, Effect, Pace
from blubees.model.connection import ConnectionKind, Lease, LeaseRefusal, Use
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import ConnectionName, TenantId
from blubees.model.web import WebAnswer
from fakes.machine import FakeChance, FakeClock, FakeWeb

TENANT = TenantId("t" + "a" * 24)
URL = "https://{site}.acme.example/api/{id}?q={x}"
CALL = Call(
    method="GET", url=URL, effect=Effect.READ, parameters={"site": ""}, connection="c", pace=Pace(name="acme", at_once=1)
)


class Desk:
    """Port LeaseDesk."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings

    async def borrow(self, _tenant: TenantId, _name: ConnectionName, _use: Use, _refused: str = "") -> Lease | LeaseRefusal:
        return Lease(
            kind=ConnectionKind.BEARER,
            hosts=("north.acme.example",),
            user_name="",
            parameter="",
            secret="s3cret",
            settings=self.settings,
            expires_at_milliseconds=9_999_999_999_999,
        )


def make_caller(settings: dict[str, str], status: int = 200) -> tuple[Caller, FakeWeb]:
    web = FakeWeb(lambda _request: WebAnswer(status=status, headers={"retry-after": "60"}, body=b""))
    clock = FakeClock()
    caller = Caller(TENANT, web, Desk(settings), clock, FakeChance(), JiraSite("", "", lambda: None), PaceBook(clock))
    return caller, web


async def test_a_url_is_filled_with_what_the_connection_tells() -> None:
    caller, web = make_caller({"param_site": "north"})
    assert isinstance(await caller.call(CALL), CallAnswer)
    assert web.requests[0].url == "https://north.acme.example/api/{id}?q={x}"


@pytest.mark.parametrize(
    ("settings", "detail"),
    [
        ({}, "parameter"),
        ({"param_site": "evil.example/"}, "parameter"),
        ({"param_site": "a@evil.example"}, "parameter"),
        ({"param_site": "evil.example#"}, "parameter"),
        ({"param_site": "south"}, "host"),
    ],
)
async def test_nothing_that_it_tells_leads_the_secret_elsewhere(settings: dict[str, str], detail: str) -> None:
    caller, web = make_caller(settings)
    found = await caller.call(CALL)
    assert found == Failure(code=FailureCode.CONNECTION_MISSING, field="with.connection", detail=detail)
    assert web.requests == []
    assert isinstance(await caller.call(CALL), Failure)  # and its place in the line is free again


async def test_a_connection_that_was_told_to_wait_makes_no_calls() -> None:
    caller, web = make_caller({"param_site": "north"}, 429)
    assert isinstance(await caller.call(CALL), CallAnswer)
    assert await caller.call(CALL) == Failure(code=FailureCode.BUSY, detail="pace", retry_after_seconds=60)
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    ("told", "url"),
    [
        ("v1", "https://a.example/v1/x"),
        ("openai/v1", "https://a.example/openai/v1/x"),
        ("..", None),
        ("a/../b", None),
        ("a?b", None),
        ("/a", None),
        ("a//b", None),
        ("", None),
    ],
)
def test_in_the_path_it_may_have_parts(told: str, url: str | None) -> None:
    assert fill_url("https://a.example/{root}/x", {"root": ""}, {"param_root": told}) == url


def test_another_text_is_filled_as_strictly_as_a_host() -> None:
    assert fill_url('{"prompt":"{site}"}', {"site": ""}, {"param_site": "a"}) == '{"prompt":"a"}'
    assert fill_url('{"prompt":"{site}"}', {"site": ""}, {"param_site": "a/b"}) is None


def test_a_default_stands_in_for_what_is_not_told() -> None:
    assert fill_url(URL, {"site": "eu"}, {}) == "https://eu.acme.example/api/{id}?q={x}"


def test_a_default_may_be_made_of_another_parameter() -> None:
    defaults = {"host": "s3.{region}.acme.example", "region": "us"}
    url = "https://{host}/x"
    assert fill_url(url, defaults, {}) == "https://s3.us.acme.example/x"
    assert fill_url(url, defaults, {"param_region": "eu"}) == "https://s3.eu.acme.example/x"
    assert fill_url(url, defaults, {"param_region": "eu", "param_host": "minio.example:9000"}) == "https://minio.example:9000/x"
    assert fill_url(url, defaults, {"param_region": "evil.example/"}) is None


BUCKET = msgspec.structs.replace(
    CALL,
    url="https://{site}.acme.example/reports/a/b?x=1",
    parameters={"site": "", "addressing": "virtual"},
    names_bucket=True,
)


@pytest.mark.parametrize(
    ("bucket", "addressing", "url"),
    [
        ("reports", "", "https://reports.north.acme.example/a/b?x=1"),
        ("reports", "virtual", "https://reports.north.acme.example/a/b?x=1"),
        ("reports", "path", "https://north.acme.example/reports/a/b?x=1"),
        ("re.ports", "virtual", "https://north.acme.example/re.ports/a/b?x=1"),
    ],
)
async def test_a_bucket_goes_where_the_connection_says(bucket: str, addressing: str, url: str) -> None:
    caller, web = make_caller({"param_site": "north", "param_addressing": addressing})
    call = msgspec.structs.replace(BUCKET, url=BUCKET.url.replace("reports", bucket))
    assert isinstance(await caller.call(call), CallAnswer)
    assert web.requests[0].url == url
    assert ("Authorization", "Bearer s3cret") in web.requests[0].headers


async def test_a_bucket_makes_no_other_host_the_connections() -> None:
    caller, web = make_caller({"param_site": "south"})
    found = await caller.call(BUCKET)
    assert found == Failure(code=FailureCode.CONNECTION_MISSING, field="with.connection", detail="host")
    assert web.requests == []


def test_every_outgoing_kind_may_tell_its_connector_and_its_parameters() -> None:
    told = {"connector": "acme", "param_site": "north"}
    assert check_fields(ConnectionKind.BEARER, told, ["token"]) == []
    assert "param_site" in check_fields(ConnectionKind.SIGNING_SECRET, told, ["secret"])[1]
