"""What a vendor's status means: the five meanings. Used by steps/answers.py and caller.py."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from blubees.model.failures import FailureCode
from blubees.model.receipt import REQUEST_ID_PATTERN

RETRY_AFTER_MAX_SECONDS: Final = 86_400.0
DIGITS_MAX: Final = 10
REQUEST_ID_HEADERS: Final = (
    "x-request-id",
    "request-id",
    "atl-traceid",
    "x-arequestid",
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-github-request-id",
    "x-ms-request-id",
    "x-correlation-id",
    "cf-ray",
    "traceparent",
)
"""Where vendors tell the id by which they find a request in their logs, the most telling first."""
_REQUEST_ID: Final = re.compile(REQUEST_ID_PATTERN)
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
    """Give Retry-After in seconds, 86,400 at most; 0 when it is absent or unreadable.

    A date counts from the answer's own Date: both are of the third party's clock, so that ours need not agree with it.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal() and len(text) < DIGITS_MAX:
        return min(float(text), RETRY_AFTER_MAX_SECONDS)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):  # not a date; or one with a zone and one without
        return 0.0
    return min(max(wait.total_seconds(), 0.0), RETRY_AFTER_MAX_SECONDS)


def read_request_id(headers: Mapping[str, str]) -> str:
    """Give the vendor's id of a request; empty when there is none in the form that a receipt takes."""
    for name in REQUEST_ID_HEADERS:
        text = headers.get(name)
        if text is not None and _REQUEST_ID.fullmatch(text):
            return text
    return ""
