"""Lists that come in pages: of every kind, as far as is wanted, and never to another origin."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import orjson
import pytest

from blubees.connectors.actions.pages import find_next_link
from blubees.connectors.actions.perform import compile_action
from blubees.model.action import Action, ActionInput, Answer, PageKind, Pages, Place, Request
from blubees.model.call import Call, CallAnswer, Effect
from blubees.model.connector import Connector, Parameter
from blubees.model.failures import Failure, FailureCode

ITEMS = [{"id": number} for number in range(7)]
Answering = Callable[[dict[str, str], str], tuple[Any, dict[str, str]]]


class Stand:
    """A third party with seven items."""

    def __init__(self, answering: Answering) -> None:
        self.answering, self.asked = answering, [""]
        self.asked.clear()

    async def call(self, call: Call) -> CallAnswer | Failure:
        parts = urlsplit(call.url)
        self.asked.append(f"{parts.netloc}{parts.path}?{parts.query}")
        body, headers = self.answering({name: texts[0] for name, texts in parse_qs(parts.query).items()}, call.url)
        return CallAnswer(status=200, headers={"content-type": "application/json", **headers}, body=orjson.dumps(body))

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        raise AssertionError(call.url)

    def now_milliseconds(self) -> int:
        return 0


def take(name: str, kind: str) -> ActionInput:
    return ActionInput(schema={"type": kind}, place=Place.QUERY, at=(name,))


async def perform(
    pages: Pages,
    answering: Answering,
    limit: object = None,
    base: str = "https://a.example",
    hooks: dict[str, Any] | None = None,
) -> tuple[Any, list[str]]:
    inputs = {"page": take("page", "integer"), "cursor": take("cursor", "string"), "size": take("size", "integer")}
    action = Action(effect=Effect.READ, request=Request(path="/x"), inputs=inputs, pages=pages, answer=Answer())
    connector = Connector(
        name="a", title="A", base_url=base, actions={"list": action}, parameters={"site": Parameter(example="s")}
    )
    stand = Stand(answering)
    given = {} if limit is None else {"limit": limit}
    return await compile_action(connector, "list", hooks or {})(given, stand), stand.asked


def by_page(query: dict[str, str], _url: str) -> tuple[Any, dict[str, str]]:
    size, page = int(query["size"]), int(query["page"])
    return {"items": ITEMS[(page - 1) * size : page * size]}, {}


def by_offset(query: dict[str, str], _url: str) -> tuple[Any, dict[str, str]]:
    start = int(query["page"])
    return {"items": ITEMS[start : start + min(int(query["size"]), 3)], "total": 7}, {}


def by_cursor(query: dict[str, str], _url: str) -> tuple[Any, dict[str, str]]:
    start = int(query.get("cursor", "0"))
    end = start + int(query["size"])
    return {"items": ITEMS[start:end], "meta": {"next": str(end) if end < len(ITEMS) else ""}}, {}


def by_last(query: dict[str, str], _url: str) -> tuple[Any, dict[str, str]]:
    start = int(query["cursor"]) + 1 if "cursor" in query else 0
    return {"items": ITEMS[start : start + int(query["size"])]}, {}


PAGE = Pages(kind=PageKind.PAGE, items=("items",), input="page", size_input="size", size=3)
OFFSET = Pages(kind=PageKind.OFFSET, items=("items",), input="page", first=0, size_input="size", size=3, total=("total",))
CURSOR = Pages(kind=PageKind.CURSOR, items=("items",), input="cursor", next=("meta", "next"), size_input="size", size=3)
LAST = Pages(
    kind=PageKind.CURSOR, items=("items",), input="cursor", next=("id",), cursor_from="item", size_input="size", size=3
)


@pytest.mark.parametrize(
    ("pages", "answering", "limit", "asked"),
    [
        (PAGE, by_page, None, ["page=1&size=3", "page=2&size=3", "page=3&size=3"]),
        (PAGE, by_page, 4, ["page=1&size=3", "page=2&size=3"]),
        (PAGE, by_page, "2", ["page=1&size=2"]),
        (OFFSET, by_offset, None, ["page=0&size=3", "page=3&size=3", "page=6&size=3"]),
        (OFFSET, by_offset, 4, ["page=0&size=3", "page=3&size=1"]),
        (CURSOR, by_cursor, None, ["size=3", "cursor=3&size=3", "cursor=6&size=3"]),
        (CURSOR, by_cursor, 4, ["size=3", "cursor=3&size=1"]),
        (LAST, by_last, None, ["size=3", "cursor=2&size=3", "cursor=5&size=3"]),
    ],
)
async def test_pages_are_walked_as_far_as_is_wanted(
    pages: Pages, answering: Answering, limit: object, asked: list[str]
) -> None:
    found, urls = await perform(pages, answering, limit)
    assert found == ITEMS[: int(str(limit or 7))]
    assert urls == [f"a.example/x?{query}" for query in asked]


@pytest.mark.parametrize("base", ["https://a.example", "https://{site}.example"])
@pytest.mark.parametrize("kind", [PageKind.LINK, PageKind.NEXT_URL])
async def test_links_to_the_next_page_are_followed_at_the_same_origin(kind: PageKind, base: str) -> None:
    host = "https://a.example" if base == "https://a.example" else "https://north.example"

    def answer(query: dict[str, str], _url: str) -> tuple[Any, dict[str, str]]:
        start = int(query.get("from", "0"))
        link = f"{host}/x?from={start + 3}" if start + 3 < len(ITEMS) else ""
        header = f'<{host}/x?from=0>; rel="first", <{link}>; rel="next"' if link else ""
        return {"items": ITEMS[start : start + 3], "next": link or None}, {"link": header}

    pages = Pages(kind=kind, items=("items",), next=("next",))
    found, urls = await perform(pages, answer, base=base)
    assert found == ITEMS
    assert [url.partition("/x?")[2] for url in urls] == ["", "from=3", "from=6"]


@pytest.mark.parametrize(
    "link", ["https://evil.example/x?from=3", "http://a.example/x", "https://a.example.evil.example/", "//evil.example/", "x"]
)
async def test_a_link_to_another_origin_is_not_followed(link: str) -> None:
    pages = Pages(kind=PageKind.NEXT_URL, items=("items",), next=("next",))
    found, urls = await perform(pages, lambda _query, _url: ({"items": ITEMS[:2], "next": link}, {}))
    assert found == ITEMS[:2]
    assert len([url for url in urls if not url.startswith("a.example/")]) == 0


async def test_a_page_that_is_not_full_may_come_before_the_last() -> None:
    """A vendor that tells whether a page is the last may leave out of the others what may not be seen."""

    def by_flag(query: dict[str, str], _url: str) -> tuple[Any, dict[str, str]]:
        start = int(query["page"])
        return {"items": ITEMS[start : start + 2], "isLast": start + 2 >= len(ITEMS)}, {}

    pages = Pages(kind=PageKind.OFFSET, items=("items",), input="page", first=0, size_input="size", size=3, last=("isLast",))
    found, urls = await perform(pages, by_flag)
    assert found == ITEMS
    assert [url.partition("?")[2] for url in urls] == [f"page={start}&size=3" for start in (0, 2, 4, 6)]


async def test_where_it_is_not_said_which_page_is_the_last_the_total_tells() -> None:
    found, urls = await perform(msgspec.structs.replace(OFFSET, last=("isLast",)), by_offset)
    assert found == ITEMS
    assert len(urls) == 3


async def test_a_last_page_ends_it_though_a_cursor_is_given() -> None:
    pages = msgspec.structs.replace(CURSOR, last=("isLast",))
    found, urls = await perform(pages, lambda _query, _url: ({"items": ITEMS, "meta": {"next": "3"}, "isLast": True}, {}))
    assert found == ITEMS
    assert len(urls) == 1


async def test_only_an_empty_page_is_the_last_where_the_file_says_so() -> None:
    def by_range(query: dict[str, str], _url: str) -> tuple[Any, dict[str, str]]:
        start, size = int(query["page"]), int(query["size"])
        return [each for each in ITEMS[start : start + size] if each["id"] != 1], {}

    pages = Pages(kind=PageKind.OFFSET, input="page", first=0, size_input="size", size=3, until_empty=True)
    found, urls = await perform(pages, by_range)
    assert found == [each for each in ITEMS if each["id"] != 1]
    assert [url.partition("?")[2] for url in urls] == [f"page={start}&size=3" for start in (0, 3, 6, 9)]


async def test_pages_that_go_round_are_left() -> None:
    found, urls = await perform(CURSOR, lambda _query, _url: ({"items": ITEMS[:2], "meta": {"next": "same"}}, {}))
    assert found == Failure(code=FailureCode.ANSWER_UNREADABLE, detail="pages_go_round")
    assert len(urls) == 2


async def test_the_twin_may_tell_the_next_page() -> None:
    def next_page(inputs: dict[str, Any], body: Any, _headers: dict[str, str]) -> dict[str, Any] | None:
        return {**inputs, "cursor": body["items"][-1]["id"]} if len(body["items"]) == 3 else None

    pages = Pages(kind=PageKind.HOOK, items=("items",), hook="next_page", size_input="size", size=3)
    found, urls = await perform(pages, by_last, hooks={"next_page": next_page})
    assert found == ITEMS
    assert len(urls) == 3


@pytest.mark.parametrize(("limit", "detail"), [(0, "not_1_to_10000"), (10_001, "not_1_to_10000"), ("many", "text_not_integer")])
async def test_a_limit_is_bounded(limit: object, detail: str) -> None:
    found, urls = await perform(PAGE, by_page, limit)
    assert found == Failure(code=FailureCode.INPUT_INVALID, field="with.limit", detail=detail)
    assert urls == []


async def test_a_page_that_fails_fails_the_action() -> None:
    class Busy(Stand):
        async def call(self, call: Call) -> CallAnswer | Failure:  # noqa: ARG002 - the tools
            return CallAnswer(status=429, headers={"retry-after": "3"})

    action = Action(effect=Effect.READ, request=Request(path="/x"), inputs={"page": take("page", "integer")}, pages=PAGE)
    connector = Connector(name="a", title="A", base_url="https://a.example", actions={"list": action})
    found = await compile_action(connector, "list", {})({}, Busy(by_page))
    assert found == Failure(code=FailureCode.BUSY, http_status=429, retry_after_seconds=3)


@pytest.mark.parametrize(
    ("header", "link"),
    [
        ('<https://a/2>; rel="next"', "https://a/2"),
        ("<https://a/1>; rel=prev, <https://a/3>; title=x; rel=next", "https://a/3"),
        ('<https://a/2>; rel="last next"', "https://a/2"),
        ("<https://a/2>; rel=last", ""),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_a_link_header_is_read(header: str, link: str) -> None:
    assert find_next_link(header) == link
