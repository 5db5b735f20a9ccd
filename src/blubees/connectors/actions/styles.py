"""Writes values into a path, a query, a header or a cookie, in the styles of OpenAPI 3.1 ("Parameter Object", style).

Used by inputs.py: for each input one writer, chosen once.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import quote

import orjson

from blubees.connectors.actions.values import MisfitError, to_text
from blubees.model.action import ActionInput, Place, Style

Write = Callable[[Any], str]
DEFAULT_STYLES: Final = {
    Place.PATH: Style.SIMPLE,
    Place.QUERY: Style.FORM,
    Place.HEADER: Style.SIMPLE,
    Place.COOKIE: Style.FORM,
}
_BETWEEN: Final = {Style.SPACE: "%20", Style.PIPE: "%7C", Style.FORM: ",", Style.SIMPLE: ","}
DEPTH_MAX: Final = 8
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}")
_BUCKET: Final = re.compile(r"(?!xn--|\d+\.\d+\.\d+\.\d+$)[a-z0-9]([a-z0-9-]|\.(?![.-])|-(?!\.)){1,61}[a-z0-9]")
"""docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html: no name that could lead to another host than meant."""


def choose_writer(each: ActionInput) -> Write:
    """Give the writer of an input outside the body: a converted value → the text that stands there."""
    name = each.at[0]
    style = each.style or DEFAULT_STYLES.get(each.place, Style.FORM)
    explode = each.explode if each.explode is not None else style in {Style.FORM, Style.DEEP}
    if style is Style.JSON:
        return _write_named(name, each.place)
    if each.place is Place.HOST:
        return _write_bucket
    if style is Style.KEY:
        return _quote_key
    if each.place is Place.PATH:
        return _path_writer(name, style, explode=explode, keeps_slashes=each.keeps_slashes)
    if each.place is Place.HEADER:
        return lambda value: _write_simple(value, explode=explode, write=to_text)
    if each.place is Place.COOKIE:
        return lambda value: "; ".join(f"{key}={text}" for key, text in list_pairs(name, value, Style.FORM, explode=explode))
    if style is Style.DEEP or explode:
        return lambda value: "&".join(
            f"{quote_part(key)}={text}" for key, text in list_pairs(name, value, style, explode=explode)
        )
    between = _BETWEEN[style]
    return lambda value: f"{quote_part(name)}={between.join(map(quote_text, _list_flat(value)))}"


def list_pairs(name: str, value: Any, style: Style, *, explode: bool) -> Iterator[tuple[str, str]]:
    """Give the pairs of a query, a form or a cookie; texts are quoted, names are not."""
    if style is Style.DEEP:
        yield from _list_deep(name, value, 0)
    elif isinstance(value, list) and explode:
        yield from ((name, quote_text(each)) for each in value)
    elif isinstance(value, dict) and explode:
        yield from ((key, quote_text(each)) for key, each in value.items())
    elif isinstance(value, list | dict):
        yield name, _BETWEEN.get(style, ",").join(map(quote_text, _list_flat(value)))
    else:
        yield name, quote_text(value)


def list_prefixed(prefix: str, value: Any) -> list[tuple[str, str]]:
    """Give an object's names as headers of their own, behind a prefix."""
    headers = [(prefix + name, to_text(each)) for name, each in value.items()]
    if not all(_TOKEN.fullmatch(name) for name, _ in headers):
        raise MisfitError(value, "names_of_headers")
    return headers


def list_numbered(name: str, value: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Give the pairs of a form in AWS's query protocol: `name.1.key`; lists are counted from one."""
    if isinstance(value, dict | list) and depth < DEPTH_MAX:
        for key, each in value.items() if isinstance(value, dict) else enumerate(value, start=1):
            yield from list_numbered(f"{name}.{key}", each, depth + 1)
    else:
        yield name, quote_text(value)


def quote_text(value: Any) -> str:
    """Write a value as text and quote it; a list or an object as JSON."""
    return quote(write_plain(value), safe="")


def quote_part(name: str) -> str:
    """Quote a name; the brackets of a deep one stay, as vendors write them."""
    return quote(name, safe="[]$")


def write_plain(value: Any) -> str:
    """Write a value as text; a list or an object as JSON, null as nothing."""
    if value is None:
        return ""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode() if isinstance(value, list | dict) else to_text(value)


def _list_flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [part for pair in value.items() for part in pair]
    return value if isinstance(value, list) else [value]


def _list_deep(name: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list) and depth < DEPTH_MAX:
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _list_deep(f"{name}[{key}]", each, depth + 1)
    else:
        yield name, quote_text(value)


def _write_named(name: str, place: Place) -> Write:
    if place in {Place.PATH, Place.HEADER}:
        return (lambda value: quote(_to_json(value), safe="")) if place is Place.PATH else _to_json
    return lambda value: f"{quote_part(name)}={quote(_to_json(value), safe='')}"


def _to_json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()


def _write_simple(value: Any, *, explode: bool, write: Write) -> str:
    if isinstance(value, dict):
        if explode:
            return ",".join(f"{write(key)}={write(each)}" for key, each in value.items())
        return ",".join(write(part) for part in _list_flat(value))
    return ",".join(map(write, value)) if isinstance(value, list) else write(value)


def _path_writer(name: str, style: Style, *, explode: bool, keeps_slashes: bool) -> Write:
    write = _quote_path if keeps_slashes else _quote_segment
    if style is Style.LABEL:
        between = "." if explode else ","
        return lambda value: "." + _write_simple(value, explode=explode, write=write).replace(",", between)
    if style is Style.MATRIX:
        return lambda value: _write_matrix(name, value, write, explode=explode)
    return lambda value: _write_simple(value, explode=explode, write=write)


def _write_matrix(name: str, value: Any, write: Write, *, explode: bool) -> str:
    if explode and isinstance(value, list):
        return "".join(f";{name}={write(each)}" for each in value)
    if explode and isinstance(value, dict):
        return "".join(f";{key}={write(each)}" for key, each in value.items())
    return f";{name}={_write_simple(value, explode=False, write=write)}"


def _write_bucket(value: Any) -> str:
    text = to_text(value)
    if not _BUCKET.fullmatch(text):
        raise MisfitError(value, "bucket")
    return text


def _quote_key(value: Any) -> str:
    """Quote a key, slashes and all; one with parts that would lead upwards on the way is refused."""
    text = to_text(value)
    if not text or {".", ".."} & set(text.split("/")):
        raise MisfitError(value, "key")
    return quote(text, safe="/")


def _quote_segment(value: Any) -> str:
    """Quote one part of a path: whatever stands in it, it stays one part. An empty one would be another path."""
    text = to_text(value)
    if not text:
        raise MisfitError("", "part_of_a_path")
    return {".": "%2E", "..": "%2E%2E"}.get(text) or quote(text, safe="")


def _quote_path(value: Any) -> str:
    """Quote a part of a path that has parts itself: none of them leads upwards."""
    return "/".join(map(_quote_segment, to_text(value).strip("/").split("/")))
