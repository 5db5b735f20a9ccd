"""Makes examples of a connector's actions from the vendor's OpenAPI document. Called by `make connector-examples`.

What must be asked is worked out from the document, not by the code that asks: so the tests compare the two.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import orjson

from blubees.connectors.actions.paths import MISSING, look_up
from blubees.connectors.contract.trying import fill_parameters
from blubees.main.example_values import make_named, make_value, resolve, shorten_answer, shorten_asked
from blubees.model.action import Action, ActionExample, ActionInput, Ask, Content, PageKind, Pages, Place, Reply
from blubees.model.connector import Connector

MEANS: Final = {401: "credential_refused", 403: "credential_refused", 404: "not_found", 410: "not_found", 429: "busy"}
"""What Atlassian's statuses mean; all others below 500 are `request_refused`."""
PREFERRED: Final = (404, 400, 409, 403, 401)
"""Which failure is shown where several are documented: the one that flows meet most."""
REDIRECT: Final = 303
ERROR_MAX: Final = 160  # letters of an error's text


class Asked(NamedTuple):
    """What an example gives, and what must be asked for it."""

    inputs: dict[str, Any]
    path: str
    query: dict[str, str]
    body: Any


class Maker:
    """Makes examples.

    Args:
        document: OpenAPI 3, as JSON; its paths are those of the connector's actions.
    """

    def __init__(self, connector: Connector, document: Mapping[str, Any]) -> None:
        self._connector, self._paths = connector, document["paths"]
        self._schemas: Mapping[str, Any] = document["components"]["schemas"]

    def make_all(self) -> tuple[dict[str, tuple[ActionExample, ...]], list[str]]:
        """Make examples of all actions that have none; gives them by action, and the actions that the document lacks."""
        made: dict[str, tuple[ActionExample, ...]] = {}
        lacking: list[str] = []
        for name, action in self._connector.actions.items():
            operation = self._paths.get(action.request.path, {}).get(action.request.method.lower())
            if operation is None:
                lacking.append(name)
            elif not action.examples:
                asked = self._ask(action, operation)
                made[name] = (self._make_success(action, operation, asked), self._make_failure(operation, asked))
        return made, lacking

    def _ask(self, action: Action, operation: Mapping[str, Any]) -> Asked:
        """Give each input that is needed, or that the document's example of a body has."""
        sent = _find_sent(operation)
        parameters = {(each["in"], each["name"]): each for each in operation.get("parameters", ())}
        inputs: dict[str, Any] = {}
        walked = {action.pages.input, action.pages.size_input} if action.pages is not None else set()
        path, query = action.request.path, dict(action.request.fixed.query)
        body: Any = dict(action.request.fixed.body) or None
        for name, each in action.inputs.items():
            if name in walked:
                continue
            if each.place is Place.BODY:
                value = self._find_sent_value(each, sent)
                if value is not MISSING:
                    inputs[name] = value
                    body = _put(body, each.at, value)
                continue
            parameter = parameters.get((each.place.value, each.at[0]), {})
            if each.is_required or parameter.get("example") is not None:
                schema = parameter.get("schema", each.schema)
                inputs[name] = value = parameter.get("example", make_named(each.at[0], schema, self._schemas))
                if each.place is Place.PATH:
                    path = path.replace(f"{{{each.at[0]}}}", quote(_write(value), safe=""))
                elif each.place is Place.QUERY:
                    query[each.at[0]] = _write(value)
        return Asked(inputs, self._write_path(path), query, body)

    def _find_sent_value(self, each: ActionInput, sent: Any) -> Any:  # noqa: ANN401 - JSON
        found = look_up(sent, each.at) if sent is not MISSING else MISSING
        if found is MISSING and each.is_required:
            found = make_value(each.schema, self._connector.schemas, each.at[-1] if each.at else "")
        return found if found is MISSING else shorten_asked(found)

    def _write_path(self, path: str) -> str:
        parameters = {name: each.example or each.default for name, each in self._connector.parameters.items()}
        return urlsplit(fill_parameters(self._connector.base_url, parameters)).path + path

    def _make_success(self, action: Action, operation: Mapping[str, Any], asked: Asked) -> ActionExample:
        status, body = self._find_success(operation)
        if action.answer.is_file:
            return _make_file(action, asked)
        if action.pages is not None:
            return _make_pages(action, action.pages, asked, body)
        if action.answer.outputs:
            return _make_told(action, asked, status)
        body = shorten_answer(body)
        given = body if not action.answer.at or body is None else look_up(body, action.answer.at)
        return ActionExample(
            inputs=asked.inputs,
            asks=(_write_ask(action, asked),),
            replies=(Reply(status=status, body=body),),
            gives=None if given is MISSING else given,
        )

    def _find_success(self, operation: Mapping[str, Any]) -> tuple[int, Any]:
        """Find a success, one with an example first; where there is none, its form tells what to make."""
        good = {
            int(status): each for status, each in operation["responses"].items() if status[:1] == "2" or status == str(REDIRECT)
        }
        contents = {status: each.get("content", {}).get("application/json", {}) for status, each in good.items()}
        for status, content in sorted(contents.items()):
            if "example" in content and (found := _read_example(content["example"])) is not MISSING:
                return status, found
        for status, content in sorted(contents.items()):
            form = resolve(content.get("schema", {}), self._schemas)
            if form.get("type") or form.get("properties"):
                return status, make_value(form, self._schemas)
        return min(contents, default=200), None

    def _make_failure(self, operation: Mapping[str, Any], asked: Asked) -> ActionExample:
        known = {int(status): each for status, each in operation["responses"].items() if status.isdigit() and status[0] == "4"}
        status = next((each for each in PREFERRED if each in known), 401)
        found = known.get(status, {})
        body = _read_example(found.get("content", {}).get("application/json", {}).get("example", ""))
        body = _write_error(found.get("description", "")) if body is MISSING else body
        return ActionExample(
            inputs=asked.inputs, replies=(Reply(status=status, body=body),), fails=MEANS.get(status, "request_refused")
        )


def _find_sent(operation: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        if "example" in content:
            return _read_example(content["example"]) if "json" in media_type else content["example"]
    return MISSING


def _read_example(example: Any) -> Any:  # noqa: ANN401 - JSON
    """Read an example: documents write JSON as a text of JSON too. A mark where it is none."""
    try:
        return orjson.loads(example) if isinstance(example, str) else example
    except orjson.JSONDecodeError:
        return MISSING


def _put(body: Any, at: tuple[str, ...], value: Any) -> Any:  # noqa: ANN401 - JSON
    if not at:
        return value
    body = {} if body is None else body
    inner = body
    for key in at[:-1]:
        inner = inner.setdefault(key, {})
    inner[at[-1]] = value
    return body


def _write(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return ",".join(map(_write, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _write_ask(action: Action, asked: Asked, carried: Mapping[str, int | str] | None = None) -> Ask:
    """Write what must be asked; `carried`: inputs by which pages are walked."""
    query, body = dict(asked.query), dict(asked.body) if isinstance(asked.body, dict) else asked.body
    for name, value in (carried or {}).items():
        taken = action.inputs[name]
        if taken.place is Place.BODY:
            body = _put(body, taken.at, value)
        else:
            query[taken.at[0]] = str(value)
    is_shown = action.request.content not in {Content.NONE, Content.MULTIPART}
    return Ask(method=action.request.method, path=asked.path, query=query, body=body if is_shown else None)


def _make_file(action: Action, asked: Asked) -> ActionExample:
    headers = {"content-type": "text/csv", "content-disposition": 'attachment; filename="report.csv"'}
    reply = Reply(status=200, headers=headers, body="key\nOPS-7\n")
    gives = {"name": "report.csv", "media_type": "text/csv", "size": 10, "base64": "a2V5Ck9QUy03Cg=="}
    return ActionExample(inputs=asked.inputs, asks=(_write_ask(action, asked),), replies=(reply,), gives=gives)


def _make_told(action: Action, asked: Asked, status: int) -> ActionExample:
    """Make an example of an action that gives what headers tell: where a task of the vendor's is looked after."""
    told = {each.header: "https://acme.atlassian.net/rest/api/3/task/10990" for each in action.answer.outputs.values()}
    gives = {name: told[each.header] for name, each in action.answer.outputs.items()}
    reply = Reply(status=status, headers=told)
    return ActionExample(inputs=asked.inputs, asks=(_write_ask(action, asked),), replies=(reply,), gives=gives)


def _make_pages(action: Action, pages: Pages, asked: Asked, body: Any) -> ActionExample:  # noqa: ANN401 - JSON
    """Make an example of two pages with an item each; where only an empty page is the last, of three."""
    found = look_up(body, pages.items)
    whole = found if isinstance(found, list) and found else [{"id": "10000"}]
    first = shorten_answer(whole[0])
    second = _vary(shorten_answer(whole[1])) if len(whole) > 1 else _vary(first)
    listed = [[first], [second], []] if pages.until_empty else [[first], [second]]
    size = {pages.size_input: pages.size} if pages.size_input else {}
    asks, replies = [], []
    for number, items in enumerate(listed):
        is_last = number == len(listed) - 1
        mark = _find_mark(pages, number)
        replies.append(Reply(status=200, body=_write_page(pages, items, number, is_last=is_last)))
        asks.append(_write_ask(action, asked, {**size, pages.input: mark} if mark != "" else size))
    return ActionExample(inputs=asked.inputs, asks=tuple(asks), replies=tuple(replies), gives=[first, second])


def _find_mark(pages: Pages, number: int) -> int | str:
    """Find what is carried for a page, from 0; nothing for the first of a cursor."""
    if pages.kind is PageKind.CURSOR:
        return "eyJvIjoyfQ==" if number else ""
    return pages.first + number * (pages.size if pages.until_empty else 1)


def _write_page(pages: Pages, items: list[Any], number: int, *, is_last: bool) -> Any:  # noqa: ANN401 - JSON
    if not pages.items:
        return items
    body: dict[str, Any] = {}
    if pages.kind is PageKind.OFFSET:
        body = {"startAt": number, "maxResults": pages.size}
    if pages.kind is PageKind.CURSOR and not is_last:
        body = _put(body, pages.next, "eyJvIjoyfQ==")
    if pages.total:
        body = _put(body, pages.total, 2)
    if pages.last:
        body = _put(body, pages.last, is_last)
    return _put(body, pages.items, items)


def _vary(item: Any) -> Any:  # noqa: ANN401 - JSON
    """Give an item with other ids, so that one is told from the other."""
    if not isinstance(item, dict):
        return f"{item}-2" if isinstance(item, str) else item
    number = item.get("id")
    return {**item, "id": str(int(number) + 1)} if isinstance(number, str) and number.isdigit() else item


def _write_error(description: str) -> dict[str, Any]:
    """Write an error as Jira does, with what the document says of it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(description.split()))
    said, *cases = re.split(r"\s\*\s+", plain)
    told = cases[0] if cases and (":" in said[-1:] or "because" in said) else said
    text = re.split(r"\.\s", re.sub(r"^Return(ed)? if[ :,]*|^[45][0-9]{2} response", "", told))[0].strip(" *.;:,")[:ERROR_MAX]
    return {"errorMessages": [f"{text[:1].upper()}{text[1:]}." if text else "The request is refused."], "errors": {}}
