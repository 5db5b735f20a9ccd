"""Calls find the client of their protocol, within the tenant's rules and its share."""

import asyncio

from blubees.adapters.protocols.router import CALLS_OF_A_TENANT, ProtocolRouter
from blubees.model.egress import HostJudge
from blubees.model.ids import TenantId
from blubees.model.web import SentBody, WebAnswer, WebFailure, WebProblem, WebRequest
from blubees.ports import AnswerStream

A, B = TenantId("t" + "a" * 24), TenantId("t" + "b" * 24)


class Client:
    """Ports ProtocolClient and WebClient: answers with its status, when told."""

    def __init__(self, status: int) -> None:
        self.status, self.closed = status, 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        assert request.url
        await self.goes_on.wait()
        return WebAnswer(status=self.status, headers={}, body=b"")

    async def open(self, _request: WebRequest, _body: SentBody | None = None) -> AnswerStream | WebFailure:
        return WebFailure(problem=WebProblem.REFUSED_SCHEME)

    async def close(self) -> None:
        self.closed += 1


def ask(url: str, tenant: TenantId = A) -> WebRequest:
    return WebRequest(method="POST", url=url, tenant=tenant)


async def test_each_protocol_has_its_client_and_what_nobody_knows_is_the_webs_to_refuse() -> None:
    web, mail = Client(200), Client(201)
    router = ProtocolRouter(web, {"smtp": mail, "smtps": mail}, lambda _tenant: None)
    for url, status in (
        ("https://a/", 200),
        ("http://a/", 200),
        ("smtp://a/send", 201),
        ("smtps://a/send", 201),
        ("ftp://a/", 200),
    ):
        found = await router.call(ask(url))
        assert isinstance(found, WebAnswer)
        assert found.status == status
    await router.close()
    assert (web.closed, mail.closed) == (1, 1)


async def test_a_tenants_rules_hold_for_all_protocols() -> None:
    judge = HostJudge(("*.example.com",), ("db.example.com",))
    router = ProtocolRouter(Client(200), {"mysql": Client(201)}, lambda tenant: judge if tenant == A else None)
    refused = WebFailure(problem=WebProblem.REFUSED_HOST, detail="host_rules")
    for url in ("mysql://DB.example.com:3306/a/ping", "mysql://other.example/a/ping", "mysql://[bad/a/ping"):
        assert await router.call(ask(url)) == refused
    assert isinstance(await router.call(ask("mysql://my.example.com/a/ping")), WebAnswer)
    assert isinstance(await router.call(ask("mysql://other.example/a/ping", B)), WebAnswer)


async def test_a_tenant_has_its_share_and_no_more() -> None:
    client = Client(201)
    client.goes_on.clear()
    router = ProtocolRouter(Client(200), {"imaps": client}, lambda _tenant: None)
    under_way = [asyncio.create_task(router.call(ask("imaps://a/ping"))) for _ in range(CALLS_OF_A_TENANT)]
    await asyncio.sleep(0)
    found = await router.call(ask("imaps://a/ping"))
    assert isinstance(found, WebFailure)
    assert found.problem is WebProblem.CROWDED
    other = asyncio.create_task(router.call(ask("imaps://a/ping", B)))
    client.goes_on.set()
    assert all(isinstance(each, WebAnswer) for each in await asyncio.gather(other, *under_way))
    assert isinstance(await router.call(ask("imaps://a/ping")), WebAnswer)
