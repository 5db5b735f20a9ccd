"""The machine's ports: what an event line may carry, and ids that sort by time."""

import io
import re

import orjson
import pytest

from blubees.adapters.machine import EventLog, SystemChance, SystemClock
from blubees.model.ids import RUN_PATTERN


def test_an_event_withholds_every_text_that_is_no_word() -> None:
    stream = io.BytesIO()
    log = EventLog(stream)
    log("run_refused", tenant="t1", count=3, text="Dear Mia, the password is hunter2", long="x" * 129, none="")
    event = orjson.loads(stream.getvalue())
    assert {name: event[name] for name in ("event", "tenant", "count", "text", "long", "none")} == {
        "event": "run_refused",
        "tenant": "t1",
        "count": 3,
        "text": "withheld",
        "long": "withheld",
        "none": "",
    }
    with pytest.raises(ValueError, match="lower-case"):
        log("Dear Mia")


def test_run_ids_fit_their_pattern_and_sort_by_time() -> None:
    chance, clock = SystemChance(), SystemClock()
    first = chance.new_run_id()
    started = clock.now_milliseconds()
    while clock.now_milliseconds() == started:
        pass
    second = chance.new_run_id()
    assert re.fullmatch(RUN_PATTERN, first)
    assert first < second
    assert len({chance.new_run_id() for _ in range(1_000)}) == 1_000
