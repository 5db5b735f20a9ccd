"""Compiles a template once, and works it out as often as needed. Called by flows, engine and this room's document.py.

Nothing of the host is reachable: names are looked up in the scope's dicts, functions in a closed table, and data is never
read as a template.
"""

from collections.abc import Mapping
from typing import Any

from blubees.expressions.closures import compile_nodes, compile_value
from blubees.expressions.dates import make_plain
from blubees.expressions.errors import TemplateError
from blubees.expressions.generated import WARM_UP_TURNS, Given, Text, generate
from blubees.expressions.grammar import Node, Value, read_template
from blubees.expressions.limits import DEFAULT, Limits
from blubees.expressions.paths import find_equality, list_paths
from blubees.expressions.running import Getter, Run, guard
from blubees.expressions.values import is_true


class Template:
    """A compiled template. Immutable, shared between runs.

    Attributes:
        nodes: its tree (grammar.py), with the place of each part.
        is_constant: there is no tag in it.
        is_single_expression: one value tag and nothing else: its value keeps its type.
        evaluate: works it out within a run that may go on with other templates (document.py).
        shape: what code is written from, for the template alone or as a part of a document.
        roots: the first names that it reads; `outer_roots`: those outside of sections, which can't be an element's own.
        paths: the constant paths that it reads, as far as no function stands in them; `taken`: those that are not only gone
            through by a section.
    """

    __slots__ = (
        "_give",
        "_parts",
        "_turns",
        "evaluate",
        "is_constant",
        "is_single_expression",
        "nodes",
        "outer_roots",
        "paths",
        "roots",
        "shape",
        "source",
        "taken",
    )

    def __init__(self, source: str, nodes: tuple[Node, ...]) -> None:
        self.source = source
        self.nodes = nodes
        self.is_constant = not nodes or (len(nodes) == 1 and isinstance(nodes[0], str))
        self.is_single_expression = len(nodes) == 1 and isinstance(nodes[0], Value)
        self._parts = compile_nodes(nodes)
        self.evaluate: Getter = self._parts
        if len(nodes) == 1 and isinstance(nodes[0], Value):
            get = compile_value(nodes[0])
            self.evaluate = (lambda run: make_plain(get(run))) if "ocale" in source else get
        self.shape = Given(self.evaluate) if "ocale" in source else Text(nodes, is_value=self.is_single_expression)
        self._turns = 0
        self._give: Getter = self._warm_up
        self.paths = frozenset(list_paths(nodes))
        self.taken = frozenset(list_paths(nodes, heads=False))
        self.roots = frozenset(path[0] for path in self.paths)
        self.outer_roots = frozenset(path[0] for path in list_paths(nodes, inside=False))

    def value(self, scope: Mapping[str, object], limits: Limits = DEFAULT) -> Any:  # noqa: ANN401 - data
        """Work it out: a single expression keeps its type, everything else is text.

        Raises:
            EvaluationError: a limit, a bad argument, a bad pattern.
        """
        if self.is_constant:
            return self.source
        return guard(self._give, Run(scope, limits))

    def text(self, scope: Mapping[str, object], limits: Limits = DEFAULT) -> str:
        """Work it out as text. Raises as value()."""
        return self.source if self.is_constant else str(guard(self._parts, Run(scope, limits)))

    def holds(self, scope: Mapping[str, object], limits: Limits = DEFAULT) -> bool:
        """Work it out as a condition: null, false, empty text and list, and the text "false" do not hold. Raises as value()."""
        value = self.value(scope, limits)
        if type(value) is bool:
            return value
        return is_true(value) and not (type(value) is str and value.strip().casefold() == "false")

    def _warm_up(self, run: Run) -> Any:  # noqa: ANN401 - data
        """Work it out by the closures; what is worked out often gets code of its own."""
        self._turns += 1
        if self._turns >= WARM_UP_TURNS:
            self._give = generate(self.shape) or self.evaluate
        return self.evaluate(run)


def compile_template(source: str) -> Template:
    """Compile a template.

    Raises:
        TemplateError: the text is not one, with the place and the nearest right name.
    """
    try:
        return Template(source, read_template(source))
    except TemplateError as error:
        error.locate(source)
        raise


def equality(template: Template) -> tuple[tuple[str, ...], str] | None:
    """Give (path, text) when the condition can only hold where the path's value equals the text.

    Reads `equals(path, "text")`, `path.equals("text")` and a conjunct of `and(…)` that is one of the two. Used to index
    conditions: the whole condition is still worked out for those that pass.
    """
    return find_equality(template.nodes)
