"""What is wrong with a connector, and where. Made by reader.py and check.py; shown by the tests, the importers and the CLI."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

Place = tuple[str | int, ...]


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong: where (names from the outermost on; the line from 1), what, what is allowed.

    Attributes:
        file: the file's name; empty where there is none.
    """

    place: Place
    message: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        """One line for people: slack.yaml:12: actions.post.inputs.text: …."""
        head = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return f"{head}{write_place(self.place)}: {self.message}" if self.place else f"{head}{self.message}"


class ConnectorError(Exception):
    """A connector is not sound: all that is wrong at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(slots=True)
class Complaints:
    """Collects problems."""

    found: list[Problem] = field(default_factory=list)

    def add(self, place: Place, message: str) -> None:
        """Note one."""
        self.found.append(Problem(place=place, message=message))

    def add_unknown(self, place: Place, what: str, given: object, allowed: Iterable[str]) -> None:
        """Note a name that is none of those allowed, with the nearest that is."""
        names = sorted(allowed)
        near = difflib.get_close_matches(str(given), names, 1, 0.6)
        listed = ", ".join(names[:NAMES_SHOWN]) + (f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else "")
        hint = f" Did you mean {near[0]}?" if near else ""
        self.add(place, f"There is no {what} {str(given)[:60]!r}; there are: {listed or 'none'}.{hint}")


NAMES_SHOWN = 40


def write_place(place: Place) -> str:
    """Write a place: actions.post.examples[0].asks."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
