"""Who is let in, who waits, who is refused: for any order of coming and going."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blubees.engine.gate_rules import GateState, Go, RateState, Refuse, Verdict, Wait, enter, leave, reserve
from blubees.model.ids import RunId
from blubees.model.receipt import StopReason
from blubees.model.rules import Rate, RunMode, Runs

A, B, C, D = (RunId(f"r{number:026d}") for number in range(1, 5))


class World:
    def __init__(self, **rules: Any) -> None:
        self.rules, self.state = Runs(**rules), GateState()

    def come(self, run: RunId, *, is_begun: bool = False) -> Verdict:
        self.state, verdict = enter(self.state, run, self.rules, is_begun=is_begun)
        again = enter(self.state, run, self.rules, is_begun=is_begun)
        assert again[1] == verdict, "asking again changes nothing"
        return verdict

    def go(self, run: RunId) -> None:
        self.state = leave(self.state, run)


def test_queued_runs_are_let_in_one_after_the_other_in_order_of_acceptance() -> None:
    world = World(mode=RunMode.QUEUED)
    assert [world.come(run) for run in (A, C, B)] == [Go(), Wait(0), Wait(0)]
    assert world.come(C) == Wait(1)
    world.go(A)
    assert world.come(C) == Wait(1), "B was accepted earlier"
    assert [world.come(B), world.come(C)] == [Go(), Wait(0)]
    world.go(B)
    assert world.come(C) == Go()


@pytest.mark.parametrize("mode", [RunMode.QUEUED, RunMode.PARALLEL])
def test_so_many_as_told_are_let_in_at_a_time(mode: RunMode) -> None:
    world = World(mode=mode, most=2)
    assert [world.come(run) for run in (A, B, C)] == [Go(), Go(), Wait(0)]
    world.go(A)
    assert world.come(C) == Go()


def test_more_than_may_wait_are_refused_but_not_one_that_was_begun() -> None:
    world = World(mode=RunMode.QUEUED, waiting=1)
    assert [world.come(run) for run in (A, B, C)] == [Go(), Wait(0), Refuse(StopReason.TOO_MANY_WAITING)]
    assert world.come(D, is_begun=True) == Wait(1)


def test_single_refuses_while_one_is_under_way() -> None:
    world = World(mode=RunMode.SINGLE)
    assert [world.come(run) for run in (A, B, A)] == [Go(), Refuse(StopReason.ALREADY_RUNNING), Go()]
    assert world.come(C, is_begun=True) == Wait(0), "a parked run that wakes up waits"
    world.go(A)
    assert world.come(D) == Refuse(StopReason.ALREADY_RUNNING)
    assert world.come(C, is_begun=True) == Go()


def test_restart_lets_the_latest_in_once_the_others_have_stopped() -> None:
    world = World(mode=RunMode.RESTART)
    assert world.come(A) == Go()
    assert world.come(B) == Wait(0)
    assert A in world.state.leaving
    assert world.come(C) == Wait(0)
    assert world.come(B) == Refuse(StopReason.RESTARTED)
    assert world.come(C) == Wait(0), "A has not stopped yet: never two at a time"
    world.go(A)
    assert world.come(C) == Go()
    assert world.come(B) == Refuse(StopReason.RESTARTED), "it came earlier"
    assert world.state == GateState(performing=(C,), newest=C)


ACTIONS = st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=60)


@given(st.sampled_from(RunMode), st.integers(1, 3), ACTIONS)
@example(RunMode.RESTART, 1, [(0, False), (1, False), (0, True), (2, False), (2, True), (1, False)])
def test_never_more_than_allowed_and_nobody_is_forgotten(mode: RunMode, most: int, actions: list[tuple[int, bool]]) -> None:
    allowed = most if mode in {RunMode.QUEUED, RunMode.PARALLEL} else 1
    world = World(mode=mode, most=allowed if mode in {RunMode.QUEUED, RunMode.PARALLEL} else 0, waiting=3)
    inside: set[RunId] = set()
    for number, leaves in actions:
        run = RunId(f"r{number:026d}")
        if leaves and run in inside:
            world.go(run)
            inside.discard(run)
        elif run not in inside and world.come(run) == Go():
            inside.add(run)
        assert inside == set(world.state.performing)
        assert len(inside) <= allowed
        assert not set(world.state.waiting) & inside
    for run in inside:
        world.go(run)
    waiting = list(world.state.waiting)
    for run in waiting:  # whoever still waits comes in when it asks, one after the other
        assert world.come(run) == Go()
        world.go(run)
    assert world.state.performing == world.state.waiting == ()


def take(count: int, rate: Rate, step: Callable[[int], int]) -> list[int]:
    state, times = RateState(), []
    for number in range(count):
        state, at = reserve(state, rate, 1_000_000 + step(number))
        times.append(at - 1_000_000)
    return times


def test_a_rate_lets_a_bucketful_in_at_once_and_then_one_after_the_other() -> None:
    assert take(5, Rate(count=2, per_seconds=10), lambda _number: 0) == [0, 0, 5_000, 10_000, 15_000]
    assert take(3, Rate(count=1, per_seconds=1), lambda number: 2_000 * number) == [0, 2_000, 4_000]


@given(st.integers(1, 5), st.lists(st.integers(0, 3_000), max_size=50))
def test_no_window_has_more_than_its_bucket_and_its_share(count: int, gaps: list[int]) -> None:
    arrivals = [sum(gaps[: number + 1]) for number in range(len(gaps))]
    times = sorted(take(len(gaps), Rate(count=count, per_seconds=1), lambda number: arrivals[number]))
    for first in times:
        within = [each for each in times if first <= each < first + 1_000]
        assert len(within) <= 2 * count
    assert all(time >= arrival for time, arrival in zip(times, arrivals, strict=True))
