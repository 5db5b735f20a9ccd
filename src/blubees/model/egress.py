"""Which hosts a tenant's calls may reach, as its administrators say. Asked by the web client for every call and every redirect.

About names only: what an address is, is the guard's question (adapters/address_guard.py).
"""

import re
from collections.abc import Iterable
from typing import Annotated, Final

import msgspec

HOST_RULE_PATTERN: Final = r"^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$"
NAME_MAX: Final = 253  # RFC 1035
HOST_RULES_MAX: Final = 500  # of each list
HostRule = Annotated[str, msgspec.Meta(pattern=HOST_RULE_PATTERN, max_length=NAME_MAX)]
HostRules = Annotated[tuple[HostRule, ...], msgspec.Meta(max_length=HOST_RULES_MAX)]
_RULE: Final = re.compile(HOST_RULE_PATTERN)


def read_host_rule(text: str) -> str | None:
    """Read a rule as people write it: `example.com`, or `*.example.com` for all names beneath it (and not itself).

    Returns:
        Lower case, without a final dot; None when it is not a host in ASCII: with a scheme, port, path or a star elsewhere.
        Names in other scripts are written as they go over the wire (`xn--…`): there is more than one way to make that.
    """
    rule = text.strip().lower().removesuffix(".")
    return rule if len(rule) <= NAME_MAX and _RULE.fullmatch(rule) else None


class HostJudge:
    """The rules of one tenant, made ready: a question costs a look-up for each label, however many rules there are."""

    __slots__ = ("_allow", "_deny")

    def __init__(self, allow: Iterable[str], deny: Iterable[str]) -> None:
        self._allow, self._deny = frozenset(allow), frozenset(deny)

    def permits(self, host: str) -> bool:
        """Whether a call to this host may be made: no rule denies it and, where any rule allows, one allows it.

        Args:
            host: lower case, in ASCII, without a port; a final dot makes no difference.
        """
        names = _list_forms(host.removesuffix("."))
        if not self._deny.isdisjoint(names):
            return False
        return not self._allow or not self._allow.isdisjoint(names)


def _list_forms(host: str) -> list[str]:
    """Every rule that would hold for a host."""
    forms = [host]
    _, dot, rest = host.partition(".")
    while dot:
        forms.append(f"*.{rest}")
        _, dot, rest = rest.partition(".")
    return forms
