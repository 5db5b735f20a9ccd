"""Edit an issue in the tenant's own Jira."""

from dataclasses import dataclass, field
from typing import Any

from blubees.connectors.adf_text import to_adf
from blubees.model.call import Effect
from blubees.model.failures import Failure, FailureCode
from blubees.steps.answers import ask_jira, path_to_issue
from blubees.steps.contract import Done, Example, Outcome, Tools, step_kind
from blubees.steps.named_fields import write_ids


@step_kind("jira.edit_issue")
@dataclass(frozen=True, slots=True)
class EditIssue:
    """Set fields (`fields`), add or remove labels, or give Jira's own `update` operations. A text `description` becomes ADF.

    A field in `fields` or `update` is named by its name or its id; where several have the name, only the id will do.
    """

    issue: str
    fields: dict[str, Any] = field(default_factory=dict)
    add_labels: list[str] = field(default_factory=list)
    remove_labels: list[str] = field(default_factory=list)
    update: dict[str, Any] = field(default_factory=dict)

    async def perform(self, tools: Tools) -> Outcome:
        """Edit it."""
        operations = await write_ids(tools, self.update)
        if isinstance(operations, Failure):
            return operations
        labels = [{"add": label} for label in self.add_labels] + [{"remove": label} for label in self.remove_labels]
        update = {**operations, "labels": labels} if labels else operations
        fields = await write_ids(tools, self.fields)
        if isinstance(fields, Failure):
            return fields
        if isinstance(fields.get("description"), str):
            fields["description"] = to_adf(fields["description"])
        body = {name: value for name, value in (("fields", fields), ("update", update)) if value}
        if not body:
            return Failure(code=FailureCode.SETTING_INVALID, field="with", detail="nothing_to_change")
        effect = Effect.UNSAFE if self.update else None  # an operation such as adding a comment happens twice
        done = await ask_jira(tools, "PUT", path_to_issue(self.issue), body, field="with.issue", effect=effect)
        return done if isinstance(done, Failure) else Done({"issue": self.issue})


EXAMPLES = (
    Example(
        {"issue": "AB-1", "add_labels": ["seen"]},
        Done({"issue": "AB-1"}),
        replies=((204, None),),
        asks=("PUT", "/rest/api/3/issue/AB-1"),
    ),
    Example(
        {"issue": "AB-1", "fields": {"Story points": 3}},
        Done({"issue": "AB-1"}),
        replies=((204, None),),
        asks=("PUT", "/rest/api/3/issue/AB-1"),
        field_names={"story points": ("customfield_10016",)},
    ),
    Example({"issue": "AB-1"}, FailureCode.SETTING_INVALID),
    Example({"issue": "AB-9", "fields": {"summary": "a"}}, FailureCode.NOT_FOUND, replies=((404, {}),)),
)
