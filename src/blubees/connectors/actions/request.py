"""Builds an action's call from its inputs: what can be known before is worked out once. Used by perform.py and pages.py."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import msgspec

from blubees.connectors.actions.bodies import Body, BodyError, Build, choose_builder, is_file
from blubees.connectors.actions.files import read_file, read_files
from blubees.connectors.actions.pairs import split_pairs
from blubees.connectors.actions.styles import Write, choose_writer, list_prefixed
from blubees.connectors.actions.values import Convert, MisfitError, compile_convert, takes_null, to_text
from blubees.connectors.parameters import ADDRESSING
from blubees.model.action import Action, ActionInput, Answer, Content, Place, Style
from blubees.model.call import KEY_HEADER, Call, Pace
from blubees.model.connector import Connector
from blubees.model.failures import Failure, FailureCode

_JSON: Final = "application/json"
MISSING: Final = "missing"
ONE_OF: Final = "one_of"


@dataclass(slots=True)
class _Parts:
    """What a call is made of, while it is made."""

    headers: list[tuple[str, str]]
    query: list[str]
    path: dict[str, str] = field(default_factory=dict)
    cookies: list[str] = field(default_factory=list)
    body: list[tuple[ActionInput, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Taker:
    """Takes one input. `write` None: it goes into the body; `prefix`: of the headers that its names become; empty: none do."""

    name: str
    input: ActionInput
    convert: Convert | None
    takes_null: bool
    write: Write | None
    prefix: str = ""

    def take(self, given: Mapping[str, Any], parts: _Parts) -> bool:
        """Convert and write what is given; gives whether something required is missing. Raises MisfitError."""
        value = given.get(self.name)
        if value is None and not (self.takes_null and self.name in given):
            return self.input.is_required
        if self.convert is not None:
            value = self.convert(value)
        if self.write is None:
            parts.body.append((self.input, value))
            return False
        if self.prefix:
            parts.headers += list_prefixed(self.prefix, value)
            return False
        text, place = self.write(value), self.input.place
        if place is Place.QUERY:
            parts.query += [text] if text else []
        elif place in {Place.PATH, Place.HOST}:
            parts.path[self.input.at[0]] = text
        elif place is Place.HEADER:
            parts.headers.append((self.input.at[0], text))
        else:
            parts.cookies.append(text)
        return False


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """Builds calls of one action.

    Attributes:
        template: the call without what inputs bring; its URL is the base.
        path: texts, and at every second place the name of what goes between them.
        groups: inputs of which exactly one is given.
        content_md5: the body's MD5 is sent.
        takes_type: an input may tell what the body is.
    """

    template: Call
    takers: tuple[Taker, ...]
    path: tuple[str, ...]
    fixed_query: str
    build_body: Build | None
    groups: tuple[frozenset[str], ...]
    content_md5: bool = False
    takes_type: bool = False

    def build(self, given: Mapping[str, Any], connection: str = "") -> Call | Failure:
        """Build a call whose body is all there. A failure names the input, what was given and what is expected."""
        built = self.build_with_file(given, connection)
        return built if isinstance(built, Failure) else built[0]

    def build_with_file(self, given: Mapping[str, Any], connection: str = "") -> tuple[Call, Body | None] | Failure:
        """Build the call, and its body: a file in it may come in pieces."""
        parts = _Parts(headers=list(self.template.headers), query=[self.fixed_query] if self.fixed_query else [])
        for taker in self.takers:
            try:
                is_missing = taker.take(given, parts)
            except MisfitError as error:
                return _refuse(f"{taker.name}{error.path}", error.detail)
            if is_missing:
                return _refuse(taker.name, MISSING)
        for group in self.groups:
            if sum(1 for name in group if given.get(name) is not None) != 1:
                return _refuse(min(group), ONE_OF)
        try:
            written = self.build_body(parts.body) if self.build_body is not None else None
        except BodyError as error:
            return Failure(code=FailureCode.SETTING_INVALID, field="with", detail=error.detail)
        if parts.cookies:
            parts.headers.append(("Cookie", "; ".join(parts.cookies)))
        if written is not None and written.media_type and not (self.takes_type and _tells_type(parts.headers)):
            parts.headers.append(("Content-Type", written.media_type))
        if self.content_md5 and written is not None:
            parts.headers.append(("Content-MD5", _write_md5(written.content)))
        url = self.template.url + "".join([parts.path[part] if number % 2 else part for number, part in enumerate(self.path)])
        call = msgspec.structs.replace(
            self.template,
            url=f"{url}?{'&'.join(parts.query)}" if parts.query else url,
            headers=tuple(parts.headers),
            body=written.content if written is not None else b"",
            connection=connection,
        )
        return call, written


def _tells_type(headers: list[tuple[str, str]]) -> bool:
    return any(name.lower() == "content-type" for name, _ in headers)


def _write_md5(content: bytes) -> str:
    """RFC 1864. It guards against what happens on the way, and against nobody."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _refuse(name: str, detail: str) -> Failure:
    return Failure(code=FailureCode.INPUT_INVALID, field=f"with.{name}", detail=detail)


def compile_request(connector: Connector, action: Action) -> RequestPlan:
    """Compile an action's request."""
    limits = action.limits or connector.limits
    request = action.request
    bucket = next((each.at[0] for each in action.inputs.values() if each.place is Place.HOST and each.at), "")
    headers = tuple(request.fixed.headers.items())
    own = {name.lower() for name, _ in headers} | {
        each.at[0].lower() for each in action.inputs.values() if each.place is Place.HEADER and each.at
    }
    if "accept" not in own:
        headers = (*headers, ("Accept", _choose_accept(action.answer)))
    template = Call(
        method=request.method,
        url=request.base_url or connector.base_url,
        effect=action.effect,
        headers=headers,
        timeout_seconds=limits.timeout_seconds,
        answer_limit_bytes=limits.answer_limit_bytes,
        parameters=_list_defaults(connector, request.base_url or connector.base_url),
        names_bucket=bool(bucket),
        key_header=action.key_header or KEY_HEADER,
        pace=Pace(
            name=connector.name,
            calls_per_minute=limits.calls_per_minute,
            at_once=limits.at_once,
            remaining_header=limits.remaining_header.lower(),
            reset_header=limits.reset_header.lower(),
        ),
    )
    fixed = "&".join(f"{quote(name, safe='[]$')}={quote(text, safe='')}" for name, text in request.fixed.query.items())
    return RequestPlan(
        template=template,
        takers=compile_takers(connector, action),
        path=tuple(re.split(r"\{([^{}]*)\}", f"/{{{bucket}}}{request.path}" if bucket else request.path)),
        fixed_query=fixed,
        build_body=choose_builder(action),
        content_md5=request.content_md5,
        takes_type="content-type" in own,
        groups=tuple({frozenset((name, *each.one_of)) for name, each in action.inputs.items() if each.one_of}),
    )


def compile_takers(connector: Connector, action: Action) -> tuple[Taker, ...]:
    """Compile what takes the inputs of an action, in order."""
    return tuple(_compile_taker(name, each, connector, action) for name, each in action.inputs.items())


def take_inputs(takers: tuple[Taker, ...], given: Mapping[str, Any]) -> dict[str, Any] | Failure:
    """Give the inputs as their forms ask for them, without those that were left out."""
    taken: dict[str, Any] = {}
    for taker in takers:
        value = given.get(taker.name)
        if value is None and not (taker.takes_null and taker.name in given):
            if taker.input.is_required:
                return _refuse(taker.name, MISSING)
            continue
        try:
            taken[taker.name] = taker.convert(value) if taker.convert is not None else value
        except MisfitError as error:
            return _refuse(f"{taker.name}{error.path}", error.detail)
    return taken


def _list_defaults(connector: Connector, base_url: str) -> dict[str, str] | None:
    """Give what the parameters of a base URL are where a connection does not tell; None: it has none."""
    named = re.findall(r"\{([^{}]*)\}", base_url)
    if not named:
        return None
    known = {name: each.default for name, each in connector.parameters.items()}
    inner = [name for each in named for name in re.findall(r"\{([^{}]*)\}", known.get(each, ""))]
    return {name: known[name] for name in (*named, *inner, ADDRESSING) if name in known}


def _compile_taker(name: str, each: ActionInput, connector: Connector, action: Action) -> Taker:
    is_body = each.place is Place.BODY
    convert = _choose_convert(each, connector, action)
    return Taker(
        name=name,
        input=each,
        convert=split_pairs(convert, *each.pairs) if each.pairs else convert,
        takes_null=is_body and takes_null(each.schema, connector.schemas),
        write=None if is_body else choose_writer(each),
        prefix=each.at[0] if each.style is Style.PREFIX else "",
    )


def _choose_convert(each: ActionInput, connector: Connector, action: Action) -> Convert | None:
    content = action.request.content if each.place is Place.BODY else Content.NONE
    if content is Content.BYTES:
        return read_file
    if content is Content.MULTIPART and is_file(each, connector.schemas):
        return read_files
    if content is Content.TEXT or (content is Content.XML and not each.at):
        return to_text
    return compile_convert(each.schema, connector.schemas)


def _choose_accept(answer: Answer) -> str:
    if answer.is_file or answer.content not in {None, Content.JSON}:
        return "*/*"
    return _JSON if answer.content is Content.JSON else f"{_JSON}, */*;q=0.5"
