"""Sends each call to the client of its protocol, by the URL's scheme (port WebClient). Built by main/conduit.py."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from blubees.model.egress import HostJudge
from blubees.model.ids import TenantId
from blubees.model.web import SentBody, WebAnswer, WebFailure, WebProblem, WebRequest
from blubees.ports import AnswerStream, ProtocolClient, WebClient

CALLS_OF_A_TENANT: Final = 8  # at a time, by other protocols than HTTP: they take threads, and sessions of the other side
CROWDED_SECONDS: Final = 1.0


class ProtocolRouter:
    """One way out for all protocols.

    Args:
        web: carries out calls by HTTP, and refuses what has a scheme that nobody knows.
        others: clients by scheme.
        find_judge: who judges a tenant's hosts, by its own rules, for those others; None: it has none.
    """

    def __init__(
        self, web: WebClient, others: Mapping[str, ProtocolClient], find_judge: Callable[[TenantId], HostJudge | None]
    ) -> None:
        self._web, self._others, self._find_judge = web, others, find_judge
        self._under_way: Counter[TenantId] = Counter()

    async def call(self, request: WebRequest) -> WebAnswer | WebFailure:
        """See the port."""
        if request.url[:4] == "http":
            return await self._web.call(request)
        client = self._others.get(request.url.partition("://")[0])
        if client is None:
            return await self._web.call(request)
        judge = self._find_judge(request.tenant)
        if judge is not None and not judge.permits(_read_host(request.url)):
            return WebFailure(problem=WebProblem.REFUSED_HOST, detail="host_rules")
        if self._under_way[request.tenant] >= CALLS_OF_A_TENANT:
            detail = WebProblem.CROWDED.value
            return WebFailure(problem=WebProblem.CROWDED, detail=detail, retry_after_seconds=CROWDED_SECONDS)
        self._under_way[request.tenant] += 1
        try:
            return await client.call(request)
        finally:
            self._under_way[request.tenant] -= 1
            if not self._under_way[request.tenant]:
                del self._under_way[request.tenant]

    async def open(self, request: WebRequest, body: SentBody | None = None) -> AnswerStream | WebFailure:
        """See the port: by HTTP only."""
        return await self._web.open(request, body)

    async def close(self) -> None:
        """See the port."""
        for client in (self._web, *dict.fromkeys(self._others.values())):
            await client.close()


def _read_host(url: str) -> str:
    """Give the host as the client will: what can't be read is no host that a rule allows, and is refused by the client."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
