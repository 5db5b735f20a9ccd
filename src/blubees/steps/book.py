"""The book of step kinds: finds every file in steps/kinds. Called by flows/check.py, engine/plan.py and the tests."""

import dataclasses
import functools
import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

import blubees.steps.kinds
from blubees.model.action import Action
from blubees.model.connector import Connector
from blubees.steps.contract import BranchRule, Example, KindMark, Outcome, Tools


@dataclasses.dataclass(frozen=True, slots=True)
class ActionOf:
    """The action of a connector that a kind was made of (steps/actions.py)."""

    connector: Connector
    name: str

    @property
    def action(self) -> Action:
        """It."""
        return self.connector.actions[self.name]


@dataclasses.dataclass(frozen=True, slots=True)
class KindEntry:
    """One kind: its name, the dataclass of its settings, its branches, their names where it names them, and its examples.

    Attributes:
        waits: whether it may park the run.
        prepare: writes the settings out before they are compiled, where the author may write them short.
        bind: makes, of prepared settings, what reads the rendered ones each time the step is performed (raises
            msgspec.ValidationError); None: they are converted.
        action: for a kind that is an action of a connector: its settings are a plain mapping of the action's inputs.
    """

    name: str
    settings: type
    branches: BranchRule
    names: tuple[str, ...]
    waits: bool
    examples: tuple[Example, ...]
    perform: Callable[[Any, Tools], Awaitable[Outcome]]
    prepare: Callable[[dict[str, Any]], dict[str, Any]] = dict
    bind: Callable[[dict[str, Any]], Callable[[Any], Any]] | None = None
    action: ActionOf | None = None

    def make_reader(self, prepared: dict[str, Any]) -> Callable[[Any], Any]:
        """Make what reads settings once smart values were worked out: once a published flow."""
        return self.bind(prepared) if self.bind is not None else functools.partial(_read_settings, self.settings)

    @property
    def summary(self) -> str:
        """The first line of the settings' docstring, or the action's title."""
        if self.action is not None:
            return self.action.action.title
        return (self.settings.__doc__ or "").strip().partition("\n")[0]


@functools.cache
def load_book() -> dict[str, KindEntry]:
    """Read all kinds, by name.

    Raises:
        TypeError: a file in steps/kinds has not exactly one kind, or two kinds share a name.
    """
    book: dict[str, KindEntry] = {}
    for found in pkgutil.iter_modules(blubees.steps.kinds.__path__, "blubees.steps.kinds."):
        module = importlib.import_module(found.name)
        marked = [each for each in vars(module).values() if isinstance(each, type) and "__step_kind__" in vars(each)]
        if len(marked) != 1:
            raise TypeError(f"{found.name}: has {len(marked)} step kinds, must have exactly one.")
        mark: KindMark = vars(marked[0])["__step_kind__"]
        if mark.name in book:
            raise TypeError(f"{found.name}: the name {mark.name} is taken.")
        perform, prepare = vars(marked[0])["perform"], getattr(marked[0], "prepare", dict)
        bind = getattr(marked[0], "bind", None)
        book[mark.name] = KindEntry(
            mark.name, marked[0], mark.branches, mark.names, mark.waits, module.EXAMPLES, perform, prepare, bind
        )
    return book


def list_kinds() -> tuple[KindEntry, ...]:
    """All kinds, by name."""
    return tuple(load_book()[name] for name in sorted(load_book()))


def _read_settings(settings: type, rendered: Any) -> Any:  # noqa: ANN401 - JSON, and an instance of the class
    return msgspec.convert(rendered, settings, strict=False)
