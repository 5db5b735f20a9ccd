"""What an import says of each component of each rule. Made by translate.py, shown by main/rule_import.py."""

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """How far a component could be kept: the flow does the same, nearly the same, or nothing stands for it yet."""

    TRANSLATED = "translated"
    APPROXIMATED = "approximated"
    NOT_TRANSLATABLE = "not_translatable"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one component.

    Attributes:
        path: where it stands in the rule, such as components[2].children[0].
        type: Jira's name of the component's type, at most 120 characters.
        name: what its author called it; empty for none.
        reason: what it became, how it differs, or why nothing stands for it.
        to_do: what the reader has to do; empty for nothing.
        step: the id of the step; empty for the trigger and for conditions.
    """

    path: str
    type: str
    verdict: Verdict
    reason: str
    name: str = ""
    to_do: str = ""
    step: str = ""


class NeededConnection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A connection to make before the flow is published: what stood in the rule was stripped, and is nowhere in here.

    Attributes:
        kind: as `connection add --kind` takes it.
        hosts: where its secret may go.
        parameter: the header's or query parameter's name, for the API-key kinds.
        needs: what to have at hand.
        used_by: paths of the components that need it.
    """

    name: str
    kind: str
    needs: str
    hosts: tuple[str, ...] = ()
    parameter: str = ""
    used_by: tuple[str, ...] = ()


class ImportedFlow(msgspec.Struct, frozen=True, kw_only=True):
    """A flow document (YAML): a draft, which starts nothing before somebody publishes it."""

    id: str
    text: str
    placeholders: int


class ImportedRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one rule; more than one flow when its trigger stands for several of ours."""

    name: str
    state: str
    flows: tuple[ImportedFlow, ...]
    findings: tuple[Finding, ...]
    labels: tuple[str, ...] = ()
    connections: tuple[NeededConnection, ...] = ()
    notes: tuple[str, ...] = ()

    def count(self, verdict: Verdict) -> int:
        """How many components have this verdict."""
        return sum(1 for each in self.findings if each.verdict is verdict)


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a whole export."""

    rules: tuple[ImportedRule, ...]

    def count(self, verdict: Verdict) -> int:
        """How many components of all rules have this verdict."""
        return sum(rule.count(verdict) for rule in self.rules)
