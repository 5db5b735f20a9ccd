"""When a third party says to come back: seconds, dates, seconds since 1970, `1m30s`. Used by error_rules.py, pace.py."""

import re
from email.utils import parsedate_to_datetime
from typing import Any, Final

from blubees.connectors.meanings import RETRY_AFTER_MAX_SECONDS
from blubees.expressions.dates import read_date

SINCE_1970: Final = 1_000_000_000  # a larger number is no wait but a moment
MILLISECONDS_SINCE_1970: Final = 100_000_000_000
_NUMBER: Final = re.compile(r"[0-9]{1,16}(\.[0-9]{1,9})?")
_SPAN: Final = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,5})m(?!s))?(?:(\d{1,6}(?:\.\d{1,6})?)s)?(?:(\d{1,8}(?:\.\d{1,6})?)ms)?")


def read_wait(value: Any, now_milliseconds: int) -> float:
    """Give the seconds until then, 0 to 86,400; 0 for what can't be read."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return 0.0
    text = str(value).strip()
    now = now_milliseconds / 1_000
    if _NUMBER.fullmatch(text):
        number = float(text)
        seconds = number if number < SINCE_1970 else number - now
        if number >= MILLISECONDS_SINCE_1970:
            seconds = number / 1_000 - now
        return _bound(seconds)
    span = _SPAN.fullmatch(text) if text else None
    if span is not None:
        hours, minutes, seconds_text, milliseconds = (float(part or 0) for part in span.groups())
        return _bound(hours * 3_600 + minutes * 60 + seconds_text + milliseconds / 1_000)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        found = read_date(text)
        if found is None:
            return 0.0
        moment = found
    try:
        return _bound(moment.timestamp() - now)
    except (OverflowError, ValueError):
        return 0.0


def _bound(seconds: float) -> float:
    return min(max(seconds, 0.0), RETRY_AFTER_MAX_SECONDS)
