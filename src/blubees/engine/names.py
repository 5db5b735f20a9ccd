"""The names that a flow's own text has: what its smart values read, and the keys of its settings. In a fixed order.

Both sides make the same list from the same published text: conduits to write shapes (engine/shape.py), the control plane to
read them (operations/explain.py). Names are configuration, typed by the flow's author.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from blubees.engine.plan import CompiledStep, Plan
from blubees.model.shape import FLOW_NAMES_MAX, FLOW_NAMES_START, NAMES

PLANS_KEPT: Final = 256
_TAG: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_WORD: Final = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class FlowNames:
    """Names and their numbers.

    Attributes:
        own: those of the flow's text that NAMES has not.
        numbers: by name, case ignored as looking up does.
        checksum: of `own`: tells that another version of this program made another list.
    """

    own: tuple[str, ...]
    numbers: dict[str, int]
    checksum: int


@lru_cache(maxsize=PLANS_KEPT)
def list_names(plan: Plan) -> FlowNames:
    """List the names of a plan."""
    numbers = {name.casefold(): number for number, name in reversed(list(enumerate(NAMES)))}
    found: dict[str, str] = {}
    for name in (*_list_words(plan.published.flow.trigger.where), *_list_steps(plan.steps)):
        if name.casefold() not in numbers:
            found.setdefault(name.casefold(), name)
    own = tuple(found[key] for key in sorted(found))[:FLOW_NAMES_MAX]
    numbers |= {name.casefold(): number for number, name in enumerate(own, FLOW_NAMES_START)}
    return FlowNames(own=own, numbers=numbers, checksum=checksum_names(own))


def checksum_names(names: Sequence[str]) -> int:
    """Give 32 bits by which two lists are told apart."""
    return zlib.crc32("\0".join(names).encode("utf-8", "surrogatepass"))


def _list_steps(steps: Iterable[CompiledStep]) -> Iterator[str]:
    for step in steps:
        yield step.id
        yield from _list_words(step.written.settings)
        yield from (part for path in step.settings.paths for part in path)
        for branch in step.branches:
            if branch.when is not None:
                yield from (part for path in branch.when.paths for part in path)
                yield from _list_words(branch.when.source)
            yield from _list_steps(branch.steps)


def _list_words(document: object) -> Iterator[str]:
    """Give the keys of a document, and the words in its smart values: a name that is a function's too stands in no path."""
    if isinstance(document, str):
        for tag in _TAG.findall(document):
            yield from _WORD.findall(tag)
    elif isinstance(document, dict):
        yield from document
        for each in document.values():
            yield from _list_words(each)
    elif isinstance(document, list):
        for each in document:
            yield from _list_words(each)
