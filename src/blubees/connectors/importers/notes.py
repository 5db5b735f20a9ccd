"""What an importer left out or changed, told to whoever imports. Used by the importers."""

import re
from typing import Final

from blubees.connectors.importers.limits import NOTES_MAX

_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e\u00a0-\u02af\u0370-\u1fff\u2010-\u2027\u2030-\ud7ff\uf900-\ufdcf]")
_PLACE_MAX: Final = 160


class Notes:
    """Sentences, each once; past the limit they are counted only."""

    def __init__(self) -> None:
        self._told: dict[str, None] = {}
        self._more = 0

    def tell(self, place: str, sentence: str) -> None:
        """Note something about a place of the document, such as `GET /pets`; the place is cut, and made printable."""
        line = f"{show(place, _PLACE_MAX)}: {sentence}" if place else sentence
        if line in self._told:
            return
        if len(self._told) < NOTES_MAX:
            self._told[line] = None
        else:
            self._more += 1

    def list(self) -> tuple[str, ...]:
        """All, in their order; the last one counts those past the limit."""
        more = (f"and {self._more:,} notes more",) if self._more else ()
        return (*self._told, *more)


def show(text: str, limit: int) -> str:
    """Make a text from a document fit to be shown: printable, on one line, cut."""
    clean = _UNPRINTABLE.sub("\ufffd", text[: limit + 1])
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
