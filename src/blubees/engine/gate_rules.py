"""Who of a flow's runs may be performed, who waits, who is refused: pure rules. Called by engine/gate.py.

Source: docs/decisions/0016-run-modes.md.
"""

import bisect
from dataclasses import dataclass

import msgspec

from blubees.model.ids import RunId
from blubees.model.receipt import StopReason
from blubees.model.rules import Rate, RunMode, Runs


class GateState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The runs at one gate. Run ids sort by the time of acceptance.

    Attributes:
        performing: those that have a slot, in the order in which they got it.
        waiting: those that wait for one, sorted.
        leaving: those that are to stop, since a later one came (mode `restart`).
        newest: the latest that ever came (mode `restart`): an earlier one is refused, however late it asks.
    """

    performing: tuple[RunId, ...] = ()
    waiting: tuple[RunId, ...] = ()
    leaving: tuple[RunId, ...] = ()
    newest: str = ""


@dataclass(frozen=True, slots=True)
class Go:
    """The run has a slot."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The run waits; so many stand before it."""

    position: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """The run is not performed."""

    reason: StopReason


Verdict = Go | Wait | Refuse


def enter(state: GateState, run: RunId, rules: Runs, *, is_begun: bool) -> tuple[GateState, Verdict]:
    """Let a run in, let it wait, or refuse it. Asking again changes nothing.

    Args:
        is_begun: the run has performed steps already (it was parked, or taken over): it is not refused for coming late.
    """
    if run in state.performing:
        return state, Go()
    if rules.mode is RunMode.RESTART:
        return _restart(state, run)
    most = (rules.most or 1) if rules.mode in {RunMode.QUEUED, RunMode.PARALLEL} else 1
    position = bisect.bisect_left(state.waiting, run)
    if position < most - len(state.performing):
        waiting = tuple(each for each in state.waiting if each != run)
        return msgspec.structs.replace(state, performing=(*state.performing, run), waiting=waiting), Go()
    if run in state.waiting:
        return state, Wait(position)
    if rules.mode is RunMode.SINGLE and not is_begun:
        return state, Refuse(StopReason.ALREADY_RUNNING)
    if len(state.waiting) >= rules.waiting and not is_begun:
        return state, Refuse(StopReason.TOO_MANY_WAITING)
    return msgspec.structs.replace(state, waiting=_insert(state.waiting, run)), Wait(position)


def leave(state: GateState, run: RunId) -> GateState:
    """Take a run out."""
    return msgspec.structs.replace(
        state,
        performing=tuple(each for each in state.performing if each != run),
        waiting=tuple(each for each in state.waiting if each != run),
        leaving=tuple(each for each in state.leaving if each != run),
    )


def _restart(state: GateState, run: RunId) -> tuple[GateState, Verdict]:
    """The latest run is performed as soon as those before it have stopped; all others are to stop."""
    if run < state.newest:
        return leave(state, run), Refuse(StopReason.RESTARTED)
    if not state.performing:
        return GateState(performing=(run,), leaving=_add(state.leaving, state.waiting, run), newest=run), Go()
    leaving = _add(state.leaving, (*state.performing, *state.waiting), run)
    return GateState(performing=state.performing, waiting=(run,), leaving=leaving, newest=run), Wait(0)


def _add(leaving: tuple[RunId, ...], more: tuple[RunId, ...], run: RunId) -> tuple[RunId, ...]:
    return tuple(dict.fromkeys(each for each in (*leaving, *more) if each != run))


def _insert(waiting: tuple[RunId, ...], run: RunId) -> tuple[RunId, ...]:
    return tuple(sorted({*waiting, run}))


class RateState(msgspec.Struct, frozen=True, kw_only=True):
    """When the next run would be due if all came at the flow's rate (milliseconds, UTC)."""

    due_milliseconds: int = 0


def reserve(state: RateState, rate: Rate, now_milliseconds: int) -> tuple[RateState, int]:
    """Reserve a run's time: now, or later. A bucket of `count`: after a pause so many at once, then one after the other."""
    gap = rate.per_seconds * 1000 / rate.count
    due = max(state.due_milliseconds, now_milliseconds)
    at = max(now_milliseconds, int(due - gap * (rate.count - 1)))
    return RateState(due_milliseconds=int(due + gap)), at
