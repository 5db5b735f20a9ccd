"""What a vendor's status means: the five meanings. Used by steps/answers.py."""

from collections.abc import Mapping
from typing import Final

from blubees.model.failures import FailureCode

RETRY_AFTER_MAX_SECONDS: Final = 86_400.0
_BY_STATUS: Final = {
    401: FailureCode.CREDENTIAL_REFUSED,
    403: FailureCode.CREDENTIAL_REFUSED,
    404: FailureCode.NOT_FOUND,
    410: FailureCode.NOT_FOUND,
    429: FailureCode.BUSY,
}


def find_meaning(status: int, headers: Mapping[str, str]) -> FailureCode:
    """Give the meaning of a status that is not a success."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status == 503 and "retry-after" in headers:  # noqa: PLR2004 - RFC 9110
        return FailureCode.BUSY
    return FailureCode.VENDOR_BROKEN if status >= 500 else FailureCode.REQUEST_REFUSED  # noqa: PLR2004 - RFC 9110


def read_retry_after(headers: Mapping[str, str]) -> float:
    """Give Retry-After in seconds; 0 when it is absent or a date (those need a clock; retries come with the engine issue)."""
    text = headers.get("retry-after", "").strip()
    return min(float(text), RETRY_AFTER_MAX_SECONDS) if text.isascii() and text.isdecimal() and len(text) < 10 else 0.0  # noqa: PLR2004 - digits
