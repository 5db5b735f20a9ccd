"""Performs an action whose list comes in pages: asks for one after the other, as far as is wanted. Used by perform.py.

Bounded: so many items, so many calls; and what leads to the next page stays with the third party it came from.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from blubees.connectors.actions.answers import AnswerPlan, ReadAnswer
from blubees.connectors.actions.paths import MISSING, look_up
from blubees.connectors.actions.request import RequestPlan
from blubees.connectors.actions.values import MisfitError, to_integer
from blubees.model.action import PageKind, Pages
from blubees.model.call import Call, CallAnswer
from blubees.model.failures import Failure, FailureCode

LIMIT: Final = "limit"
LIMIT_DEFAULT: Final = 1_000  # items, where a flow says nothing
LIMIT_MAX: Final = 10_000
CALLS_MAX: Final = 200
_LINK: Final = re.compile(r"<([^<>]*)>\s*;([^<]*)")
_ORIGIN: Final = re.compile(r"(https?://[^/?#]+)(.*)", re.DOTALL)

Send = Callable[[Call], Awaitable[CallAnswer | Failure]]
NextPage = Callable[[Mapping[str, Any], Any, Mapping[str, str]], dict[str, Any] | None]
"""A hook: (the inputs of this page, its body, its headers) → the inputs of the next one, or None when this was the last."""


@dataclass(slots=True)
class _Walk:
    """Where we are."""

    inputs: dict[str, Any]
    number: int
    wanted: int
    items: list[Any]
    next_url: str = ""


@dataclass(frozen=True, slots=True)
class PagePlan:
    """Walks the pages of one action."""

    pages: Pages
    request: RequestPlan
    answer: AnswerPlan
    next_page: NextPage | None

    async def perform(self, given: Mapping[str, Any], connection: str, send: Send, now: Callable[[], int]) -> Any | Failure:
        """Give the joined list."""
        wanted = _read_limit(given)
        if isinstance(wanted, Failure):
            return wanted
        walk = _Walk({name: value for name, value in given.items() if name != LIMIT}, self.pages.first, wanted, [])
        cursors: set[str] = set()
        for _ in range(CALLS_MAX):
            call = self._write_call(walk, connection)
            answer = call if isinstance(call, Failure) else await send(call)
            found = answer if isinstance(answer, Failure) else self.answer.read(answer, now())
            if isinstance(found, Failure):
                return found
            size = self._size(walk)  # as it was asked for: the items are not counted yet
            page = look_up(found.document, self.pages.items)
            items = page if isinstance(page, list) else []
            walk.items += items
            if len(walk.items) >= wanted or not self._turn(walk, found, items, size):
                return walk.items[:wanted]
            mark = walk.next_url or repr(walk.inputs)  # pages that lead to one another would have no end
            if mark in cursors:
                return Failure(code=FailureCode.ANSWER_UNREADABLE, detail="pages_go_round")
            cursors.add(mark)
        return walk.items[:wanted]

    def _size(self, walk: _Walk) -> int:
        """How many to ask for: no more than are wanted. Pages that are counted are all of one size."""
        left = walk.wanted if self.pages.kind is PageKind.PAGE else walk.wanted - len(walk.items)
        return min(self.pages.size, left)

    def _write_call(self, walk: _Walk, connection: str) -> Call | Failure:
        pages = self.pages
        if pages.kind in {PageKind.PAGE, PageKind.OFFSET}:
            walk.inputs[pages.input] = walk.number
        if pages.size_input:
            walk.inputs[pages.size_input] = self._size(walk)
        call = self.request.build(walk.inputs, connection)
        if walk.next_url and not isinstance(call, Failure):
            return msgspec.structs.replace(call, url=walk.next_url)
        return call

    def _turn(self, walk: _Walk, found: ReadAnswer, items: list[Any], size: int) -> bool:
        """Turn to the next page; False when this was the last."""
        pages, document = self.pages, found.document
        if pages.more and look_up(document, pages.more) is not True:
            return False
        if pages.last and look_up(document, pages.last) is True:
            return False
        if pages.kind is PageKind.HOOK:
            following = self.next_page(walk.inputs, document, found.headers) if self.next_page is not None else None
            walk.inputs = following or walk.inputs
            return following is not None
        if pages.kind is PageKind.CURSOR:
            is_in_item = pages.cursor_from == "item"
            cursor = look_up(items[-1] if is_in_item and items else document, pages.next)
            walk.inputs[pages.input] = cursor
            is_more = isinstance(cursor, str | int) and cursor is not False and cursor != ""
            return is_more and not (is_in_item and len(items) < size)
        if pages.kind in {PageKind.LINK, PageKind.NEXT_URL}:
            is_header = pages.kind is PageKind.LINK
            link = find_next_link(found.headers.get("link", "")) if is_header else look_up(document, pages.next)
            walk.next_url = self._follow(link) if isinstance(link, str) and link else ""
            return bool(walk.next_url)
        walk.number += 1 if pages.kind is PageKind.PAGE else size if pages.until_empty else len(items)
        return bool(items) and not self._is_last(walk, document, items, size)

    def _is_last(self, walk: _Walk, document: Any, items: list[Any], size: int) -> bool:
        pages = self.pages
        if pages.more or pages.until_empty or (pages.last and look_up(document, pages.last) is False):
            return False
        total = look_up(document, pages.total) if pages.total else MISSING
        if isinstance(total, int):
            return len(walk.items) >= total
        return len(items) < size

    def _follow(self, link: str) -> str:
        """Give the URL of the next page where the action is asked for: another origin is not gone to."""
        base = _ORIGIN.fullmatch(self.request.template.url)
        found = _ORIGIN.fullmatch(link)
        origin = base[1] if base is not None else ""
        if found is None:
            return origin + link if link.startswith("/") and not link.startswith("//") else ""
        pattern = re.sub(r"\\\{[^{}]*\\\}", "[A-Za-z0-9.-]+", re.escape(origin))
        return origin + found[2] if re.fullmatch(pattern, found[1], re.IGNORECASE) else ""


def find_next_link(header: str) -> str:
    """Give the URL of `rel="next"` of a Link header (RFC 8288); empty when there is none.

    Sentry gives one always, and says `results="false"` of one that leads to nothing.
    """
    for target, parameters in _LINK.findall(header):
        if 'results="false"' in parameters:
            continue
        for parameter in parameters.split(";"):
            name, _, value = parameter.strip().rstrip(",").strip().partition("=")
            if name.strip().lower() == "rel" and "next" in value.strip().strip('"').lower().split():
                return str(target)
    return ""


def _read_limit(given: Mapping[str, Any]) -> int | Failure:
    value = given.get(LIMIT)
    try:
        limit = LIMIT_DEFAULT if value is None else to_integer(value)
    except MisfitError as error:
        return Failure(code=FailureCode.INPUT_INVALID, field=f"with.{LIMIT}", detail=error.detail)
    if not 1 <= limit <= LIMIT_MAX:
        return Failure(code=FailureCode.INPUT_INVALID, field=f"with.{LIMIT}", detail="not_1_to_10000")
    return limit
