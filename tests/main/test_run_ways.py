"""What `runs show` says can be done about a run: in words, with times and with the command to type."""

from typing import Any

import pytest

from blubees.main.run_ways import list_ways

RUN = "r" + "0" * 26
TYPED = f"`blubees runs retry {RUN}`"
ANEW = "start it anew as another run, its event asked for again"


def ways(now: str, then: str, **more: Any) -> dict[str, Any]:
    return {"now": now, "then": then, "until_milliseconds": 0, "is_in_doubt": False} | more


def told(outcome: str, retry: dict[str, Any] | None = None, **more: Any) -> str:
    return "\n".join(list_ways({"run": {"run": RUN, "outcome": outcome}, "retry": retry} | more))


def test_until_when_it_goes_on_from_its_failed_step_and_what_is_left_after_that() -> None:
    until = 1_795_003_600_000
    said = told("failed", ways("from_failed_step", "from_the_start", until_milliseconds=until))
    assert f"from its failed step until 11-18 12:06:40 UTC: {TYPED}\nafter that: {ANEW}" in said
    said = told("failed", ways("from_failed_step", "not_at_all", until_milliseconds=until))
    assert "after that: its source can't be asked for the event again: have it sent again" in said


def test_a_call_in_doubt_needs_one_of_two_commands() -> None:
    said = told("failed", ways("from_failed_step", "not_at_all", is_in_doubt=True))
    assert f"retry {RUN} --again` makes the call in doubt again" in said
    assert f"retry {RUN} --skip` goes on" in said


@pytest.mark.parametrize("outcome", ["failed", "lost"])
def test_what_is_gone_starts_anew_or_is_sent_again(outcome: str) -> None:
    assert told(outcome, ways("from_the_start", "from_the_start")) == f"you can: {ANEW}: {TYPED}"
    said = told(outcome, ways("not_at_all", "not_at_all"))
    assert "have it sent again" in said
    assert TYPED not in said
    assert TYPED in told(outcome, ways("unknown", "not_at_all"))


def test_what_has_not_ended_can_be_ended_and_what_went_well_needs_nothing() -> None:
    assert told("parked") == f"you can: end it: `blubees runs cancel {RUN}`"
    assert told("finished") == ""


def test_the_runs_that_retried_it_are_told() -> None:
    said = told("failed", ways("not_at_all", "not_at_all"), retried_as=[{"run": "r2", "outcome": "finished"}])
    assert said.startswith("retried as r2: finished\n")
