"""One operation of a document as an action. Used by connectors/importers/openapi/reader.py."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from blubees.connectors.importers.limits import INPUTS_MAX, TEXT_MAX
from blubees.connectors.importers.names import to_text, to_title
from blubees.connectors.importers.notes import Notes
from blubees.connectors.importers.openapi.answers import ReadAnswer, find_pages, read_answer
from blubees.connectors.importers.openapi.auth import Security
from blubees.connectors.importers.openapi.bodies import Body, read_body
from blubees.connectors.importers.openapi.forms import Forms
from blubees.connectors.importers.openapi.parameters import LeftOutError, Reading, read_parameters
from blubees.connectors.importers.openapi.refs import Files
from blubees.connectors.importers.openapi.triggers import find_docs
from blubees.connectors.importers.openapi.upgrade import upgrade_operation
from blubees.model.action import Action, ActionExample, ActionInput, Ask, Content, Fixed, Pages, Place, Reply, Request
from blubees.model.call import Effect

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch")
"""TRACE is left out: the web client does not send it."""
EFFECTS: Final = {
    "get": Effect.READ,
    "head": Effect.READ,
    "options": Effect.READ,
    "put": Effect.IDEMPOTENT,
    "delete": Effect.IDEMPOTENT,
}
"""RFC 9110, section 9.2: which methods are safe and which idempotent; all others are `unsafe`."""
_BAD_IN_PATH: Final = re.compile(r"[\x00-\x20\x7f-\x9f?#\\]|//|(?:^|/)\.{1,2}(?:/|$)")


class Context(NamedTuple):
    """What all operations of a document share."""

    document: Mapping[str, Any]
    files: Files
    forms: Forms
    notes: Notes
    security: Security
    is_swagger: bool


class Operation(NamedTuple):
    """An operation where it stands: its path's item, and the file of both."""

    method: str
    path: str
    item: Mapping[str, Any]
    given: Mapping[str, Any]
    file: str

    @property
    def key(self) -> tuple[str, str]:
        """What it is told by."""
        return self.method.upper(), self.path


def read_operation(
    context: Context, operation: Operation, name: str, known: Mapping[tuple[str, tuple[str, ...]], str]
) -> Action:
    """Read an operation.

    Args:
        name: the action's.
        known: names of inputs that an earlier import gave.

    Raises:
        LeftOutError: it can't be taken over.
    """
    path, fixed = _split_path(operation.path)
    where = f"{operation.method.upper()} {operation.path}"
    reading = Reading(context.files, context.forms, context.notes, where, known)
    given = operation.given
    parameters = [*_list_parameters(context, operation.item, operation.file), *_list_parameters(context, given, operation.file)]
    if context.is_swagger:
        given, parameters = upgrade_operation(given, parameters, context.document, context.files)
    inputs, key_header, examples = read_parameters(reading, parameters, path)
    body = Body()
    if operation.method in {"post", "put", "patch", "delete"} and "requestBody" in given:
        body = read_body(reading, given["requestBody"], operation.file, inputs)
    if len(inputs) > INPUTS_MAX:
        raise LeftOutError(f"it has more than {INPUTS_MAX} inputs.")
    effect, key_header = _choose_effect(operation.method, key_header)
    found = read_answer(reading, given, operation.file)
    pages, answer = None, found.answer
    if operation.method == "get":
        paged = find_pages(reading, given, inputs, found)
        pages, answer = paged or (None, found.answer)
    auth, scopes = context.security.read_requirement(given["security"]) if "security" in given else ((), ())
    title = to_title(given.get("summary"), name)
    tags = given.get("tags")
    return Action(
        title=title,
        description=_describe(given, operation.item, title),
        group=to_title(tags[0], "")
        if isinstance(tags, list) and tags and isinstance(tags[0], str)
        else _name_group(operation.path),
        inputs=inputs,
        request=Request(
            method=operation.method.upper(), path=path, content=body.content, media_type=body.media_type, fixed=fixed
        ),
        answer=answer,
        effect=effect,
        key_header=key_header,
        auth=auth,
        scopes=scopes,
        pages=pages,
        docs_url=find_docs(given),
        is_deprecated=given.get("deprecated") is True,
        examples=_make_examples(inputs, examples, body, found, pages),
    )


def _split_path(text: str) -> tuple[str, Fixed]:
    """Split a path from what some documents write behind it: `#name` tells operations apart, `?a=b` is always sent."""
    rest, _, _ = text.partition("#")
    path, _, query = rest.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    if _BAD_IN_PATH.search(path) or not path.startswith("/") or path.count("{") != path.count("}") or "{" in query:
        raise LeftOutError("its path is none of a URL below the server's.")
    return path, Fixed(query=dict(pairs))


def _list_parameters(context: Context, holder: Mapping[str, Any], file: str) -> list[tuple[dict[str, Any], str]]:
    given = holder.get("parameters")
    return [context.files.resolve(each, file) for each in given[: INPUTS_MAX * 2]] if isinstance(given, list) else []


def _choose_effect(method: str, key_header: str) -> tuple[Effect, str]:
    effect = EFFECTS.get(method, Effect.UNSAFE)
    if key_header and effect is Effect.UNSAFE:
        return Effect.KEYED, key_header
    return effect, ""


def _describe(given: Mapping[str, Any], item: Mapping[str, Any], title: str) -> str:
    text = to_text(given.get("description"), TEXT_MAX) or to_text(item.get("description"), TEXT_MAX)
    return "" if text.rstrip(".") == title else text


def _name_group(path: str) -> str:
    """Name it by the path's first word that is no version."""
    for part in path.split("/"):
        if part and "{" not in part and part not in {"api", "rest"} and not re.fullmatch(r"v?[0-9][0-9.]*", part):
            return to_title(re.sub(r"[-_.]+", " ", part).capitalize(), "")
    return ""


def _make_examples(
    inputs: Mapping[str, ActionInput], given: Mapping[str, Any], body: Body, found: ReadAnswer, pages: Pages | None
) -> tuple[ActionExample, ...]:
    """Make an example where the document has one for all that is required, and for the answer."""
    if found.example is None or pages is not None or found.answer.is_file or found.answer.content is not None:
        return ()
    values = dict(given)
    whole = body.example
    for name, each in inputs.items():
        if each.place is not Place.BODY or body.content in {Content.BYTES, Content.MULTIPART}:
            continue
        if not each.at and whole is not None:
            values[name] = whole
        elif each.at and isinstance(whole, dict) and each.at[0] in whole:
            values[name] = whole[each.at[0]]
    if any(each.is_secret for name, each in inputs.items() if name in values):
        return ()
    if any(each.is_required and name not in values for name, each in inputs.items()):
        return ()
    if not all(_fits(inputs[name].schema, value) for name, value in values.items()):
        return ()
    if not _fits(found.answer.schema, found.example):
        return ()
    reply = Reply(status=found.status, body=found.example)
    return (ActionExample(inputs=values, replies=(reply,), asks=(Ask(),), gives=found.example),)


_PYTHON_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def _fits(schema: Mapping[str, Any], value: object) -> bool:
    """Tell whether an example is of the type that its form says; documents have many that are not."""
    given = schema.get("type")
    kinds = given if isinstance(given, list) else [given] if isinstance(given, str) else []
    if kinds and not any(
        isinstance(value, _PYTHON_TYPES[each]) and (each == "boolean" or not isinstance(value, bool)) for each in kinds
    ):
        return False
    choices = schema.get("enum")
    return not isinstance(choices, list) or value in choices
