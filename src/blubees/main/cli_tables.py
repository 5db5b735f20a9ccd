"""Rows of the command line's tables about runs and sites. Used by main/cli.py."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from blubees.model.failures import EXPLANATION, FailureCode


def tenant_rows(tenants: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """One row a Jira site; a site is seen about once an hour while the app is installed."""
    return [
        [
            each["tenant"],
            each["cloud_id"],
            each["environment_type"],
            "uninstalled" if each.get("uninstalled") else each["licence"],
            f"{datetime.fromtimestamp(each['seen_at_milliseconds'] / 1000, UTC):%Y-%m-%d %H:%M}",
        ]
        for each in tenants
    ]


def run_rows(runs: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """One row a run."""
    return [
        [
            run["run"],
            f"{run['flow']} v{run['version']}",
            write_time(run["started_at_milliseconds"] or run["accepted_at_milliseconds"]),
            write_duration(run["duration_microseconds"]) if run["started_at_milliseconds"] else "",
            run["outcome"] + (f" ({run['trial'].replace('_', ' ')})" if run.get("trial") else ""),
            ", ".join(filter(None, (_say_why(run), f"retry of {run['retry_of']}" if run.get("retry_of") else ""))),
        ]
        for run in runs
    ]


def _say_why(run: Mapping[str, Any]) -> str:
    if run.get("failure"):
        return f"{run['failure']['code']} in {run.get('failed_step') or 'the run'}"
    return str(run.get("reason") or "")


def write_due(row: Mapping[str, Any] | None) -> str:
    """When a flow is due next, and whether its newest tick failed; nothing for a flow that the clock does not start."""
    if row is None:
        return ""
    return write_time(row["next_due_milliseconds"]) + (f", {row['failure']}" if row["failure"] else "")


def schedule_lines(row: Mapping[str, Any]) -> list[str]:
    """How a schedule or a poll is doing."""
    what = "poll" if row["timing"].get("is_poll") else "schedule"
    lines = [f"{what}: due next {write_time(row['next_due_milliseconds'])} UTC (version {row['version']})"]
    if row["claimed_due_milliseconds"]:
        lines.append(f"under way: the tick of {write_time(row['claimed_due_milliseconds'])}, sent {row['attempts']} times")
    if row["answered_at_milliseconds"]:
        lines.append(f"answered last: {write_time(row['answered_at_milliseconds'])}, {row['runs']} runs started")
    if row["failure"]:
        code, status = row["failure"], f", HTTP {row['http_status']}" if row["http_status"] else ""
        lines.append(f"failed {row['failures']} times in a row: {code}{status}. {' '.join(EXPLANATION[FailureCode(code)])}")
    return lines


def write_time(milliseconds: int) -> str:
    """Month, day and time, UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%m-%d %H:%M:%S")


def write_duration(microseconds: int) -> str:
    """In the unit that reads best."""
    if microseconds < 1_000:  # noqa: PLR2004 - a thousand to the next unit
        return f"{microseconds} µs"
    return f"{microseconds / 1_000:.1f} ms" if microseconds < 1_000_000 else f"{microseconds / 1_000_000:.2f} s"  # noqa: PLR2004


def write_size(count: int) -> str:
    """Bytes or KiB; nothing for none."""
    return "" if not count else f"{count} B" if count < 10_000 else f"{count / 1024:.0f} KiB"  # noqa: PLR2004 - readable


def waiting_rows(found: list[dict[str, Any]]) -> list[list[str]]:
    """A row for each run that waits."""
    return [
        [
            each["run"],
            each["flow"],
            each["step"],
            _name_wait(each),
            write_time(each["due_milliseconds"]),
            " ".join(each["choices"]),
        ]
        for each in found
    ]


def _name_wait(waiting: dict[str, Any]) -> str:
    """A sign-off tells how many have approved, and who was asked; a connection, which one."""
    if waiting.get("connection"):
        return f"the connection {waiting['connection']}: `connection authorize {waiting['connection']}`"
    if not waiting["approvers"]:
        return _WAITS[waiting["kind"]]
    return f"a sign-off: {waiting['approved']} of {waiting['needed']} ({', '.join(waiting['approvers'])})"


_WAITS: Final = {
    "time": "time",
    "call_back": "a call back",
    "event": "a Jira event",
    "sign_off": "a sign-off",
    "doubt": "what to do with a call in doubt",
    "connection": "a connection without a grant",
}
