"""Bodies: the limits hold while reading, and nonsense gets a class, never an exception."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest

from blubees.doors.body import BodyRefusal, parse_body, read_body


def pieces(*parts: bytes, forever: bool = False) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
    queue = list(parts)

    async def receive() -> MutableMapping[str, Any]:
        if not queue:
            await asyncio.sleep(60)
        part = queue.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(queue) or forever}

    return receive


async def test_a_body_is_read_up_to_the_limit() -> None:
    assert await read_body(pieces(b"ab", b"cd"), {}, 4) == b"abcd"
    assert await read_body(pieces(b"ab", b"cde"), {}, 4) is BodyRefusal.TOO_LARGE
    assert await read_body(pieces(b""), {"content-length": "5"}, 4) is BodyRefusal.TOO_LARGE
    assert await read_body(pieces(b"abcde"), {}, 4) is BodyRefusal.TOO_LARGE


@pytest.mark.parametrize(
    "body",
    [
        b"{", b'{"a":}', b"nul", b"NaN", b"[1e400]", b'"\xff"', b'"\\ud800"', b"[" * 10_000, b'{"a":' * 10_000, b"[1,]",
        b"\xef\xbb\xbf{}", b'{"a":1}x', b"'a'", b"[" * 65 + b"]" * 65, b"\x00", b"01", b'{"a" 1}',
    ],
)  # fmt: skip
def test_malformed_json_is_malformed(body: bytes) -> None:
    assert parse_body(body, "application/json") is BodyRefusal.MALFORMED


def test_good_bodies_are_read_by_their_content_type() -> None:
    assert parse_body(b'{"a":1,"a":2}', "application/json; charset=utf-8") == ({"a": 2}, b'{"a":1,"a":2}')
    assert parse_body(b"[" * 64 + b"]" * 64, "application/vnd.x+json") is not BodyRefusal.MALFORMED
    brackets = b'{"a":"' + b'[{\\"' * 500 + b'"}'
    assert parse_body(brackets, "") is not BodyRefusal.MALFORMED
    assert parse_body(b"a=1&b=%20", "application/x-www-form-urlencoded") == ({"a": "1", "b": " "}, b'{"a":"1","b":" "}')
    assert parse_body(b"hi", "text/plain") == ("hi", b'"hi"')
    assert parse_body(b"", "application/json") == (None, b"")


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/xml", "image/png"])
def test_other_content_types_are_refused(kind: str) -> None:
    assert parse_body(b"x", kind) is BodyRefusal.CONTENT_TYPE


def test_a_form_with_too_many_fields_is_malformed() -> None:
    assert (
        parse_body(b"&".join(b"a%d=1" % n for n in range(2_000)), "application/x-www-form-urlencoded") is BodyRefusal.MALFORMED
    )
