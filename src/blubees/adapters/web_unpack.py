"""Unpacks bodies: gzip and deflate, within limits. Used by web_client.py and web_stream.py."""

import zlib
from collections.abc import Mapping

from blubees.adapters.http_connection import RawAnswer
from blubees.model.web import WebProblem


class BrokenBodyError(Exception):
    """The answer's body is larger than allowed or not what its encoding says."""

    def __init__(self, problem: WebProblem) -> None:
        super().__init__()
        self.problem = problem


def read_encoding(headers: Mapping[str, str]) -> str | None:
    """Tell how a body is packed; None: it is not."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    return None if encoding in {"identity", ""} else encoding


def unpack(answer: RawAnswer, limit: int, method: str) -> bytes:
    """Decompress within the limit: neither form of the body is ever larger than it."""
    encoding = read_encoding(answer.headers)
    if encoding is None or method == "HEAD":
        return answer.body
    if not answer.body:
        return b""
    inflater = zlib.decompressobj(choose_window(encoding, answer.body))
    try:
        content = inflater.decompress(answer.body, limit + 1)
    except zlib.error:
        raise BrokenBodyError(WebProblem.BROKEN_ANSWER) from None
    if len(content) > limit:
        raise BrokenBodyError(WebProblem.TOO_LARGE)
    if not inflater.eof:
        raise BrokenBodyError(WebProblem.BROKEN_ANSWER)
    return content


def choose_window(encoding: str, first: bytes) -> int:
    """Choose zlib's mode: gzip; for deflate, with or without zlib's two-byte head, since servers send both."""
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise BrokenBodyError(WebProblem.BROKEN_ANSWER)
    if encoding != "deflate":
        return 16 + zlib.MAX_WBITS
    has_head = len(first) > 1 and first[0] & 0x0F == 8 and ((first[0] << 8) | first[1]) % 31 == 0  # noqa: PLR2004 - RFC 1950
    return zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS
