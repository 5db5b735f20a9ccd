"""Regular expressions by RE2: linear time, whatever the pattern and the text. Called by functions_text.py and checks."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import re2

from blubees.expressions.conversions import as_text
from blubees.expressions.errors import EvaluationCode, EvaluationError
from blubees.expressions.limits import Meter

PATTERN_MAX_CHARACTERS: Final = 1_000
PATTERN_MEMORY_BYTES: Final = 1 << 20
_KEPT: Final = 256  # authors' own patterns; those made of data push each other out
HIT_STEPS: Final = 10  # a hit costs some microseconds, a step half of one
_MADE_STEPS: Final = 80  # what compiling costs at least
_OPEN_ENDED: Final = re.compile(r"[*+]|,\}")  # each hit may have looked at all the text behind it


def compile_pattern(pattern: str) -> Any:  # noqa: ANN401 - RE2's type has no stub
    """Compile a pattern.

    Raises:
        EvaluationError: not a pattern that RE2 takes (back references and look-around are not), or one too big for it.
    """
    if len(pattern) > PATTERN_MAX_CHARACTERS:
        raise EvaluationError(EvaluationCode.BAD_PATTERN)
    try:
        return _compile(pattern)
    except re2.error:
        raise EvaluationError(EvaluationCode.BAD_PATTERN) from None


@lru_cache(maxsize=_KEPT)
def _compile(pattern: str) -> Any:  # noqa: ANN401 - see compile_pattern
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_MEMORY_BYTES
    return re2.compile(pattern, options)


def match(meter: Meter, text: str, arguments: Sequence[Any]) -> object:
    """Find: null, the first group of the only hit, or of each hit as a list."""
    pattern, hit_steps = _take_pattern(meter, text, arguments)
    found = []
    for hit in pattern.finditer(text):
        meter.spend(hit_steps)
        found.append(hit.group(1) if pattern.groups else hit.group(0))
    return None if not found else found[0] if len(found) == 1 else found


def replace_all(meter: Meter, text: str, arguments: Sequence[Any]) -> str:
    """Replace every hit; `$1` in the replacement is a group."""
    pattern, hit_steps = _take_pattern(meter, text, arguments)
    replacement = as_text(meter, arguments[1])
    hit_steps += 6 * replacement.count("$")
    parts: list[str] = []
    position = size = 0
    for hit in pattern.finditer(text):
        meter.spend(hit_steps + len(replacement) // 4)
        piece = text[position : hit.start()] + _fill_groups(replacement, hit, pattern.groups)
        parts.append(piece)
        size += len(piece)
        meter.expect_size(size)
        position = hit.end()
    parts.append(text[position:])
    meter.expect_text(size + len(parts[-1]))
    return "".join(parts)


def _take_pattern(meter: Meter, text: str, arguments: Sequence[Any]) -> tuple[Any, int]:
    """Give the pattern and the steps of a hit, and count the search beforehand.

    RE2's time is linear in the text, but also in the pattern's program (10 ns for a character and instruction, where it can't
    keep its states), and an open end may look at the rest of the text for each hit.
    """
    source = as_text(meter, arguments[0])
    known = _compile.cache_info().misses
    pattern = compile_pattern(source)
    if _compile.cache_info().misses > known:
        meter.spend(_MADE_STEPS + (pattern.programsize >> 1))
    meter.spend(1 + (len(text) * pattern.programsize >> 6))
    return pattern, HIT_STEPS + (len(text) >> 9 if _OPEN_ENDED.search(source) else 0)


def _fill_groups(replacement: str, hit: Any, groups: int) -> str:  # noqa: ANN401 - see compile_pattern
    r"""Put groups for `$1`; `\\$` is a dollar."""
    if "$" not in replacement and "\\" not in replacement:
        return replacement
    parts: list[str] = []
    position = 0
    while position < len(replacement):
        letter, after = replacement[position], replacement[position + 1 : position + 2]
        if letter == "\\" and after:
            parts.append(after)
            position += 2
        elif letter == "$" and after.isascii() and after.isdecimal() and int(after) <= groups:
            parts.append(hit.group(int(after)) or "")
            position += 2
        else:
            parts.append(letter)
            position += 1
    return "".join(parts)
