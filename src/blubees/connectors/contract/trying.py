"""Performs an action's examples: the request is built and compared, the replies are fed, the result is compared.

Called by the tests for every file of the catalogue, and by `blubees connector try` for others.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
import orjson

from blubees.connectors.actions.bodies import MEDIA_TYPES
from blubees.connectors.actions.perform import CONNECTION, compile_action
from blubees.connectors.actions.xml_reading import read_xml
from blubees.connectors.contract.problems import Place, Problem
from blubees.model.action import ActionExample, Ask, Content, Reply
from blubees.model.call import Call, CallAnswer
from blubees.model.connector import Connector
from blubees.model.failures import Failure, FailureCode

NOW_MILLISECONDS: Final = 1_782_000_000_000
MADE_UP: Final = "example"
"""The connection of examples."""


class _NoMoreRepliesError(Exception):
    """The action asked more often than the example answers."""


class _Stand:
    """Stands for the third party: notes what is asked, gives the replies in order."""

    def __init__(self, replies: tuple[Reply, ...], parameters: Mapping[str, str]) -> None:
        self.replies, self.parameters = list(replies), parameters
        self.calls: list[Call] = []

    async def call(self, call: Call) -> CallAnswer | Failure:
        """Give the next reply."""
        self.calls.append(msgspec.structs.replace(call, url=fill_parameters(call.url, self.parameters)))
        if len(self.calls) > len(self.replies):
            raise _NoMoreRepliesError
        return write_reply(self.replies[len(self.calls) - 1])

    async def call_jira(self, call: Call) -> CallAnswer | Failure:
        """Give the next reply."""
        return await self.call(msgspec.structs.replace(call, url=f"https://jira.example{call.url}"))

    def now_milliseconds(self) -> int:
        """Always the same."""
        return NOW_MILLISECONDS


async def try_examples(connector: Connector, name: str, hooks: Mapping[str, Callable[..., Any]]) -> list[Problem]:
    """Perform all examples of an action; gives what is not as they say."""
    problems: list[Problem] = []
    for number, example in enumerate(connector.actions[name].examples):
        place: Place = ("actions", name, "examples", number)
        problems += [
            Problem(place=(*place, *inner), message=text) async for inner, text in _try(connector, name, example, hooks)
        ]
    return problems


async def _try(connector: Connector, name: str, example: ActionExample, hooks: Mapping[str, Callable[..., Any]]) -> Any:  # noqa: ANN401 - an iterator
    parameters = {
        key: each.example or each.default or next(iter(each.choices), "") for key, each in connector.parameters.items()
    }
    stand = _Stand(example.replies, parameters)
    try:
        found = await compile_action(connector, name, hooks)({CONNECTION: MADE_UP, **example.inputs}, stand)
    except _NoMoreRepliesError:
        yield ("replies",), f"The action asks {len(stand.calls)} times; the example has {len(example.replies)} replies."
        return
    for number, ask in enumerate(example.asks):
        if number >= len(stand.calls):
            yield ("asks", number), f"The action asked {len(stand.calls)} times only."
        else:
            for text in compare_call(ask, stand.calls[number]):
                yield ("asks", number), text
    if len(stand.calls) < len(example.replies):
        yield ("replies",), f"The action asked {len(stand.calls)} times; the example has {len(example.replies)} replies."
    if example.fails:
        got = found.code.value if isinstance(found, Failure) else f"a success: {_show(found)}"
        if got != example.fails:
            yield ("fails",), f"Expected the failure {example.fails}, got {got}."
    elif isinstance(found, Failure):
        yield ("gives",), f"Expected a success, got the failure {found.code.value} {found.field} {found.detail}".rstrip() + "."
    elif found != example.gives:
        yield ("gives",), f"Expected {_show(example.gives)}, got {_show(found)}."


def fill_parameters(url: str, parameters: Mapping[str, str]) -> str:
    """Put what the connection tells into a URL; a default may name another parameter."""
    for name, text in (*parameters.items(), *parameters.items()):
        url = url.replace(f"{{{name}}}", text)
    return url


def write_reply(reply: Reply) -> CallAnswer:
    """Write an example's reply as it would come: a body that is no text as JSON, a text that begins as XML does as such."""
    headers = {name.lower(): text for name, text in reply.headers.items()}
    if reply.body is None:
        return CallAnswer(status=reply.status, headers=headers, body=b"")
    if isinstance(reply.body, str) and "json" not in headers.get("content-type", ""):
        headers.setdefault("content-type", MEDIA_TYPES[Content.XML if reply.body.startswith("<?xml") else Content.TEXT])
        return CallAnswer(status=reply.status, headers=headers, body=reply.body.encode())
    headers.setdefault("content-type", MEDIA_TYPES[Content.JSON])
    return CallAnswer(status=reply.status, headers=headers, body=orjson.dumps(reply.body))


def compare_call(ask: Ask, call: Call) -> Iterator[str]:
    """Tell in what a call differs from what an example says must be asked; what it leaves out is not looked at."""
    parts = urlsplit(call.url)
    if ask.method and ask.method != call.method:
        yield f"The method is {call.method}, expected {ask.method}."
    if ask.path and ask.path != parts.path:
        yield f"The path is {parts.path}, expected {ask.path}."
    query = _join(parse_qsl(parts.query, keep_blank_values=True))
    if ask.query is not None and query != ask.query:
        yield f"The query is {_show(query)}, expected {_show(ask.query)}."
    headers = {name.lower(): text for name, text in call.headers}
    for name, text in ask.headers.items():
        if headers.get(name.lower()) != text:
            yield f"The header {name} is {headers.get(name.lower())!r}, expected {text!r}."
    if ask.body is not None:
        body = read_body(headers.get("content-type", ""), call.body)
        if body != ask.body:
            yield f"The body is {_show(body)}, expected {_show(ask.body)}."


def read_body(media_type: str, body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Read a request's body as an example writes it: JSON as it is, XML as a value, a form as names to texts, else as text."""
    if "json" in media_type:
        return orjson.loads(body) if body else None
    if media_type.startswith(MEDIA_TYPES[Content.XML].partition(";")[0]) and body:
        return read_xml(body)
    text = body.decode("utf-8", "replace")
    if media_type.startswith(MEDIA_TYPES[Content.FORM]):
        return _join(parse_qsl(text, keep_blank_values=True))
    boundary = media_type.partition("boundary=")[2]
    return text.replace(boundary, "BOUNDARY") if boundary else text


def _join(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Names to texts; what stands there more than once, with a comma between."""
    found: dict[str, str] = {}
    for name, text in pairs:
        found[name] = f"{found[name]},{text}" if name in found else text
    return found


def _show(value: object) -> str:
    try:
        return orjson.dumps(value).decode()[:600]
    except TypeError:
        return FailureCode.ANSWER_UNREADABLE.value
