"""What commands tell of webhooks at vendors: why one could not be registered or taken back, and all of them. For the CLI."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from blubees.main.cli_tables import write_time
from blubees.model.failures import Failure, FailureCode, explain_failure

COLUMNS: Final = ["flow", "connector", "connection", "state", "why", "id"]
NO_ACTION: Final = "the connector has no action that takes it back"


def tell_unregistered(failure: Mapping[str, Any]) -> str:
    """Tell why a webhook could not be registered, and what to do."""
    return f"the webhook could not be registered: {_explain(failure['code'], failure.get('detail', ''))} Then publish again."


def tell_not_taken_back(failure: str) -> str:
    """Tell why a webhook is at its vendor still."""
    if failure == "no_action":
        return f"its webhook stays at its vendor: {NO_ACTION}. Remove it there."
    return f"its webhook is at its vendor still: {_read(failure)} It is tried again for three days: `flow webhooks`."


def list_ended(ended: Mapping[str, Any]) -> list[str]:
    """Tell what became of the webhooks of a connection that was deleted: a line each."""
    lines = []
    for each in ended.get("webhooks", ()):
        flow, failure = each["flow"], each["failure"]
        went = f"stays at its vendor, remove it there: {_read(failure)}" if failure else "was taken back."
        lines.append(f"flow {flow}: its webhook {went} Publish the flow with another connection to register it anew.")
    return lines


def write_rows(found: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A row for each webhook."""
    return [
        [
            each["flow"],
            each["connector"],
            each["connection"],
            _write_state(each),
            each.get("failure", ""),
            each.get("removal", ""),
        ]
        for each in found
    ]


def _write_state(each: Mapping[str, Any]) -> str:
    if each["state"] == "registered":
        return f"registered {write_time(each['since_milliseconds'])}"
    if each["state"] == "left":
        return f"stays at its vendor: given up after {each.get('tries', 0)} tries"
    return f"to be taken back: {each['tries']} tries, next {write_time(each['next_milliseconds'])}"


def _read(failure: str) -> str:
    if failure == "no_action":
        return f"{NO_ACTION}."
    code, _, detail = failure.partition(" ")
    return _explain(code, detail)


def _explain(code: str, detail: str) -> str:
    what, what_to_do = explain_failure(Failure(code=FailureCode(code), detail=detail))
    return f"{' '.join(filter(None, (code, detail)))}. {what} {what_to_do}"
