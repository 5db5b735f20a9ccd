"""Slack as its documentation tells it: 200 with ok: false, cursors, tiers of limits, tokens that are rotated away."""

import base64
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from blubees.model.failures import Failure, FailureCode
from fakes.vendors import take_token, visit


class Slack:
    """One workspace with one channel. Source: docs.slack.dev, of each method; /apis/web-api/pagination; /apis/web-api/rate-limits."""

    def __init__(self) -> None:
        self.tokens = {"right"}
        self.messages: list[dict[str, Any]] = [
            {"type": "message", "ts": f"17000000{n:02}.000100", "text": str(n)} for n in range(45)
        ]
        self.calls_left = 1_000
        self.sizes: list[int] = []

    def routes(self) -> list[Route]:
        return [
            Route("/api/conversations.history", self.history, methods=["GET"]),
            Route("/api/chat.postMessage", self.post, methods=["POST"]),
        ]

    def refuse(self, request: Request) -> Response | None:
        self.calls_left -= 1
        if self.calls_left < 0:
            return JSONResponse({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": "30"})
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return JSONResponse({"ok": False, "error": "token_expired"})
        return None

    async def history(self, request: Request) -> Response:
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        asked = request.query_params
        if asked["channel"] != "C0123456789":
            return JSONResponse({"ok": False, "error": "channel_not_found"})
        size = int(asked["limit"])
        self.sizes.append(size)
        if not 1 <= size <= 999:
            return JSONResponse({"ok": False, "error": "invalid_limit"})
        first = int(base64.b64decode(asked["cursor"])) if asked.get("cursor") else 0
        page = self.messages[first : first + min(size, 15)]  # Slack may give fewer than asked for, though there are more
        after = first + len(page)
        is_more = after < len(self.messages)
        cursor = base64.b64encode(str(after).encode()).decode() if is_more else ""
        return JSONResponse({"ok": True, "messages": page, "has_more": is_more, "response_metadata": {"next_cursor": cursor}})

    async def post(self, request: Request) -> Response:
        refusal = self.refuse(request)
        if refusal is not None:
            return refusal
        if request.headers["content-type"].partition(";")[0] != "application/json":
            return JSONResponse({"ok": False, "error": "invalid_post_type"})
        told = await request.json()
        if not any(told.get(name) for name in ("text", "blocks", "attachments", "markdown_text")):
            return JSONResponse({"ok": False, "error": "no_text"})
        message = {"type": "message", "ts": f"17000001{len(self.messages):02}.000100", **told}
        self.messages.append(message)
        return JSONResponse({"ok": True, "channel": told["channel"], "ts": message["ts"], "message": message})


async def test_history_comes_over_several_pages_that_are_not_full() -> None:
    slack = Slack()
    async with visit("slack", slack.routes()) as (perform, _):
        assert await perform("list_messages", channel="C0123456789") == slack.messages
        assert slack.sizes == [200, 200, 200]
        assert await perform("list_messages", channel="C0123456789", limit=20) == slack.messages[:20]
        assert slack.sizes[3:] == [20, 5]


async def test_a_reply_goes_into_its_thread() -> None:
    slack = Slack()
    async with visit("slack", slack.routes()) as (perform, _):
        found = await perform("post_message", channel="C0123456789", text="OPS-7 is done", thread="1700000001.000100")
        assert found == {"ts": slack.messages[-1]["ts"], "channel": "C0123456789", "text": "OPS-7 is done"}
        assert slack.messages[-1]["thread_ts"] == "1700000001.000100"
        refused = await perform("post_message", channel="C0123456789")
        assert isinstance(refused, Failure)
        assert refused.code is FailureCode.REQUEST_REFUSED


async def test_too_many_calls_tell_how_long_to_wait() -> None:
    slack = Slack()
    slack.calls_left = 1
    async with visit("slack", slack.routes()) as (perform, _):
        found = await perform("list_messages", channel="C0123456789")
        assert isinstance(found, Failure)
        assert (found.code, found.retry_after_seconds, found.http_status) == (FailureCode.BUSY, 30.0, 429)


async def test_a_token_that_was_rotated_away_is_a_refused_credential() -> None:
    slack = Slack()
    async with visit("slack", slack.routes()) as (perform, desk):
        slack.tokens = {"renewed"}
        found = await perform("post_message", channel="C0123456789", text="hello")
        assert isinstance(found, Failure)
        assert found.code is FailureCode.CREDENTIAL_REFUSED
        take_token(desk, "renewed")
        assert (await perform("post_message", channel="C0123456789", text="hello"))["text"] == "hello"
