"""The names by which people know the fields of a Jira site. Made by connectors/field_names.py, read when smart values are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ISSUE_NAMES: Final = frozenset(
    """
    aggregateprogress aggregatetimeestimate aggregatetimeoriginalestimate aggregatetimespent assignee attachment changelog
    comment comments components created creator description duedate environment expand fixversions id index issuelinks
    issuerestriction issuetype key labels last lastviewed names first parent priority progress project properties reporter
    resolution resolutiondate security self status statuscategory statuscategorychangedate subtasks summary thumbnail
    timeestimate timeoriginalestimate timespent timetracking updated url versions votes watchers watches worklog workratio
    _first _last -index
    """.split()  # noqa: SIM905 - one a line would be two pages
)
"""What an issue, or its element in a list, has under these very names, without case."""
_CUSTOM: Final = re.compile(r"customfield_[0-9]+")


@dataclass(frozen=True, slots=True)
class FieldNames:
    """The fields of one site.

    Attributes:
        ids: of all fields: `summary`, `customfield_10041`.
        by_name: by the name without case, the ids of the fields that have it, in Jira's order.
    """

    ids: frozenset[str] = frozenset()
    by_name: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def find_ids(self, name: str) -> tuple[str, ...]:
        """Give the ids of the fields that a name means: its own where it is one. None: no field is called that."""
        return (name,) if name in self.ids else self.by_name.get(name.strip().casefold(), ())


def is_plain_field(name: str) -> bool:
    """Whether a name is an issue's own or a custom field's id: the site need not be asked what it means."""
    return name.casefold() in ISSUE_NAMES or _CUSTOM.fullmatch(name) is not None
