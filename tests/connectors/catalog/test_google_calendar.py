"""Google Calendar as its documentation tells it: page tokens bound to their question, tokens that end, 403 of two meanings, 410."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from blubees.model.failures import Failure, FailureCode
from fakes.vendors import take_token, visit


class Calendar:
    """One calendar. Source: developers.google.com/workspace/calendar/api: v3/reference/events, guides/errors, guides/pagination."""

    def __init__(self) -> None:
        self.token, self.reason = "right", ""
        self.events: list[dict[str, Any]] = [{"id": f"e{n}", "status": "confirmed", "summary": str(n)} for n in range(7)]

    def routes(self) -> list[Route]:
        head = "/calendar/v3/calendars/{calendar}/events"
        return [
            Route(head, self.list_events, methods=["GET"]),
            Route(head, self.insert, methods=["POST"]),
            Route(head + "/{event}", self.delete, methods=["DELETE"]),
        ]

    def refuse(self, request: Request) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _fail(401, "authError")
        if self.reason:
            return _fail(403, self.reason)
        return None if request.path_params["calendar"] == "team@example.com" else _fail(404, "notFound")

    async def list_events(self, request: Request) -> Response:
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        asked = dict(request.query_params)
        first, _, of = asked.pop("pageToken", "0@").partition("@")
        question = "&".join(sorted(f"{name}={text}" for name, text in asked.items() if name != "maxResults"))
        if of and of != question:
            return _fail(400, "invalid")  # a page token is good for the question that it came from
        after = int(first) + min(int(asked["maxResults"]), 3)
        more = {"nextPageToken": f"{after}@{question}"} if after < len(self.events) else {"nextSyncToken": "s"}
        return JSONResponse({"kind": "calendar#events", "items": self.events[int(first) : after], **more})

    async def insert(self, request: Request) -> Response:
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        told = await request.json()
        if told["start"]["dateTime"] >= told["end"]["dateTime"]:
            return _fail(400, "timeRangeEmpty")
        if any(told.get("id") == each["id"] for each in self.events):
            return _fail(409, "duplicate")
        self.events.append({"id": "new", "status": "confirmed", **told})
        return JSONResponse({**self.events[-1], "htmlLink": "https://www.google.com/calendar/event?eid=new"})

    async def delete(self, request: Request) -> Response:
        kept = [each for each in self.events if each["id"] != request.path_params["event"]]
        if len(kept) == len(self.events):
            return _fail(410, "deleted")
        self.events = kept
        return Response(status_code=204)


def _fail(status: int, reason: str) -> Response:
    return JSONResponse(
        {"error": {"code": status, "message": reason, "errors": [{"domain": "global", "reason": reason}]}}, status
    )


def _code(found: Any) -> FailureCode:
    assert isinstance(found, Failure)
    return found.code


async def test_events_come_over_pages_with_the_same_question() -> None:
    calendar = Calendar()
    async with visit("google_calendar", calendar.routes()) as (perform, _):
        asked = {"from": "2026-11-24T00:00:00+00:00", "single": True, "order": "startTime"}
        assert await perform("list_events", calendar="team@example.com", **asked) == calendar.events
        assert await perform("list_events", calendar="team@example.com", limit=4) == calendar.events[:4]


async def test_a_token_that_ended_is_refused_and_the_next_one_goes_on() -> None:
    calendar = Calendar()
    async with visit("google_calendar", calendar.routes()) as (perform, desk):
        calendar.token = "renewed"
        assert _code(await perform("list_events", calendar="team@example.com")) is FailureCode.CREDENTIAL_REFUSED
        take_token(desk, "renewed")
        assert await perform("list_events", calendar="team@example.com") == calendar.events


async def test_403_means_what_its_reason_says() -> None:
    calendar = Calendar()
    meanings = {
        "rateLimitExceeded": FailureCode.BUSY,
        "userRateLimitExceeded": FailureCode.BUSY,
        "forbiddenForNonOrganizer": FailureCode.REQUEST_REFUSED,
        "insufficientPermissions": FailureCode.CREDENTIAL_REFUSED,
    }
    async with visit("google_calendar", calendar.routes()) as (perform, _):
        for reason, meaning in meanings.items():
            calendar.reason = reason
            assert _code(await perform("list_events", calendar="team@example.com")) is meaning


async def test_an_event_with_an_id_of_ones_own_is_made_once_and_deleted_once() -> None:
    calendar = Calendar()
    event = {"summary": "OPS-7", "start": "2026-11-24T13:00:00Z", "end": "2026-11-24T13:30:00Z", "id": "ops7"}
    async with visit("google_calendar", calendar.routes()) as (perform, _):
        made = await perform("create_event", calendar="team@example.com", attendees=["ada@example.com"], **event)
        assert made["id"] == "ops7"
        assert calendar.events[-1]["attendees"] == [{"email": "ada@example.com"}]
        assert _code(await perform("create_event", calendar="team@example.com", **event)) is FailureCode.REQUEST_REFUSED
        assert await perform("delete_event", calendar="team@example.com", event="ops7") is None
        assert _code(await perform("delete_event", calendar="team@example.com", event="ops7")) is FailureCode.NOT_FOUND
