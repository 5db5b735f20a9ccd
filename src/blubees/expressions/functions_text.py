"""The functions on text: Java's String and Commons Lang, which Atlassian's own pages link to. Rulings: docs/smart-values.md."""

import html
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote_plus

from blubees.expressions import patterns
from blubees.expressions.conversions import are_equal, as_number, as_text, as_whole
from blubees.expressions.dates import read_date
from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import Meter
from blubees.expressions.signatures import Function, Implementation, function
from blubees.expressions.values import escape_json

_ABBREVIATED_MIN: Final = 4  # one letter and the dots


def replace(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    """Replace every occurrence of a text."""
    old, new = as_text(meter, arguments[0]), as_text(meter, arguments[1])
    if not old:
        return text
    meter.expect_text(len(text) + text.count(old) * max(0, len(new) - len(old)))
    return text.replace(old, new)


def _pad(name: str, *, left: bool) -> Implementation:
    def pad(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
        width = as_whole(arguments[0], name)
        letter = (as_text(meter, arguments[1]) if len(arguments) > 1 else " ")[:1] or " "
        meter.expect_text(max(width, len(text)))
        return text.rjust(width, letter) if left else text.ljust(width, letter)

    return pad


def _abbreviate(_meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    width = as_whole(arguments[0], "abbreviate")
    if width < _ABBREVIATED_MIN:
        raise EvaluationError(EvaluationCode.BAD_ARGUMENT, "abbreviate")
    return text if len(text) <= width else text[: width - 3] + "..."


def _substring(_meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    start = max(0, as_whole(arguments[0], "substring"))
    end = as_whole(arguments[1], "substring") if len(arguments) > 1 else len(text)
    return text[start : max(start, end)]


def _between(meter: Meter, text: str, arguments: Sequence[Any]) -> str | None:
    opening, closing = as_text(meter, arguments[0]), as_text(meter, arguments[-1])
    start = text.find(opening)
    end = text.find(closing, start + len(opening)) if start >= 0 else -1
    return text[start + len(opening) : end] if end >= 0 else None


def _after(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    mark = as_text(meter, arguments[0])
    return text.partition(mark)[2] if mark else text


def _after_last(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    mark = as_text(meter, arguments[0])
    return text.rpartition(mark)[2] if mark and mark in text else ""


def _before(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    mark = as_text(meter, arguments[0])
    return text.partition(mark)[0] if mark else ""


def _before_last(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    mark = as_text(meter, arguments[0])
    return text.rpartition(mark)[0] if mark and mark in text else text


def _char_at(_meter: Meter, text: str, arguments: Sequence[Any]) -> str | None:
    index = as_whole(arguments[0], "charAt")
    return text[index] if 0 <= index < len(text) else None


def _concat(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    parts = [text, *(as_text(meter, each) for each in arguments)]
    meter.expect_text(sum(map(len, parts)))
    return "".join(parts)


def _split(meter: Meter, text: str, arguments: Sequence[Any]) -> list[str]:
    mark = as_text(meter, arguments[0]) if arguments else " "
    meter.spend(text.count(mark) + 1 if mark else len(text))
    return text.split(mark) if mark else list(text)


def _left(_meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    return text[: max(0, as_whole(arguments[0], "left"))]


def _right(_meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    return text[max(0, len(text) - max(0, as_whole(arguments[0], "right"))) :]


def _encoded(write: Callable[[str], str], growth: int) -> Implementation:
    """An encoder: what it can make at most of a letter is paid for before it is made."""

    def encode(meter: Meter, text: str, _arguments: Sequence[Any]) -> str:
        if len(text) * growth > meter.output_characters:
            meter.expect_text(len(text))
            made = write(text)
            meter.expect_text(len(made))
            return made
        meter.expect_text(len(text) * growth)
        return write(text)

    return encode


def _url_encode(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    meter.spend(len(text) >> 3 if text.isascii() else len(text) >> 1)
    return str(_encoded(lambda each: quote_plus(each, errors="replace"), 12)(meter, text, arguments))


TEXT: Final[tuple[Function, ...]] = (
    function("text.abbreviate(length: number) -> text", _abbreviate, '"Hello World".abbreviate(8)', "Hello..."),
    function("text.asNumber() -> number", lambda _m, t, _a: as_number(t), '"3.5".asNumber()', 3.5),
    function("text.capitalize() -> text", lambda _m, t, _a: t[:1].upper() + t[1:], '"hello world".capitalize()', "Hello world"),
    function("text.charAt(index: number) -> text", _char_at, '"Hello".charAt(1)', "e"),
    function("text.concat(text: text, more: text*) -> text", _concat, '"Hello".concat(" World")', "Hello World"),
    function("text.contains(text: text) -> boolean", lambda m, t, a: as_text(m, a[0]) in t, '"Hello".contains("ell")', True),
    function("text.endsWith(text: text) -> boolean", lambda m, t, a: t.endswith(as_text(m, a[0])), '"Hello".endsWith("lo")', True),
    function("text.equals(other: any) -> boolean", lambda m, t, a: are_equal(m, t, a[0]), '"Bug".equals("bug")', False),
    function("text.equalsIgnoreCase(other: text) -> boolean", lambda m, t, a: t.casefold() == as_text(m, a[0]).casefold(), '"Bug".equalsIgnoreCase("bug")', True),
    function("text.indexOf(text: text) -> number", lambda m, t, a: t.find(as_text(m, a[0])), '"Hello".indexOf("l")', 2),
    function("text.isAlpha() -> boolean", lambda _m, t, _a: t.isalpha(), '"Hello1".isAlpha()', False),
    function("text.isAlphanumeric() -> boolean", lambda _m, t, _a: t.isalnum(), '"Hello1".isAlphanumeric()', True),
    function("text.isEmpty() -> boolean", lambda _m, t, _a: not t, '"".isEmpty()', True),
    function("text.isNotEmpty() -> boolean", lambda _m, t, _a: bool(t), '"".isNotEmpty()', False),
    function("text.isNumeric() -> boolean", lambda _m, t, _a: t.isdecimal(), '"123".isNumeric()', True),
    function("text.lastIndexOf(text: text) -> number", lambda m, t, a: t.rfind(as_text(m, a[0])), '"Hello".lastIndexOf("l")', 3),
    function("text.left(count: number) -> text", _left, '"Hello".left(2)', "He"),
    function("text.leftPad(length: number, letter: text?) -> text", _pad("leftPad", left=True), '"7".leftPad(3, "0")', "007"),
    function("text.length() -> number", lambda _m, t, _a: len(t), '"Hello".length()', 5),
    function("text.match(pattern: text) -> any", patterns.match, '"AB-12".match("([0-9]+)")', "12"),
    function("text.quote() -> text", lambda _m, t, _a: "\\Q" + t.replace("\\E", "\\E\\\\E\\Q") + "\\E", '"a.b".quote()', "\\Qa.b\\E"),
    function("text.remove(text: text) -> text", lambda m, t, a: replace(m, t, (a[0], "")), '"banana".remove("an")', "ba"),
    function("text.replace(old: text, new: text) -> text", replace, '"a.b.c".replace(".", "-")', "a-b-c"),
    function("text.replaceAll(pattern: text, new: text) -> text", patterns.replace_all, '"a1b22".replaceAll("([0-9]+)", "<$1>")', "a<1>b<22>"),
    function("text.reverse() -> text", lambda _m, t, _a: t[::-1], '"abc".reverse()', "cba"),
    function("text.right(count: number) -> text", _right, '"Hello".right(2)', "lo"),
    function("text.rightPad(length: number, letter: text?) -> text", _pad("rightPad", left=False), '"7".rightPad(3, "0")', "700"),
    function("text.split(separator: text?) -> list", _split, '"a,b".split(",")', ["a", "b"]),
    function("text.startsWith(text: text) -> boolean", lambda m, t, a: t.startswith(as_text(m, a[0])), '"Hello".startsWith("He")', True),
    function("text.substring(start: number, end: number?) -> text", _substring, '"Hello".substring(1, 3)', "el"),
    function("text.substringAfter(separator: text) -> text", _after, '"a-b-c".substringAfter("-")', "b-c"),
    function("text.substringAfterLast(separator: text) -> text", _after_last, '"a-b-c".substringAfterLast("-")', "c"),
    function("text.substringBefore(separator: text) -> text", _before, '"a-b-c".substringBefore("-")', "a"),
    function("text.substringBeforeLast(separator: text) -> text", _before_last, '"a-b-c".substringBeforeLast("-")', "a-b"),
    function("text.substringBetween(open: text, close: text?) -> text", _between, '"a<b>c".substringBetween("<", ">")', "b"),
    function("text.toDate(pattern: text?) -> date", lambda _m, t, a: read_date(t, a), '"2026-11-23".toDate().jqlDate()', "2026-11-23"),
    function("text.toLowerCase() -> text", lambda _m, t, _a: t.lower(), '"Hello".toLowerCase()', "hello"),
    function("text.toUpperCase() -> text", lambda _m, t, _a: t.upper(), '"Hello".toUpperCase()', "HELLO"),
    function("text.trim() -> text", lambda _m, t, _a: t.strip(), '" a ".trim()', "a"),
    function("text.htmlEncode() -> text", _encoded(html.escape, 6), '"<b>".htmlEncode()', "&lt;b&gt;"),
    function("text.xmlEncode() -> text", _encoded(html.escape, 6), '"a&b".xmlEncode()', "a&amp;b"),
    function("text.urlEncode() -> text", _url_encode, '"a b&c".urlEncode()', "a+b%26c"),
    function("text.jsonEncode() -> text", _encoded(escape_json, 6), '"say \\"hi\\"".jsonEncode()', 'say \\"hi\\"'),
)  # fmt: skip
