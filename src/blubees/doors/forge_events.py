"""The door for Forge: events of Jira, of the app's life, hourly ticks and the goodbye. Built by main/conduit.py.

Forge waits 5 s and tries up to 4 times more: verify, keep safe, answer 2xx.
"""

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from blubees.doors.body import BodyRefusal, parse_body, read_body
from blubees.doors.identity import Caller, FitRefusal, FitVerifier
from blubees.doors.replies import HEARD, METHOD, NOT_FOUND, UNMATCHED, Reply, refuse_caller, reply_to, send_reply
from blubees.doors.webhooks import REFUSALS, read_headers
from blubees.model.event import Admission, RawEvent
from blubees.model.flow import TriggerKind
from blubees.model.ids import TenantId
from blubees.model.receipt import STRAGGLING_MILLISECONDS, LicenceState, TenantSeen
from blubees.model.reference import Reference, read_id, read_milliseconds
from blubees.ports import Clock

TOKEN_MAX_CHARACTERS: Final = 8_192
SEEN_AGAIN_MILLISECONDS: Final = 3_600_000
TENANTS_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Route:
    """A route of the manifest: its endpoint's key, and what its requests are."""

    module_key: str
    is_event: bool = False
    is_goodbye: bool = False


ROUTES: Final[dict[str, Route]] = {
    "/forge/events/jira": Route("jira-events", is_event=True),
    "/forge/events/lifecycle": Route("lifecycle"),
    "/forge/tick": Route("tick"),
    "/forge/pre-uninstall": Route("pre-uninstall", is_goodbye=True),
}
"""forge/manifest.yml has the same; a test compares them."""

TRIGGERS: Final[dict[str, TriggerKind]] = {
    "avi:jira:created:issue": TriggerKind.ISSUE_CREATED,
    "avi:jira:updated:issue": TriggerKind.ISSUE_UPDATED,
    "avi:jira:commented:issue": TriggerKind.ISSUE_COMMENTED,
}


class ForgeEventsDoor:
    """ASGI endpoint."""

    def __init__(
        self,
        verifier: FitVerifier,
        admit: Callable[[RawEvent], Awaitable[Admission]],
        on_seen: Callable[[TenantSeen], None],
        on_token: Callable[[TenantId, str, str], None],
        clock: Clock,
    ) -> None:
        self._verifier, self._admit, self._on_seen, self._on_token = verifier, admit, on_seen, on_token
        self._clock = clock
        self._seen: OrderedDict[TenantId, tuple[Caller, int]] = OrderedDict()
        self.refusals: Counter[str] = Counter()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Answer one request."""
        await send_reply(send, await self._handle(scope, receive))

    async def _handle(self, scope: MutableMapping[str, Any], receive: Any) -> Reply:  # noqa: ANN401 - ASGI
        route = ROUTES.get(scope["path"])
        if route is None:
            return NOT_FOUND
        if scope["method"] != "POST":
            return METHOD
        headers = read_headers(scope)
        caller = await self._verifier.verify(headers.get("authorization", ""), module_key=route.module_key)
        if isinstance(caller, FitRefusal):
            return self._refuse(caller)
        body = await read_body(receive, headers)
        parsed = body if isinstance(body, BodyRefusal) else parse_body(body, headers.get("content-type", ""))
        if isinstance(parsed, BodyRefusal):
            self.refusals[parsed.value] += 1
            return REFUSALS[parsed]
        event = _unwrap(parsed[0])
        if not _is_same_site(event, caller):
            return self._refuse(FitRefusal.SITE)
        token = headers.get("x-forge-oauth-system", "")
        if 0 < len(token) <= TOKEN_MAX_CHARACTERS and token.isascii():
            self._on_token(caller.tenant, caller.cloud_id, token)
        self._tell_seen(caller, is_goodbye=route.is_goodbye)
        if not route.is_event:
            return HEARD
        return await self._take_event(caller, event, parsed)

    async def _take_event(self, caller: Caller, event: dict[str, Any], parsed: tuple[object, bytes]) -> Reply:
        trigger = TRIGGERS.get(event["eventType"]) if isinstance(event.get("eventType"), str) else None
        may_run = _may_run(caller)
        if trigger is None or not may_run:
            self.refusals["unlicensed" if not may_run else "not_for_flows"] += 1
            return UNMATCHED
        admission = await self._admit(
            RawEvent(
                tenant=caller.tenant,
                trigger=trigger,
                body=parsed[1],
                document=event,
                delivery=_name_delivery(caller, event),
                received_at_milliseconds=self._clock.now_milliseconds(),
                reference=_name_reference(event),
                is_own=event.get("selfGenerated") is True,
            )
        )
        return reply_to(admission)

    def _refuse(self, refusal: FitRefusal) -> Reply:
        self.refusals[refusal.value] += 1
        return refuse_caller(refusal.value)

    def _tell_seen(self, caller: Caller, *, is_goodbye: bool) -> None:
        """Tell the control plane when something about the site changed, or an hour has passed."""
        now = self._clock.now_milliseconds()
        known = self._seen.pop(caller.tenant, None)
        is_known = known is not None and known[0] == caller and now - known[1] < SEEN_AGAIN_MILLISECONDS
        # after a goodbye: events may still come of what is gone; what comes later is installed again
        since = now - SEEN_AGAIN_MILLISECONDS + STRAGGLING_MILLISECONDS if is_goodbye else now
        self._seen[caller.tenant] = known if is_known and known is not None and not is_goodbye else (caller, since)
        if len(self._seen) > TENANTS_REMEMBERED:
            self._seen.popitem(last=False)
        if is_known and not is_goodbye:
            return
        self._on_seen(
            TenantSeen(
                tenant=caller.tenant,
                environment_id=caller.environment_id,
                environment_type=caller.environment_type,
                cloud_id=caller.cloud_id,
                installation_id=caller.installation_id,
                licence=caller.licence,
                seen_at_milliseconds=now,
                uninstalled=is_goodbye,
            )
        )


def _unwrap(document: object) -> dict[str, Any]:
    """Forge sends a first try bare and a retry wrapped in `payload`."""
    if not isinstance(document, dict):
        return {}
    inner = document.get("payload")
    return inner if isinstance(inner, dict) and "eventType" in inner else document


def _is_same_site(event: dict[str, Any], caller: Caller) -> bool:
    """A lifecycle body names its site; it must be the token's."""
    context = event.get("context")
    return not isinstance(context, str) or "::site/" not in context or context.endswith("/" + caller.cloud_id)


def _may_run(caller: Caller) -> bool:
    """Paid apps run only where licensed; outside PRODUCTION tokens carry no licence."""
    if caller.licence is LicenceState.ABSENT:
        return caller.environment_type != "PRODUCTION"
    return caller.licence is not LicenceState.INACTIVE


def _name_delivery(caller: Caller, event: dict[str, Any]) -> str:
    """Forge has no delivery id: what the event is about, and when, names it; a retry has the same."""
    parts = [caller.cloud_id, *(str(event.get(name, ""))[:100] for name in ("eventType", "timestamp"))]
    for name in ("issue", "comment", "changelog"):
        inner = event.get(name)
        parts.append(str(inner.get("id", ""))[:100] if isinstance(inner, dict) else "")
    return "|".join(parts) if any(parts[2:]) else ""


def _name_reference(event: dict[str, Any]) -> Reference:
    """Ids only: what allows asking Jira for the event again."""
    ids = {
        name: event[name].get("id") if isinstance(event.get(name), dict) else None for name in ("issue", "comment", "changelog")
    }
    return Reference(
        issue=read_id(ids["issue"]),
        comment=read_id(ids["comment"]),
        changelog=read_id(ids["changelog"]),
        event_at_milliseconds=read_milliseconds(event.get("timestamp")),
    )
