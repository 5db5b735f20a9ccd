"""What can be done about a run, in words and with the command to type. Used by main/cli.py (`runs show`)."""

from collections.abc import Mapping
from typing import Any, Final

from blubees.main.cli_tables import write_time

_ANEW: Final = "start it anew as another run, its event asked for again"
_SEND_AGAIN: Final = "its source can't be asked for the event again: have it sent again"


def list_ways(found: Mapping[str, Any]) -> list[str]:
    """List what the operator API tells of a run as lines: which runs retried it already, and what can be done now and later."""
    run = found["run"]
    lines = [f"retried as {each['run']}: {each['outcome']}" for each in found.get("retried_as", ())]
    if run["outcome"] in {"accepted", "parked"}:
        return [*lines, f"you can: end it: `blubees runs cancel {run['run']}`"]
    ways = found.get("retry")
    return lines if ways is None else lines + _list_retries(ways, f"blubees runs retry {run['run']}")


def _list_retries(ways: Mapping[str, Any], command: str) -> list[str]:
    can_start_anew = ways["then"] == "from_the_start"
    if ways["now"] == "from_the_start":
        return [f"you can: {_ANEW}: `{command}`"]
    if ways["now"] == "not_at_all":
        return [f"it can't be retried: what it held is gone, and {_SEND_AGAIN}"]
    if ways["now"] == "unknown":
        return [f"the broker does not say now what it still has of the run: try `{command}`"]
    until = f" until {write_time(ways['until_milliseconds'])} UTC" if ways["until_milliseconds"] else ""
    what = (
        f"`{command} --again` makes the call in doubt again, `{command} --skip` goes on as if it had been made"
        if ways["is_in_doubt"]
        else f"`{command}`"
    )
    return [
        f"you can: have it go on from its failed step{until}: {what}",
        f"after that: {_ANEW}, by the same command" if can_start_anew else f"after that: {_SEND_AGAIN}",
    ]
