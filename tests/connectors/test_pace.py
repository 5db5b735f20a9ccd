"""Calls of one connection are kept within what the third party allows."""

import asyncio

import pytest

from blubees.connectors import pace as pace_module
from blubees.connectors.pace import PaceBook
from blubees.model.call import CallAnswer, Pace
from blubees.model.failures import Failure, FailureCode
from fakes.machine import FakeClock

KEY = ("t", "c", "acme")
GOOD = CallAnswer(status=200)


async def enter_many(book: PaceBook, pace: Pace, count: int) -> list[Failure | None]:
    found = []
    for _ in range(count):
        found.append(await book.enter(KEY, pace))
        book.leave(KEY, pace, GOOD)
    return found


async def test_so_many_calls_a_minute_then_busy_with_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", note)
    found = await enter_many(PaceBook(FakeClock()), Pace(name="acme", calls_per_minute=60), 20)
    assert found[:16] == [None] * 16  # six at once, then one a second, ten seconds at most
    assert waits == [float(seconds) for seconds in range(1, 11)]
    assert found[16] == Failure(code=FailureCode.BUSY, detail="pace", retry_after_seconds=11)


async def test_other_connections_are_not_held_up() -> None:
    book, pace = PaceBook(FakeClock()), Pace(name="acme", calls_per_minute=1)
    assert await book.enter(KEY, pace) is None
    assert isinstance(await book.enter(KEY, pace), Failure)
    assert await book.enter(("t", "d", "acme"), pace) is None


async def test_so_many_at_a_time_the_others_wait_in_line() -> None:
    book, pace = PaceBook(FakeClock()), Pace(name="acme", at_once=2)
    at_once, most = 0, 0

    async def call() -> None:
        nonlocal at_once, most
        assert await book.enter(KEY, pace) is None
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        book.leave(KEY, pace, GOOD)

    await asyncio.gather(*(call() for _ in range(9)))
    assert most == 2


async def test_who_is_cancelled_while_waiting_leaves_no_place_taken() -> None:
    book, pace = PaceBook(FakeClock()), Pace(name="acme", at_once=1)
    await book.enter(KEY, pace)
    second, third = (asyncio.create_task(book.enter(KEY, pace)) for _ in range(2))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait((second,))
    book.leave(KEY, pace, GOOD)
    assert await third is None
    book.leave(KEY, pace, GOOD)
    assert await book.enter(KEY, pace) is None


@pytest.mark.parametrize(
    "answer",
    [
        CallAnswer(status=429, headers={"retry-after": "60"}),
        CallAnswer(status=429, headers={"x-reset": "60"}),
        CallAnswer(status=200, headers={"x-left": "0", "x-reset": "60"}),
    ],
)
async def test_when_the_third_party_says_no_more_nobody_asks_until_then(answer: CallAnswer) -> None:
    clock = FakeClock()
    book, pace = PaceBook(clock), Pace(name="acme", remaining_header="x-left", reset_header="x-reset")
    await book.enter(KEY, pace)
    book.leave(KEY, pace, answer)
    assert await book.enter(KEY, pace) == Failure(code=FailureCode.BUSY, detail="pace", retry_after_seconds=60)
    clock.advance(60)
    assert await book.enter(KEY, pace) is None


async def test_connections_of_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_module, "KEPT_MAX", 3)
    book, pace = PaceBook(FakeClock()), Pace(name="acme")
    for number in range(9):
        await book.enter(("t", str(number), "acme"), pace)
        book.leave(("t", str(number), "acme"), pace, GOOD)
    assert len(book._lines) == 3
