"""`blubees try`: works out a smart value beside data from a file, or asks for one after another. Called by the CLI.

Nothing is kept: neither what was typed nor the data.
"""

import difflib
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from rich.console import Console

from blubees.engine.scope import trigger_scope
from blubees.expressions.completion import complete
from blubees.expressions.errors import EvaluationCode, EvaluationError, TemplateError, find_place
from blubees.expressions.signatures import name_type
from blubees.expressions.template import compile_template
from blubees.expressions.values import write_date
from blubees.model.errors import InputError
from blubees.model.flow import TriggerKind

DATA_MAX_BYTES: Final = 10_485_760
WHY: Final = {
    "budget_steps": "it takes more steps than one evaluation may take",
    "output_too_large": "it makes more text than one evaluation may make",
    "too_deep": "it is nested too deep",
    "bad_argument": "an argument is not what the function takes",
    "bad_pattern": "the pattern can't be read (back references and look-around are not allowed)",
    "bad_format": "the pattern can't be read (dates as for DateTimeFormatter of Java, numbers as for DecimalFormat)",
    "bad_math": "the block is no arithmetic",
}
FORMATS: Final = frozenset({"format", "as", "toDate"})
HELP: Final = """\
{{issue.summary}}      a template; text around the braces is kept
issue.summary          an expression alone: its value, with its type
:set NAME EXPRESSION   name a value, to use it afterwards
:data FILE             read other data
:names                 list what can be read
:help  :quit           this list; the end (also Ctrl-D)
Tab completes names and functions."""


@dataclass(slots=True)
class Bench:
    """The data, and what was named.

    Attributes:
        trigger: as which trigger's event the data is set out; None: by its own names, and as `webhookData`.
    """

    console: Console
    trigger: TriggerKind | None = None
    is_json: bool = False
    scope: dict[str, object] = field(default_factory=dict)

    def read_data(self, path: str) -> None:
        """Read the data from a file, or - for standard input. Raises InputError."""
        self.scope = set_out(read_json(path) if path else {}, self.trigger)

    def work_out(self, text: str) -> bool:
        """Work a text out and print what it gives; False when it can't be."""
        return self._evaluate(text, self._show)

    def name(self, words: str) -> bool:
        """Name a value: `NAME EXPRESSION`."""
        name, _, text = words.partition(" ")
        return self._evaluate(text, lambda value: self.scope.update({name: value}))

    def _evaluate(self, text: str, take: Callable[[object], None]) -> bool:
        """Work a text out and hand on what it gives, or show what is wrong where."""
        source = text if "{{" in text else "{{" + text + "}}"
        shift = 0 if source == text else 2
        try:
            value = compile_template(source).value(self.scope)
        except TemplateError as error:
            self._point(text, max(0, error.position - shift), error.message, error.hint)
            return False
        except EvaluationError as error:
            what = f"{error.function}(): " if error.function else ""
            why = "bad_format" if error.code is EvaluationCode.BAD_PATTERN and error.function in FORMATS else error.code.value
            self._point(text, error.position - shift, what + WHY[why] + ".", "")
            return False
        take(value)
        return True

    def hint(self, text: str) -> str:
        """Name the nearest first name that there is, where a text starts from one that is not there: its value is nothing."""
        template = compile_template(text if "{{" in text else "{{" + text + "}}")
        known = {name.casefold(): name for name in self.scope}
        missing = next((root for root in sorted(template.outer_roots) if root.casefold() not in known), "")
        near = difflib.get_close_matches(missing.casefold(), known, 1)
        return f"Nothing is called {missing} here. Did you mean {known[near[0]]}?" if near else ""

    def _show(self, value: object) -> None:
        if self.is_json:
            document = {"type": name_type(value), "value": value}
            self.console.out(orjson.dumps(document, _write_other, orjson.OPT_PASSTHROUGH_DATETIME).decode(), highlight=False)
        elif isinstance(value, str):
            self.console.out(value, highlight=False)
        else:
            text = orjson.dumps(value, _write_other, orjson.OPT_INDENT_2 | orjson.OPT_PASSTHROUGH_DATETIME).decode()
            self.console.out(text.strip('"') if isinstance(value, datetime) else text, highlight=False)

    def _point(self, text: str, position: int, message: str, hint: str) -> None:
        """Show the line with the place under it."""
        if self.is_json:
            line, column = find_place(text, max(0, position))
            document = {"error": message, "hint": hint, "line": line, "column": column}
            self.console.out(orjson.dumps(document).decode(), highlight=False)
            return
        line, column = find_place(text, max(0, position))
        self.console.out(text.splitlines()[line - 1] if text else "", highlight=False)
        if position >= 0:
            self.console.out(" " * (column - 1) + "^", highlight=False)
        place = f"line {line}, column {column}: " if position >= 0 else ""
        self.console.out(f"{place}{message} {hint}".rstrip(), highlight=False)


class ScopeCompleter(Completer):
    """Completes what is typed in the loop."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def get_completions(self, document: Document, _event: CompleteEvent) -> Iterable[Completion]:
        """See prompt_toolkit."""
        before = document.text_before_cursor
        if before.startswith(":set "):
            before = before[5:].partition(" ")[2]
        elif before.startswith(":"):
            return
        for each in complete(before, self._bench.scope):
            yield Completion(each.text, start_position=-each.replaces, display_meta=each.what)


def set_out(document: object, trigger: TriggerKind | None) -> dict[str, object]:
    """Set data out for smart values, as a trigger would, or by its own names."""
    scope: dict[str, object] = {"now": datetime.now(UTC)}
    if trigger is not None:
        return scope | trigger_scope(trigger, document, {}, {})
    own = document if isinstance(document, dict) else {}
    return scope | {"webhookData": document, "trigger": document} | own


def read_json(path: str) -> Any:  # noqa: ANN401 - JSON
    """Read a JSON file, or standard input for -.

    Raises:
        InputError: not there, too large, or no JSON.
    """
    try:
        content = sys.stdin.buffer.read(DATA_MAX_BYTES + 1) if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}).") from None
    if len(content) > DATA_MAX_BYTES:
        raise InputError(f"{path}: the data has {len(content):,} bytes, allowed are {DATA_MAX_BYTES:,}.")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InputError(f"{path}: is no JSON (line {error.lineno}, column {error.colno}).") from None


def try_in_loop(bench: Bench, session: PromptSession[str] | None = None) -> None:
    """Ask for one text after another until the end of the input."""
    asked: PromptSession[str] = session or PromptSession(
        "smart value> ", completer=ScopeCompleter(bench), history=InMemoryHistory(), complete_while_typing=False
    )
    while True:
        try:
            text = asked.prompt().strip()
        except (EOFError, KeyboardInterrupt):
            return
        if text == ":quit":
            return
        _obey(bench, text)


def _obey(bench: Bench, text: str) -> None:
    word, _, rest = text.partition(" ")
    if word == ":help":
        bench.console.out(HELP, highlight=False)
    elif word == ":names":
        for name, value in sorted(bench.scope.items()):
            bench.console.out(f"{name}: {name_type(value)}", highlight=False)
    elif word == ":data":
        try:
            bench.read_data(rest.strip())
        except InputError as error:
            bench.console.out(error.for_user, highlight=False)
    elif word == ":set":
        bench.name(rest.strip())
    elif word.startswith(":"):
        bench.console.out(f"{word} is no command; :help lists them.", highlight=False)
    elif text and bench.work_out(text) and (hint := bench.hint(text)):
        bench.console.out(hint, highlight=False)


def _write_other(value: object) -> object:
    return write_date(value) if isinstance(value, datetime) else str(value)


def list_triggers() -> Mapping[str, TriggerKind]:
    """The triggers by the names that flows use."""
    return {each.value: each for each in TriggerKind}
