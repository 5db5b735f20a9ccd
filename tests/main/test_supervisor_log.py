"""The supervisor goes on when its own log can't be written."""

import io
import sys
from pathlib import Path

import pytest

from blubees.main.supervisor import print_event

FULL = Path("/dev/full")  # each write there fails, as on a disk without space


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full, which Linux has")
def test_an_event_that_can_not_be_written_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("wb", buffering=0) as file:
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file))
        with pytest.raises(OSError, match="No space left"):
            file.write(b"x")
        for _ in range(3):
            print_event({"event": "serving"})
