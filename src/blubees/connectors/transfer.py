"""Passes a file from one party's answer to another party's request, in pieces. Called by connectors/caller.py.

Nothing is held but the buffers between the two sockets: who takes slowly holds up who gives. Source: docs/decisions/0047.
"""

from collections.abc import AsyncIterator, Mapping
from email.message import Message
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from blubees.connectors.actions.files import BYTES_TYPE, clean_name
from blubees.model.web import BrokenOffError, FilePart, SentBody, WebAnswer, WebFailure, WebProblem, WebRequest
from blubees.ports import AnswerStream, WebClient

ANSWER_MAX_BYTES: Final = 1_048_576  # of what is said instead of a file, or to one
SUCCESS: Final = range(200, 300)


class Side(StrEnum):
    """Who gives the file, who takes it."""

    SOURCE = "source"
    TARGET = "target"


class Passed(NamedTuple):
    """What became of a file.

    Attributes:
        side: the target when the whole file was sent; else who is to blame.
        answer: what that side said, or why it said nothing.
        size: how many bytes of the file were sent.
    """

    side: Side
    answer: WebAnswer | WebFailure
    size: int = 0


class _Passing:
    """Counts the pieces that pass."""

    def __init__(self, stream: AnswerStream, limit: int) -> None:
        self._stream, self._limit = stream, limit
        self.size = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._stream.pieces():
            self.size += len(piece)
            if self.size > self._limit:
                raise BrokenOffError(WebFailure(problem=WebProblem.TOO_LARGE))
            yield piece


async def pass_file(web: WebClient, source: WebRequest, target: WebRequest, part: FilePart | None) -> Passed:
    """Pass a file.

    Args:
        source: its `answer_limit_bytes` bounds the file, also where it comes packed.
        target: without a body; the file's type is added where it tells none.
        part: the file becomes a part of a form; where it tells no name or type, the source does. None: the file is the body.

    Returns:
        The target's answer, whatever its status; or what went wrong on which side.
    """
    given = await web.open(source)
    if isinstance(given, WebFailure):
        return Passed(Side.SOURCE, given)
    try:
        if given.status not in SUCCESS:
            return await _read_answer(Side.SOURCE, given, 0)
        media_type = _read_type(given.headers)
        if part is not None:
            name = part.file_name or _find_name(given.headers, source.url)
            part = msgspec.structs.replace(part, file_name=name, content_type=part.content_type or media_type)
        elif not any(name.lower() == "content-type" for name, _ in target.headers):
            target = msgspec.structs.replace(target, headers=(*target.headers, ("Content-Type", media_type)))
        passing = _Passing(given, source.answer_limit_bytes)
        try:
            told = await web.open(target, SentBody(pieces=passing.pieces(), length=given.length, part=part))
        except BrokenOffError as error:
            return Passed(Side.SOURCE, error.failure, passing.size)
        if isinstance(told, WebFailure):
            return Passed(Side.TARGET, told, passing.size)
        return await _read_answer(Side.TARGET, told, passing.size)
    finally:
        given.close()


async def _read_answer(side: Side, stream: AnswerStream, size: int) -> Passed:
    """Read a short answer whole."""
    pieces, held = [], 0
    try:
        async for piece in stream.pieces():
            pieces.append(piece)
            held += len(piece)
            if held > ANSWER_MAX_BYTES:
                return Passed(side, WebFailure(problem=WebProblem.TOO_LARGE), size)
    except BrokenOffError as error:
        return Passed(side, error.failure, size)
    finally:
        stream.close()
    return Passed(side, WebAnswer(status=stream.status, headers=dict(stream.headers), body=b"".join(pieces)), size)


def _read_type(headers: Mapping[str, str]) -> str:
    text = headers.get("content-type", "").partition(",")[0].strip()
    is_type = text.isascii() and text.isprintable() and 0 < text.find("/") < len(text) - 1
    return text if is_type else BYTES_TYPE


def _find_name(headers: Mapping[str, str], url: str) -> str:
    """Give the file's name: as the source tells it, else the last part of its path."""
    told = Message()
    told["Content-Disposition"] = headers.get("content-disposition", "").replace("\r", "").replace("\n", "")
    return clean_name(told.get_filename("") or unquote(urlsplit(url).path)) or "file"
