"""What a run keeps by path: results, branches entered, variables. Used by engine/walk.py.

`loop[3]/post` stands below `loop[` and below `loop[3]/`. Both are found without looking at the other turns, of which there may
be ten thousand.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from blubees.engine.plan import Reads

CALL: Final = "[call]"  # what a `run_flow` step performs stands below it
RESULT: Final = "[result]"  # what a block gives, while one of its branches is under way
_NO_READS: Final = Reads()
_Value = TypeVar("_Value")


class Paths(dict[str, _Value]):
    """A dict by path that knows what stands below which."""

    __slots__ = ("_below",)

    def __init__(self, kept: Mapping[str, _Value]) -> None:
        super().__init__()
        self._below: dict[str, dict[str, None]] = {}
        for path, value in kept.items():
            self[path] = value

    def __setitem__(self, path: str, value: _Value) -> None:
        if "[" in path and path not in self:
            for prefix in _list_prefixes(path):
                self._below.setdefault(prefix, {})[path] = None
        super().__setitem__(path, value)

    def __delitem__(self, path: str) -> None:
        super().__delitem__(path)
        if "[" in path:
            for prefix in _list_prefixes(path):
                below = self._below[prefix]
                del below[path]
                if not below:
                    del self._below[prefix]

    def forget(self, path: str) -> None:
        """Keep nothing at this path."""
        if path in self:
            del self[path]

    def forget_below(self, prefix: str) -> None:
        """Keep nothing below a prefix, which ends in `/`, `[` or `]`."""
        for path in list(self._below.get(prefix, ())):
            del self[path]

    def list_own(self, prefix: str) -> Iterator[str]:
        """The names that stand right below a prefix; the empty one is the whole run's."""
        for path in self._below.get(prefix, ()) if prefix else self:
            name = path[len(prefix) :]
            if "/" not in name and "[" not in name:
                yield name


def prune_results(done: Mapping[str, Any], reads: Mapping[str, Reads]) -> dict[str, Any]:
    """Give results as a checkpoint keeps them: null where nothing that is still to come in their flow reads them.

    Args:
        reads: what is read from here on, by the root of the flow that reads (find_root).

    What a block keeps for itself (`way[error]`) it needs until it ends. Of a turn that has ended (`loop[3]`) it needs to know
    that, and whether it failed; what it gave only where the loop's results are read; so with a block that has a result before
    its branch has ended (`pause[result]`).
    """
    kept: dict[str, Any] = {}
    for path, result in done.items():
        name = path[path.rfind("/") + 1 :]
        bracket = name.find("[")
        later = reads.get(find_root(path), _NO_READS)
        if bracket < 0:
            kept[path] = result if result is not None and later.keeps(name) else None
        elif name[bracket + 1].isdecimal() and not later.keeps(name[:bracket]):
            kept[path] = [None, result[1]]
        elif name[bracket:] == RESULT and not later.keeps(name[:bracket]):
            kept[path] = None
        else:
            kept[path] = result
    return kept


def holds_results(done: Mapping[str, Any]) -> bool:
    """Whether what a run keeps holds a result of a step, a turn or a block: what failures are kept as is no payload."""
    for path, value in done.items():
        name = path[path.rfind("/") + 1 :]
        bracket = name.find("[")
        if bracket >= 0 and name[bracket + 1].isdecimal():
            if value[0] is not None:
                return True
        elif value is not None and (bracket < 0 or name[bracket:] == RESULT):
            return True
    return False


def find_root(path: str) -> str:
    """What the paths of the flow begin with that this one is in."""
    end = path.rfind(f"{CALL}/")
    return path[: end + len(CALL) + 1] if end >= 0 else ""


def _list_prefixes(path: str) -> list[str]:
    return [path[: place + 1] for place, character in enumerate(path) if character in "/[]"]
