"""A call of a protocol that is not HTTP, and its answer. Read and written by the clients beside this file.

A call comes as a WebRequest like all others: so effects, leases bound to hosts, limits, receipts and dry runs are the same for
it. `postgresql://db.example.com:5432/sales/query` asks for the operation `query`; the credential comes as in HTTP; the body is
JSON. The answer's status is the one of HTTP that means the same. Source: docs/decisions/0051-protocols-as-calls.md.
"""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec
import orjson

from blubees.adapters.http_connection import CallFailedError
from blubees.adapters.http_dialer import RefusedAddressError
from blubees.adapters.http_route import Origin
from blubees.model.web import WebAnswer, WebFailure, WebProblem, WebRequest

BODY_MAX_BYTES: Final = 26_214_400


class ProtocolCall(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for.

    Attributes:
        place: the path's parts before the operation, decoded.
        token: a bearer token instead of user name and password.
        body: the arguments.
    """

    origin: Origin
    place: tuple[str, ...]
    operation: str
    user_name: str
    password: str
    token: str
    body: Mapping[str, Any]
    timeout_seconds: float
    answer_limit_bytes: int

    def text(self, name: str) -> str:
        """An argument that is a text; empty when it is not there. Raises BadArgumentError."""
        found = self.body.get(name)
        if found is not None and not isinstance(found, str):
            raise BadArgumentError(name, "text")
        return found or ""

    def number(self, name: str, default: int, most: int) -> int:
        """An argument that is a whole number from 0 to `most`. Raises BadArgumentError."""
        found = self.body.get(name, default)
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= most:
            raise BadArgumentError(name, f"whole number from 0 to {most:,}")
        return found

    def texts(self, name: str) -> list[str]:
        """An argument that is a list of texts; one text is a list of it. Raises BadArgumentError."""
        found = self.body.get(name)
        listed = [] if found is None else [found] if isinstance(found, str) else found
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            raise BadArgumentError(name, "list of texts")
        return listed

    def mapping(self, name: str) -> dict[str, Any]:
        """An argument that is an object; empty when it is not there. Raises BadArgumentError."""
        found = self.body.get(name)
        if found is not None and not isinstance(found, dict):
            raise BadArgumentError(name, "object")
        return found or {}


class BadArgumentError(Exception):
    """An argument is not what the operation takes. Both words are ours: the argument's name, and what it must be."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(name)
        self.name, self.expected = name, expected


class RefusedError(Exception):
    """The other side has refused: with what is to be answered."""

    def __init__(self, answered: WebAnswer) -> None:
        super().__init__()
        self.answered = answered


class TooLargeError(Exception):
    """What an operation gives is more than may be held."""


async def carry_out(
    call: ProtocolCall, work: Awaitable[WebAnswer | WebFailure], errors: tuple[type[Exception], ...]
) -> WebAnswer | WebFailure:
    """Do the work of a call within its time, and say what came of it.

    Args:
        work: raises CallFailedError while nothing was asked yet, RefusedError, TooLargeError, or BadArgumentError.
        errors: OSError, and those of the client's library. They mean that the call was cut off in its midst: it may have
            been carried out.
    """
    try:
        async with asyncio.timeout(call.timeout_seconds):
            return await work
    except BadArgumentError as error:
        return refuse(400, "bad_argument", f"{error.name}: must be a {error.expected}.")
    except RefusedError as error:
        return error.answered
    except TooLargeError:
        return WebFailure(problem=WebProblem.TOO_LARGE)
    except TimeoutError:
        return WebFailure(problem=WebProblem.TIMEOUT)
    except RefusedAddressError as error:
        return WebFailure(problem=WebProblem.REFUSED_ADDRESS, detail=error.row)
    except CallFailedError as error:
        return WebFailure(problem=error.problem)
    except errors:
        return WebFailure(problem=WebProblem.CUT_OFF)


def read_call(request: WebRequest, default_port: int, *, is_tls: bool = True) -> ProtocolCall | WebFailure:
    """Read a call; what can't be read is refused by name."""
    try:
        parts = urlsplit(request.url)
        port = parts.port or default_port
    except ValueError:
        return WebFailure(problem=WebProblem.REFUSED_URL, detail="form")
    if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
        return WebFailure(problem=WebProblem.REFUSED_URL, detail="form")
    place = tuple(unquote(part) for part in parts.path.split("/") if part)
    if not place or len(request.body) > BODY_MAX_BYTES:
        return WebFailure(problem=WebProblem.REFUSED_URL, detail="form")
    try:
        body = orjson.loads(request.body) if request.body else {}
        kind, user_name, secret = _read_credential(request.headers)
    except ValueError:
        return WebFailure(problem=WebProblem.REFUSED_HEADER)
    if not isinstance(body, dict):
        return WebFailure(problem=WebProblem.REFUSED_HEADER)
    return ProtocolCall(
        origin=Origin(parts.hostname, port, is_tls),
        place=place[:-1],
        operation=place[-1],
        user_name=user_name,
        password="" if kind == "bearer" else secret,
        token=secret if kind == "bearer" else "",
        body=body,
        timeout_seconds=request.timeout_seconds,
        answer_limit_bytes=request.answer_limit_bytes,
    )


def _read_credential(headers: tuple[tuple[str, str], ...]) -> tuple[str, str, str]:
    given = next((value for name, value in headers if name.lower() == "authorization"), "")
    kind, _, text = given.partition(" ")
    if kind.lower() == "basic":
        try:
            user_name, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError("credential") from None
        return "basic", user_name, password
    return "bearer", "", text


def answer(status: int, body: Mapping[str, Any], limit_bytes: int = 2**31) -> WebAnswer | WebFailure:
    """Write an answer; too large a one is refused."""
    content = orjson.dumps(body)
    if len(content) > limit_bytes:
        return WebFailure(problem=WebProblem.TOO_LARGE)
    return WebAnswer(status=status, headers={"content-type": "application/json"}, body=content)


def refuse(status: int, code: str, message: str = "") -> WebAnswer:
    """Write what the other side refused: its own code, and its own words, which the flow may read as of any third party."""
    content = orjson.dumps({"error": {"code": code, "message": message}})
    return WebAnswer(status=status, headers={"content-type": "application/json"}, body=content)
