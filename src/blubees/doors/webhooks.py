"""The door for third parties' webhooks: POST /hooks/{tenant}/{token}. Built by main/conduit.py.

An unknown tenant, an unknown token and a wrong signature get the same answer. No address of a caller is kept or passed on.
"""

import hashlib
import hmac
import re
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from blubees.doors.body import BodyRefusal, parse_body, read_body
from blubees.doors.replies import (
    CONTENT_TYPE,
    MALFORMED,
    METHOD,
    NOT_FOUND,
    TOO_LARGE,
    Reply,
    reply_to,
    send_reply,
    tell_text,
)
from blubees.doors.signatures import (
    SignatureVerdict,
    list_signature_headers,
    read_delivery_id,
    verify_signature,
)
from blubees.doors.signed_parts import Sent, verify_parts
from blubees.flows.vendor_triggers import VendorHook, find_vendor_hook
from blubees.model.connection import Lease, Purpose, Use
from blubees.model.event import Admission, RawEvent, Verdict
from blubees.model.flow import PublishedFlow, SignatureScheme, TriggerKind
from blubees.model.ids import TENANT_PATTERN, ConnectionName, TenantId
from blubees.ports import Clock, LeaseDesk

SECRET_MILLISECONDS: Final = 30_000  # a leased signing secret is asked for again after that
SECRETS_HELD: Final = 1_024
TOKEN_MAX_CHARACTERS: Final = 128
QUERY_MAX_BYTES: Final = 4_096
_DEPTH: Final = "blubees-depth"  # engine/depth.py
WITHHELD_HEADERS: Final = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-real-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "x-client-ip",
        "x-amzn-trace-id",
        "via",
        _DEPTH,
    }
)
_PATH: Final = re.compile(r"/hooks/([^/]+)/([^/]+)")
_TENANT: Final = re.compile(TENANT_PATTERN)

REFUSALS: Final[dict[BodyRefusal, Reply]] = {
    BodyRefusal.TOO_LARGE: TOO_LARGE,
    BodyRefusal.MALFORMED: MALFORMED,
    BodyRefusal.CONTENT_TYPE: CONTENT_TYPE,
    BodyRefusal.DISCONNECTED: MALFORMED,
}


def read_headers(scope: MutableMapping[str, Any]) -> dict[str, str]:
    """Give a request's headers: names lower-cased (as ASGI has them), repeated ones joined by ", "."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _read_query(scope: MutableMapping[str, Any]) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1"))) if scope["query_string"] else {}


class WebhookDoor:
    """ASGI endpoint.

    Args:
        public_url: where third parties reach it, without a / at its end: some sign the address that they call.
    """

    def __init__(
        self,
        find_hook: Callable[[TenantId, str], PublishedFlow | None],
        desk: LeaseDesk,
        admit: Callable[[RawEvent], Awaitable[Admission]],
        clock: Clock,
        read_depth: Callable[[TenantId, str], int] = lambda _tenant, _value: 0,
        public_url: str = "",
    ) -> None:
        self._find_hook, self._desk, self._admit, self._clock = find_hook, desk, admit, clock
        self._read_depth, self._public_url = read_depth, public_url
        self._secrets: OrderedDict[tuple[TenantId, str, str], tuple[str, int]] = OrderedDict()
        self.refusals: Counter[str] = Counter()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Answer one request."""
        await send_reply(send, await self._handle(scope, receive))

    async def _handle(self, scope: MutableMapping[str, Any], receive: Any) -> Reply:  # noqa: ANN401 - ASGI
        is_get = scope["method"] == "GET"
        if scope["method"] not in {"POST", "PUT"} and not (is_get and scope["query_string"]):
            return METHOD
        hook = self._find(scope["path"])
        if hook is None or len(scope["query_string"]) > QUERY_MAX_BYTES:
            return METHOD if is_get else self._refuse("unknown")
        vendor = find_vendor_hook(hook) if hook.flow.trigger.connector else None
        if vendor is not None and scope["query_string"]:
            challenge = vendor.read_query_challenge(_read_query(scope))
            if challenge:
                return tell_text(challenge)
        if is_get:
            return METHOD
        headers = read_headers(scope)
        body = await read_body(receive, headers)
        if isinstance(body, BodyRefusal):
            self.refusals[body.value] += 1
            return REFUSALS[body]
        verdict = await self._check(hook, self._describe(scope, headers, body), vendor)
        if verdict is not SignatureVerdict.GOOD:
            return self._refuse(f"signature_{verdict.value}")
        parsed = parse_body(body, headers.get("content-type", ""))
        if isinstance(parsed, BodyRefusal):
            self.refusals[parsed.value] += 1
            return REFUSALS[parsed]
        if vendor is not None:
            challenge = vendor.read_challenge(parsed[0])
            if challenge:
                return tell_text(challenge)
            return await self._take_each(hook, scope, headers, parsed, vendor)
        return reply_to(await self._admit(self._write_event(hook, scope, headers, parsed, None)))

    async def _take_each(
        self,
        hook: PublishedFlow,
        scope: MutableMapping[str, Any],
        headers: dict[str, str],
        parsed: tuple[object, bytes],
        vendor: VendorHook,
    ) -> Reply:
        """Take the events of a delivery that are meant. What can't be taken is told, and the vendor sends all of it again."""
        events = vendor.list_events(parsed[0])
        if events is None:
            self.refusals[BodyRefusal.MALFORMED.value] += 1
            return MALFORMED
        admission = Admission(verdict=Verdict.UNMATCHED)
        for event in events:
            if not vendor.is_meant(headers, event):
                continue
            shown = vendor.hide_token(event) if vendor.hook.token_at else event
            one = (shown, orjson.dumps(shown)) if vendor.hook.each_at or vendor.hook.token_at else parsed
            taken = await self._admit(self._write_event(hook, scope, headers, one, vendor))
            if taken.verdict in {Verdict.FULL, Verdict.UNAVAILABLE}:
                return reply_to(taken)
            admission = admission if admission.verdict is Verdict.QUEUED else taken
        if vendor.hook.accepted and admission.verdict is not Verdict.ANSWERED:
            return tell_text(vendor.hook.accepted, vendor.hook.accepted_type)
        return reply_to(admission)

    def _describe(self, scope: MutableMapping[str, Any], headers: dict[str, str], body: bytes) -> Sent:
        query = scope["query_string"].decode("latin-1")
        url = f"{self._public_url}{scope['path']}" + (f"?{query}" if query else "")
        return Sent(method=scope["method"], url=url, headers=headers, body=body)

    def _find(self, path: str) -> PublishedFlow | None:
        found = _PATH.fullmatch(path)
        if found is None or not _TENANT.fullmatch(found[1]) or len(found[2]) > TOKEN_MAX_CHARACTERS:
            return None
        return self._find_hook(TenantId(found[1]), hashlib.sha256(found[2].encode()).hexdigest())

    def _refuse(self, reason: str) -> Reply:
        self.refusals[reason] += 1
        return NOT_FOUND

    async def _check(self, hook: PublishedFlow, sent: Sent, vendor: VendorHook | None) -> SignatureVerdict:
        signature = hook.flow.trigger.signature
        if signature.scheme is SignatureScheme.NONE:
            return SignatureVerdict.GOOD
        secret = await self._borrow_secret(hook.tenant, signature.connection, hook.flow.id)
        if secret is None:
            return SignatureVerdict.MISSING
        now_seconds = self._clock.now_milliseconds() // 1000
        if signature.scheme is SignatureScheme.HMAC:
            return verify_parts(signature, secret, sent, now_seconds)
        if signature.scheme is SignatureScheme.TOKEN:
            return _verify_tokens(secret, sent, vendor)
        if signature.scheme is SignatureScheme.HOOK:
            verify = vendor.verify if vendor is not None else None
            is_good = verify is not None and verify(secret, sent.headers, sent.body, now_seconds)
            return SignatureVerdict.GOOD if is_good else SignatureVerdict.WRONG
        return verify_signature(signature, secret, sent.headers, sent.body, now_seconds)

    async def _borrow_secret(self, tenant: TenantId, name: str, flow: str) -> str | None:
        now = self._clock.now_milliseconds()
        held = self._secrets.get((tenant, name, flow))
        if held is not None and now < held[1]:
            return held[0]
        use = Use(purpose=Purpose.SIGNATURE, flow=flow)
        lease = await self._desk.borrow(tenant, ConnectionName(name), use)
        if not isinstance(lease, Lease) or not lease.secret:
            return None
        self._secrets[tenant, name, flow] = (lease.secret, min(now + SECRET_MILLISECONDS, lease.expires_at_milliseconds))
        self._secrets.move_to_end((tenant, name, flow))
        if len(self._secrets) > SECRETS_HELD:
            self._secrets.popitem(last=False)
        return lease.secret

    def _write_event(
        self,
        hook: PublishedFlow,
        scope: MutableMapping[str, Any],
        headers: dict[str, str],
        parsed: tuple[object, bytes],
        vendor: VendorHook | None,
    ) -> RawEvent:
        document, body = parsed
        trigger = hook.flow.trigger
        query = _read_query(scope)
        delivery = vendor.read_delivery(headers, document) if vendor is not None else ""
        withheld = WITHHELD_HEADERS | list_signature_headers(trigger.signature)
        return RawEvent(
            tenant=hook.tenant,
            trigger=TriggerKind.WEBHOOK,
            body=body,
            document=document,
            headers={name: value for name, value in headers.items() if name not in withheld},
            query=query,
            delivery=delivery or read_delivery_id(trigger.signature, headers, document, trigger.delivery_id_header),
            received_at_milliseconds=self._clock.now_milliseconds(),
            hook=hook,
            depth=self._read_depth(hook.tenant, headers[_DEPTH]) if _DEPTH in headers else 0,
        )


def _verify_tokens(secret: str, sent: Sent, vendor: VendorHook | None) -> SignatureVerdict:
    """Look for our secret in each event; where one lacks it, none is taken."""
    parsed = parse_body(sent.body, sent.headers.get("content-type", ""))
    tokens = vendor.list_tokens(parsed[0]) if vendor is not None and not isinstance(parsed, BodyRefusal) else []
    if not tokens:
        return SignatureVerdict.MISSING
    results = [hmac.compare_digest(token.encode(), secret.encode()) for token in tokens]
    return SignatureVerdict.GOOD if all(results) else SignatureVerdict.WRONG
