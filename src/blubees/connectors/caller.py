"""Calls third parties for one run: borrows a lease, adds the credential, goes through the guarded web client.

Made for each run by main/conduit.py; used by the engine as a step's tools.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from blubees.connectors.pace import PaceBook
from blubees.connectors.parameters import ADDRESSING, fill_url, place_bucket
from blubees.connectors.transfer import Side, pass_file
from blubees.model.authorisation import KINDS, PARAMETER_PREFIX
from blubees.model.call import Call, CallAnswer, Effect, Transfer, Transferred, is_jira_path
from blubees.model.connection import Lease, LeaseRefusal, Use
from blubees.model.failures import Failure, FailureCode
from blubees.model.ids import ConnectionName, TenantId
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest
from blubees.ports import Chance, Clock, LeaseDesk, WebClient
from blubees.vault.lease import NEEDS_NONCE, LeaseProblem, authorise, hash_token

UNAUTHORISED: Final = 401  # RFC 9110, 15.5.2: "has not been applied"
REFUSED: Final = 400  # RFC 9110: from here on the third party says no
REPEATABLE: Final = frozenset({Effect.READ, Effect.IDEMPOTENT})
_SIDES: Final = {Side.SOURCE: "from", Side.TARGET: "to"}
_PROBLEMS: Final[dict[WebProblem, FailureCode]] = {
    WebProblem.REFUSED_ADDRESS: FailureCode.EGRESS_REFUSED,
    WebProblem.REFUSED_SCHEME: FailureCode.EGRESS_REFUSED,
    WebProblem.REFUSED_URL: FailureCode.EGRESS_REFUSED,
    WebProblem.REFUSED_HOST: FailureCode.EGRESS_REFUSED,
    WebProblem.REFUSED_HEADER: FailureCode.SETTING_INVALID,
    WebProblem.CROWDED: FailureCode.BUSY,
    WebProblem.CIRCUIT_OPEN: FailureCode.BUSY,
    WebProblem.UNREACHABLE: FailureCode.UNREACHABLE,
    WebProblem.TLS: FailureCode.TLS_REFUSED,
    WebProblem.CLIENT_CERTIFICATE: FailureCode.CREDENTIAL_REFUSED,
    WebProblem.TIMEOUT: FailureCode.TIMEOUT,
    WebProblem.TOO_LARGE: FailureCode.ANSWER_TOO_LARGE,
    WebProblem.TOO_MANY_REDIRECTS: FailureCode.REQUEST_REFUSED,
    WebProblem.BROKEN_ANSWER: FailureCode.ANSWER_UNREADABLE,
    WebProblem.CUT_OFF: FailureCode.VENDOR_BROKEN,  # it may go well another time; an unsafe call may have happened
}


@dataclass(frozen=True, slots=True)
class JiraSite:
    """The tenant's Jira: where the API is, which site, and the newest app token."""

    origin: str
    cloud_id: str
    token: Callable[[], str | None]


class _Prepared(NamedTuple):
    """A request without its credential. `bound_url`: the URL whose host must be one of the connection's."""

    request: WebRequest
    lease: Lease | None
    bound_url: str


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a transfer. `prepared`: none for Jira's; `request`: with the credential; `is_piped`: it gets the file."""

    call: Call
    prepared: _Prepared | None
    request: WebRequest
    is_piped: bool


class Caller:
    """Makes the calls of one run, counts those of the step under way, and holds the last answer when it refuses."""

    __slots__ = (
        "_chance",
        "_clock",
        "_desk",
        "_jira",
        "_paces",
        "_tenant",
        "_web",
        "answer_bytes",
        "attempts",
        "http_status",
        "refused",
        "request_bytes",
    )

    def __init__(
        self,
        tenant: TenantId,
        web: WebClient,
        desk: LeaseDesk,
        clock: Clock,
        chance: Chance,
        jira: JiraSite,
        paces: PaceBook | None = None,
    ) -> None:
        self._tenant, self._web, self._desk, self._clock, self._jira = tenant, web, desk, clock, jira
        self._chance, self._paces = chance, paces
        self.request_bytes = self.answer_bytes = self.http_status = 0
        self.attempts = 1
        self.refused: CallAnswer | None = None

    def start_step(self) -> None:
        """Count from zero."""
        self.request_bytes = self.answer_bytes = self.http_status = 0
        self.attempts = 1
        self.refused = None

    async def call(self, call: Call) -> CallAnswer | Failure:
        """Call a third party, with the connection's credential where one is named."""
        pace, paces = call.pace, self._paces
        if pace is None or paces is None:
            return await self._call(call)
        key = (self._tenant, call.connection, pace.name)
        refused = await paces.enter(key, pace)
        if refused is not None:
            return refused
        found: CallAnswer | Failure = Failure(code=FailureCode.INTERNAL)
        try:
            found = await self._call(call)
        finally:
            paces.leave(key, pace, found)
        return found

    async def _call(self, call: Call) -> CallAnswer | Failure:
        prepared = await self._prepare(call)
        if isinstance(prepared, Failure):
            return prepared
        request, lease, bound_url = prepared
        if lease is None:
            return await self._send(request)
        authorised = self._authorise(request, lease, bound_url)
        if isinstance(authorised, Failure):
            return authorised
        found = await self._send(authorised)
        if not isinstance(found, CallAnswer) or found.status != UNAUTHORISED:
            return found
        anew = await self._authorise_anew(call, prepared)  # what had a 401 was not applied
        if anew is None:
            return found
        return anew if isinstance(anew, Failure) else await self._send(anew)

    async def _authorise_anew(self, call: Call, prepared: _Prepared, *, is_piped: bool = False) -> WebRequest | Failure | None:
        """The vendor refuses a granted token: add another one; None: there is no other."""
        request, lease, bound_url = prepared
        if lease is None or not KINDS[lease.kind].has_grant:
            return None
        name, refused = ConnectionName(call.connection), hash_token(lease.secret)
        other = await self._desk.borrow(self._tenant, name, call.use or Use(), refused)
        if not isinstance(other, Lease) or other.secret == lease.secret:
            return None
        return self._authorise(request, other, bound_url, is_piped=is_piped)

    async def _prepare(self, call: Call) -> _Prepared | Failure:
        lease = await self._borrow(ConnectionName(call.connection), call.use or Use()) if call.connection else None
        if isinstance(lease, Failure):
            return lease
        url, settings = call.url, lease.settings if lease is not None else {}
        if call.parameters is not None:
            filled = fill_url(url, call.parameters, settings)
            if filled is None:
                return Failure(code=FailureCode.CONNECTION_MISSING, field="with.connection", detail="parameter")
            url = filled
        bound_url = url
        if call.names_bucket:  # a name below the connection's host is still at that host's owner
            told = settings.get(PARAMETER_PREFIX + ADDRESSING) or (call.parameters or {}).get(ADDRESSING, "")
            url = place_bucket(url, told)
        return _Prepared(_write_request(self._tenant, call, url), lease, bound_url)

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        """Call the tenant's own Jira as the app; `call.url` is a path."""
        request = self._prepare_jira(call)
        return request if isinstance(request, Failure) else await self._send(request)

    async def transfer(self, transfer: Transfer) -> Transferred | Failure:
        """Pass a file from one third party to another; a failure's field names the side that is to blame.

        A side that refuses a granted token is asked once more with another one. When that is the target, the file has to be
        asked for again: what is no mere reading is not.
        """
        sides, renewed = dict[Side, _Side](), set[Side]()
        while True:
            for side, call in ((Side.SOURCE, transfer.source), (Side.TARGET, transfer.target)):
                if side not in sides:
                    prepared = await self._prepare_side(call, is_piped=side is Side.TARGET)
                    if isinstance(prepared, Failure):
                        return _blame(prepared, side)
                    sides[side] = prepared
            self.refused = None
            passed = await pass_file(self._web, sides[Side.SOURCE].request, sides[Side.TARGET].request, transfer.part)
            self.request_bytes += passed.size
            is_again = passed.side not in renewed and (passed.side is Side.SOURCE or transfer.source.effect in REPEATABLE)
            anew = await self._prepare_anew(sides[passed.side], passed.answer) if is_again else None
            if isinstance(anew, Failure):
                return _blame(anew, passed.side)
            if anew is None:
                break
            sides = {passed.side: anew}  # the other one is prepared again, too: its signature may be good for one call
            renewed.add(passed.side)
        found = self._read(passed.answer)
        if isinstance(found, Failure):
            return _blame(found, passed.side)
        return Transferred(is_sent=passed.side is Side.TARGET, answer=found, size=passed.size)

    async def _prepare_side(self, call: Call, *, is_piped: bool) -> _Side | Failure:
        if is_jira_path(call.url):
            own = self._prepare_jira(call)
            return own if isinstance(own, Failure) else _Side(call, None, own, is_piped)
        prepared = await self._prepare(call)
        if isinstance(prepared, Failure):
            return prepared
        bare, lease, bound_url = prepared
        request = bare if lease is None else self._authorise(bare, lease, bound_url, is_piped=is_piped)
        return request if isinstance(request, Failure) else _Side(call, prepared, request, is_piped)

    async def _prepare_anew(self, side: _Side, answer: WebAnswer | WebFailure) -> _Side | Failure | None:
        """Prepare a side again whose token was refused; None: that is not so, or there is no other."""
        if side.prepared is None or isinstance(answer, WebFailure) or answer.status != UNAUTHORISED:
            return None
        anew = await self._authorise_anew(side.call, side.prepared, is_piped=side.is_piped)
        return dataclasses.replace(side, request=anew) if isinstance(anew, WebRequest) else anew

    def _prepare_jira(self, call: Call) -> WebRequest | Failure:
        token = self._jira.token()
        if token is None:
            return Failure(code=FailureCode.CREDENTIAL_REFUSED, detail="no_app_token")
        request = _write_request(self._tenant, call, f"{self._jira.origin}/ex/jira/{self._jira.cloud_id}{call.url}")
        headers = tuple(pair for pair in request.headers if pair[0].lower() != "authorization")
        headers = (*headers, ("Authorization", f"Bearer {token}"))
        return msgspec.structs.replace(request, headers=headers, is_ours=True)

    async def _borrow(self, name: ConnectionName, use: Use) -> Lease | Failure:
        lease = await self._desk.borrow(self._tenant, name, use)
        return lease if isinstance(lease, Lease) else _refuse(lease)

    def _authorise(self, request: WebRequest, lease: Lease, bound_url: str, *, is_piped: bool = False) -> WebRequest | Failure:
        nonce = self._chance.bytes(16).hex() if lease.kind in NEEDS_NONCE else ""
        now = self._clock.now_milliseconds()
        authorised = authorise(request, lease, now, nonce, bound_url=bound_url, is_piped=is_piped)
        if isinstance(authorised, LeaseProblem):
            return Failure(code=FailureCode.CONNECTION_MISSING, field="with.connection", detail=authorised.value)
        return authorised

    async def _send(self, request: WebRequest) -> CallAnswer | Failure:
        self.request_bytes += len(request.body)
        self.refused = None
        return self._read(await self._web.call(request))

    def _read(self, answer: WebAnswer | WebFailure) -> CallAnswer | Failure:
        if isinstance(answer, WebFailure):
            code, wait = _PROBLEMS[answer.problem], answer.retry_after_seconds
            return Failure(code=code, detail=answer.detail, retry_after_seconds=wait)
        self.http_status = answer.status
        self.answer_bytes += len(answer.body)
        found = _read_answer(answer)
        if answer.status >= REFUSED:
            self.refused = found
        return found


def _refuse(refusal: LeaseRefusal) -> Failure:
    if refusal in {LeaseRefusal.MISSING, LeaseRefusal.NOT_ALLOWED}:
        return Failure(code=FailureCode.CONNECTION_MISSING, field="with.connection", detail=refusal.value)
    if refusal in {LeaseRefusal.NO_GRANT, LeaseRefusal.GRANT_DEAD}:
        return Failure(code=FailureCode.CREDENTIAL_REFUSED, field="with.connection", detail=refusal.value)
    if refusal is LeaseRefusal.HOST_RULES:
        return Failure(code=FailureCode.EGRESS_REFUSED, field="with.connection", detail=refusal.value)
    detail = refusal.value if refusal is LeaseRefusal.KEY_DISABLED else "vault"
    return Failure(code=FailureCode.BUSY, field="with.connection", detail=detail)


def _write_request(tenant: TenantId, call: Call, url: str) -> WebRequest:
    if call.query:
        url = f"{url}{'&' if '?' in url else '?'}{urlencode(call.query)}"
    return WebRequest(
        tenant=tenant,
        method=call.method,
        url=url,
        headers=call.headers,
        body=call.body,
        timeout_seconds=call.timeout_seconds,
        answer_limit_bytes=call.answer_limit_bytes,
        redirects=call.redirects,
    )


def _blame(failure: Failure, side: Side) -> Failure:
    """Name the setting of the side that is to blame."""
    setting = "connection" if failure.field == "with.connection" else "url"
    return msgspec.structs.replace(failure, field=f"with.{_SIDES[side]}_{setting}")


def _read_answer(answer: WebAnswer) -> CallAnswer:
    return CallAnswer(status=answer.status, headers=answer.headers, body=answer.body)
