"""Makes names that a person can read, unique, and the same at the next import. Used by the importers.

A name that an earlier import gave stays: what a flow calls keeps its name as long as its method and path are there.
"""

import functools
import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from blubees.connectors.importers.limits import NAME_MAX, TEXT_MAX, TITLE_MAX

RESERVED_INPUTS: Final = frozenset({"connection", "limit"})  # settings of every step of an action
_UPPER_AFTER_LOWER: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ONE_WORD: Final = re.compile(r"OAuth|OpenID|GitHub|GitLab|DevOps|JavaScript|LinkedIn|YouTube|PayPal|iOS|macOS")
_NO_WORD: Final = re.compile(r"[^A-Za-z0-9]+")
_NAMED: Final = re.compile(r"\{([^{}]*)\}")
_MARKUP: Final = re.compile(r"<[^<>]{0,200}>|\[([^\[\]]{0,200})\]\([^()\s]{0,500}\)|[`*]{1,3}")
_SPACE: Final = re.compile(r"[\x00-\x20\x7f\u0085\u00a0\u2028\u2029]+")
_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufffe\uffff]"
)
_TAIL_CHARACTERS: Final = 6


@functools.lru_cache(maxsize=16_384)
def to_name(text: str, *, limit: int = NAME_MAX) -> str:
    """Write a name in lower-case words with underscores: `getSilenceById`, `pets/list` → get_silence_by_id, pets_list.

    Empty where no letter or digit is in it. Too long: cut, with a digest of the whole.
    """
    text = _ONE_WORD.sub(lambda found: found[0].capitalize(), text[:2_000])
    words = _NO_WORD.sub("_", _UPPER_AFTER_LOWER.sub("_", text)).strip("_").lower()
    if words[:1].isdigit():
        words = f"n{words}"
    return words if len(words) <= limit else f"{words[: limit - _TAIL_CHARACTERS - 1].rstrip('_')}_{_digest(text)}"


def name_operation(method: str, path: str) -> str:
    """Name an operation that has no name of its own: GET /pets/{petId}/toys → get_pets_toys_by_pet_id."""
    fixed = to_name(_NAMED.sub(" ", path), limit=10_000)
    named = [to_name(each, limit=10_000) for each in _NAMED.findall(path)]
    return to_name("_".join(filter(None, (method.lower(), fixed, *(("by", *named) if named else ())))))


def choose_names(
    wanted: Iterable[tuple[tuple[str, str], str]], known: Mapping[tuple[str, str], str]
) -> dict[tuple[str, str], str]:
    """Give each operation a name of its own.

    Args:
        wanted: (method, path) and the name that it would like, in the document's order.
        known: the names that an earlier import gave.
    """
    asked = list(wanted)
    names = {key: known[key] for key, _ in asked if key in known}
    taken = set(names.values())
    for key, name in asked:
        if key in names:
            continue
        chosen = name if name not in taken else f"{name[: NAME_MAX - _TAIL_CHARACTERS - 1]}_{_digest(' '.join(key))}"
        taken.add(chosen)
        names[key] = chosen
    return names


def choose_input_name(place: str, wire_name: str, taken: Collection[str]) -> str:
    """Name an input: `X-Page[size]` → x_page_size; one that is taken or reserved says its place: query_limit."""
    name = to_name(wire_name) or f"{place}_value"
    if name not in taken and name not in RESERVED_INPUTS:
        return name
    name = f"{place}_{name}"[:NAME_MAX]
    number = 2
    chosen = name
    while chosen in taken:
        chosen = f"{name}_{number}"
        number += 1
    return chosen


def to_title(text: object, name: str) -> str:
    """Give a title on one line: the document's own, or the name in words."""
    line = _SPACE.sub(" ", _CONTROL.sub("", _strip_markup(text[: TITLE_MAX * 8]))).strip(" .") if isinstance(text, str) else ""
    if not line:
        line = name.replace("_", " ").capitalize()
    return line if len(line) <= TITLE_MAX else line[: TITLE_MAX - 1].rstrip() + "…"


def to_text(text: object, limit: int = TEXT_MAX) -> str:
    """Give a description without control characters, cut where it is too long."""
    if not isinstance(text, str):
        return ""
    clean = _CONTROL.sub("", text[: limit * 4].replace("\r\n", "\n")).strip()
    return clean if len(clean) <= limit else clean[: limit - 1].rstrip() + "…"


def _strip_markup(text: str) -> str:
    return _MARKUP.sub(lambda found: found[1] or "", text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_TAIL_CHARACTERS]
