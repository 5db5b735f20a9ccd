"""Compiles a JSON-like document in which every text is a template: a step's settings.

Called by engine/plan.py and flows/check.py.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from blubees.expressions.errors import TemplateError
from blubees.expressions.generated import WARM_UP_TURNS, generate, is_constant
from blubees.expressions.limits import DEFAULT, Limits
from blubees.expressions.running import Run, guard
from blubees.expressions.template import Template, compile_template

Place = tuple[str | int, ...]
_Render = Callable[[Run], Any]


class CompiledDocument:
    """A compiled document. Parts without templates are shared, not rebuilt."""

    __slots__ = ("_closure", "_render", "_shape", "_turns", "is_constant", "paths", "roots")

    def __init__(self, closure: _Render, shape: object, paths: frozenset[tuple[str, ...]], *, is_constant: bool) -> None:
        self._closure, self._shape, self._turns = closure, shape, 0
        self._render: _Render = closure if is_constant else self._warm_up
        self.is_constant = is_constant
        self.paths = paths
        self.roots = frozenset(path[0] for path in paths)

    def render(self, scope: Mapping[str, object], limits: Limits = DEFAULT) -> Any:  # noqa: ANN401 - data
        """Work out every template in it, within one budget. Raises EvaluationError."""
        return guard(self._render, Run(scope, limits))

    def _warm_up(self, run: Run) -> Any:  # noqa: ANN401 - data
        """Work it out by the closures; what is worked out often gets code of its own."""
        self._turns += 1
        if self._turns >= WARM_UP_TURNS:
            self._render = generate(self._shape) or self._closure
        return self._closure(run)


def compile_document(document: object) -> CompiledDocument:
    """Compile a document of dicts, lists, texts, numbers, booleans and null; keys stay as they are.

    Raises:
        TemplateError: of the first bad template; check_document() finds all.
    """
    templates: list[Template] = []
    render = _compile(document, templates)
    paths = frozenset(path for template in templates for path in template.paths)
    if render is None:
        return CompiledDocument(lambda _run: document, document, paths, is_constant=True)
    return CompiledDocument(render, _arrange(document, iter(templates)), paths, is_constant=False)


def check_document(document: object, place: Place = ()) -> list[tuple[Place, TemplateError]]:
    """Give every bad template with its place."""
    if isinstance(document, str):
        try:
            compile_template(document)
        except TemplateError as error:
            return [(place, error)]
        return []
    inner = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    return [found for key, value in inner for found in check_document(value, (*place, key))]


def list_templates(document: object, place: Place = ()) -> list[tuple[Place, Template]]:
    """Give every good template with its place."""
    if isinstance(document, str):
        try:
            return [(place, compile_template(document))]
        except TemplateError:
            return []
    inner = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    return [found for key, value in inner for found in list_templates(value, (*place, key))]


def _compile(document: object, templates: list[Template]) -> _Render | None:
    """Give what renders this part, or None where it is constant."""
    if isinstance(document, str):
        template = compile_template(document)
        templates.append(template)
        return None if template.is_constant else template.evaluate
    if isinstance(document, dict):
        pairs = [(key, _compile(value, templates), value) for key, value in document.items()]
        if all(render is None for _, render, _ in pairs):
            return None
        return _compile_dict(pairs)
    if isinstance(document, list | tuple):
        parts = [(_compile(value, templates), value) for value in document]
        if all(render is None for render, _ in parts):
            return None
        return lambda run: [value if render is None else render(run) for render, value in parts]
    return None


def _arrange(document: object, templates: Iterator[Template]) -> object:
    """The document with its templates' trees in place of their texts; the templates in the order of _compile()."""
    if isinstance(document, str):
        template = next(templates)
        return document if template.is_constant else template.shape
    if isinstance(document, dict):
        made: object = {key: _arrange(value, templates) for key, value in document.items()}
    elif isinstance(document, list | tuple):
        made = [_arrange(value, templates) for value in document]
    else:
        return document
    return document if is_constant(made) else made


def _compile_dict(pairs: list[tuple[Any, _Render | None, Any]]) -> _Render:
    pattern = {key: value for key, _, value in pairs}
    dynamic = [(key, render) for key, render, _ in pairs if render is not None]

    def render_dict(run: Run) -> dict[Any, Any]:
        made = pattern.copy()  # keeps the author's order
        for key, render in dynamic:
            made[key] = render(run)
        return made

    return render_dict
