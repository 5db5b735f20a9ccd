"""The front of a conduit: sends a request to its door by path, and answers /healthz and /readyz. Built by main/conduit.py."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import orjson

from blubees.doors.replies import Reply, send_reply

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Door = Callable[[Scope, Receive, Send], Awaitable[None]]
Readiness = Callable[[], Awaitable[tuple[bool, Mapping[str, object]]]]


def create_front(doors: Mapping[str, Door], readiness: Readiness, not_found: Reply) -> Door:
    """Make the ASGI application.

    Args:
        doors: first path segment → door, such as {"hooks": …, "forge": …}.
        readiness: (ready, facts for operators: no payload, no secret).
        not_found: what unknown paths get.
    """

    async def answer_front(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        door = doors.get(path[1:].partition("/")[0])
        if door is not None:
            await door(scope, receive, send)
        elif path == "/healthz":
            await send_reply(send, Reply.of_json(200, b'{"status":"live"}'))
        elif path == "/readyz":
            ready, facts = await readiness()
            await send_reply(send, Reply.of_json(200 if ready else 503, orjson.dumps(facts)))
        else:
            await send_reply(send, not_found)

    return answer_front
