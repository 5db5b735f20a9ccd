"""Tells how far a campaign is, on standard error. Used by the parts of bench/proof.py."""

import sys
import time

_BEGAN = time.monotonic()


def say(what: str) -> None:
    """Say what begins now, and after how many seconds."""
    sys.stderr.write(f"{time.monotonic() - _BEGAN:6.0f} s  {what}\n")
    sys.stderr.flush()
