"""What a token endpoint answers, read: tokens, or why there are none. Pure. Used by vault/oauth/grants.py and consents.py.

Vendors differ in form and words; what is told on is ours, from closed lists, and never a text of theirs.
Source: RFC 6749 sections 5.1 and 5.2, RFC 8628 section 3.5; the vendors' manuals as docs/connections.md names them.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from blubees.model.authorisation import KINDS
from blubees.model.connection import ConnectionKind
from blubees.model.web import WebAnswer, WebFailure, WebProblem

TOKEN_MAX_CHARACTERS: Final = 16_384
LIFETIME_MAX_SECONDS: Final = 10 * 365 * 86_400
KEPT_MAX_CHARACTERS: Final = 500
KEPT_MAX: Final = 10


class TokenProblem(StrEnum):
    """Why no token was given."""

    DEAD = "dead"  # the grant is no more: a person must say yes again
    CLIENT = "client"  # the app is not known so: its id, secret or key is wrong
    REFUSED = "refused"  # the request was not as the vendor wants it
    DENIED = "denied"  # the person said no
    PENDING = "pending"  # the person has not said anything yet
    SLOW_DOWN = "slow_down"  # asked too often
    EXPIRED = "expired"  # the code's time is over
    LATER = "later"  # the vendor does not answer, or not now
    UNREADABLE = "unreadable"  # an answer without a token
    EGRESS = "egress"  # an address that we do not call
    HOST_RULES = "host_rules"  # a host that the tenant's own rules do not permit


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """No token. `retry_after_seconds`: when the vendor says to come back; 0: it says nothing."""

    problem: TokenProblem
    http_status: int = 0
    retry_after_seconds: float = 0.0


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What was given. In memory and sealed only; never printed.

    Attributes:
        refresh_token: empty: none, or the old one goes on.
        expires_at_milliseconds: 0: it is not known to end.
        scopes: those that were granted; None: the answer does not say, so those that were asked for (RFC 6749, 5.1).
        kept: fields of the answer that calls need, such as instance_url.
    """

    access_token: str
    refresh_token: str = ""
    expires_at_milliseconds: int = 0
    scopes: tuple[str, ...] | None = None
    kept: dict[str, str] = {}

    def __repr__(self) -> str:
        """Tell nothing of them."""
        return "Tokens()"


_WORDS: Final[dict[str, TokenProblem]] = {
    "invalid_grant": TokenProblem.DEAD,
    "bad_refresh_token": TokenProblem.DEAD,  # GitHub
    "bad_verification_code": TokenProblem.DEAD,  # GitHub: a code that is no more
    "invalid_refresh_token": TokenProblem.DEAD,  # Slack
    "invalid_code": TokenProblem.DEAD,  # Slack
    "code_already_used": TokenProblem.DEAD,  # Slack
    "token_revoked": TokenProblem.DEAD,
    "token_expired": TokenProblem.DEAD,
    "account_inactive": TokenProblem.DEAD,
    "interaction_required": TokenProblem.DEAD,  # Microsoft: a person must come back
    "consent_required": TokenProblem.DEAD,
    "login_required": TokenProblem.DEAD,
    "invalid_client": TokenProblem.CLIENT,
    "unauthorized_client": TokenProblem.CLIENT,
    "incorrect_client_credentials": TokenProblem.CLIENT,  # GitHub
    "bad_client_secret": TokenProblem.CLIENT,  # Slack
    "invalid_client_id": TokenProblem.CLIENT,
    "access_denied": TokenProblem.DENIED,
    "authorization_pending": TokenProblem.PENDING,
    "slow_down": TokenProblem.SLOW_DOWN,
    "expired_token": TokenProblem.EXPIRED,
    "temporarily_unavailable": TokenProblem.LATER,
    "server_error": TokenProblem.LATER,
    "ratelimited": TokenProblem.LATER,
}


def read_tokens(
    answer: WebAnswer | WebFailure, kind: ConnectionKind, settings: Mapping[str, str], now_milliseconds: int
) -> Tokens | Refused:
    """Read an answer of the token URL.

    An answer that tells of an error in a 200 is one (GitHub, Slack). `expires_in` may be missing or a text.
    """
    if isinstance(answer, WebFailure):
        return Refused(problem=_read_failure(answer.problem))
    document = _read_document(answer)
    refused = _read_error(answer, document, settings)
    if refused is not None:
        return refused
    known = KINDS[kind]
    grant = _find(document, settings.get("grant_at", "")) or document
    token = _find(grant, known.read(settings, "token_at"))
    if not isinstance(token, str) or not _is_token(token):
        return Refused(problem=TokenProblem.UNREADABLE, http_status=answer.status)
    refresh = grant.get("refresh_token") if isinstance(grant, dict) else ""
    return Tokens(
        access_token=token,
        refresh_token=refresh if isinstance(refresh, str) and _is_token(refresh) else "",
        expires_at_milliseconds=_read_end(grant, kind, settings, now_milliseconds),
        scopes=_read_scopes(grant, known.read(settings, "scope_separator")),
        kept=_read_kept(document, settings),
    )


def _read_failure(problem: WebProblem) -> TokenProblem:
    if problem is WebProblem.REFUSED_HOST:
        return TokenProblem.HOST_RULES
    return TokenProblem.EGRESS if problem.value.startswith("refused_") else TokenProblem.LATER


def read_object(answer: WebAnswer) -> dict[str, Any] | None:
    """Read an answer as an object, JSON or form; None when it is none."""
    document = _read_document(answer)
    return document or None


def read_error(answer: WebAnswer, settings: Mapping[str, str]) -> Refused | None:
    """Tell what error an answer tells of; None: none."""
    return _read_error(answer, _read_document(answer), settings)


def _read_document(answer: WebAnswer) -> dict[str, Any]:
    text = answer.body.decode("utf-8", "replace").strip()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_form = kind == "application/x-www-form-urlencoded" or (kind.startswith("text/") and "=" in text and "<" not in text)
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=100)) if is_form else {}
    return found if isinstance(found, dict) else {}


def _read_error(answer: WebAnswer, document: dict[str, Any], settings: Mapping[str, str]) -> Refused | None:
    error = document.get("error")
    if isinstance(error, dict):  # Zendesk, Airtable: {"error": {"type": …}}
        error = error.get("type") or error.get("code")
    word = error if isinstance(error, str) else ""
    says_no = bool(word) or document.get("ok") is False
    if answer.status < 400 and not says_no:  # noqa: PLR2004 - RFC 9110
        return None
    wait = _read_wait(answer)
    if word and word in settings.get("dead_errors", "").split(","):
        return Refused(problem=TokenProblem.DEAD, http_status=answer.status)
    if word in _WORDS:
        return Refused(problem=_WORDS[word], http_status=answer.status, retry_after_seconds=wait)
    if answer.status in {408, 425, 429} or answer.status >= 500:  # noqa: PLR2004 - RFC 9110
        return Refused(problem=TokenProblem.LATER, http_status=answer.status, retry_after_seconds=wait)
    if answer.status == 401:  # noqa: PLR2004 - RFC 6749, 5.2: only of the client
        return Refused(problem=TokenProblem.CLIENT, http_status=answer.status)
    return Refused(problem=TokenProblem.REFUSED, http_status=answer.status)


def _read_wait(answer: WebAnswer) -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdecimal() and len(text) < 6 else 0.0  # noqa: PLR2004 - a day at most


def _find(document: object, path: str) -> Any:  # noqa: ANN401 - JSON
    found: object = document
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found if path else None


def _is_token(text: str) -> bool:
    """Whether it can stand in a header (RFC 6750, section 2.1, and what vendors make of it)."""
    return 0 < len(text) <= TOKEN_MAX_CHARACTERS and all(32 < ord(letter) < 127 for letter in text)  # noqa: PLR2004 - ASCII


def _read_end(grant: object, kind: ConnectionKind, settings: Mapping[str, str], now_milliseconds: int) -> int:
    known = KINDS[kind]
    ends = _find(grant, known.read(settings, "expires_at"))
    if isinstance(ends, str):
        try:
            return int(datetime.fromisoformat(ends).timestamp() * 1_000)
        except ValueError:
            pass
    seconds = _find(grant, "expires_in")
    if isinstance(seconds, str) and seconds.isdecimal() and len(seconds) < 12:  # noqa: PLR2004 - no giant
        seconds = int(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LIFETIME_MAX_SECONDS:
        seconds = int(known.read(settings, "lives_seconds") or "0")
    return now_milliseconds + int(seconds * 1_000) if seconds else 0


def _read_scopes(grant: object, separator: str) -> tuple[str, ...] | None:
    found = _find(grant, "scope")
    if isinstance(found, list):
        return tuple(sorted({str(each) for each in found}))
    if not isinstance(found, str):
        return None
    texts = found.replace(separator, " ") if separator != " " else found
    if separator == " " and " " not in texts:
        texts = texts.replace(",", " ")  # Slack and GitHub answer with commas, whatever was asked with
    return tuple(sorted(set(texts.split())))


def _read_kept(document: dict[str, Any], settings: Mapping[str, str]) -> dict[str, str]:
    """Keep what calls need. A URL is kept only where it leads to one of the hosts that the vendor's file names."""
    kept = {}
    for path in [each for each in settings.get("keep", "").split(",") if each][:KEPT_MAX]:
        value = _find(document, path)
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if not text or len(text) > KEPT_MAX_CHARACTERS or not text.isprintable():
            continue
        if "://" in text and not _leads_home(text, settings.get("keep_hosts", "")):
            continue
        kept[path.rpartition(".")[2]] = text
    return kept


def _leads_home(url: str, patterns: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    is_plain = parts.scheme == "https" and "@" not in parts.netloc and "\\" not in url and all(ord(each) < 128 for each in host)  # noqa: PLR2004 - ASCII
    return is_plain and any(fnmatchcase(host, pattern) for pattern in patterns.split(",") if pattern.strip("*."))
