"""The grade of a connector, computed from checks: draft, tested, trusted. Called by the docs' pages, the CLI and the tests.

Nobody gives a grade: it is what the file shows. A check that a vendor can't pass is exempted in the file, with the reason.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from blubees.model.action import Action, Meaning
from blubees.model.call import Effect
from blubees.model.connector import Connector

MANY_ACTIONS: Final = 10
SHOWN: Final = 5


class Grade(StrEnum):
    """What can be relied on. Draft: it is sound; tested: each action is shown to work and to fail; trusted: nothing lacks."""

    DRAFT = "draft"
    TESTED = "tested"
    TRUSTED = "trusted"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `lacking`: names what does not pass; nothing when all does."""

    grade: Grade
    asks: str
    lacking: Callable[[Connector], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Graded:
    """A connector's grade, and what lacks for a better one: by check, the names that do not pass."""

    grade: Grade
    lacks: dict[str, tuple[str, ...]]
    exempted: dict[str, str]


def grade_connector(connector: Connector) -> Graded:
    """Compute a connector's grade."""
    lacks = {
        name: found
        for name, check in CHECKS.items()
        if name not in connector.exemptions and (found := tuple(check.lacking(connector)))
    }
    grade = Grade.TRUSTED
    if lacks:
        is_tested = all(CHECKS[name].grade is not Grade.TESTED for name in lacks)
        grade = Grade.TESTED if is_tested else Grade.DRAFT
    return Graded(grade, lacks, {name: why for name, why in connector.exemptions.items() if name in CHECKS})


def tell_lacks(graded: Graded) -> list[str]:
    """Tell what lacks, a line for each check."""
    lines = []
    for name, found in graded.lacks.items():
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        lines.append(f"{name} ({CHECKS[name].grade}): {CHECKS[name].asks} Lacking: {', '.join(found[:SHOWN])}{more}.")
    return lines


def _each(lacks: Callable[[Connector, Action], bool]) -> Callable[[Connector], Iterator[str]]:
    return lambda connector: (name for name, action in connector.actions.items() if lacks(connector, action))


def _has_success(action: Action) -> bool:
    return any(not example.fails for example in action.examples)


def _lacks_ask(_: Connector, action: Action) -> bool:
    return not action.request.hook and not any(example.asks for example in action.examples if not example.fails)


def _lacks_failure(_: Connector, action: Action) -> bool:
    return not any(example.fails for example in action.examples)


def _lacks_description(_: Connector, action: Action) -> bool:
    return any(each.is_required and not each.description and each.example is None for each in action.inputs.values()) and not (
        action.description
    )


def _list_undocumented(connector: Connector) -> Iterator[str]:
    if not connector.docs_url.startswith("https://"):
        yield "docs_url"
    if not connector.description:
        yield "description"
    yield from (name for name, action in connector.actions.items() if not action.docs_url.startswith("https://"))
    yield from (f"auth.{name}" for name, scheme in connector.auth.items() if not scheme.docs)


def _list_without_table(connector: Connector) -> Iterator[str]:
    means = {rule.means for rule in connector.errors}
    if Meaning.BUSY not in means:
        yield "busy"
    if connector.auth and Meaning.CREDENTIAL_REFUSED not in means:
        yield "credential_refused"


def _list_untried(connector: Connector) -> Iterator[str]:
    if connector.auth and connector.trial is None:
        yield "trial"


def _list_odd_effects(connector: Connector) -> Iterator[str]:
    for name, action in connector.actions.items():
        if action.request.method in {"GET", "HEAD"} and action.effect is not Effect.READ and not action.request.hook:
            yield name


def _list_few(connector: Connector) -> Iterator[str]:
    if len(connector.actions) < MANY_ACTIONS:
        yield f"{MANY_ACTIONS - len(connector.actions)} actions"


def _list_no_triggers(connector: Connector) -> Iterator[str]:
    if not connector.triggers:
        yield "any trigger"
    yield from (name for name, trigger in connector.triggers.items() if trigger.sample is None)


def _list_untested_pages(connector: Connector) -> Iterator[str]:
    paged = {name: action for name, action in connector.actions.items() if action.pages is not None}
    if not paged:
        yield "an action that walks pages"
    for name, action in paged.items():
        if not any(len(example.replies) > 1 for example in action.examples):
            yield name


def _list_unlimited(connector: Connector) -> Iterator[str]:
    limits = connector.limits
    told = limits.calls_per_minute or limits.at_once or limits.remaining_header or limits.reset_header
    if not told and not any(rule.wait_header or rule.wait_at for rule in connector.errors):
        yield "how fast it may be called, or where it says when to come back"


def _lacks_scopes(connector: Connector, action: Action) -> bool:
    return any(scheme.scopes for scheme in connector.auth.values()) and not action.scopes


def _lacks_result(_: Connector, action: Action) -> bool:
    answer = action.answer
    gives_nothing = all(example.gives is None for example in action.examples)
    return not answer.outputs and not answer.schema and not answer.is_file and not gives_nothing


CHECKS: Final[dict[str, Check]] = {
    "examples": Check(Grade.TESTED, "Each action has an example of a success.", _each(lambda _, each: not _has_success(each))),
    "asks": Check(Grade.TESTED, "An example of each action tells what is asked.", _each(_lacks_ask)),
    "failures": Check(Grade.TESTED, "Each action has an example of a failure.", _each(_lacks_failure)),
    "errors": Check(Grade.TESTED, "The error table tells what the vendor's answers mean.", _list_without_table),
    "docs": Check(Grade.TESTED, "The vendor's pages are linked, and auth tells where to get a credential.", _list_undocumented),
    "described": Check(Grade.TRUSTED, "What an action needs is described, or has an example.", _each(_lacks_description)),
    "trial": Check(Grade.TESTED, "A connection can be tested.", _list_untried),
    "effects": Check(Grade.TESTED, "What is asked for by GET reads.", _list_odd_effects),
    "actions": Check(Grade.TRUSTED, f"There are {MANY_ACTIONS} actions or more.", _list_few),
    "triggers": Check(Grade.TRUSTED, "There are triggers, each with a sample.", _list_no_triggers),
    "pages": Check(Grade.TRUSTED, "Lists are walked, shown by examples of two pages.", _list_untested_pages),
    "limits": Check(Grade.TRUSTED, "It is known how fast the vendor may be called.", _list_unlimited),
    "scopes": Check(Grade.TRUSTED, "Each action tells the scopes that it needs.", _each(_lacks_scopes)),
    "results": Check(Grade.TRUSTED, "Each action tells what it gives.", _each(_lacks_result)),
    "groups": Check(Grade.TRUSTED, "Actions are sorted into groups.", _each(lambda _, each: not each.group)),
}
"""All checks, by the name under which a file can exempt itself."""
