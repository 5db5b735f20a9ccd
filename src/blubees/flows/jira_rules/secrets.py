"""Finds what must not leave an export: tokens, passwords, addresses that are secrets themselves. Called by all of this folder.

Better too much than too little: what was stripped is listed as a connection to make, and typed nowhere.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final
from urllib.parse import unquote_plus

REMOVED: Final = "[removed]"
REPLACE: Final = "REPLACE-ME"
HARMLESS_HEADERS: Final = frozenset(
    {"accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "content-language", "content-type"}
    | {"user-agent", "x-github-api-version", "x-requested-with", "x-atlassian-token", "notion-version", "prefer", "if-match"}
)
_NAME: Final = (
    r"pass(?:word|wd|phrase)?|pwd|secret|client[_-]?secret|api[_-]?key|access[_-]?key|private[_-]?key|signing[_-]?key"
    r"|(?:\w*[_-])?token|\w*Token|auth|authorization|authentication|credentials?|signature|sig|cookie|session(?:id)?|bearer|pat"
    r"|connection[_-]?id|webhook[_-]?token|account[_-]?sid"
)
SECRET_NAME: Final = re.compile(
    rf"(?i)(?:x[_-])?(?:{_NAME}|key|code|hmac|jwt)(?:[_-]?(?:key|value|id))?|\w*(?:secret|password|apikey|token)\w*"
)
_TOKENS: Final = re.compile(
    r"xox[a-z]-[\w-]{6,}|gh[pousr]_\w{8,}|github_pat_\w{8,}|glpat-[\w-]{8,}|A[KS]IA[0-9A-Z]{12,}|\bsk[-_][\w-]{12,}|AT[AC]TT[\w=+/-]{6,}"
    r"|\bAIza[\w-]{20,}|\bSG\.[\w-]{10,}\.[\w-]{10,}|\beyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)?|\bpk_(?:live|test)_\w+|\brk_live_\w+"
    r"|-----BEGIN[\w ]*PRIVATE KEY-----[\s\S]*?(?:-----END[\w ]*PRIVATE KEY-----|\Z)"
    r"|(?i:\b(?:bearer|basic|genie-?key|token)\s+(?!\{\{)[\w.~+/=-]{8,})"
)
_PAIRS: Final = re.compile(
    rf"(?i)(?<![\w])(?P<name>(?:{_NAME}))(?P<mid>\\?[\"']?\s*(?:[:=]|\bis\b)\s*\\?[\"']?)(?P<value>(?!\{{\{{|\[removed)[^\s\"',;&<>{{}}\\]{{3,}})"
)
_URLS: Final = re.compile(r"(?i)\b[a-z][a-z0-9+.-]{1,20}://(?:\{\{[^{}]*\}\}|[^\s\"'<>\\])+")
_TAGS: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_PARTS: Final = re.compile(r"(?s)([A-Za-z][A-Za-z0-9+.-]*)://(?:([^/?#]*)@)?([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?")
_LONG: Final = re.compile(r"[A-Za-z0-9_+=~.-]{16,}")
_UUID: Final = re.compile(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{16,}")
_MARK: Final = "\ue000{}\ue001"
_SECRET_PATHS: Final = (
    ("hooks.slack.com", "services"),
    ("hooks.slack.com", "workflows"),
    ("hooks.slack.com", "triggers"),
    ("discord.com", "webhooks"),
    ("discordapp.com", "webhooks"),
    ("chat.googleapis.com", "messages"),
    ("webhook.office.com", "webhookb2"),
    ("outlook.office.com", "webhook"),
    ("hooks.zapier.com", "catch"),
    ("hook.", "com"),
    ("api.telegram.org", ""),
    ("automation.atlassian.com", "hooks"),
    ("api-private.atlassian.com", "webhooks"),
    ("maker.ifttt.com", "key"),
)


@dataclass(slots=True)
class CleanUrl:
    """An address without secrets, and what was in it."""

    url: str
    host: str = ""
    has_user: bool = False
    parameters: list[str] = field(default_factory=list)
    has_secret_path: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether nothing was stripped."""
        return not (self.has_user or self.parameters or self.has_secret_path)


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is to be kept secret."""
    return bool(SECRET_NAME.fullmatch(name.strip()))


def looks_random(text: str) -> bool:
    """Whether a text is long and made of letters and digits as no word is: a key, a token, an id."""
    if _UUID.fullmatch(text):
        return True
    if not _LONG.fullmatch(text) or not any(letter.isdigit() for letter in text):
        return False
    changes = sum(1 for one, two in pairwise(text) if _kind(one) != _kind(two))
    return changes * 5 >= len(text) or (len(text) >= 32 and any(letter.isupper() for letter in text))  # noqa: PLR2004 - a key's usual length


def clean_text(text: str) -> str:
    """Take tokens, addresses with secrets, and values of names such as password out of a text; smart values stay."""
    text = _URLS.sub(lambda found: clean_url(found[0]).url, text)
    text = _TOKENS.sub(REMOVED, text)
    return _PAIRS.sub(lambda found: f"{found['name']}{found['mid']}{REMOVED}", text)


def clean_strictly(text: str) -> str:
    """As clean_text, and whatever looks random goes as well: for what nobody knows."""
    return _LONG.sub(lambda found: REMOVED if looks_random(found[0]) else found[0], clean_text(text))


def clean_tree(value: Any, name: str = "") -> Any:  # noqa: ANN401 - JSON
    """Take secrets out of a JSON document, by the names of its parts and by what they look like."""
    if isinstance(value, dict):
        is_secret = any(value.get(mark) is True for mark in ("secret", "headerSecure", "secure", "hidden"))
        return {
            clean_strictly(key): REMOVED if is_secret and key in {"value", "keyOrValue"} else clean_tree(inner, key)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [clean_tree(each, name) for each in value]
    if is_secret_name(name) and value not in (None, "", True, False):
        return value if isinstance(value, str) and is_only_smart(value) else REMOVED
    if name.lower() == "headers" and isinstance(value, str):
        return REMOVED
    return clean_strictly(value) if isinstance(value, str) else value


def scrub(document: Any) -> Any:  # noqa: ANN401 - a flow document
    """The last look at a document: what still looks like a secret goes, whatever it is for."""
    if isinstance(document, dict):
        return {clean_text(name): scrub(value) for name, value in document.items()}
    if isinstance(document, list):
        return [scrub(each) for each in document]
    return clean_text(document) if isinstance(document, str) else document


def is_only_smart(text: str) -> bool:
    """Whether a text has nothing but smart values, and words such as Bearer."""
    rest = _TAGS.sub("", text).strip()
    return "{{" in text and rest.casefold() in {"", "bearer", "basic", "token"} and clean_text(text) == text


def clean_url(url: str) -> CleanUrl:
    """Take user information, secret parameters and secret parts of the path out of an address; smart values stay."""
    tags = _TAGS.findall(url)
    masked = url
    for number, tag in enumerate(tags):
        masked = masked.replace(tag, _MARK.format(number), 1)
    found = _PARTS.fullmatch(masked)
    if found is None:
        return CleanUrl(_TOKENS.sub(REMOVED, url))
    scheme, user, host, path, query, end = found.groups()
    clean = CleanUrl("", _unmask(host, tags).lower(), has_user=user is not None)
    pieces = [scheme, "://", host, _clean_path(clean.host, path, clean), _clean_query(query, clean)]
    if end and not is_secret_end(end):
        pieces.append(end)
    clean.url = _unmask("".join(pieces), tags)
    return clean


def is_secret_end(end: str) -> bool:
    """Whether what follows a # may hold a token."""
    return "=" in end or looks_random(end.lstrip("#"))


def _clean_path(host: str, path: str, clean: CleanUrl) -> str:
    parts = path.split("/")
    known = next((mark for place, mark in _SECRET_PATHS if place in host), None)
    after = next((place for place, part in enumerate(parts) if part == known), 0 if known == "" else len(parts))
    if host.endswith("webhook.office.com"):
        after = min(after, 1)
    for place, part in enumerate(parts):
        plain = unquote_plus(part)
        pieces = re.split(r"[@:;,]", plain)
        if part and "\ue000" not in part and (place > after or any(map(looks_random, pieces)) or _TOKENS.search(plain)):
            parts[place] = REPLACE
            clean.has_secret_path = True
    return "/".join(parts)


def _clean_query(query: str | None, clean: CleanUrl) -> str:
    kept = []
    for pair in (query or "?")[1:].split("&"):
        name, _, value = pair.partition("=")
        name, plain = unquote_plus(name), unquote_plus(value)
        rest = re.sub("\ue000\\d+\ue001", "", plain)
        if pair and rest and (is_secret_name(name) or looks_random(rest) or clean_text(f"{name}={rest}") != f"{name}={rest}"):
            clean.parameters.append(name if re.fullmatch(r"[\w.-]{1,60}", name) and not looks_random(name) else "key")
        elif pair and (looks_random(name) or _TOKENS.search(name)):
            clean.parameters.append("key")
        elif pair:
            kept.append(pair)
    return f"?{'&'.join(kept)}" if kept else ""


def _unmask(text: str, tags: list[str]) -> str:
    for number, tag in enumerate(tags):
        text = text.replace(_MARK.format(number), tag)
    return text


def _kind(letter: str) -> str:
    return "digit" if letter.isdigit() else "upper" if letter.isupper() else "lower" if letter.islower() else "other"
