"""What is said of one component while it is translated, and how it stood in the rule. Called by build.py and the rest."""

from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from blubees.flows.jira_rules.export import Component
from blubees.flows.jira_rules.report import Finding, Verdict
from blubees.flows.jira_rules.secrets import clean_strictly, clean_text, clean_tree

WAS_MAX: Final = 20_000


@dataclass(slots=True)
class Note:
    """What is said of one component while it is translated."""

    component: Component
    becomes: str
    differs: list[str] = field(default_factory=list)
    to_do: list[str] = field(default_factory=list)
    refusal: str = ""
    step: str = ""

    def approximate(self, how: str, to_do: str = "") -> None:
        """Say how it differs from what Jira did."""
        if how not in self.differs:
            self.differs.append(how)
        if to_do:
            self.ask(to_do)

    def ask(self, to_do: str) -> None:
        """Say what the reader has to do."""
        if to_do not in self.to_do:
            self.to_do.append(to_do)

    def finish(self) -> Finding:
        """Make the finding."""
        verdict = Verdict.NOT_TRANSLATABLE if self.refusal else Verdict.APPROXIMATED if self.differs else Verdict.TRANSLATED
        return Finding(
            path=self.component.path,
            type=clean_strictly(self.component.type) or "(no type)",
            name=clean_strictly(self.component.name),
            verdict=verdict,
            reason=clean_text(self.refusal or " ".join([f"Becomes {self.becomes}.", *self.differs])),
            to_do=clean_text(" ".join(self.to_do)),
            step=self.step,
        )


def comment_on(component: Component) -> list[str]:
    """The comment that its author gave a component."""
    return [line for line in clean_text(component.comment).splitlines() if line.strip()]


def describe(component: Component) -> list[str]:
    """How a component stood in the rule, as JSON without secrets: the lines of a comment."""
    text = orjson.dumps(clean_tree(_gather(component)), default=str, option=orjson.OPT_INDENT_2).decode()
    cut = [f"… ({len(text) - WAS_MAX} more characters)"] if len(text) > WAS_MAX else []
    return ["was:", *text[:WAS_MAX].splitlines(), *cut]


def _gather(component: Component) -> dict[str, Any]:
    inner = {"children": component.children, "conditions": component.conditions}
    return dict(component.raw) | {name: [_gather(each) for each in parts] for name, parts in inner.items() if parts}
