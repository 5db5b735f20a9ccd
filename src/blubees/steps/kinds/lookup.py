"""Look something up in a table that stands in the flow."""

from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from blubees.model.failures import Failure, FailureCode
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind

ROWS_MAX = 1_000


@step_kind("lookup")
@dataclass(frozen=True, slots=True)
class Lookup:
    """Look `key` up in `table`, which is typed in the flow: gives `value` and `found`.

    The table is a mapping of keys (texts) to values of any kind. A key that is not in it, and null, gives `default`. Numbers,
    true and false are looked up as they are written. With `ignore_case`, a key that differs in its case only is found too.
    """

    table: Annotated[dict[str, Any], Meta(max_length=ROWS_MAX)]
    key: Any
    default: Any = None
    ignore_case: bool = False

    async def perform(self, _tools: Tools) -> Outcome:
        """Look."""
        if isinstance(self.key, list | dict):
            return Failure(code=FailureCode.SETTING_INVALID, field="with.key", detail="no_text")
        if self.key is None:
            return Done({"value": self.default, "found": False})
        key = str(self.key).lower() if isinstance(self.key, bool) else str(self.key)
        if key in self.table:
            return Done({"value": self.table[key], "found": True})
        if self.ignore_case:
            for name, value in self.table.items():
                if name.casefold() == key.casefold():
                    return Done({"value": value, "found": True})
        return Done({"value": self.default, "found": False})


TABLE = {"Bug": "team-a", "Story": {"team": "team-b"}, "3": "three", "true": "yes"}
EXAMPLES = (
    Example({"table": TABLE, "key": "Bug"}, Done({"value": "team-a", "found": True})),
    Example({"table": TABLE, "key": "Story"}, Done({"value": {"team": "team-b"}, "found": True})),
    Example({"table": TABLE, "key": 3}, Done({"value": "three", "found": True})),
    Example({"table": TABLE, "key": True}, Done({"value": "yes", "found": True})),
    Example({"table": TABLE, "key": "bug", "default": "nobody"}, Done({"value": "nobody", "found": False})),
    Example({"table": TABLE, "key": "bUG", "ignore_case": True}, Done({"value": "team-a", "found": True})),
    Example({"table": TABLE, "key": None}, Done({"value": None, "found": False})),
    Example({"table": TABLE, "key": ["Bug"]}, FailureCode.SETTING_INVALID),
)
