"""The site's fields with their names, and the custom ones: what they take and hold. Used by rest.py and state.py."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

Json = dict[str, Any]

SYSTEM = {
    "summary": "Summary",
    "description": "Description",
    "labels": "Labels",
    "status": "Status",
    "issuetype": "Issue Type",
    "priority": "Priority",
    "assignee": "Assignee",
    "reporter": "Reporter",
    "duedate": "Due date",
    "fixVersions": "Fix versions",
    "created": "Created",
    "updated": "Updated",
}


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field. `kind`: number, string, date, option or array; `options`: (id, value) of each."""

    id: str
    name: str
    kind: str
    options: tuple[tuple[str, str], ...] = ()

    def show(self, api: str, option: tuple[str, str]) -> Json:
        """Write an option as the API gives it."""
        return {"self": f"{api}/customFieldOption/{option[0]}", "value": option[1], "id": option[0]}

    def read(self, value: Any, api: str) -> Any:  # noqa: ANN401 - JSON
        """Give a value as it is held. Raises ValueError with Jira's words."""
        if value is None:
            return None
        if self.kind == "option":
            return self.read_option(value, api)
        if self.kind == "array":
            if not isinstance(value, list):
                raise ValueError("data was not an array")
            return [self.read_option(each, api) for each in value]
        if self.kind == "number" and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError("Operation value must be a number")
        if self.kind in {"string", "date"} and not isinstance(value, str):
            raise ValueError("Operation value must be a string")
        if self.kind == "date" and not _is_day(value):
            raise ValueError("Operation value must be a date (yyyy-MM-dd)")
        return float(value) if self.kind == "number" else value

    def read_option(self, value: Any, api: str) -> Json:  # noqa: ANN401 - JSON
        """Give an option as it is held."""
        found = next((each for each in self.options if self._is_meant(value, each)), None)
        if found is None:
            raise ValueError(f"Specify a valid 'id' or 'name' for {self.name}")
        return self.show(api, found)

    def _is_meant(self, value: Any, option: tuple[str, str]) -> bool:  # noqa: ANN401 - JSON
        return isinstance(value, dict) and (value.get("id") == option[0] or value.get("value") == option[1])


CUSTOM = (
    CustomField("customfield_10016", "Story point estimate", "number"),
    CustomField("customfield_10041", "Severity", "option", (("10101", "Low"), ("10102", "High"), ("10103", "Critical"))),
    CustomField("customfield_10042", "Customer name", "string"),
    CustomField("customfield_10043", "Go-live date", "date"),
    CustomField("customfield_10044", "Affected regions", "array", (("10111", "Europe"), ("10112", "Asia"))),
    CustomField("customfield_10045", "Team", "string"),
    CustomField("customfield_10046", "Team", "string"),
)
"""Two have the same name: real sites have such fields, too."""
BY_ID = {each.id: each for each in CUSTOM}


def list_fields() -> list[Json]:
    """All fields, as GET /field gives them."""
    pairs = [*SYSTEM.items(), *((each.id, each.name) for each in CUSTOM)]
    return [
        {
            "id": key,
            "key": key,
            "name": name,
            "custom": key in BY_ID,
            "orderable": True,
            "navigable": True,
            "searchable": True,
            "clauseNames": [f"cf[{key.removeprefix('customfield_')}]", name] if key in BY_ID else [key],
        }
        for key, name in pairs
    ]


def list_names(fields: Json) -> dict[str, str]:
    """The names of an issue's fields, as `expand=names` gives them."""
    known = SYSTEM | {each.id: each.name for each in CUSTOM}
    return {key: known.get(key, key) for key in fields}


def _is_day(text: str) -> bool:
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
